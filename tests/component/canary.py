"""Do secrets stay where they are kept? A canary in every form of credential and
every field, drivers of AWS and OpenStack against a listener that answers
garbage, 401, 403, echoes the request or cuts the line; the coordinator at debug
level. Then logs, database, backups, API answers, metrics, argv, environment are
searched for every canary, as it is, in hex and in base64.
Usage: canary.py BUILD_DIR, in a network namespace of its own."""
import base64
import glob
import http.client
import http.server
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from product import ask, check, until
import product

BUILD = os.path.realpath(sys.argv[1])
DIR = tempfile.mkdtemp(prefix="mw-canary.", dir=os.environ.get("TMPDIR", "/var/tmp"))
STATE, CREDS = DIR + "/state", DIR + "/creds"
FIELDS = {
    "aws": ["ClientId", "ClientSecret", "StsToken"],
    "openstack": ["Username", "Password", "DomainName", "ProjectName"],
}
PUBLIC = {"ClientId", "Username", "DomainName", "ProjectName"}  # names; the cloud may repeat them
ENV = {"AWS_ACCESS_KEY_ID": "ClientId", "AWS_SECRET_ACCESS_KEY": "ClientSecret", "AWS_SESSION_TOKEN": "StsToken",
       "OS_USERNAME": "Username", "OS_PASSWORD": "Password", "OS_USER_DOMAIN_NAME": "DomainName",
       "OS_PROJECT_NAME": "ProjectName"}
seen = []  # every answer of the API and every output of a command
reached = set()  # how the listener was asked


def canary(form, field):
    return "c4n4ry" + form + field.lower() + "q9z"


class Cloud(http.server.BaseHTTPRequestHandler):
    """Behaves as the path says: /401/..., /403/..., /garbage/..., /reset/..."""

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        how = self.server.how
        reached.add(how)
        if how == "reset":
            self.connection.close()
            return
        if how == "garbage":
            status, text = 200, b"\x00\xff<<<not " + body[:200]
        elif self.headers.get("Content-Type", "").startswith("application/json"):
            status, text = int(how), b'{"error":{"code":%s,"title":"no","message":"refused"}}' % how.encode()
        else:
            code = {"401": b"AuthFailure", "403": b"UnauthorizedOperation"}[how]
            status = int(how)
            text = b"<Response><Errors><Error><Code>%s</Code><Message>no</Message></Error></Errors>" \
                   b"<RequestID>req-1</RequestID></Response>" % code
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST


def listener(how):
    s = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Cloud)
    s.daemon_threads, s.how = True, how
    threading.Thread(target=s.serve_forever, daemon=True).start()
    return s.server_port


class Coordinator:
    def __init__(self, env):
        os.makedirs(STATE, 0o700)
        self.log = DIR + "/milkywayd.log"
        argv = [BUILD + "/milkywayd", "--state-dir", STATE, "--set", "link.address=127.0.0.1", "--set", "log.level=debug",
                "--set", "credentials.exec=true", "--set", "credentials.dir=" + CREDS]
        self.proc = subprocess.Popen(argv, stdout=open(self.log, "a"), stderr=subprocess.STDOUT,
                                     stdin=subprocess.DEVNULL, env=dict(os.environ, **env))
        assert until(self.ready), open(self.log).read()
        self.token = open(STATE + "/token").read().strip()

    def ready(self):
        assert self.proc.poll() is None, open(self.log).read()
        try:
            return ask(http.client.HTTPConnection("127.0.0.1", 7470, timeout=5), "GET", "/readyz")[0] == 200
        except OSError:
            return False

    def api(self, method, path, body=None):
        s, j = ask(http.client.HTTPConnection("127.0.0.1", 7470, timeout=40), method, path, body,
                   {"Authorization": "Bearer " + self.token})
        seen.append(json.dumps(j))
        return s, j

    def ended(self, action):
        return until(lambda: (a := self.api("GET", "/v1/actions/" + action)[1])["state"] in
                     ("done", "failed", "canceled") and a, 30)

    def stop(self):
        self.proc.terminate()
        self.proc.wait(20)


def cli(*args, stdin=b""):
    p = subprocess.run([BUILD + "/milkyway", *args], input=stdin, capture_output=True, timeout=60,
                       env=dict(os.environ, MILKYWAY_DIR=STATE, NO_COLOR="1"))
    seen.append((p.stdout + p.stderr).decode(errors="replace"))
    return p.returncode, seen[-1]


def spellings(word):
    """As it is and hex in any text; base64 at each of the three offsets."""
    raw = word.encode()
    out = {raw, raw.hex().encode(), raw.hex().upper().encode()}
    for i in range(3):
        b = base64.b64encode(b"\0" * i + raw)
        out.add(b[(0, 2, 3)[i]:len(b) // 4 * 4 - 4])
    return out


def hits(data, words):
    data = data if isinstance(data, bytes) else data.encode(errors="replace")
    return [w for w in words if any(s in data for s in spellings(w))]


def forms():
    """(name, driver, reference or None, the secret's fields) of every form."""
    for d, fields in FIELDS.items():
        yield "%s-sealed" % d, d, None, {f: canary("sealed", f) for f in fields}
        path = "%s/%s.json" % (CREDS, d)
        with open(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as f:
            json.dump({x: canary("file", x) for x in fields}, f)
        yield "%s-file" % d, d, "file:" + path, None
        # the program's text lies in a file of its own, not on a command line
        text = "%s/%s.out" % (CREDS, d)
        with open(os.open(text, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as f:
            json.dump({x: canary("exec", x) for x in fields}, f)
        yield "%s-exec" % d, d, "exec:/bin/cat " + text, None
        yield "%s-env" % d, d, "env:", None


def unreadable(ports):
    """What is no matter of a wrong key is not called one; the way out is named."""
    def file(name, text, mode):
        path = CREDS + "/" + name
        with open(path, "w") as f:
            f.write(text)
        os.chmod(path, mode)
        return path

    def add(driver, ref, *words):
        rc, out = cli("connection", "add", "unread", "--driver", driver, "--region", "r1", "--endpoint",
                      "http://127.0.0.1:%d/%s" % (ports["403"], "v3" if driver == "openstack" else ""),
                      "--credential", ref)
        _, again = cli("connection", "check", "unread")
        check("no credential: %s %s" % (driver, words[0]), rc and all(
            w in text for w in words for text in (out, again)) and "key unknown" not in out + again, (out, again))

    key = canary("file", "ClientSecret")
    good = json.dumps({"ClientId": "me", "ClientSecret": key, "Username": "me", "Password": key, "ProjectName": "p"})
    said = file("said", "#!/bin/sh\necho %s\necho log in first >&2\nexit 3\n" % key, 0o700)
    for driver in FIELDS:
        path = file("open", good, 0o644)
        add(driver, "file:" + path, "others may read", "chmod 400 " + path)
        os.unlink(path)
        add(driver, "file:" + file("broken", good[:-2], 0o600), "not a JSON object", "a JSON object of texts")
        add(driver, "exec:" + said, "ended with status 3: log in first", "PATH, HOME and LC_ALL=C")
        add(driver, "exec:no-such-program-9", "no program no-such-program-9", "PATH of milkywayd")
        add(driver, "sealed:nothing", "there is no sealed credential nothing", "add the connection again")
    bad = {"acessKeyId": "me", "ClientSecret": key, "Usrname": "me"}
    path = file("misspelt", json.dumps(bad), 0o600)
    add("aws", "file:" + path, "no field ClientId, but has acessKeyId", "ClientId, ClientSecret, StsToken")
    add("openstack", "file:" + path, "Usrname", "Username, Password and ProjectID")
    rc, out = cli("connection", "add", "unread", "--driver", "aws", "--region", "r1", "--credential",
                  "exec:cat " + "x " * 16)
    check("no credential: too many words are refused, not cut", rc == 2 and "16 words" in out, (rc, out))
    rc, out = cli("connection", "add", "unread", "--driver", "azure", "--region", "r1", "--credential-stdin",
                  stdin=good.encode())
    check("an unknown driver: those that there are", rc == 2 and "aws, openstack, static, twin" in out, (rc, out))
    cli("connection", "remove", "unread")


def cases(c, ports):
    words = [canary(form, f) for form in ("sealed", "file", "exec", "env") for fs in FIELDS.values() for f in fs]
    actions = []
    for name, driver, ref, secret in forms():
        for how, port in ports.items():
            body = {"driver": driver, "csp": driver, "region": "r1",
                    "endpoint": "http://127.0.0.1:%d%s" % (port, "/v3" if driver == "openstack" else "/")}
            body.update({"secret": secret} if secret else {"credential": ref})
            s, j = c.api("PUT", "/v1/connections/%s-%s" % (name, how), body)
            assert s == 202, (name, how, s, j)
            if (driver, how) != ("openstack", "reset"):  # goes on until the coordinator ends
                actions.append(j["actionId"])
    ends = [c.ended(a)["state"] for a in actions]
    check("every cloud that misbehaves fails the connection", ends == ["failed"] * len(ends), ends)
    check("the listener was asked in each way", reached == set(ports), reached)

    with open(STATE + "/credentials/aws-sealed-401", "rb") as f:
        check("a sealed file shows nothing", not hits(f.read(), words))
    rc, out = cli("connection", "add", "typed", "--driver", "aws", "--region", "r1", "--endpoint",
                  "http://127.0.0.1:%d/" % ports["403"], "--credential-stdin",
                  stdin="\n".join("%s=%s" % (f, canary("sealed", f)) for f in FIELDS["aws"]).encode())
    check("missing permissions are named, and how many more there are",
          rc == 9 and "may not ec2:DescribeRegions, ec2:DescribeImages, " in out and
          re.search(r" and \d+ more \(UnauthorizedOperation, request req-1\)", out) and "check NAME names all" in out, out)
    rc, out = cli("connection", "check", "typed")
    named = set(re.findall(r"ec2:[A-Za-z]+", out))
    check("and by check all of them, with the request and the way out (%d)" % len(named),
          rc == 9 and len(named) == 34 and "request req-1)" in out and "way out" in out, out)
    rc, out = cli("connection", "check", "openstack-env-401")
    check("a refused password is said to be one", rc == 9 and "way out" in out, out)
    rc, out = cli("connection", "add", "bad", "--driver", "aws", "--region", "r1", "--credential-stdin",
                  stdin=b'{"ClientSecret": "' + words[1].encode() + b'", oops')
    check("what is no JSON is not quoted", rc == 2 and "neither a JSON" in out, out)
    for body in ({"ClientSecret": [words[1]]}, {"ClientSecret": words[1] * 3000}, {}, words[1]):
        s, j = c.api("PUT", "/v1/connections/bad", {"driver": "aws", "csp": "aws", "region": "r1", "secret": body})
        check("a secret of a wrong shape is refused (%s)" % type(body).__name__, s == 400, (s, j))
    s, j = c.api("PUT", "/v1/connections/bad", {"driver": "aws", "csp": "aws", "region": "r1", "credential": words[1]})
    check("a secret instead of a reference is refused", s == 400, (s, j))
    s, j = c.api("PUT", "/v1/connections/bad", {"driver": "aws", "csp": "aws", "region": "r1",
                                                "credential": "file:/etc/shadow"})
    check("a file elsewhere is refused, with the way out", s == 403 and "credentials.dir" in j["hint"], (s, j))

    for name in ("aws-sealed", "aws-file", "aws-exec", "aws-env"):  # they are asked again and again for 10 s
        s, j = c.api("DELETE", "/v1/connections/%s-reset" % name)
        assert s == 204, (name, s, j)
    for args in (("connection", "list"), ("connection", "list", "-o", "json"), ("connection", "show", "aws-sealed-401"),
                 ("driver", "health"), ("driver", "health", "-o", "json"), ("doctor",), ("events", "--all"),
                 ("action", "list"), ("orphans",), ("status",)):
        cli(*args)
    s, h = c.api("GET", "/v1/connections/aws-file-403/health")
    check("health names the last failure", s == 200 and h["calls"] >= 1 and h["lastFailure"]["reason"] == "DENIED" and
          h["lastFailure"]["requestId"] == "req-1", h)
    _, text = c.api("GET", "/metrics")
    check("metrics count calls by class", re.search(
        r'milkyway_driver_calls_total\{.*aws-file-403.*class="DEFINITE".*\} [1-9]', str(text)), str(text)[:500])
    for path in ("/v1/connections", "/v1/connections/aws-sealed-401", "/v1/drivers/health", "/v1/actions?limit=100",
                 "/v1/events?limit=1000", "/v1/doctor", "/v1/specs", "/v1/regions"):
        s, _ = c.api("GET", path)
        assert s == 200, path
    rc, out = cli("backup", DIR + "/backup.tar")
    check("a backup is made", rc == 0, out)

    pid = c.proc.pid
    environ = open("/proc/%d/environ" % pid, "rb").read()
    theirs = [canary("env", f) for fs in FIELDS.values() for f in fs]
    check("core files are switched off", "Max core file size         0" in
          re.sub(r"  +", "         ", open("/proc/%d/limits" % pid).read()), "")
    check_dumpable()
    searched = {
        "the log": open(c.log, "rb").read(),
        "argv": open("/proc/%d/cmdline" % pid, "rb").read(),
        "answers and outputs (%d)" % len(seen): "\n".join(seen),
        "the backup": open(DIR + "/backup.tar", "rb").read(),
    }
    for path in glob.glob(STATE + "/**", recursive=True):
        if os.path.isfile(path):
            searched[os.path.relpath(path, STATE)] = open(path, "rb").read()
    check("there is something to search", len(searched["the log"]) > 1000 and "milkyway.db" in searched, list(searched))
    for what, data in searched.items():
        found = hits(data, words)
        check("no canary in " + what, not found, found)
    found = hits(environ, set(words) - set(theirs))
    check("its environment holds what was put there only", not found, found)
    key = open(STATE + "/seal.key", "rb").read()
    check("the backup holds neither key nor sealed secrets", key not in searched["the backup"] and
          b"mwseal1" not in searched["the backup"], "")

    s, _ = c.api("DELETE", "/v1/connections/aws-sealed-401")
    check("a removed connection takes its secret along", s == 204 and
          not os.path.exists(STATE + "/credentials/aws-sealed-401"), s)
    found = hits("\n".join(seen), words)
    check("the search finds what is there", hits("x" + base64.b64encode(b"ab" + words[0].encode()).decode(), words) and
          hits(words[3].encode().hex(), words) and not found, found)


def check_policy():
    """The policy that people are told to give is what the driver uses."""
    verbs = "Describe|Create|Delete|Attach|Detach|Authorize|Revoke|Modify|Run|Start|Stop|Reboot|Terminate|Import|Get|" \
            "Allocate|Associate|Release|Replace|Disassociate"
    used = {"CreateTags"}  # by every create that carries tags
    for path in glob.glob(product.ROOT + "/drivers/aws/*.c"):
        used |= set(re.findall(r'"((?:%s)[A-Z][A-Za-z]+)"' % verbs, open(path).read()))
    text = open(product.ROOT + "/docs/connections.md").read()
    policy = json.loads(re.search(r"```json\n(.*?)```", text, re.S).group(1))
    told = [a.split(":")[1] for st in policy["Statement"] for a in st["Action"]]
    check("the documented policy is what the driver of AWS uses", set(told) == used and len(told) == len(used) > 30,
          set(told) ^ used)


def check_dumpable():
    """The files of a process that is not dumpable belong to root, so only one
    that is not root's can tell: the same program as nobody."""
    what = "nobody of its own user may look into its memory"
    if os.geteuid() != 0:
        print("skip - %s, needs root to become another user" % what)
        return
    with open(BUILD + "/milkywayd", "rb") as f:
        if b"__asan_init" in f.read():
            print("skip - %s, the leak check of this build needs to look" % what)
            return
    mine = tempfile.mkdtemp(prefix="mw-canary.", dir=os.environ.get("TMPDIR", "/var/tmp"))
    os.chown(mine, 65534, 65534)
    p = subprocess.Popen([BUILD + "/milkywayd", "--state-dir", mine, "--set", "api.port=0", "--set", "link.port=0",
                          "--set", "link.address=127.0.0.1"], user=65534, group=65534, extra_groups=[],
                         stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        ok = until(lambda: os.path.exists(mine + "/token"), 10)
        check(what, ok and os.stat("/proc/%d/environ" % p.pid).st_uid == 0, ok)
    finally:
        p.kill()
        p.wait()
        shutil.rmtree(mine, ignore_errors=True)


def main():
    os.makedirs(CREDS, 0o700)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    ports = {how: listener(how) for how in ("401", "403", "garbage", "reset")}
    c = None
    try:
        c = Coordinator({k: canary("env", f) for k, f in ENV.items()})
        unreadable(ports)
        cases(c, ports)
        c.stop()
        check("it ends in order", c.proc.returncode == 0, c.proc.returncode)
        rc, out = cli("orphans", "--offline", "--connections", STATE + "/connections.json")
        check("the last brake opens sealed credentials without a coordinator",
              "AuthFailure" in out and "sealed" not in out.replace("-sealed-", ""), out)
        with open(c.log, "rb") as f:
            found = hits(f.read() + out.encode(), [canary(x, f2) for x in ("sealed", "file", "exec", "env")
                                    for fs in FIELDS.values() for f2 in fs])
        check("nor in the log of its end", not found, found)
        check_policy()
    finally:
        if c and c.proc.poll() is None:
            c.proc.kill()
            c.proc.wait()
        if product.failures and c:
            print(open(c.log).read()[-3000:])
        shutil.rmtree(DIR, ignore_errors=True)
    return 1 if product.failures else 0


sys.exit(main())

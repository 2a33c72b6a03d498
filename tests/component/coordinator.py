"""Component test of milkywayd: a fake cloud, fake agents, the real program.
Usage: coordinator.py BUILD_DIR. Prints "ok - what" or "not ok - what"."""
import http.client
import json
import os
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
import fakeagent
import fakecloud

BUILD = os.path.realpath(sys.argv[1])
ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
failed = 0


def check(what, ok, detail=""):
    global failed
    failed += not ok
    print("%s - %s%s" % ("ok" if ok else "not ok", what, "" if ok else ": %s" % (detail,)), flush=True)
    return ok


def until(f, seconds=20):
    """The first true value of f(), or its last value."""
    end = time.monotonic() + seconds
    while True:
        v = f()
        if v or time.monotonic() > end:
            return v
        time.sleep(0.05)


class Coordinator:
    def __init__(self, dir):
        self.dir, self.proc = dir, None
        self.log = os.path.join(dir, "log")

    def start(self, *settings):
        self.proc = subprocess.Popen(
            [BUILD + "/milkywayd", "--state-dir", self.dir + "/state", "--set", "api.port=0", "--set", "link.port=0",
             "--set", "link.address=127.0.0.1", "--set", "agent.ttl_ms=500", "--set", "matrix.window_ms=200",
             *settings],
            stderr=open(self.log, "a"))
        self.port = self.link_port = None
        mark = os.path.getsize(self.log) if False else 0

        def ready():
            if self.proc.poll() is not None:
                raise RuntimeError("milkywayd ended: " + open(self.log).read()[-2000:])
            for line in open(self.log).read().split("\n"):
                if "listening" in line and "room=api" in line or "listening" in line:
                    self.port = int(line.split("port=")[1].split()[0].strip('"'))
                if "link_port=" in line:
                    self.link_port = int(line.split("link_port=")[1].split()[0].strip('"'))
            try:
                return self.link_port and self.raw("GET", "/readyz", token=None)[0] == 200
            except OSError:
                return False
        open(self.log, "w").close() if os.path.exists(self.log) and not os.path.getsize(self.log) else None
        if not until(ready, 20):
            raise RuntimeError("milkywayd is not ready: " + open(self.log).read()[-2000:])
        self.token = open(self.dir + "/state/token").read().strip()

    def kill(self):
        self.proc.kill()
        self.proc.wait()
        os.rename(self.log, self.log + ".%d" % self.proc.pid)

    def stop(self):
        self.proc.terminate()
        return self.proc.wait(20)

    def raw(self, method, path, body=None, token="", headers=None, timeout=40):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        h = {"Content-Type": "application/json"} if body is not None else {}
        if token is not None:
            h["Authorization"] = "Bearer " + (token or self.token)
        h.update(headers or {})
        c.request(method, path, body, h)
        r = c.getresponse()
        data = r.read()
        c.close()
        return r.status, data, r

    def call(self, method, path, body=None, **more):
        status, data, _ = self.raw(method, path, None if body is None else json.dumps(body), **more)
        return status, json.loads(data) if data[:1] in (b"{", b"[") else data

    def act(self, method, path, body=None, seconds=40):
        """Runs an action to its end."""
        status, a = self.call(method, path, body)
        if status >= 300 or not isinstance(a, dict) or "actionId" not in a:
            return status, a
        id = a["actionId"]
        until(lambda: self.call("GET", "/v1/actions/%s" % id)[1]["state"] not in ("pending", "running"), seconds)
        return status, self.call("GET", "/v1/actions/%s" % id)[1]


M = "/v1/ns/default/mcis/t1"
MCIS = {"name": "t1", "requireAgent": False, "groups": [
    {"name": "a", "count": 2, "connection": "aws-r1", "spec": "small", "image": "debian-12"},
    {"name": "g", "count": 2, "connection": "gcp-r2", "spec": "large", "image": "debian-12"}]}


def test_auth(c):
    check("health needs no token", c.raw("GET", "/healthz", token=None)[0] == 200)
    s, b = c.call("GET", "/v1/version", token=None)
    check("everything else does", s == 401 and b["code"] == "DENIED" and b["hint"], (s, b))
    check("also the metrics", c.raw("GET", "/metrics", token=None)[0] == 401)
    s, b = c.call("GET", "/v1/version", token="mw_00000000_" + "A" * 43)
    check("a wrong token is refused", s == 401, (s, b))
    codes = [c.raw("GET", "/v1/version", token="mw_00000000_" + "A" * 43)[0] for _ in range(8)]
    check("many wrong tokens are slowed down", codes[-1] == 429, codes)
    check("a good one still works", c.call("GET", "/v1/version")[0] == 200)
    st = os.stat(c.dir + "/state/token")
    check("the token file is ours alone", st.st_mode & 0o777 == 0o600, oct(st.st_mode))
    s, _, _ = c.raw("GET", "/v1/version", headers={"Host": "evil.example"})
    check("a foreign Host is refused", 400 <= s < 500, s)


def test_routes(c):
    have = {}
    for line in subprocess.run([BUILD + "/milkywayd", "--print-routes"], capture_output=True, text=True,
                               check=True).stdout.split("\n"):
        if line:
            m, p, role = line.split()
            have[m, anonymous(p)] = role
    want = spec_routes(ROOT + "/docs/openapi.yaml")
    check("every route is documented", not set(have) - set(want), sorted(set(have) - set(want)))
    check("every documented route is served", not set(want) - set(have), sorted(set(want) - set(have)))
    diff = [(k, have[k], want[k]) for k in have if k in want and have[k] != want[k]]
    check("the roles agree", not diff, diff)
    check("the contract is served", c.raw("GET", "/v1/openapi.yaml")[1] == open(ROOT + "/docs/openapi.yaml", "rb").read())


def anonymous(path):
    return "/".join("{}" if p.startswith("{") else p for p in path.split("/"))


def spec_routes(path):
    """Paths, methods and roles: all that is read of the file, by indentation."""
    out, at, method = {}, None, None
    for line in open(path):
        if line.startswith("components:"):
            break
        if line.startswith("  /"):
            at = anonymous(line.strip().rstrip(":"))
        elif line[:4] == "    " and line[4] != " " and line.strip() in ("get:", "put:", "post:", "delete:"):
            method = line.strip().rstrip(":").upper()
        elif line.strip().startswith("x-role:"):
            out[method, at] = line.split()[1]
    return out


def test_connections(c, sock):
    s, a = c.act("POST", "/v1/connections/discover", {"driver": "twin", "endpoint": sock})
    check("discovery makes a connection for each region", s == 202 and a["state"] == "done", (s, a))
    s, b = c.call("GET", "/v1/connections")
    check("they are listed", [x["id"] for x in b["items"]] == ["aws-r1", "aws-r2", "gcp-r1", "gcp-r2"] and
          all(x["verified"] for x in b["items"]), b)
    s, b = c.call("GET", "/v1/specs?csp=aws&region=r1")
    check("the catalogue has prices", [(x["name"], x["costPerHourMicros"]) for x in b["items"]] ==
          [("large", 200000), ("small", 50000), ("unknown", None)] and
          [x for x in b["items"] if x["name"] == "unknown"][0]["costReason"] == "unknownToCloud", b)
    check("with a lower bound", len(c.call("GET", "/v1/specs?minVcpu=8")[1]["items"]) == 4)


def test_bad_connection(c):
    s, a = c.act("PUT", "/v1/connections/bad-one", {"driver": "twin", "csp": "aws", "region": "r1",
                                                    "endpoint": "/nowhere/at/all"})
    check("an endpoint that is not there is a failed action", a.get("state") == "failed" and a["error"], a)
    s, b = c.call("GET", "/v1/connections")
    bad = [x for x in b["items"] if x["id"] == "bad-one"]
    check("and says why", bad and not bad[0]["verified"] and bad[0]["verifiedReason"], bad)
    check("it can be forgotten", c.raw("DELETE", "/v1/connections/bad-one")[0] == 204)
    check("twice is not found", c.raw("DELETE", "/v1/connections/bad-one")[0] == 404)


def test_errors(c):
    def code(body, path="/v1/connections/discover", method="POST", **more):
        s, d, _ = c.raw(method, path, body, **more)
        try:
            return s, json.loads(d)
        except ValueError:
            return s, {"code": "?", "raw": d[:200]}
    s, b = code('{"driver":"twin","endpoint":"/x","extra":1}')
    check("an unknown field is an error with its place", s == 400 and b["errors"][0]["pointer"] == "/extra", (s, b))
    s, b = code('{"driver":7,"endpoint":"/x"}')
    check("a wrong type too", s == 400 and b["errors"][0]["pointer"] == "/driver", (s, b))
    check("a missing field", code('{"driver":"twin"}', "/v1/connections/x", "PUT")[0] == 400)
    s, b = code('{"driver":"twin","endpoint":"/x","credential":"s3cret"}')
    check("a secret instead of a reference", s == 400 and "s3cret" not in str(b), (s, b))
    check("depth 40", code("[" * 40 + "]" * 40)[0] == 400)
    check("duplicate keys", code('{"driver":"twin","driver":"twin","endpoint":"/x"}')[0] == 400)
    check("no JSON at all", code("hello")[0] == 400)
    check("an unknown driver", code('{"driver":"nope","endpoint":"/x"}')[0] == 400)
    try:
        s = code(b"{" + b" " * (1 << 20) + b"}")[0]
    except (OSError, http.client.HTTPException):
        s = "closed"
    check("a body over 1 MiB", s in (413, 429, "closed"), s)
    check("a form is not JSON", code("a=b", headers={"Content-Type": "application/x-www-form-urlencoded"})[0] in
          (400, 405, 415, 501))
    check("an unknown path", c.call("GET", "/v1/nothing")[0] == 404)
    check("a wrong method", c.call("DELETE", "/v1/version")[0] in (404, 405))
    check("a bad number in the query", c.call("GET", "/v1/events?limit=ten")[0] == 400)
    s = socket.create_connection(("127.0.0.1", c.port))
    s.settimeout(20)
    s.sendall(b"GET /v1/version HTTP/1.1\r\nHost: 127.0.0.1\r\n")
    t0 = time.monotonic()
    try:
        while s.recv(1000):
            pass
    except OSError:
        pass
    took = time.monotonic() - t0
    check("a slow head is cut", took < 15, took)
    s.close()


def test_mcis(c, cloud):
    s, a = c.call("PUT", M, MCIS)
    check("an MCIS is accepted", s == 202 and a["actionId"], (s, a))
    vms = lambda: [v["status"] for v in c.call("GET", M)[1]["vms"]]
    check("its VMs run", until(lambda: vms() == ["Running"] * 4), vms())
    check("a used connection stays", c.raw("DELETE", "/v1/connections/aws-r1")[0] == 409)


def test_again(c, cloud):
    # The installation still waits for an sshd, which these VMs do not have: the same wish joins it.
    posts = cloud.calls["POST"]
    s, b = c.call("PUT", M, MCIS)
    check("the same file changes nothing", s in (200, 202) and b.get("changed") is False and
          cloud.calls["POST"] == posts, (s, b))


class Fleet:
    """Fake agents for all VMs of the MCIS."""

    def __init__(self, c):
        self.c, self.agents = c, {}
        self.deployment = c.call("GET", "/v1/version")[1]["deployment"]
        st = c.dir + "/state/"
        self.ca = (c.dir + "/ca.key", st + "ca.pem")
        with open(self.ca[0], "wb") as f:
            f.write(subprocess.run([BUILD + "/milkywayd", "--state-dir", st, "--unseal", "ca.key"], check=True,
                                   capture_output=True).stdout)
        # slots are numbered from 1; their generation is 1
        self.certs = {}
        for slot in range(1, 5):
            self.certs[slot] = self.cert(slot)

    def cert(self, slot, gen=1, deployment=None, ca=None, days="1", name=None):
        return fakeagent.make_cert(self.c.dir, *(ca or self.ca), "mw://%s/default/t1/%d/%d" % (
            deployment or self.deployment, slot, gen), name or "slot%d" % slot, days)

    def ctx(self, slot):
        return fakeagent.context(self.ca[1], *self.certs[slot])

    def up(self, slot, **opts):
        self.agents[slot] = fakeagent.Agent(self.c.link_port, self.ctx(slot), slot, **opts)
        return self.agents[slot]

    def down(self):
        for a in self.agents.values():
            a.close()
        self.agents = {}


def refused(c, ctx):
    """True if a link with this context is closed without a welcome."""
    try:
        link = fakeagent.Link(c.link_port, ctx)
        link.hello()
        while True:
            m = link.recv()
            if m is None:
                return True
            if m["type"] == "welcome":
                return False
    except (OSError, ssl.SSLError):
        return True


def test_link(c, fleet):
    d = c.dir
    subprocess.run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", d + "/evil.key"],
                   check=True, capture_output=True)
    subprocess.run(["openssl", "req", "-x509", "-new", "-key", d + "/evil.key", "-subj", "/CN=evil", "-days", "1",
                    "-out", d + "/evil.pem"], check=True, capture_output=True)
    ca = fleet.ca[1]
    with_cert = lambda *pair: fakeagent.context(ca, *pair)
    check("no certificate is refused", refused(c, fakeagent.context(ca)))
    check("a wrong CA is refused", refused(c, with_cert(*fleet.cert(1, ca=(d + "/evil.key", d + "/evil.pem"), name="w"))))
    check("an expired certificate is refused", refused(c, with_cert(*fleet.cert(1, days="-1", name="e"))))
    check("another deployment is refused", refused(c, with_cert(*fleet.cert(1, deployment="other", name="o"))))
    check("an unknown slot is refused", refused(c, with_cert(*fleet.cert(99, name="u"))))
    check("another generation is refused", refused(c, with_cert(*fleet.cert(1, gen=2, name="g"))))
    check("TLS 1.2 is refused", refused(c, (lambda x: (x.__setattr__("maximum_version", ssl.TLSVersion.TLSv1_2),
          x.load_cert_chain(fleet.certs[1][1], fleet.certs[1][0]), x)[-1])(old_context(ca))))
    s = socket.create_connection(("127.0.0.1", c.link_port))
    s.settimeout(20)
    s.sendall(b"\0\0\0\2{}")
    try:
        data = s.recv(100)
        while data and data[:1] != b"\x15" and (more := s.recv(100)):
            data = more
        plain = True
    except OSError:
        plain = True
    s.close()
    check("plain text is refused", plain)
    for what, send in (
            ("a frame of length 0", lambda l: l.send_raw(b"\0\0\0\0")),
            ("a frame over 4 KiB before hello", lambda l: l.send_raw(struct.pack(">I", 5000) + b"x" * 5000)),
            ("a beat before hello", lambda l: l.send(type="beat", metrics={}, spooled=0)),
            ("an unknown type", lambda l: (l.hello(), l.send(type="exec", command="id"))),
            ("a hello without its fields", lambda l: l.send(type="hello", proto=1)),
            ("broken JSON", lambda l: l.send_raw(struct.pack(">I", 3) + b"{x}"))):
        link = fakeagent.Link(c.link_port, fleet.ctx(1))
        send(link)
        while (m := link.recv()) is not None:
            pass
        check("%s ends the link" % what, True)
        link.close()


def old_context(ca):
    x = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    x.check_hostname = False
    x.load_verify_locations(ca)
    x.minimum_version = ssl.TLSVersion.TLSv1_2
    return x


def test_agents(c, fleet):
    for slot in range(1, 5):
        fleet.up(slot)
    items = lambda: c.call("GET", "/v1/agents")[1]["items"]
    check("agents are listed as up", len(items()) == 4 and all(a["state"] == "up" for a in items()), items())
    fleet.agents[4].opts["mute"] = True
    state = lambda: [a["state"] for a in items() if a["vmId"] == fleet.agents[4].vm][0]
    check("an agent without beats becomes silent", until(lambda: state() == "silent", 10), items())
    s, b = c.call("GET", "/v1/events?type=agent.silent&after=0")
    check("that is an event", len(b["items"]) >= 1 and b["items"][-1]["vmId"] == fleet.agents[4].vm, b)
    s, b = c.call("GET", M)
    check("and nothing happens to its VM", [v["status"] for v in b["vms"]] == ["Running"] * 4)
    fleet.agents[4].opts["mute"] = False
    check("a beat brings it back", until(lambda: state() == "up", 10))
    # A new certificate over the link.
    fleet.agents[1].link.send(type="certRenew", csr="no CSR")
    check("a bad request for a certificate ends the link", until(lambda: fleet.agents[1].bye, 10) is not None)
    fleet.up(1)


def test_bench(c, fleet):
    for a in fleet.agents.values():
        a.opts["work_s"] = 0.3
    fakeagent.Agent.busy_most = 0
    s, a = c.act("POST", M + "/benchmarks", {"kinds": ["cpus", "memR"]})
    check("a run ends well", s == 202 and a["state"] == "done" and a["outcome"] == "ok", (s, a))
    check("never more VMs of a host than its slots", fakeagent.Agent.busy_most == 2, fakeagent.Agent.busy_most)
    run = a["target"].rsplit("/", 1)[1]
    s, b = c.call("GET", M + "/benchmarks/" + run)
    check("its results are there", s == 200 and len(b["results"]) == 8 and b["state"] == "done" and
          [v["state"] for v in b["vms"]] == ["done"] * 4, b)
    r = b["results"][0]
    check("a result says where it is from", r["vmId"] and r["specId"].startswith(("aws+", "gcp+")) and
          r["connection"] and r["resultId"] and r["schema"] == "mw.result/1", r)
    s, b = c.call("GET", M + "/results?kind=cpus&latest=1")
    check("the latest of each VM", len(b["items"]) == 4, b)
    one = fleet.agents[1]
    n = len(c.call("GET", M + "/results")[1]["items"])
    acked = one.acked
    one.link.send(type="result", boot=one.boot, seq=1, bench=fakeagent.result("cpus", run))
    one.result(bench=fakeagent.result("cpum", "b-9999"))
    check("what came twice or was not asked for is acknowledged", until(lambda: one.acked > acked, 10))
    check("and not stored", len(c.call("GET", M + "/results")[1]["items"]) == n)
    s, b = c.call("POST", M + "/benchmarks", {"kinds": ["nope"]})
    check("an unknown kind is an error", s == 400 and b["errors"][0]["pointer"] == "/kinds/0", (s, b))
    check("so is an unknown VM", c.call("POST", M + "/benchmarks", {"vms": ["x-1"]})[0] == 400)
    check("and the profile", c.call("POST", M + "/benchmarks", {"profile": "huge"})[0] == 400)
    s, b = c.call("POST", M + "/benchmarks", {"kinds": ["dbR"], "dbEngine": "oracle"})
    check("an unknown database is an error", s == 400 and b["errors"][0]["pointer"] == "/dbEngine", (s, b))
    check("a profile that has no other refuses it", c.call("POST", M + "/benchmarks", {
        "profile": "legacy", "dbEngine": "pgsql"})[0] == 400)
    s, a = c.act("POST", M + "/benchmarks", {"kinds": ["cpus", "dbR", "dbW"], "dbEngine": "pgsql"})
    check("another database is another variant", sorted(fleet.agents[1].jobs[-1]["kinds"]) ==
          ["cpus", "dbR.pgsql", "dbW.pgsql"], (s, fleet.agents[1].jobs[-1]))
    for wrong in ({"action": "uninstall", "installTools": True}, {"action": "install", "removeTools": True},
                  {"action": "install", "installTools": 1}):
        s, b = c.call("POST", M + "/agents", wrong)
        check("tools go with the right action: %s" % wrong, s == 400 and "Tools" in b["errors"][0]["pointer"], (s, b))
    # An agent that goes away in the middle.
    fleet.agents[2].opts["ignore_jobs"] = True
    s, a = c.call("POST", M + "/benchmarks", {"kinds": ["cpus"]})
    until(lambda: fleet.agents[2].jobs and fleet.agents[2].jobs[-1]["runId"] == a["runId"], 10)
    fleet.agents[2].close()
    done = until(lambda: (x := c.call("GET", "/v1/actions/" + a["actionId"])[1])["state"] not in
                 ("pending", "running") and x, 30)
    check("a lost agent fails its VM, not the run", done and done["outcome"] == "partial", done)
    s, b = c.call("GET", M + "/benchmarks/" + a["runId"])
    check("and it is named", [v["error"] for v in b["vms"] if v["state"] == "failed"] == ["agentLost"], b)
    fleet.up(2)
    # Cancel.
    for x in fleet.agents.values():
        x.opts["ignore_jobs"] = True
    s, a = c.call("POST", M + "/benchmarks", {"kinds": ["cpus"]})
    s, b = c.call("DELETE", M + "/benchmarks/" + a["runId"])
    end = until(lambda: c.call("GET", "/v1/actions/" + a["actionId"])[1]["state"] == "canceled", 10)
    check("a run can be canceled", s in (200, 202) and end, (s, b))
    for x in fleet.agents.values():
        x.opts["ignore_jobs"] = False


def test_rtt(c, fleet):
    s, a = c.act("POST", M + "/rtt", {"targets": ["192.0.2.1", "192.0.2.2"], "count": 6})
    check("an RTT job ends well", s == 202 and a["state"] == "done", (s, a))
    s, b = c.call("GET", M + "/results?kind=rtt")
    check("a result for each VM and target", len(b["items"]) == 8 and b["items"][0]["value"] == 1.4, b)
    for bad in ("127.0.0.1", "169.254.169.254", "224.0.0.1", "example.com", "0x7f.1"):
        s, b = c.call("POST", M + "/rtt", {"targets": [bad]})
        check("%s is no target" % bad, s == 400, (s, b))


def test_matrix(c, fleet):
    s, a = c.act("POST", M + "/matrix", {"k": 10, "windowMs": 200})
    check("a round ends well", s == 202 and a["state"] == "done", (s, a))
    s, b = c.call("GET", M + "/matrix")
    cells = b["cells"]
    check("the matrix is full", s == 200 and len(cells) == 4 and
          all((cells[i][j] is None) == (i == j) or cells[i][j]["rttMinMs"] == i + j
              for i in range(4) for j in range(4)), b)
    fleet.agents[3].opts["not_armed"] = True
    s, a = c.act("POST", M + "/matrix", {"k": 10, "windowMs": 200})
    fleet.agents[3].opts["not_armed"] = False
    first = b
    s, b = c.call("GET", M + "/matrix?round=newest")
    reasons = {x["reason"] for x in b["cells"][2] if x and x.get("reason")}
    check("a missing row says why", reasons == {"notArmed"}, b["cells"][2])
    check("who came too late for it is told", until(lambda: fleet.agents[3].disarmed == b["roundId"], 5))
    s, b = c.call("GET", M + "/matrix")
    check("in the pool the earlier round speaks", b["rounds"] == 2 and b["pooled"] and
          [x and (x["n"], x["rounds"], x["reason"]) for x in b["cells"][2]] ==
          [(10, 1, None), (10, 1, None), None, (10, 1, None)], b["cells"][2])
    check("two rounds are two", (b["cells"][0][1]["n"], b["cells"][0][1]["rounds"]) == (20, 2), b["cells"][0])
    check("few samples are said of all pairs at once",
          [(f["flag"], f["pairs"]) for f in b["findings"]] == [("fewSamples", 6)], b["findings"])
    s, b = c.call("GET", M + "/matrix?round=" + first["roundId"])
    check("a round by its name", s == 200 and b["roundId"] == first["roundId"] and not b["pooled"], b)
    s, b = c.call("GET", M + "/matrix?at=" + first["measuredAt"])
    check("what was known then", s == 200 and b["rounds"] == 1 and b["roundId"] == first["roundId"] and
          b["cells"][0][1]["ageS"] == 0, b)
    s, b = c.call("GET", M + "/matrix?at=2020-01-01T00:00:00Z")
    check("before all data the first time is named", s == 404 and first["measuredAt"] in b["detail"], b)
    for bad in ("at=yesterday", "round=m-", "round=m-1&at=2026-01-01T00:00:00Z", "round=7"):
        s, b = c.call("GET", M + "/matrix?" + bad)
        check("refused: " + bad, s == 400, (s, b))
    s, b = c.call("GET", M + "/matrix?round=m-999")
    check("no such round", s == 404, (s, b))
    s, b = c.call("GET", M + "/matrix/history?src=a-1&dst=g-2")
    check("a pair has a history", s == 200 and len(b["items"]) == 2 and b["days"] == [] and
          b["items"][0]["roundId"] == first["roundId"] and b["items"][0]["rttMinMs"] == 3.0, b)
    s, b = c.call("GET", M + "/matrix/history?src=a-1&dst=a-1")
    check("of two VMs", s == 400, (s, b))
    s, b = c.call("GET", M + "/matrix/history?src=a-1&dst=zz-9")
    check("that were measured", s == 404, (s, b))
    s, b = c.call("GET", M + "/results?latest=1&at=2020-01-01T00:00:00Z")
    check("results of a time before there were any", s == 404 and "first" in b["detail"], (s, b))


def test_events(c):
    s, b = c.call("GET", "/v1/events?after=0&limit=1000")
    seqs = [e["seq"] for e in b["items"]]
    check("events are numbered without holes", seqs == list(range(1, len(seqs) + 1)), seqs[:5])
    types = {e["type"] for e in b["items"]}
    check("of many types", {"vm.status", "agent.up", "bench.end", "bench.result"} <= types, types)
    s, b = c.call("GET", "/v1/events?type=bench.end&after=0")
    check("filtered", {e["type"] for e in b["items"]} == {"bench.end"}, b)
    conn = http.client.HTTPConnection("127.0.0.1", c.port, timeout=10)
    conn.request("GET", "/v1/events", headers={"Authorization": "Bearer " + c.token,
                 "Accept": "text/event-stream", "Last-Event-ID": str(seqs[-1] - 5)})
    r = conn.getresponse()
    ids = []
    while len(ids) < 2:
        line = r.readline().decode().strip()
        if line.startswith("id:"):
            ids.append(int(line[3:]))
    check("a stream resumes", r.status == 200 and ids == [seqs[-1] - 4, seqs[-1] - 3], ids)
    conn.close()


def test_kill(c, fleet):
    before = len(c.call("GET", M + "/results")[1]["items"])
    for x in fleet.agents.values():
        x.opts["work_s"] = 0.5
    s, a = c.call("POST", M + "/benchmarks", {"kinds": ["cpus", "cpum"]})
    until(lambda: len(c.call("GET", M + "/results")[1]["items"]) > before, 10)
    seen = c.call("GET", M + "/results")[1]["items"]
    last = c.call("GET", "/v1/events?after=0&limit=1000")[1]["items"][-1]["seq"]
    c.kill()
    fleet.down()
    c.start()
    check("after kill -9 everything acknowledged is there",
          [x["resultId"] for x in c.call("GET", M + "/results")[1]["items"]][:len(seen)] ==
          [x["resultId"] for x in seen])
    after = c.call("GET", "/v1/events?after=0&limit=1000")[1]["items"]
    check("events too", any(e["seq"] == last for e in after))
    s, b = c.call("GET", M)
    check("the MCIS too", s == 200 and len(b["vms"]) == 4, b)
    s, b = c.call("GET", M + "/matrix")
    check("the matrix too, pooled", s == 200 and b["rounds"] == 2, b)
    for slot in range(1, 5):
        fleet.up(slot)
    end = until(lambda: (x := c.call("GET", "/v1/actions/" + a["actionId"])[1])["state"] not in
                ("pending", "running") and x, 40)
    check("the run goes on", end and end["state"] == "done" and end["outcome"] == "ok", end)
    s, b = c.call("GET", M + "/benchmarks/" + a["runId"])
    got = sorted((x["vmId"], x["kind"]) for x in b["results"])
    check("with every result", len(set(got)) == 8, got)


def test_sys(c):
    s, b = c.call("GET", "/v1/doctor")
    check("the doctor answers", s == 200 and len(b["items"]) >= 8 and all(x["level"] in ("ok", "warn", "fail")
          for x in b["items"]), b)
    text = c.raw("GET", "/metrics")[1].decode()
    check("metrics are text", "# TYPE milkyway_store_commits_total counter" in text and
          'milkyway_agents{state="up"}' in text)
    two = subprocess.run([BUILD + "/milkywayd", "--state-dir", c.dir + "/state"], capture_output=True, timeout=20)
    check("a second coordinator is refused", two.returncode == 5, two)


def main():
    dir = tempfile.mkdtemp(prefix="mw-coord.")
    cloud = fakecloud.Cloud(dir + "/cloud.sock")
    c = Coordinator(dir)
    fleet = None
    try:
        c.start()
        test_auth(c)
        test_routes(c)
        test_connections(c, cloud.path)
        test_bad_connection(c)
        test_errors(c)
        test_mcis(c, cloud)
        fleet = Fleet(c)
        test_link(c, fleet)
        test_agents(c, fleet)
        test_again(c, cloud)
        test_bench(c, fleet)
        test_rtt(c, fleet)
        test_matrix(c, fleet)
        test_events(c)
        test_kill(c, fleet)
        test_sys(c)
        check("SIGTERM ends it cleanly", c.stop() == 0)
    except Exception as e:
        check("no surprise", False, repr(e))
        import traceback
        traceback.print_exc()
    finally:
        if fleet:
            fleet.down()
        if c.proc and c.proc.poll() is None:
            c.proc.kill()
            c.proc.wait()
        if failed:
            for f in sorted(os.listdir(dir)):
                if f.startswith("log"):
                    print("--- " + f + "\n" + open(os.path.join(dir, f)).read()[-6000:])
        cloud.close()
        shutil.rmtree(dir, ignore_errors=True)
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()

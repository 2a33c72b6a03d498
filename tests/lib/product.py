"""The whole product on this machine, for tests: a twin, a coordinator, their
APIs and the command line. Everything lives in one directory; close() ends all
of it. To be run in a network namespace of its own."""
import glob
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import traceback

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
ENDED = ("pending", "running")
failures = 0


def check(what, ok, detail=""):
    global failures
    failures += not ok
    print("%s - %s%s" % ("ok" if ok else "not ok", what, "" if ok else ": %.1500s" % (detail,)), flush=True)
    return bool(ok)


def until(f, seconds=40):
    """The first true value of f(), or its last value."""
    end = time.monotonic() + seconds
    while True:
        v = f()
        if v or time.monotonic() > end:
            return v
        time.sleep(0.02)


class UnixHTTP(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=60)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def ask(conn, method, path, body=None, headers=None):
    """(status, parsed answer or text) of one request on that connection."""
    h = dict(headers or {})
    if body is not None:
        h.setdefault("Content-Type", "application/json")
        body = body if isinstance(body, (bytes, str)) else json.dumps(body)
    try:
        conn.request(method, path, body, h)
        r = conn.getresponse()
        data = r.read()
    finally:
        conn.close()
    try:
        return r.status, json.loads(data) if data else None
    except ValueError:
        return r.status, data.decode(errors="replace")


class Product:
    """One directory with a twin and a coordinator in it."""

    def __init__(self, build, world="tiny"):
        self.build = os.path.realpath(build)
        # not in /tmp, which may lie in memory; short, for socket paths
        self.dir = tempfile.mkdtemp(prefix="mw-test.", dir=os.environ.get("TMPDIR", "/var/tmp"))
        self.world = "%s/bench-data/worlds/%s.json" % (ROOT, world)
        self.twin_socket = self.dir + "/twin.sock"
        self.coordinator, self.starts, self.token, self.twin_is_up = None, 0, None, False

    # Programs

    def run(self, *argv, dir=None, timeout=100, env=None):
        """(exit status, standard output, standard error)"""
        e = dict(os.environ, MILKYWAY_DIR=dir or self.dir, NO_COLOR="1", **(env or {}))
        e["PATH"] = self.build + ":" + e["PATH"]
        p = subprocess.run([str(a) for a in argv], env=e, cwd=ROOT, timeout=timeout, stdin=subprocess.DEVNULL,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        return p.returncode, p.stdout.decode(errors="replace"), p.stderr.decode(errors="replace")

    def cli(self, *args, **opts):
        return self.run("milkyway", *args, **opts)

    def cli_json(self, *args, **opts):
        n = args.index("--") if "--" in args else len(args)
        rc, out, err = self.cli(*args[:n], "-o", "json", *args[n:], **opts)
        try:
            return json.loads(out)
        except ValueError:
            raise AssertionError("milkyway %s: %d %s %s" % (" ".join(map(str, args)), rc, out, err))

    def twin_cli(self, *args):
        return self.run("milkyway-twin", *args, env={"MILKYWAY_TWIN_SOCKET": self.twin_socket})

    def twin_up(self):
        rc, out, err = self.run("milkyway-twin", "up", "--world", self.world, "--detach", "--state",
                                self.dir + "/twin", "--socket", self.twin_socket, "--log", self.dir + "/twin.log", "--disk", "tmpfs")
        assert rc == 0, "the twin does not start: " + out + err
        self.twin_is_up = True

    def start(self, *settings):
        """The coordinator; again with the same settings if none are given."""
        if settings or not self.starts:
            self.settings = settings
        self.starts += 1
        argv = [self.build + "/milkywayd", "--state-dir", self.dir, "--set", "link.advertise=10.200.0.1",
                "--set", "link.address=10.200.0.1"]
        for s in self.settings:
            argv += ["--set", s]
        with open(self.dir + "/milkywayd.log", "a") as log:
            self.coordinator = subprocess.Popen(argv, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        assert until(self.ready, 60), "the coordinator is not ready"
        self.token = open(self.dir + "/token").read().strip()

    def ready(self):
        assert self.coordinator.poll() is None, "the coordinator ended with %d" % self.coordinator.returncode
        try:
            return ask(http.client.HTTPConnection("127.0.0.1", 7470, timeout=5), "GET", "/readyz")[0] == 200
        except OSError:
            return False

    def kill(self):
        self.coordinator.send_signal(signal.SIGKILL)
        self.coordinator.wait()

    def restart(self):
        self.kill()
        self.start()

    # APIs

    def api(self, method, path, body=None, timeout=40, **headers):
        h = {"Authorization": "Bearer " + self.token}
        h.update(headers)
        return ask(http.client.HTTPConnection("127.0.0.1", 7470, timeout=timeout), method, path, body, h)

    def get(self, path):
        status, j = self.api("GET", path)
        assert status == 200, "GET %s: %s %s" % (path, status, j)
        return j

    def act(self, method, path, body=None, seconds=120):
        """(status, the action at its end or what was answered instead)"""
        status, j = self.api(method, path, body)
        if status == 202:
            j = dict(j, **self.wait(j["actionId"], seconds))
        return status, j

    def wait(self, action, seconds=120):
        return until(lambda: (a := self.get("/v1/actions/" + action))["state"] not in ENDED and a,
                     seconds) or self.get("/v1/actions/" + action)

    def discover(self):
        status, j = self.act("POST", "/v1/connections/discover", {"driver": "twin", "endpoint": self.twin_socket})
        assert j["state"] == "done", j

    def mcis(self, name):
        return self.get("/v1/ns/default/mcis/" + name)

    def events(self, **filters):
        """All events of these filters, oldest first."""
        items, after = [], 0
        query = "".join("&%s=%s" % f for f in filters.items())
        while page := self.get("/v1/events?limit=1000&after=%d%s" % (after, query))["items"]:
            items += page
            after = page[-1]["seq"]
        return items

    def twin(self, method, path, body=None):
        return ask(UnixHTTP(self.twin_socket), method, path, body)

    def truth(self):
        status, j = self.twin("GET", "/v1/lab/truth")
        assert status == 200, j
        return j

    def live(self, mcis=None):
        """What exists in the clouds, and of the given MCIS only."""
        items = self.truth()["items"]
        if mcis:
            ids = {v["cspResourceId"] for v in self.mcis(mcis)["vms"]}
            items = [v for v in items if v["id"] in ids]
        return items

    def lab(self, what, vm):
        status, j = self.twin("POST", "/v1/lab/vms/%s/%s" % (vm, what))
        assert status == 202, (what, vm, j)

    def fault(self, kind, **more):
        params = more.pop("params", None)
        body = dict(kind=kind, **more)
        if params:
            body["params"] = params
        status, j = self.twin("POST", "/v1/lab/faults", body)
        assert status == 201, j
        return j["id"]

    def no_faults(self):
        for f in self.twin("GET", "/v1/lab/faults")[1]["items"]:
            self.twin("DELETE", "/v1/lab/faults/%s" % f["id"])

    # The end

    def logs(self):
        for path in sorted(glob.glob(self.dir + "/*.log") + glob.glob(self.dir + "/*/*.log")):
            with open(path, errors="replace") as f:
                print("--- %s\n%s" % (os.path.basename(path), f.read()[-5000:]))

    def close(self, keep_files=False):
        if self.coordinator and self.coordinator.poll() is None:
            self.kill()
        for dir in [self.dir] + glob.glob(self.dir + "/*/"):
            if os.path.exists(dir + "/milkywayd.up"):
                self.cli("down", dir=dir)
        if os.path.exists(self.twin_socket):
            self.twin_cli("down")
        if not keep_files:
            shutil.rmtree(self.dir, ignore_errors=True)


def main(build, cases, world="tiny"):
    """Runs cases(product); prints the logs if one failed. Exit status."""
    p = Product(build, world)
    # a timeout of the caller must not leave a twin behind
    signal.signal(signal.SIGTERM, lambda *_: (_ for _ in ()).throw(SystemExit(1)))
    try:
        cases(p)
    except Exception as e:
        check("no surprise", False, repr(e))
        traceback.print_exc()
    finally:
        if failures:
            p.logs()
        p.close()
    return 1 if failures else 0


def mcis_file(name, *groups, **more):
    """groups: (name, count, connection, spec)"""
    return dict(name=name, groups=[dict(name=n, count=c, connection=where, spec=spec, image="debian-12")
                                   for n, c, where, spec in groups], **more)

"""One lane of the tests on real processes: a simulated cloud that lives on, a
coordinator that is killed, and what both must agree on afterwards. A lane runs
cycles of wishes over one MCIS in clouds of all three classes; each wish may
come with a disturbance (a kill at the n-th system call, a failing disk, a
jumping clock). Nothing of a lane is shared with another."""
import http.client
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from product import UnixHTTP, ask

DEADLINE = float(os.environ.get("MW_DEADLINE", 60))  # seconds to come to rest, on a busy machine too
POWER = {"suspend": "Suspended", "resume": "Running"}
STOPPED = {"aws": ("stopped",), "azure": ("PowerState/deallocated",), "openstack": ("SHUTOFF",)}
RUNNING = {"aws": ("running",), "azure": ("PowerState/running",), "openstack": ("ACTIVE",)}
CLOUDS = ("aws", "azure", "openstack")  # classes T, N, L


class Violation(Exception):
    pass


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Life:
    """One process of the coordinator, under the killer."""

    def __init__(self, lane, first=None):
        argv = [lane.build + "/tests/kill/killer"] + ([first] if first else [])
        argv += ["--", lane.daemon, "--state-dir", lane.dir]
        for s in lane.settings:
            argv += ["--set", s]
        self.p = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=lane.log, env=lane.env)
        self.last = ["ended", "-1"]
        if self.word()[0] != "up":
            raise PermissionError("ptrace is not permitted here")

    def word(self):
        """The next line of the killer as words; behind the last the last again."""
        line = self.p.stdout.readline().decode().split()
        if line:
            self.last = line
        elif self.last[0] not in ("killed", "ended"):
            self.last = ["ended", "-1"]
        return self.last

    def tell(self, text):
        try:
            os.write(self.p.stdin.fileno(), text.encode() + b"\n")
        except OSError:
            pass  # it is over; word() tells how

    def count(self):
        """System calls since "kill" or "fail"; None if the process is over, or
        about to be: a failed call of the disk is not always its end."""
        failed = False
        self.tell("count")
        while (w := self.word())[0] == "failed":
            failed = True
        end = time.monotonic() + 3
        while failed and not self.over() and time.monotonic() < end:
            time.sleep(0.01)
        return int(w[1]) if w[0] == "count" and not self.over() else None

    def end(self, how="now"):
        """How it ended: ("killed", n, nr), ("ended", status)."""
        self.tell(how)
        while (w := self.word())[0] not in ("killed", "ended"):
            pass
        self.close()
        return tuple([w[0]] + [int(x) for x in w[1:]])

    def over(self):
        return self.p.poll() is not None

    def close(self):
        self.p.stdin.close()
        self.p.wait()
        self.p.stdout.close()


class Lane:
    def __init__(self, build, daemon=None, base=None, seed=1, boot_ms=10, env=None):
        self.build, self.daemon = os.path.realpath(build), daemon or os.path.realpath(build) + "/milkywayd"
        base = base or ("/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
        self.dir = tempfile.mkdtemp(prefix="mwk.", dir=base)
        self.rng = random.Random(seed)
        self.env = dict(os.environ, **(env or {}))
        self.log = open(self.dir + "/milkywayd.log", "ab")
        self.socket = self.dir + "/cloud.sock"
        self.port = free_port()
        self.settings = ["api.port=%d" % self.port, "link.port=0", "link.address=127.0.0.1", "agent.install=false",
                         "schedule.defaults=none", "lifecycle.poll_ms=40", "lifecycle.sweep_s=1", "api.rate=100000"]
        self.cloud = subprocess.Popen([self.build + "/tests/sim/simcloud", "--socket", self.socket, "--clouds",
                                       ",".join("%s:%s:1" % (c, k) for c, k in zip(CLOUDS, "TNL")), "--boot-ms",
                                       str(boot_ms), "--seed", str(seed), "--log", self.dir + "/calls.log",
                                       "--with-parent"])
        self.life, self.token, self.want, self.power = None, None, {}, "Running"
        self.said, self.doubled, self.start_end = "", 0, None
        self.conn = None

    # The world

    def sim(self, method, path, body=None):
        return ask(UnixHTTP(self.socket), method, path, body)

    def truth(self):
        status, j = self.sim("GET", "/v1/lab/truth")
        assert status == 200, j
        return j["items"]

    def api(self, method, path, body=None, timeout=20):
        """(status, answer); status 0: the process ended before it answered."""
        for attempt in (1, 2):
            fresh = self.conn is None
            if fresh:
                self.conn = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
            try:
                headers = {"Authorization": "Bearer " + (self.token or "")}
                if body is not None:
                    headers["Content-Type"] = "application/json"
                self.conn.request(method, path, json.dumps(body) if body is not None else None, headers)
                r = self.conn.getresponse()
                data = r.read()
                return r.status, json.loads(data) if data else None
            except (OSError, http.client.HTTPException, ValueError):
                self.conn.close()
                self.conn = None
                if fresh or method != "GET":
                    return 0, None

    def start(self, first=None):
        """A new process, disturbed by a command of the killer from its first
        instruction on. True when it serves, False if it is over."""
        self.conn = None
        self.life = Life(self, first)
        end = time.monotonic() + DEADLINE
        while not self.life.over():
            if self.api("GET", "/readyz")[0] == 200:
                if not self.token:
                    self.token = open(self.dir + "/token").read().strip()
                return True
            if time.monotonic() > end:
                raise Violation("it does not serve within %d s" % DEADLINE)
            time.sleep(0.005)
        return False

    def begin(self):
        """First start, connections, VMs of others."""
        end = time.monotonic() + 10
        while not os.path.exists(self.socket) and time.monotonic() < end:
            time.sleep(0.01)
        if not self.start():
            raise Violation("the first start fails")
        self.deployment = self.api("GET", "/v1/version")[1]["deployment"]
        s, j = self.api("POST", "/v1/connections/discover", {"driver": "twin", "endpoint": self.socket})
        assert s == 202, (s, j)
        self.until(lambda: self.api("GET", "/v1/actions/" + j["actionId"])[1]["state"] == "done", "connections")
        self.conns = {c: [x["id"] for x in self.api("GET", "/v1/connections")[1]["items"] if x["csp"] == c][0]
                      for c in CLOUDS}
        self.strangers = []
        for c in CLOUDS:
            for n, tags in (("untagged", {}), ("other", {"mw-deployment": "other", "mw-slot": c, "mw-gen": "1"})):
                s, v = self.sim("POST", "/v1/clouds/%s/vms" % c,
                                dict(token="s" + n, name="s-" + n, tags=tags, region="r0", spec="small", image="debian-12"))
                assert s == 202, v
                self.strangers.append(v["id"])

    def until(self, f, what, seconds=DEADLINE):
        end = time.monotonic() + seconds
        while not (v := f()):
            if time.monotonic() > end:
                raise Violation("%s, not within %d s: %s" % (what, seconds, self.said))
            time.sleep(0.02)
        return v

    # Wishes

    def body(self, want):
        return dict(requireAgent=False, groups=[
            dict(name=c, count=n, connection=self.conns[c], spec=spec, image="debian-12")
            for c, (n, spec) in sorted(want.items())])

    def send(self, wish):
        """Status of one wish: ("put", want), ("verb", name), ("delete",)."""
        path = "/v1/ns/default/mcis/m"
        if wish[0] == "put":
            return self.api("PUT", path + "?allowRemove=1&allowReplace=1", self.body(wish[1]))
        if wish[0] == "verb":
            return self.api("POST", path + "/actions", {"action": wish[1]})
        return self.api("DELETE", path)

    def after(self, wish):
        """(want, power) when it is done."""
        if wish[0] == "put":
            return wish[1], self.power
        if wish[0] == "verb":
            return self.want, POWER[wish[1]]
        return {}, "Running"

    # At rest

    def differs(self, want, power):
        """What is not (yet) as wished; "" if all is. Both sides are asked."""
        s, a = self.api("GET", "/v1/actions?limit=20")
        open_ = [x for x in a["items"] if x["state"] in ("pending", "running")] if s == 200 else [s]
        s, m = self.api("GET", "/v1/ns/default/mcis/m")
        if open_:
            return "actions run: %s, VMs: %s" % (open_, [
                {k: v[k] for k in ("vmId", "status", "statusReason", "nativeStatus", "targetAction", "spec", "generation",
                                   "cspResourceId")} for v in m["vms"]] if s == 200 else s)
        mine = [v for v in self.truth() if v["id"] not in self.strangers]
        if s == 404:
            return "" if not want and not mine else "no MCIS, but %d VMs, wished %s" % (len(mine), want)
        if s != 200 or not want:
            return "GET: %d" % s if s != 200 else "the MCIS is still there: %s" % m["status"]
        wished = {"%s-%d" % (c, i + 1): spec for c, (n, spec) in want.items() for i in range(n)}
        vms = {v["vmId"]: v for v in m["vms"]}
        if set(vms) != set(wished) or any(v["status"] != power for v in vms.values()):
            return "API: %s, wished %s %s" % ({k: v["status"] for k, v in vms.items()}, sorted(wished), power)
        if sorted(v["cspResourceId"] for v in vms.values()) != sorted(v["id"] for v in mine):
            return "the clouds have %s, the API says %s" % (
                sorted(v["id"] for v in mine), sorted(v["cspResourceId"] for v in vms.values()))
        real = {v["id"]: v for v in mine}
        native = RUNNING if power == "Running" else STOPPED
        for k, v in vms.items():
            r = real[v["cspResourceId"]]
            if r["spec"] != wished[k] or r["nativeState"] not in native[r["cloud"]]:
                return "%s is %s %s" % (k, r["spec"], r["nativeState"])
        return ""

    def rest(self, *ends):
        """Waits until the state is one of the ends, which is returned."""
        def one():
            said = []
            for e in ends:
                d = self.differs(*e)
                if not d:
                    return e
                said.append(d)
            self.said = "; ".join(said)
            if self.life.over():
                raise Violation("it ended by itself: %s" % (self.life.end(),))
            return None
        e = self.until(one, "not at rest")
        self.check_always()
        return e

    def check_always(self):
        """What must hold at every instant."""
        found = self.sim("GET", "/v1/lab/oracle")[1]["doubled"]
        if len(found) > self.doubled:
            self.doubled = len(found)
            raise Violation("two VMs of one slot: %s" % found[-1])
        alive = {v["id"]: v for v in self.truth()}
        for s in self.strangers:
            if s not in alive or alive[s]["nativeState"] not in RUNNING[alive[s]["cloud"]]:
                raise Violation("a VM of somebody else was touched: %s" % s)
        with open(self.dir + "/calls.log") as f:
            for line in f:
                if any("/vms/%s" % s in line for s in self.strangers):
                    raise Violation("a call about somebody else's VM: %s" % line)

    # A wish with a disturbance

    def step(self, wish, disturb=None, restart=None):
        """Sends the wish while disturb(life) acts; then all must be as wished.
        Returns how that life ended, or None; the calls that were counted; and
        whether the wish was acknowledged at once."""
        before, goal = (self.want, self.power), self.after(wish)
        if disturb:
            disturb(self.life)
        status, answer = self.send(wish)
        if status not in (0, 200, 202) and not self.life.over():
            raise Violation("%s is answered %d %s" % (wish, status, answer))
        acknowledged = status in (200, 202)
        died, counted = self.watch(goal)
        if died:
            self.restart(restart)
            # what was not acknowledged may have happened or not, but wholly
            end = self.rest(goal) if acknowledged else self.rest(goal, before)
            if end != goal:
                self.want, self.power = before
                status, answer = self.send(wish)
                if status not in (200, 202):
                    raise Violation("after a restart %s is answered %d %s" % (wish, status, answer))
        self.rest(goal)
        self.want, self.power = goal
        return died, counted, acknowledged

    def watch(self, goal):
        """Until the process is over or the goal is reached."""
        end = time.monotonic() + DEADLINE
        while True:
            if self.life.over():
                return self.life.end(), None
            said = self.differs(*goal)
            if not said:
                counted = self.life.count()
                if counted is not None:
                    return None, counted
            elif time.monotonic() > end:
                raise Violation("not at rest within %d s: %s" % (DEADLINE, said))
            time.sleep(0.02)

    def restart(self, first=None):
        """Up again. With a command for the killer the first start may end, in
        the way that was asked for; the one after it must not."""
        self.start_end = None
        if first:
            if self.start(first) and self.life.count() is not None:
                return  # what was to come did not come
            self.start_end = self.life.end()
            if self.start_end == ("ended", 0):
                raise Violation("the start ended as if all were well")
        if not self.start():
            raise Violation("it does not start: %s" % (self.life.end(),))

    def wishes(self):
        """The cycle: seven wishes that lead back to nothing."""
        one = {c: (1, "small") for c in CLOUDS}
        more = dict(one, aws=(2, "small"), openstack=(2, "small"))
        other = {c: (n, "medium") for c, (n, _) in more.items()}
        less = {c: (1, "medium") for c in CLOUDS}
        return (("create", ("put", one)), ("scaleOut", ("put", more)), ("suspend", ("verb", "suspend")),
                ("resume", ("verb", "resume")), ("replace", ("put", other)), ("scaleIn", ("put", less)),
                ("delete", ("delete",)))

    def replacing(self):
        """More of the longest wish only: it needs VMs, and goes to and fro."""
        if not self.want:
            return self.wishes()[:2]
        spec = "medium" if self.want["aws"][1] == "small" else "small"
        return (("replace", ("put", {c: (n, spec) for c, (n, _) in self.want.items()})),)

    def tail(self, n=4000):
        self.log.flush()
        with open(self.dir + "/milkywayd.log", errors="replace") as f:
            return f.read()[-n:]

    def close(self, keep=False):
        if self.life and not self.life.over():
            self.life.end()
        self.cloud.terminate()
        self.cloud.wait()
        self.log.close()
        if not keep:
            shutil.rmtree(self.dir, ignore_errors=True)

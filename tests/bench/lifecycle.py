#!/usr/bin/env python3
"""Ten thousand VMs in a hundred regions of simulated clouds: memory and answers
of the coordinator, a verb on all of them, a restart; then a few hundred in
clouds that throttle. One JSON object a line.
Usage: lifecycle.py BUILD_DIR [VMS]"""
import http.client, json, os, shutil, signal, socket, subprocess, sys, tempfile, time

BUILD = os.path.realpath(sys.argv[1])
N = int(sys.argv[2]) if len(sys.argv) > 2 else 10000
REGIONS = 100
PATH = "/v1/ns/default/mcis/big"
# Clouds of one region each that refuse more than so many calls a second.
RATED = "aws:T:1,gcp:T:1,azure:N:1,openstack:L:1,alibaba:T:1,tencent:T:1,cloudit:L:1"
RATE = 20
# Beside every verb: one question after the other, and a pause of 2 ms.
PROBE = """
import http.client, sys, time
c = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=30)
import signal; stop = []; signal.signal(signal.SIGTERM, lambda *a: stop.append(1))
took = []
while not stop:
    t = time.monotonic(); c.request("GET", "/healthz"); c.getresponse().read()
    took.append(time.monotonic() - t); time.sleep(0.002)
took.sort()
print(took[len(took) // 2], took[len(took) * 99 // 100], took[-1], len(took))
"""


def figure(name, value, unit, target=""):
    print(json.dumps({"name": "lifecycle." + name, "value": round(value, 2), "unit": unit, "target": target}), flush=True)


class Unix(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.host)


class Bench:
    def __init__(self, d, world, settings):
        self.dir, self.sock, self.token, self.settings = d, d + "/cloud.sock", "", settings
        self.calls = d + "/calls.log"
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.log = open(d + "/milkywayd.log", "ab")
        self.cloud = subprocess.Popen([BUILD + "/tests/sim/simcloud", "--socket", self.sock, *world,
                                       "--boot-ms", "1000", "--log", self.calls, "--with-parent"], stderr=self.log)

    def api(self, method, path, body=None):
        head = {"Authorization": "Bearer " + self.token, "Content-Type": "application/json"}
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        c.request(method, path, body and json.dumps(body), head)
        r = c.getresponse()
        data = r.read()
        c.close()
        return r.status, data

    def get(self, path):
        status, data = self.api("GET", path)
        assert status == 200, (path, status, data[:300])
        return json.loads(data)

    def until(self, f, what, seconds):
        end = time.monotonic() + seconds
        while not (v := f()):
            if time.monotonic() > end:
                raise SystemExit("%s, not within %d s" % (what, seconds))
            time.sleep(0.05)
        return v

    def start(self):
        began = time.monotonic()
        settings = ["api.port=%d" % self.port, "link.port=0", "link.address=127.0.0.1", "agent.install=false",
                    "schedule.defaults=none", "api.rate=1000000", *self.settings]
        self.daemon = subprocess.Popen([BUILD + "/milkywayd", "--state-dir", self.dir + "/data", *sum((["--set", s] for s in settings), [])],
                                       stderr=self.log, stdout=self.log)
        while True:
            try:
                if self.api("GET", "/readyz")[0] == 200:
                    break
            except OSError:
                pass
            if time.monotonic() - began > 60 or self.daemon.poll() is not None:
                raise SystemExit("the coordinator does not start:\n" + open(self.log.name).read()[-2000:])
            time.sleep(0.005)
        took = time.monotonic() - began
        self.token = open(self.dir + "/data/token").read().strip()
        return took

    def memory(self, what):
        for line in open("/proc/%d/status" % self.daemon.pid):
            if line.startswith(what + ":"):
                return int(line.split()[1]) / 1024

    def cpu(self):
        f = open("/proc/%d/stat" % self.daemon.pid).read().rsplit(")", 1)[1].split()
        return (int(f[11]) + int(f[12])) / os.sysconf("SC_CLK_TCK")

    def counts(self):
        return self.get(PATH + "?view=counts")["statusCounts"]

    def timed(self, path, times=30):
        took = []
        for _ in range(times):
            began = time.monotonic()
            status, data = self.api("GET", path)
            took.append((time.monotonic() - began) * 1000)
            assert status == 200, (path, status, data[:300])
        took.sort()
        return took[len(took) // 2], took[-1], len(data)

    def all(self, what, method, path, body, done, target):
        probe = subprocess.Popen([sys.executable, "-c", PROBE, str(self.port)], stdout=subprocess.PIPE, text=True)
        time.sleep(0.5)
        began, cpu = time.monotonic(), self.cpu()
        status, data = self.api(method, path, body)
        accepted = time.monotonic() - began
        assert status in (200, 202), (what, status, data[:500])
        self.until(done, "%s of all" % what, 900)
        took = time.monotonic() - began
        probe.send_signal(signal.SIGTERM)
        p50, p99, top, n = map(float, probe.communicate()[0].split())
        figure(what + ".accepted", accepted * 1000, "ms")
        figure(what + ".all", took, "s")
        figure(what + ".cpu", self.cpu() - cpu, "s of one core")
        figure(what + ".beside.p50", p50 * 1000, "ms")
        figure(what + ".beside.p99", p99 * 1000, "ms", "<= 20")
        figure(what + ".beside.max", top * 1000, "ms")
        figure(what + ".memory.peak", self.memory("VmHWM"), "MiB", target)

    def truth(self):
        c = Unix(self.sock)
        c.request("GET", "/v1/lab/truth")
        return len(json.loads(c.getresponse().read())["items"])


def groups_of(b, n):
    """All connections of the clouds; groups of n VMs over them."""
    status, data = b.api("POST", "/v1/connections/discover", {"driver": "twin", "endpoint": b.sock})
    action = json.loads(data)["actionId"]
    b.until(lambda: b.get("/v1/actions/" + action)["state"] != "running", "connections", 60)
    conns = [c["id"] for c in b.get("/v1/connections")["items"]]
    specs = {}
    for s in b.get("/v1/specs?limit=10000")["items"]:
        specs.setdefault(s["connection"], s["name"])
    return [{"name": "g-%s" % c.replace(".", "-")[:50], "count": n // len(conns), "connection": c, "spec": specs[c], "image": "debian-12"} for c in conns]


def rates(b):
    """Each connection stays within its rate, and no cloud has to say so."""
    b.until(lambda: os.path.exists(b.sock), "the clouds", 10)
    b.start()
    groups = groups_of(b, N // REGIONS * len(RATED.split(",")))
    vms = sum(g["count"] for g in groups)
    figure("rated.vms", vms, "VMs in %d clouds" % len(groups))
    for what, method, path, body, state in (
            ("create", "PUT", PATH, {"requireAgent": False, "groups": groups}, "running"),
            ("suspend", "POST", PATH + "/actions", {"action": "suspend"}, "suspended"),
            ("terminate", "POST", PATH + "/actions", {"action": "terminate"}, "terminated")):
        skip, began = os.path.getsize(b.calls), time.monotonic()
        status, data = b.api(method, path, body)
        assert status == 202, (what, status, data[:500])
        b.until(lambda: b.counts()[state] == vms, "%s of all" % what, 900)
        figure("rated.%s.all" % what, time.monotonic() - began, "s")
        times = {}
        with open(b.calls) as f:
            f.seek(skip)
            for call in map(json.loads, f):
                times.setdefault(call["path"].split("/")[3], []).append(call["atNs"] / 1e9)
        # Within 5 s the rate and one bucket of tokens may leave.
        most = max(sum(t <= x < t + 5 for x in v) for v in times.values() for t in v)
        mean = max((len(v) - 10) / (v[-1] - v[0]) for v in times.values())
        figure("rated.%s.calls" % what, sum(map(len, times.values())), "calls")
        figure("rated.%s.rate" % what, mean, "calls/s of the busiest connection behind its first 10", "<= %d" % RATE)
        figure("rated.%s.in5s" % what, most, "calls of one connection in 5 s", "<= %d" % (5 * RATE + 10))
    figure("rated.throttled", open(b.log.name).read().count("the cloud throttles us"), "answers", "0")
    assert b.truth() == 0, b.truth()


def main(b):
    b.until(lambda: os.path.exists(b.sock), "the clouds", 10)
    figure("start.empty", b.start() * 1000, "ms")
    figure("memory.empty", b.memory("VmRSS"), "MiB")
    groups = groups_of(b, N)
    vms = sum(g["count"] for g in groups)
    figure("memory.connections", b.memory("VmRSS"), "MiB")
    figure("vms", vms, "VMs in %d regions" % len(groups))
    b.all("create", "PUT", PATH, {"requireAgent": False, "groups": groups}, lambda: b.counts()["running"] == vms, "")
    assert b.truth() == vms, b.truth()
    time.sleep(5)
    figure("memory.rest", b.memory("VmRSS"), "MiB", "<= 100")
    cpu = b.cpu()
    time.sleep(10)
    figure("cpu.rest", (b.cpu() - cpu) * 10, "% of one core")
    for name, query, target in (("counts", "?view=counts", "< 5"), ("status", "?view=status", "<= 20"), ("whole", "", "")):
        p50, top, size = b.timed(PATH + query)
        figure("read." + name + ".p50", p50, "ms", target)
        figure("read." + name + ".max", top, "ms")
        figure("read." + name + ".size", size / 1024, "KiB")
    p50, top, size = b.timed("/metrics", 5)
    figure("read.metrics.p50", p50, "ms")
    figure("memory.afterReads", b.memory("VmRSS"), "MiB", "<= 100")
    b.all("suspend", "POST", PATH + "/actions", {"action": "suspend"}, lambda: b.counts()["suspended"] == vms, "")
    b.daemon.kill()
    b.daemon.wait()
    figure("restart", b.start(), "s", "<= 2")
    assert b.counts()["total"] == vms
    time.sleep(5)
    figure("memory.restarted", b.memory("VmRSS"), "MiB", "<= 100")
    b.all("terminate", "POST", PATH + "/actions", {"action": "terminate"}, lambda: b.counts()["terminated"] == vms, "")
    assert b.truth() == 0, b.truth()
    figure("memory.end", b.memory("VmRSS"), "MiB")


def run(f, world, settings):
    tmp = tempfile.mkdtemp(prefix="milkyway-bench.", dir="/var/tmp")
    bench = Bench(tmp, world, settings)
    try:
        f(bench)
    finally:
        for p in (getattr(bench, "daemon", None), bench.cloud):
            if p:
                p.kill()
                p.wait()
        if os.environ.get("keep_logs"):
            shutil.copy(tmp + "/milkywayd.log", os.environ["keep_logs"])
        shutil.rmtree(tmp, ignore_errors=True)


run(main, ["--regions", str(REGIONS)], [])
run(rates, ["--clouds", RATED, "--rate", str(RATE), "--log-reads"], ["cloud.rate=%d" % RATE])

"""Component test of host metrics and /metrics: a fake cloud, fake agents that
send minutes, the real coordinator. Usage: metrics.py BUILD_DIR."""
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
sys.path.insert(0, os.path.dirname(__file__))
import fakecloud
import coordinator
from coordinator import BUILD, M, MCIS, ROOT, Coordinator, Fleet, check, until

PROMTOOL = shutil.which("promtool")
SAMPLE = re.compile(r'^([a-z_][a-z0-9_]*)(?:\{((?:[a-z_]+="(?:[^"\\\n]|\\[\\"n])*",?)*)\})? (\S+)$')


def parse(text):
    """{name: [(labels, value)]}, types; every line must be well formed."""
    out, types, current = {}, {}, None
    for line in text.split("\n"):
        if line.startswith("# TYPE "):
            _, _, current, kind = line.split(" ")
            assert current not in types, "family %s is there twice" % current
            types[current] = kind
        elif line and not line.startswith("#"):
            m = SAMPLE.match(line)
            assert m, "not a sample: " + line
            assert m.group(1) == current, "%s lies in family %s" % (m.group(1), current)
            labels = dict(re.findall(r'([a-z_]+)="((?:[^"\\]|\\.)*)"', m.group(2) or ""))
            out.setdefault(current, []).append((labels, float(m.group(3))))
    return out, types


def page(c, query=""):
    status, data, r = c.raw("GET", "/metrics" + query)
    assert status == 200, data
    assert r.getheader("Content-Type").startswith("text/plain; version=0.0.4"), r.getheader("Content-Type")
    return data.decode()


def one(series, name, **labels):
    found = [v for l, v in series.get(name, []) if all(l.get(k) == x for k, x in labels.items())]
    return found[0] if len(found) == 1 else None


def minute(at, **more):
    m = {"minute": at, "coveredS": 60, "benchS": 0, "cgroupOf": ["cpu", "mem"], "cpuPct": 12.5, "cpuMaxPct": 80,
         "stealPct": 0.25, "load1": 0.5, "memUsedMiB": 100, "memTotalMiB": 2048, "netRxBytes": 6000,
         "netTxBytes": 60, "diskReadBytes": 0, "diskWriteBytes": 600, "psiCpuPct": 1.5}
    m.update(more)
    return m


def beat(agent, host):
    agent.link.send(type="beat", metrics={"busy": False}, spooled=0, host=host)


def test_minutes(c, fleet):
    now = int(time.time()) // 60
    a, b = fleet.up(1), fleet.up(2)
    get = lambda q: c.call("GET", M + "/metrics" + q)
    beat(a, [minute(now - 2), minute(now - 1, benchS=30)])
    beat(a, [minute(now - 2, cpuPct=99), minute(now - 500), minute(now + 60)])
    beat(b, [minute(now - 1, cpuPct=50, stealPct=None)])
    latest = lambda: {x["vmId"]: x for x in get("?latest=1")[1]["items"]}
    check("the newest minute of each VM is shown", until(lambda: latest()["a-1"]["latest"] and
          latest()["a-2"]["latest"]), latest())
    x = latest()["a-1"]["latest"]
    check("with its benchmark, scope and age", x["benchS"] == 30 and x["scope"] == "mixed" and
          x["cgroupOf"] == ["cpu", "mem"] and 0 <= x["ageS"] < 180, x)
    check("a VM that said nothing has a reason", latest()["g-1"]["latest"] is None and latest()["g-1"]["latestReason"],
          latest()["g-1"])
    s, j = until(lambda: (lambda r: r if len(r[1]["items"][0]["points"]) == 2 else None)(get("?vm=a-1"))) or get("?vm=a-1")
    p = j["items"][0]["points"]
    check("a minute is stored once, and those of unlikely times never", [x["cpuPct"] for x in p] == [12.5, 12.5], j)
    check("what is unknown is null", get("?vm=a-2")[1]["items"][0]["points"][0]["stealPct"] is None)
    s, j = get("?since=2020-01-01T00:00:00Z")
    check("too many points are refused with a hint", s == 429 and j["hint"], (s, j))
    check("bad times are refused", get("?since=yesterday")[0] == 400 and get("?step=day")[0] == 400 and
          get("?since=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z")[0] == 400)
    check("an unknown VM is not found", get("?vm=nobody")[0] == 404)
    beat(b, [minute(now - 130 - i) for i in range(5)])
    hours = lambda: get("?vm=a-2&step=hour")[1]["items"][0]["points"]
    check("hours that are over are folded", until(lambda: sum(x["coveredS"] for x in hours()) == 300, 30), hours())
    check("sums add up", sum(x["netRxBytes"] for x in hours()) == 30000 and hours()[0]["cpuMaxPct"] == 80, hours())
    for what, bad in (("a share below 0", [minute(now, cpuPct=-1)]), ("six minutes at once", [minute(now)] * 6),
                      ("no list", "x"), ("a benchmark longer than the minute", [minute(now, benchS=61)])):
        x = fleet.up(3)
        beat(x, bad)
        check("%s ends the link" % what, until(lambda: x.bye is not None), x.bye)
        x.close()


def test_page(c):
    text = page(c)
    series, types = parse(text)
    check("VMs are counted by state", one(series, "milkyway_mcis_vms", mcis="t1", status="Running") == 4, series.get(
          "milkyway_mcis_vms"))
    check("host metrics have series", one(series, "milkyway_vm_cpu_used_ratio", vm="a-1") == 0.125 and
          one(series, "milkyway_vm_network_receive_bytes_per_second", vm="a-1") == 100 and
          one(series, "milkyway_vm_benchmark_ratio", vm="a-1") == 0.5, series.get("milkyway_vm_cpu_used_ratio"))
    check("what is unknown has none", one(series, "milkyway_vm_cpu_steal_ratio", vm="a-2") is None and
          one(series, "milkyway_vm_cpu_steal_ratio", vm="a-1") == 0.0025)
    check("a VM without an agent has no agent series", one(series, "milkyway_vm_agent_up", vm="g-2") is None and
          one(series, "milkyway_vm_agent_up", vm="a-1") == 1)
    check("counters end in _total and gauges do not",
          all(n.endswith("_total") == (t == "counter") for n, t in types.items()), types)
    check("odd times are counted", one(series, "milkyway_host_records_dropped_total") == 2, series.get(
          "milkyway_host_records_dropped_total"))
    check("nothing is dropped", one(series, "milkyway_metrics_dropped_series") == 0)
    check("no token is told", c.token not in text and "mw_" not in text)
    check("the page needs a token", c.raw("GET", "/metrics", token=None)[0] == 401)
    return text


def test_pairs(c, fleet):
    for slot in range(1, 5):
        if slot != 2:
            fleet.up(slot)
    s, a = c.act("POST", M + "/matrix", {"k": 3, "windowMs": 200})
    check("a round ends", a.get("state") == "done", a)
    few, _ = parse(page(c))
    check("a matrix has a summary", one(few, "milkyway_matrix_pairs", state="known") == 12 and
          one(few, "milkyway_matrix_rtt_p95_worst_seconds", mcis="t1") > 0 and
          one(few, "milkyway_matrix_measured_timestamp_seconds", mcis="t1") > 1.6e9, few.get("milkyway_matrix_pairs"))
    check("and no series of pairs unless asked", "milkyway_matrix_pair_rtt_p95_seconds" not in few)
    text = page(c, "?pairs=1")
    many, _ = parse(text)
    check("with ?pairs=1 each has two", len(many["milkyway_matrix_pair_rtt_p95_seconds"]) == 12 and
          len(many["milkyway_matrix_pair_rtt_median_seconds"]) == 12, many.keys())
    check("?pairs=2 is refused", c.raw("GET", "/metrics?pairs=2")[0] == 400)
    return text


def test_bound(c):
    c.kill()
    c.start("--set", "metrics.per_vm=1")
    s, _ = parse(page(c))
    check("metrics.per_vm bounds the VMs that have series", len(s["milkyway_vm_status"]) == 1 and
          one(s, "milkyway_metrics_dropped_series") > 0 and one(s, "milkyway_vms") == 4, s.get("milkyway_vm_status"))
    x = c.call("GET", M + "/metrics?latest=1&vm=a-1")[1]["items"][0]["latest"]
    check("the newest minute outlives kill -9", x and x["cpuPct"] == 12.5, x)


def names_of(expr):
    return re.findall(r"\bmilkyway_[a-z0-9_]+", expr)


def test_files(text):
    dash = json.load(open(ROOT + "/packaging/grafana/milkyway.json"))
    there = set(re.findall(r"^# TYPE (\S+)", text, re.M))
    exprs = [t["expr"] for p in dash["panels"] for t in p["targets"]]
    exprs += [v["definition"] for v in dash["templating"]["list"] if "definition" in v]
    used = {n for e in exprs for n in names_of(e)}
    check("the dashboard names only series that exist", used and used <= there, used - there)
    ids = [p["id"] for p in dash["panels"]]
    check("it can be imported", dash["schemaVersion"] >= 36 and len(ids) == len(set(ids)) and
          dash["templating"]["list"][0]["type"] == "datasource" and
          all(p["datasource"]["uid"] == "${datasource}" for p in dash["panels"]))
    rules = open(ROOT + "/packaging/prometheus-alerts.yml").read()
    used = {n for e in re.findall(r"expr: (.*)", rules) for n in names_of(e)}
    check("the alerts, too", used and used <= there, used - there)
    doc = open(ROOT + "/docs/metrics.md").read()
    check("docs/metrics.md names every series", all("`%s`" % n in doc for n in there),
          [n for n in there if "`%s`" % n not in doc])


def test_promtool(text):
    if not PROMTOOL:
        print("skip - promtool, Debian's package prometheus is not installed")
        return
    p = subprocess.run([PROMTOOL, "check", "metrics"], input=text.encode(), capture_output=True)
    check("promtool has nothing to say", p.returncode == 0 and not p.stderr.strip(), (p.returncode, p.stderr))
    p = subprocess.run([PROMTOOL, "check", "rules", ROOT + "/packaging/prometheus-alerts.yml"], capture_output=True)
    check("nor of the alerts", p.returncode == 0, p.stdout + p.stderr)


class RealAgent:
    """A milkyway-agent of slot 3, with a certificate of the coordinator's CA."""

    def __init__(self, c, fleet):
        self.dir, self.proc = c.dir + "/agent", None
        os.chmod(c.dir, 0o755)
        uri = "mw://%s/default/t1/3/1" % fleet.deployment
        agent = BUILD + "/milkyway-agent"
        run = lambda *a, **k: subprocess.run(a, check=True, capture_output=True, **k).stdout
        csr = run(agent, "enroll", "--dir", self.dir)
        with open(c.dir + "/agent.ext", "w") as f:
            f.write("subjectAltName=URI:%s\nextendedKeyUsage=clientAuth\nkeyUsage=digitalSignature\n" % uri)
        cert = run("openssl", "x509", "-req", "-CA", fleet.ca[1], "-CAkey", fleet.ca[0], "-set_serial", "4711",
                   "-days", "1", "-extfile", c.dir + "/agent.ext", input=csr).decode()
        run(agent, "enroll", "--dir", self.dir, "--accept", input=json.dumps({
            "config": {"coordinator": "127.0.0.1", "port": c.link_port, "deployment": fleet.deployment, "uri": uri,
                       "echoPort": 17472}, "cert": cert, "ca": open(fleet.ca[1]).read()}).encode())
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.argv = [agent, "run", "--dir", self.dir, "--user", "nobody", "--metrics"]

    def start(self):
        self.proc = subprocess.Popen(self.argv + ["127.0.0.1:%d" % self.port], stdout=subprocess.DEVNULL,
                                     stderr=open(self.dir + "/../agent.log", "w"))

    def get(self, path="/metrics", host=None):
        r = urllib.request.Request("http://127.0.0.1:%d%s" % (self.port, path), headers={"Host": host} if host else {})
        try:
            with urllib.request.urlopen(r, timeout=5) as a:
                return a.status, a.read().decode()
        except urllib.error.HTTPError as e:
            return e.code, ""
        except OSError as e:
            return 0, str(e)

    def stop(self):
        if not self.proc:
            return None
        self.proc.send_signal(signal.SIGTERM)
        return self.proc.wait(20)


def test_agent(c, fleet):
    fleet.agents.pop(3).close()
    a = RealAgent(c, fleet)
    try:
        p = subprocess.run(a.argv + ["9470"], capture_output=True, timeout=20)
        check("--metrics wants ADDRESS:PORT", p.returncode == 2 and b"127.0.0.1:9470" in p.stderr, p)
        a.start()
        up = lambda: "\nmilkyway_agent_link_up 1\n" in a.get()[1]
        check("a real agent serves its figures and is linked", until(up, 30), a.get())
        text = a.get()[1]
        s, types = parse(text)
        check("they are of this machine", one(s, "milkyway_host_memory_size_bytes") > 1e6 and
              one(s, "milkyway_host_load1") >= 0 and one(s, "milkyway_agent_benchmark_busy") == 0, s)
        check("its counters end in _total", all(n.endswith("_total") == (t == "counter") for n, t in types.items()))
        doc = open(ROOT + "/docs/metrics.md").read()
        check("docs/metrics.md names its series, too", all("`%s`" % n in doc for n in types), types)
        if PROMTOOL:
            p = subprocess.run([PROMTOOL, "check", "metrics"], input=text.encode(), capture_output=True)
            check("promtool has nothing to say of it", p.returncode == 0 and not p.stderr.strip(), p)
        check("it serves nothing else", a.get("/")[0] == 404 and a.get("/metrics", "evil.example")[0] in (400, 403, 421),
              (a.get("/"), a.get("/metrics", "evil.example")))
        vm = lambda: c.call("GET", M + "/metrics?latest=1&vm=g-1")[1]["items"][0]["latest"]
        check("its first minute arrives", until(vm, 90), vm())
        check("and is plausible", vm() and 0 < vm()["coveredS"] <= 60 and vm()["memTotalMiB"] > 0 and
              (vm()["cpuPct"] is None or 0 <= vm()["cpuPct"] <= 100.5), vm())
    finally:
        rc = a.stop()
    check("SIGTERM ends the agent cleanly", rc == 0, rc)


def main():
    dir = tempfile.mkdtemp(prefix="mw-metrics.")
    cloud = fakecloud.Cloud(dir + "/cloud.sock")
    c, fleet = Coordinator(dir), None
    try:
        c.start()
        c.act("POST", "/v1/connections/discover", {"driver": "twin", "endpoint": cloud.path})
        c.call("PUT", M, MCIS)
        vms = lambda: [v["status"] for v in c.call("GET", M)[1]["vms"]]
        check("VMs run", until(lambda: vms() == ["Running"] * 4), vms())
        fleet = Fleet(c)
        test_minutes(c, fleet)
        test_page(c)
        text = test_pairs(c, fleet)
        test_files(text)
        test_promtool(text)
        test_agent(c, fleet)
        test_bound(c)
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
        if coordinator.failed:
            print(open(c.log).read()[-4000:])
        cloud.close()
        shutil.rmtree(dir, ignore_errors=True)
    sys.exit(coordinator.failed > 0)


main()

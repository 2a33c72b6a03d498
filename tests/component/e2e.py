"""The command line end to end, on four VMs of the world "tiny"; see e2e.sh."""
import glob
import json
import os
import socket
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from product import check, main, mcis_file, until

SEOUL, TAIWAN = "aws-ap-northeast-2", "gcp-asia-east1"
# useradd and userdel write these anew, with the same content in the end
ACCOUNTS = {"/etc/.pwd.lock", "/etc/shadow", "/etc/group", "/etc/passwd"}


def status(p, what, want, *args, text="", **opts):
    rc, out, err = p.cli(*args, **opts)
    check(what, rc == want and text in out + err, (rc, out, err))
    return out


def put(p, name, *groups):
    path = "%s/%s.json" % (p.dir, name)
    with open(path, "w") as f:
        json.dump(mcis_file(name, *groups), f)
    return path


def vms(p, name="t", **opts):
    return p.cli_json("mcis", "show", name, **opts)["vms"]


def mutations(p):
    """Calls to the clouds that change or may change something."""
    calls = p.truth()["calls"]
    reads = ("get", "list", "regions", "specs", "images", "console")
    return {k: n for k, n in calls.items() if k not in reads and n}


def create(p):
    file = put(p, "t", ("a", 2, SEOUL, "t3.small"), ("g", 1, TAIWAN, "e2-small"))
    plan = p.cli_json("mcis", "create", "-f", file, "--dry-run")
    check("a plan creates nothing", [x["change"] for x in plan["plan"]] == ["create"] * 3 and not p.live(), plan)
    status(p, "mcis create", 0, "mcis", "create", "-f", file)
    v = vms(p)
    check("three VMs run, with an agent", [(x["vmId"], x["status"], x["agentState"]) for x in v] ==
          [(i, "Running", "up") for i in ("a-1", "a-2", "g-1")], v)
    check("they exist once", sorted(x["id"] for x in p.live()) == sorted(x["cspResourceId"] for x in v), p.live())
    before = mutations(p)
    status(p, "the same file again", 0, "mcis", "create", "-f", file)
    with open(file) as f:
        code, again = p.api("PUT", "/v1/ns/default/mcis/t", f.read())
    check("changes nothing, and no cloud is asked to", code == 200 and again["changed"] is False and
          mutations(p) == before, (code, again, before, mutations(p)))


def grow(p):
    file = put(p, "t", ("a", 2, SEOUL, "t3.small"), ("g", 2, TAIWAN, "e2-small"))
    old = {x["vmId"]: x["cspResourceId"] for x in vms(p)}
    status(p, "a larger count", 0, "mcis", "create", "-f", file)
    new = {x["vmId"]: x["cspResourceId"] for x in vms(p)}
    check("adds one VM and keeps the others", set(new) - set(old) == {"g-2"} and
          all(new[i] == old[i] for i in old) and len(p.live()) == 4, (old, new))
    less = put(p, "t", ("a", 1, SEOUL, "t3.small"), ("g", 2, TAIWAN, "e2-small"))
    status(p, "a smaller count is refused", 5, "mcis", "create", "-f", less, text="allowRemove")
    check("and ends no VM", len(p.live()) == 4 and len(vms(p)) == 4)
    agents = p.cli_json("agent", "list", "t")["items"]
    check("all agents are up", [a["state"] for a in agents] == ["up"] * 4, agents)


def measure(p):
    status(p, "bench run", 0, "bench", "run", "t", "-k", "cpus")
    rows = p.cli_json("bench", "show", "t")
    rows = rows.get("items", rows.get("results"))
    check("a value of each VM", sorted(r["vmId"] for r in rows) == ["a-1", "a-2", "g-1", "g-2"] and
          all(r["value"] > 0 and r["unit"] == "events/s" for r in rows), rows)
    def errors():
        m = p.cli_json("matrix", "t", "--truth", p.twin_socket)
        cells = [(i, j, c) for i, row in enumerate(m["cells"]) for j, c in enumerate(row) if i != j]
        check("every pair is known", len(cells) == 12 and all(c and c["rttMedianMs"] is not None for _, _, c in cells), m)
        wan = p.twin("GET", "/v1/lab/wan")[1]
        at = {v["vmId"]: wan["sites"].index(v["csp"] + "-" + v["region"]) for v in m["vms"]}
        ids = [v["vmId"] for v in m["vms"]]
        return {(ids[i], ids[j]): c["rttMedianMs"] - wan["rttMs"][at[ids[i]]][at[ids[j]]] for i, j, c in cells}

    def exact():
        """One more round: in the first one the machine may have been busy."""
        rc, out, err = p.cli("matrix", "t", "--run", "--window", 1000)
        return rc == 0 and all(abs(e) < 1 for e in errors().values())
    status(p, "matrix", 0, "matrix", "t", "--run", "--window", 1000, "--truth", p.twin_socket)
    check("within 1 ms of the true value", all(abs(e) < 1 for e in errors().values()) or until(exact, 60), errors())


def place(p):
    ask = ["place", "--from", "t", "--vms", 2, "--site-by", "region"]
    answer = p.cli_json(*ask, "--csps", 2, "--max-rtt", 60)
    check("place finds two clouds under 60 ms", len(answer["ranking"]) >= 1, answer)
    status(p, "and none under 20 ms", 4, *ask, "--csps", 2, "--max-rtt", 20)
    rc, out, err = p.cli("mcis", "create", "--from-placement", answer["placementId"], "--name", "best")
    v = vms(p, "best") if rc == 0 else []
    check("the answer is created", rc == 0 and sorted(x["csp"] for x in v) == ["aws", "gcp"] and
          {x["status"] for x in v} == {"Running"}, (rc, out, err, v))
    status(p, "and deleted", 0, "mcis", "delete", "best", "--yes")
    check("nothing is left of it", len(p.live()) == 4, p.live())


def command(p):
    j = p.cli_json("exec", "t", "--", "echo {{region}} {{vmId}}")
    want = {x["vmId"]: "%s %s" % (x["region"], x["vmId"]) for x in vms(p)}
    items = j.get("items", j)
    check("exec fills in region and VM", {i["vmId"]: i["stdout"].strip() for i in items} == want, j)
    target = next(x["publicIp"] for x in vms(p) if x["vmId"] == "g-1")
    status(p, "rtt", 0, "rtt", "t", target, "--count", 3)
    rows = p.get("/v1/ns/default/mcis/t/results?kind=rtt")["items"]
    near = {r["vmId"]: r["value"] for r in rows}
    check("each VM has a round-trip time to an address", set(near) == {"a-1", "a-2", "g-1", "g-2"} and
          abs(near["a-1"] - 40) < 2 and near["g-1"] < 2, rows)


def agents(p):
    vm = vms(p)[0]["cspResourceId"]
    diff = lambda: set(line.split(" ", 1)[1] for line in
                       p.twin("GET", "/v1/lab/vms/%s/diff" % vm)[1]["text"].splitlines())
    check("an agent leaves traces while it is there", diff() > ACCOUNTS, diff())
    status(p, "agent uninstall", 0, "agent", "uninstall", "t")
    check("leaves no file in /etc and /usr", diff() <= ACCOUNTS, diff())
    j = p.cli_json("exec", "t", "--", "ls -d /opt/milkyway /var/lib/milkyway* /run/milkyway-agent*; "
                   "pgrep -l milkyway-[ap]; grep milkyway /etc/passwd /etc/group")
    check("nor elsewhere, nor a process", all(i["stdout"] == "" for i in j.get("items", j)), j)
    states = lambda: [a["state"] for a in p.cli_json("agent", "list", "t")["items"]]
    check("no agent is up", "up" not in states(), states())
    status(p, "agent install brings it back", 0, "agent", "install", "t")
    check("all are up", until(lambda: states() == ["up"] * 4, 10), states())
    check("with their files", diff() > ACCOUNTS, diff())


def power(p):
    for verb, end in (("suspend", "Suspended"), ("resume", "Running")):
        status(p, verb, 0, "mcis", verb, "t")
        v = vms(p)
        check("then all are " + end, {x["status"] for x in v} == {end}, v)
    boots = lambda: {x["id"]: x["bootId"] for x in p.live()}
    old = boots()
    status(p, "reboot", 0, "mcis", "reboot", "t")
    new = boots()
    check("every VM has a new boot id", set(old) == set(new) and all(old[i] != new[i] for i in old), (old, new))
    check("agents come back", until(lambda: [x["agentState"] for x in vms(p)] == ["up"] * 4, 30), vms(p))
    status(p, "terminate", 0, "mcis", "terminate", "t", "--yes")
    check("no VM, but the record", not p.live() and {x["status"] for x in vms(p)} == {"Terminated"}, vms(p))
    status(p, "delete", 0, "mcis", "delete", "t", "--yes")
    check("no record", p.cli_json("mcis", "list")["items"] == [])


def someones_vm(p, n, cloud, region, spec):
    """A VM that has nothing to do with the coordinator; its user's key is in ~/mykey."""
    with open(p.dir + "/mykey.pub") as f:
        key = f.read().strip()
    p.twin("PUT", "/v1/clouds/%s/keys/mine" % cloud, {"region": region, "publicKey": key})
    code, vm = p.twin("POST", "/v1/clouds/%s/vms" % cloud, {
        "token": "mine-%d" % n, "name": "mine-%d" % n, "region": region, "spec": spec, "key": "mine"})
    assert code == 202, vm
    return until(lambda: (v := p.twin("GET", "/v1/clouds/%s/vms/%s" % (cloud, vm["id"]))[1])["publicIp"] and
                 v["nativeState"].lower() == "running" and v)


def answers(ip):
    try:
        with socket.create_connection((ip, 22), timeout=2) as s:
            return s.recv(4) == b"SSH-"
    except OSError:
        return False


def static(p):
    """As docs/static.md says: hosts that the user already has."""
    home = p.dir + "/mine"
    os.mkdir(home)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", p.dir + "/mykey"], check=True)
    hosts = [someones_vm(p, 1, "aws", "ap-northeast-2", "t3.small"), someones_vm(p, 2, "gcp", "asia-east1", "e2-small")]
    diff = lambda: [{line[2:] for line in p.twin("GET", "/v1/lab/vms/%s/diff" % v["id"])[1]["text"].splitlines()} -
                    ACCOUNTS for v in hosts]
    accounts = lambda: [p.twin_cli("ssh", "-i", p.dir + "/mykey", v["id"], "cd /etc; sudo cat passwd group shadow")
                        for v in hosts]
    check("static: two hosts answer", until(lambda: all(answers(v["publicIp"]) for v in hosts)))
    before = diff(), [x[1] for x in accounts()]
    check("static: their accounts can be read", all("cb-user" in x for x in before[1]), before)
    file = p.dir + "/hosts.json"
    with open(file, "w") as f:
        json.dump({"hosts": [
            {"name": "h%d" % i, "address": v["publicIp"], "user": "cb-user", "region": "r%d" % i, "spec": "box",
             "vcpu": 2, "memoryMiB": 2048, "costPerHourMicros": 1000, "keyFile": "mykey"} for i, v in enumerate(hosts)]}, f)
    on = {"dir": home}
    status(p, "static: up --no-twin", 0, "up", "--no-twin", "--advertise", "10.200.0.1", **on)
    status(p, "static: discover", 0, "connection", "discover", "static", file, **on)
    path = p.dir + "/static.json"
    with open(path, "w") as f:
        json.dump({"name": "s", "groups": [{"name": "h%d" % i, "count": 1, "connection": "static-r%d" % i,
                                            "spec": "box", "image": "any"} for i in (0, 1)]}, f)
    os.chmod(p.dir + "/mykey", 0o644)
    status(p, "static: a key that others can read is not used", 9, "mcis", "create", "-f", path,
           text="others may use this key", timeout=60, **on)
    os.chmod(p.dir + "/mykey", 0o600)
    status(p, "static: agent install", 0, "agent", "install", "s", **on)
    v = vms(p, "s", **on)
    check("static: both hosts run, with an agent", [(x["status"], x["agentState"]) for x in v] ==
          [("Running", "up")] * 2, v)
    status(p, "static: bench run", 0, "bench", "run", "s", "-k", "memR", **on)
    status(p, "static: matrix", 0, "matrix", "s", "--run", "--window", 500, "--limit", 100, "--check", **on)
    j = p.cli_json("exec", "s", "--", "hostname", **on)
    check("static: exec", [i["stdout"].strip() for i in j["items"]] == ["mine-1", "mine-2"], j)
    status(p, "static: place", 0, "place", "--from", "s", "--vms", 2, "--max-rtt", 100, **on)
    status(p, "static: suspend is not supported", 9, "mcis", "suspend", "s", text="UNSUPPORTED", **on)
    status(p, "static: agent uninstall", 0, "agent", "uninstall", "s", **on)
    check("static: leaves no file on the hosts", diff() == before[0], (before, diff()))
    after = accounts()
    check("static: nor an account", [x[1] for x in after] == before[1], (before, after))
    status(p, "static: delete", 0, "mcis", "delete", "s", "--yes", **on)
    check("static: the hosts are still there", len(p.live()) == 2)
    status(p, "static: down", 0, "down", **on)
    for v in hosts:
        p.twin("DELETE", "/v1/clouds/%s/vms/%s" % (v["cloud"], v["id"]))
    until(lambda: not p.live())


def left(p, name, pids):
    """What of a twin with this name, and of the directory, is still there."""
    found = [d for top in ("/sys/fs/cgroup", "/sys/fs/cgroup/*", "/tmp", "/var/tmp", "/run", "/dev/shm", "/var/lib")
             for d in glob.glob("%s/%s*" % (top, name))]
    with open("/proc/mounts") as f:
        found += [line for line in f if name in line or p.dir in line]
    for pid in pids | {int(x) for x in os.listdir("/proc") if x.isdigit() and int(x) != os.getpid()}:
        try:
            with open("/proc/%d/cmdline" % pid) as f:
                line = f.read()
            if pid in pids or p.dir in line or name in line:
                found.append("process %d %s" % (pid, line))
        except OSError:
            pass
    links = subprocess.run(["ip", "-br", "link"], stdout=subprocess.PIPE, text=True).stdout
    return found + [x for x in links.splitlines() if not x.startswith("lo ")] + \
        glob.glob(p.dir + "/twin/*") + glob.glob(p.dir + "/*.sock") + glob.glob(p.dir + "/*.up")


def down(p):
    name = os.listdir(p.dir + "/twin")[0]
    pids = set()
    for procs in glob.glob("/sys/fs/cgroup/**/%s/**/cgroup.procs" % name, recursive=True):
        with open(procs) as f:
            pids |= {int(x) for x in f}
    pids.add(p.twin("GET", "/v1/status")[1]["pid"])
    status(p, "down", 0, "down")
    check("leaves no process, cgroup, mount, device or file", until(lambda: not left(p, name, pids), 5),
          left(p, name, pids))


def whole(p):
    p.twin_up()
    static(p)
    status(p, "up", 0, "up", "--world", p.world, text="/token")
    with open(p.dir + "/token") as f:
        p.token = f.read().strip()
    items = p.cli_json("connection", "list")["items"]
    check("four verified connections", len(items) == 4 and all(x["verified"] for x in items), items)
    create(p)
    grow(p)
    measure(p)
    place(p)
    command(p)
    agents(p)
    power(p)
    down(p)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], whole))

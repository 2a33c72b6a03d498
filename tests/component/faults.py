"""Everything that goes wrong, on VMs of the world "tiny"; see faults.sh."""
import copy
import http.client
import json
import os
import random
import socket
import sys
import threading
import time
import traceback

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from product import check, main, mcis_file, until

PLACES = {"aws1": ("aws-ap-northeast-2", "t3.small"), "aws2": ("aws-us-east-1", "t3.small"),
          "gcp1": ("gcp-asia-east1", "e2-small"), "gcp2": ("gcp-europe-west3", "e2-small")}
NS = "/v1/ns/default/mcis"
SEED = int(os.environ.get("MW_SEED") or random.SystemRandom().randrange(1 << 30))
rng = random.Random(SEED)


def groups(n=1):
    return [(name, n, where, spec) for name, (where, spec) in PLACES.items()]


def begin(p, name, *g, **more):
    status, a = p.api("PUT", NS + "/" + name, mcis_file(name, *(g or groups()), **more))
    assert status == 202, (status, a)
    return a["actionId"]


def create(p, name, *g, seconds=120, **more):
    a = p.wait(begin(p, name, *g, **more), seconds)
    assert a["state"] == "done" and a["outcome"] == "ok", a


def delete(p, name):
    status, a = p.act("DELETE", NS + "/" + name)
    check("%s: everything of it can be deleted" % name, status == 202 and a["state"] == "done" and
          until(lambda: not p.truth()["items"], 20), (status, a, p.truth()["items"]))


def once(p, what, name, statuses=("Running",)):
    """Every VM that the MCIS has exists exactly once, and no other."""
    vms = p.mcis(name)["vms"]
    real = sorted(v["id"] for v in p.truth()["items"])
    have = sorted(v["cspResourceId"] for v in vms if v["status"] == "Running")
    check(what, real == have and all(v["status"] in statuses for v in vms),
          ([(v["vmId"], v["status"], v["statusReason"], v["cspResourceId"]) for v in vms], real))


def by_vm(rows):
    return {r["vmId"]: r for r in rows}


# Hostile requests ----------------------------------------------------------

QUERY = {"mode": "place", "groups": [{"name": "vm", "count": 1}], "constraints": {"maxRttMs": 40},
         "objective": {"mode": "weighted", "terms": [{"term": "price", "weight": 1}]}, "topK": 2,
         "from": {"ns": "default", "mcis": ["t"], "siteBy": "region"}}
BODIES = {  # of every route that takes one: a good one, which is never sent
    ("POST", "/v1/connections/discover"): {"driver": "twin", "endpoint": "/x"},
    ("PUT", "/v1/connections/x"): {"driver": "twin", "csp": "aws", "region": "r", "endpoint": "/x", "credential": "env:NONE"},
    ("POST", NS): {"name": "u", "fromPlacement": "pl-1", "rank": 1},
    ("PUT", NS + "/u"): mcis_file("u", *groups(), description="", labels={}, requireAgent=True),
    ("POST", NS + "/t/actions"): {"action": "suspend"},
    ("POST", NS + "/t/vms/aws1-1/actions"): {"action": "suspend"},
    ("POST", NS + "/t/commands"): {"command": "true", "selector": {"k": "v"}, "timeoutS": 5},
    ("POST", NS + "/t/agents"): {"action": "uninstall"},
    ("POST", NS + "/t/benchmarks"): {"kinds": ["cpus"], "profile": "quick", "vms": ["aws1-1"], "seed": 1},
    ("POST", NS + "/t/rtt"): {"targets": ["10.200.0.1"], "count": 3},
    ("POST", NS + "/t/matrix"): {"k": 10, "windowMs": 500},
    ("POST", "/v1/placements"): QUERY,
}
FREE_TEXT = ("/description", "/labels", "/selector", "/command")


def leaves(j, at=""):
    """(pointer, value) of everything in j."""
    for k, v in j.items() if isinstance(j, dict) else enumerate(j):
        yield "%s/%s" % (at, k), v
        if isinstance(v, (dict, list)):
            yield from leaves(v, "%s/%s" % (at, k))


def changed(j, pointer, value):
    j = copy.deepcopy(j)
    at = j
    *path, last = pointer.split("/")[1:]
    for k in path:
        at = at[int(k) if isinstance(at, list) else k]
    at[int(last) if isinstance(at, list) else last] = value
    return j


def bad_values(v):
    """What must not stand where v stands."""
    if isinstance(v, bool):
        return ["yes", 1]
    if isinstance(v, (int, float)):
        return ["5s", "7", -1, 1e300, 10**17, [1]]
    if isinstance(v, str):
        return [7, {"a": 1}, "x" * 100000]
    return [7, "text"]


def snapshot(p):
    """Everything that a request could have changed."""
    paths = ["/v1/ns", NS, NS + "/t", NS + "/t/benchmarks", NS + "/t/results", "/v1/connections", "/v1/placements",
             "/v1/actions", "/v1/events?after=0&limit=1000"]
    return json.dumps([p.get(x) for x in paths])


def requests(p):
    before = snapshot(p)
    wrong, no_pointer, n = [], [], 0

    def refused(key, what, body, pointer=None):
        nonlocal n
        n += 1
        try:
            status, j = p.api(*key, body)
        except (OSError, http.client.HTTPException) as e:
            # a server may close before it read a body that is too long
            status, j = 413 if pointer is None else 0, repr(e)
        # a group that is not there may also be "not found"
        if not 400 <= status < 500 or status == 401 or status == 404 and "/from/" not in what:
            wrong.append((key, what, status, j))
        elif pointer is not None and not any(e["pointer"].startswith(pointer) for e in j.get("errors") or []):
            no_pointer.append((key, what, pointer, j))

    for key, good in BODIES.items():
        refused(key, "unknown field", dict(good, surprise=1), "/surprise")
        for pointer, v in leaves(good):
            if not pointer.startswith(FREE_TEXT) or pointer.count("/") == 1:
                for bad in bad_values(v):
                    if not (pointer == "/command" and isinstance(bad, str)) and not (
                            pointer == "/seed" and bad == 10**17):
                        refused(key, "%s=%.20r" % (pointer, bad), changed(good, pointer, bad),
                                pointer if len(str(bad)) < 1000 else None)
            if isinstance(v, dict) and not pointer.startswith(FREE_TEXT):
                refused(key, "unknown field in " + pointer, changed(good, pointer + "/surprise", 1),
                        pointer + "/surprise")
        first = next(iter(good))
        text = json.dumps(good)
        refused(key, "twice the same key", '{%s:%s,%s' % (json.dumps(first), json.dumps(good[first]), text[1:]))
        refused(key, "1 MiB and more", text[:-1] + " " * (1 << 20) + "}")
        refused(key, "10,000 deep", '{"%s":%s%s}' % (first, "[" * 10000, "]" * 10000))
        refused(key, "cut", text[:-1])
        refused(key, "not UTF-8", text.encode()[:-1] + b',"\xff\xfe":1}')
        refused(key, "no object", "[%s]" % text)
    check("%d hostile bodies are refused with 4xx" % n, not wrong, wrong[:5])
    check("and the field is named", not no_pointer, (len(no_pointer), no_pointer[:5]))
    check("nothing has changed", snapshot(p) == before)
    status, j = p.api("GET", "/v1/version")
    check("the coordinator still answers", status == 200, (status, j))


def shell_text(p):
    """Text that a shell would act on; the canary shows if one did."""
    canary = p.dir + "/canary"
    evil = ["1.1.1.1; touch %s", "$(touch %s)", "`touch %s`", "1.1.1.1|touch %s", "1.1.1.1\ntouch %s", "-I %s",
            "10.200.0.1 & touch %s"]
    evil = [e % canary for e in evil]
    before, wrong = snapshot(p), []
    for e in evil:
        for key, pointer in (
                (("POST", NS + "/t/rtt"), "/targets/0"), (("PUT", "/v1/connections/x"), "/csp"),
                (("PUT", "/v1/connections/x"), "/region"), (("POST", "/v1/connections/discover"), "/driver"),
                (("POST", NS + "/t/benchmarks"), "/vms/0"), (("POST", NS + "/t/benchmarks"), "/kinds/0"),
                (("PUT", NS + "/u"), "/name"), (("PUT", NS + "/u"), "/groups/0/name"),
                (("PUT", NS + "/u"), "/groups/0/spec"), (("PUT", NS + "/u"), "/groups/0/connection"),
                (("PUT", NS + "/u"), "/groups/0/image"), (("POST", NS), "/name"),
                (("POST", "/v1/placements"), "/from/mcis/0")):
            status, j = p.api(*key, changed(BODIES[key], pointer, e))
            if not 400 <= status < 500:
                wrong.append((key, pointer, e, status, j))
        status, j = p.api("POST", NS + "/t/commands", {"command": "true", "selector": {e: e}})
        if not 400 <= status < 500:
            wrong.append(("selector", e, status, j))
        for path in ("%s/%s" % (NS, "t%3b%20id"), "/v1/ns/%24%28id%29/mcis"):
            status, j = p.api("GET", path)
            if not 400 <= status < 500:
                wrong.append((path, status, j))
    check("shell text in names and addresses is refused", not wrong, wrong[:5])
    check("nothing has changed", snapshot(p) == before)
    for e in evil:
        # an endpoint is a path of a file: looked up, never run
        status, a = p.act("POST", "/v1/connections/discover", {"driver": "twin", "endpoint": e})
        if status < 400 and a["state"] != "failed":
            wrong.append(("endpoint", e, status, a))
    check("an endpoint that would be shell text fails", not wrong, wrong[:5])
    status, a = p.act("POST", NS + "/t/commands", {"argv": ["echo"] + evil, "timeoutS": 20})
    items = p.get(NS + "/t/commands/" + a["actionId"])["items"]
    check("arguments of exec arrive as they are", [i["stdout"] for i in items] == [" ".join(evil) + "\n"] * 4, items)
    a = p.act("POST", NS + "/t/commands", {"argv": ["ls", canary]})[1]
    items = p.get(NS + "/t/commands/" + a["actionId"])["items"]
    check("no shell has seen any of it", not os.path.exists(canary) and all(i["exitCode"] == 2 for i in items), items)


def connections(p):
    bad = lambda **h: p.api("GET", "/v1/version", **h)[0]
    check("a request without token is 401", bad(Authorization="") == 401)
    check("with a wrong one too", bad(Authorization="Bearer mw_00000000_" + "A" * 43) == 401)
    check("with a shortened one too", bad(Authorization="Bearer " + p.token[:-1]) == 401)
    check("a foreign Host is refused", 400 <= bad(Host="evil.example") < 500 and 400 <= bad(Host="10.200.0.1") < 500)
    check("a local one is not", bad(Host="localhost:7470") == 200)
    many, cut = [], 0
    for _ in range(80):
        s = socket.create_connection(("127.0.0.1", 7470), timeout=5)
        s.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        many.append(s)
    for s in many:
        try:
            cut += not s.recv(100).startswith(b"HTTP/1.1 200")
        except OSError:
            cut += 1
    # two more may dribble
    check("at most 64 connections of one address", 80 - 64 <= cut <= 80 - 62, cut)
    for s in many:
        s.close()
    check("then new ones are fine again", until(lambda: answers(p), 5))


def answers(p):
    try:
        return p.api("GET", "/v1/version")[0] == 200
    except (OSError, http.client.HTTPException):
        return False


def dribble(head, seconds, out):
    """Sends a byte now and then, for ever; out gets when it was cut."""
    s = socket.create_connection(("127.0.0.1", 7470), timeout=0.25)
    t0 = time.monotonic()
    s.sendall(head)
    while time.monotonic() - t0 < seconds:
        try:
            s.sendall(b"x")
            if s.recv(1000) == b"":
                break
        except TimeoutError:
            continue
        except OSError:
            break
    out.append(time.monotonic() - t0)
    s.close()


def dribbles(p):
    """Runs beside the other cases; what it returns ends it."""
    auth = "POST /v1/placements HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n" % p.token
    head, body = [], []
    threads = [threading.Thread(target=dribble, args=(b"GET /v1/version HTTP/1.1\r\nX: ", 60, head), daemon=True),
               threading.Thread(target=dribble, args=(
                   (auth + "Content-Type: application/json\r\nContent-Length: 100000\r\n\r\n{").encode(), 60, body),
                   daemon=True)]
    for t in threads:
        t.start()

    def end():
        for t in threads:
            t.join(65)
        check("a head byte by byte is cut at its deadline", head and 3 < head[0] < 15, head)
        check("a body byte by byte too", body and 20 < body[0] < 45, body)
    return end


def hostile(p):
    create(p, "t")
    p.act("POST", NS + "/t/matrix", {"k": 5, "windowMs": 300})
    p.dribbles = dribbles(p)
    requests(p)
    shell_text(p)
    connections(p)
    delete(p, "t")


# SSH ------------------------------------------------------------------------

def install(p, verb="upgrade", seconds=60):
    return p.act("POST", NS + "/s/agents", {"action": verb}, seconds)[1]


def states(p, name="s"):
    return {v["vmId"]: (v["installState"], v["agentState"]) for v in p.mcis(name)["vms"]}


def ssh(p):
    """Eight VMs, two at each place: the first of each has an SSH fault."""
    start = p.events()[-1]["seq"]
    p.fault("noSudo", cloud="aws", region="ap-northeast-2", op="create", count=1)
    p.fault("diskFull", cloud="aws", region="us-east-1", op="create", count=1)
    p.fault("sshRefuse", cloud="gcp", region="asia-east1", op="create", count=1, params={"forS": 5})
    p.fault("sshKeyLate", cloud="gcp", region="europe-west3", op="create", count=1, params={"forS": 4})
    a = p.wait(begin(p, "s", *groups(2)), 120)
    check("no sudo and a full disk: the action ends in part", (a["state"], a["outcome"]) == ("done", "partial"), a)
    vms = by_vm(p.mcis("s")["vms"])
    error = lambda place, text: [v["vmId"] for v in vms.values() if v["group"] == place and
                                 v["installState"] == "failed" and text in (v["installError"] or "")]
    no_sudo, full = error("aws1", "noSudo"), error("aws2", "")
    check("each says why", len(no_sudo) == 1 and len(full) == 1, {i: v["installError"] for i, v in vms.items()})
    ready = [i for i, v in vms.items() if (v["installState"], v["agentState"]) == ("ready", "up")]
    check("refused connections and a late key are tried again, the other VMs are fine",
          sorted(ready + no_sudo + full) == sorted(vms), vms)
    failed = [e["vmId"] for e in p.events(type="install.failed", mcis="s") if e["seq"] > start]
    check("the events tell it", sorted(failed) == sorted(no_sudo + full), failed)
    changed_key(p, vms, ready)
    black_hole(p, vms, ready)
    delete(p, "s")
    p.no_faults()
    dropped(p)


def changed_key(p, vms, ready):
    victim, other = ready[0], ready[1]
    p.lab("hostkey", vms[victim]["cspResourceId"])
    a = p.act("POST", NS + "/s/commands", {"command": "touch /tmp/seen"})[1]
    items = by_vm(p.get(NS + "/s/commands/" + a["actionId"])["items"])
    check("a changed host key: nothing is run there", items[victim]["exitCode"] != 0 and
          "host key" in (items[victim]["error"] or ""), items[victim])
    check("elsewhere it is", items[other]["exitCode"] == 0, items[other])
    p.act("POST", NS + "/s/agents", {"action": "uninstall"})
    install(p)
    events = [e for e in p.events(type="hostkey.changed", mcis="s") if e["vmId"] == victim]
    check("an installation is refused, with an event", events and states(p)[victim][0] == "failed",
          (events, states(p)))
    check("the others get their agent", until(lambda: states(p)[other] == ("ready", "up"), 20), states(p))
    status, j = p.api("POST", NS + "/s/vms/%s/hostkey/accept" % victim)
    check("the new key can be accepted", status < 300, (status, j))
    install(p, "install")
    check("then it is installed", until(lambda: states(p)[victim] == ("ready", "up"), 20), states(p))


def black_hole(p, vms, ready):
    victim, other = ready[0], ready[1]
    where = {"a": vms[victim]["cspResourceId"], "b": "coordinator"}
    status, j = p.twin("PUT", "/v1/lab/links", dict(where, partitioned=True))
    assert status == 200, j
    a = p.act("POST", NS + "/s/commands", {"command": "true"}, 60)[1]
    items = by_vm(p.get(NS + "/s/commands/" + a["actionId"])["items"])
    check("a black hole: the command ends with a reason", items[victim]["exitCode"] in (None, -1) and
          items[victim]["error"], items[victim])
    check("and did not hold up the others", items[other]["exitCode"] == 0, items[other])
    check("its agent is silent, the VM still runs", until(lambda: states(p)[victim][1] == "silent", 60) and
          by_vm(p.mcis("s")["vms"])[victim]["status"] == "Running", states(p))
    p.twin("DELETE", "/v1/lab/links")
    check("it comes back with the network", until(lambda: states(p)[victim][1] == "up", 40), states(p))


def dropped(p):
    """Connections that break in the middle of the upload: again and again."""
    p.fault("sshDropAfterKiB", op="create", cloud="aws", count=1, params={"kib": 64})
    a = begin(p, "d", ("aws1", 1, *PLACES["aws1"]), ("gcp1", 1, *PLACES["gcp1"]))
    check("a cut upload does not hold up the other VM", until(lambda: states(p, "d")["gcp1-1"] == ("ready", "up"), 60),
          states(p, "d"))
    tries = lambda: sum(e["to"] == "waitSsh" and e["vmId"] == "aws1-1"
                        for e in p.events(type="install.step", mcis="d"))
    upload = lambda: sum(e["to"] == "upload" and e["vmId"] == "aws1-1"
                         for e in p.events(type="install.step", mcis="d"))
    check("it is tried again", until(lambda: upload() >= 2, 60), (tries(), upload()))
    delete(p, "d")
    check("and given up when the VM is not wanted any more", p.get("/v1/actions/" + a)["state"] not in
          ("pending", "running"), p.get("/v1/actions/" + a))


def signal_agent(p, mcis, vm, signal):
    """By SSH from aside: an exec would have to wait for the other VMs."""
    name = next(x for x in os.listdir(p.dir + "/ssh") if x.endswith(".pub"))[:-4]
    key = p.dir + "/login"
    with open(os.open(key, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as f:
        f.write(p.run("milkywayd", "--state-dir", p.dir, "--unseal", "ssh/" + name)[1])
    native = by_vm(p.mcis(mcis)["vms"])[vm]["cspResourceId"]
    return p.twin_cli("ssh", "-i", key, native,
                      "sudo pkill -%s -x milkyway-agent" % signal)[0] == 0


# Death during a benchmark -----------------------------------------------------

def deaths(p):
    create(p, "b")
    vms = by_vm(p.mcis("b")["vms"])
    status, a = p.api("POST", NS + "/b/benchmarks", {"kinds": ["cpus", "cpum", "memR", "memW"], "profile": "quick"})
    assert status == 202, a
    path = NS + "/b/benchmarks/" + a["runId"]
    deaths = {"aws1-1": lambda: p.lab("panic", vms["aws1-1"]["cspResourceId"]),
              "gcp1-1": lambda: p.lab("vanish", vms["gcp1-1"]["cspResourceId"]),
              "aws2-1": lambda: check("an agent is killed", signal_agent(p, "b", "aws2-1", "KILL"))}

    def die():
        for v in p.get(path)["vms"]:
            if v["state"] == "running" and v["step"] and v["vmId"] in deaths:
                deaths.pop(v["vmId"])()
        return not deaths or p.get(path)["state"] != "running"
    until(die, 120)
    check("all three in the middle of it", not deaths, deaths)
    end = p.wait(a["actionId"], 100)
    run = p.get(path)
    of = by_vm(run["vms"])
    check("the run ends", end["state"] not in ("pending", "running") and run["state"] not in ("pending", "running"),
          (end, run["state"], run["vms"]))
    got = lambda vm: {r["kind"] for r in run["results"] if r["vmId"] == vm and r["value"] is not None}
    check("the VM that vanished is marked", of["gcp1-1"]["state"] == "failed" and of["gcp1-1"]["error"], of["gcp1-1"])
    for vm, what in (("aws1-1", "the VM that crashed"), ("aws2-1", "the killed agent")):
        check("%s is marked, or did its work after all" % what,
              of[vm]["state"] == "failed" and of[vm]["error"] or len(got(vm)) == 4, (of[vm], got(vm)))
    check("the other VM has all results", of["gcp2-1"]["state"] == "done" and len(got("gcp2-1")) == 4, of["gcp2-1"])
    check("agents come back", until(lambda: all(states(p, "b")[i][1] == "up" for i in ("aws1-1", "aws2-1", "gcp2-1")),
                                    40), states(p, "b"))
    gone = until(lambda: (v := by_vm(p.mcis("b")["vms"])["gcp1-1"])["status"] != "Running" and v, 150)
    check("the vanished VM does not count as running", gone and gone["statusReason"], gone or p.mcis("b"))
    status, a = p.act("POST", NS + "/b/benchmarks", {"kinds": ["cpus"], "vms": ["aws1-1", "aws2-1", "gcp2-1"]})
    check("the next run is fine", a.get("outcome") == "ok", (status, a))
    delete(p, "b")


# Frozen in the middle of it: the process is there and does nothing ------------

def frozen(p):
    create(p, "f")
    vm, others = "aws1-1", ("aws2-1", "gcp1-1", "gcp2-1")
    agent = lambda: states(p, "f")[vm][1]
    status, a = p.api("POST", NS + "/f/benchmarks", {"kinds": ["cpus", "memR"]})
    path = NS + "/f/benchmarks/" + a["runId"]
    until(lambda: by_vm(p.get(path)["vms"])[vm]["state"] == "running", 60)
    check("an agent freezes while it measures", signal_agent(p, "f", vm, "STOP"))
    check("it is silent", until(lambda: agent() == "silent", 60), states(p, "f"))
    end, of = p.wait(a["actionId"], 100), by_vm(p.get(path)["vms"])
    check("the run ends without it, and says so", end["outcome"] == "partial" and of[vm]["state"] == "failed" and
          of[vm]["error"] and all(of[i]["state"] == "done" for i in others), (end, of))
    status, a = p.act("POST", NS + "/f/matrix", {"k": 3, "windowMs": 300})
    status, m = p.api("GET", NS + "/f/matrix?round=newest")
    check("so does a round", a["outcome"] == "partial", a)
    why = {v["vmId"]: {c["reason"] for c in row if c} for v, row in zip(m["vms"], m["cells"])}
    check("its row says why", why[vm] == {"agentSilent"} and why["gcp1-1"] == {None, "agentSilent"}, why)
    check("it goes on", signal_agent(p, "f", vm, "CONT") and until(lambda: agent() == "up", 60), states(p, "f"))
    status, a = p.act("POST", NS + "/f/benchmarks", {"kinds": ["cpus"]}, 30)
    check("and measures again, without waiting for a round that is over", a.get("outcome") == "ok", a)
    delete(p, "f")


# The coordinator is killed -----------------------------------------------------

def kills(p):
    for i in range(5):
        after = rng.uniform(0, 2.5)
        kill_creating(p, "k%d" % i, after)


def measured(p):
    create(p, "r")
    for i in range(3):
        kill_measuring(p, rng.uniform(0.2, 4))
    delete(p, "r")


def kill_creating(p, name, after):
    what = "killed %.2f s after the create" % after
    a = begin(p, name)
    time.sleep(after)
    p.restart()
    end = p.wait(a, 120)
    check(what + ": the action ends well", (end["state"], end["outcome"]) == ("done", "ok"), end)
    once(p, what + ": every VM exists once", name)
    check(what + ": agents are up", until(lambda: {x[1] for x in states(p, name).values()} == {"up"}, 60),
          states(p, name))
    delete(p, name)


def kill_measuring(p, after):
    what = "killed %.2f s into a benchmark" % after
    check(what + ": agents are up", until(lambda: {x[1] for x in states(p, "r").values()} == {"up"}, 40))
    status, a = p.api("POST", NS + "/r/benchmarks", {"kinds": ["cpus", "memR", "memW"]})
    assert status == 202, a
    path = NS + "/r/benchmarks/" + a["runId"]
    time.sleep(after)
    seen = {r["resultId"] for r in p.get(NS + "/r/results")["items"]}
    p.restart()
    have = {r["resultId"] for r in p.get(NS + "/r/results")["items"]}
    check(what + ": what was seen is still there", seen <= have, seen - have)
    end, run = p.wait(a["actionId"], 100), p.get(path)
    check(what + ": the run ends", end["state"] == "done" and run["state"] not in ("pending", "running"), (end, run))
    pairs = [(r["vmId"], r["kind"]) for r in run["results"]]
    check(what + ": no result twice", len(pairs) == len(set(pairs)), pairs)
    check(what + ": every VM is done or says why", all(
        v["error"] or v["state"] == "done" and sum(x[0] == v["vmId"] for x in pairs) == 3 for v in run["vms"]), run)


# Clouds that lie -----------------------------------------------------------------

LIES = [  # four at a time, one for each place: kind, how often, parameters, may the VM stay Failed?
    [("throttle", 4, {}, False), ("answerLost", 2, {}, False),
     ("errorButDone", 2, {}, False), ("lateApply", 1, {"afterS": 2}, False)],
    [("requestLost", 2, {}, False), ("staleNotFound", 1, {"forS": 3}, False),
     ("acceptedThenFailed", 1, {"text": "out of luck"}, True), ("capacity", 1, {}, True)],
    [("quota", 1, {}, True), ("lateIp", 1, {"forS": 3}, False),
     ("vanish", 1, {"afterS": 3}, True), ("answerLost", 1, {}, False)],
]


def clouds(p):
    for n, row in enumerate(LIES):
        lie(p, "c%d" % n, row)


def lie(p, name, row):
    for (place, (where, _)), (kind, count, params, _) in zip(PLACES.items(), row):
        cloud, region = where.split("-", 1)
        p.fault(kind, cloud=cloud, region=region, op="create", count=count, params=params)
    kinds = ", ".join(r[0] for r in row)
    a = begin(p, name, *groups(2))
    # a VM that vanishes while it is installed is missed after a minute
    end = p.wait(a, 150)
    check("%s: the action ends" % kinds, end["state"] == "done", end)
    may_fail = {place for place, r in zip(PLACES, row) if r[3]}
    if any(r[0] == "vanish" for r in row):
        p.act("POST", NS + "/%s/actions" % name, {"action": "reconcile"})
        until(lambda: len(p.truth()["items"]) == sum(v["status"] == "Running" for v in p.mcis(name)["vms"]), 150)
    settled = lambda: all(v["status"] == "Running" or v["group"] in may_fail and v["status"] in
                          ("Failed", "Undefined", "Terminated") and v["statusReason"] for v in p.mcis(name)["vms"])
    until(settled, 60)
    for v in p.mcis(name)["vms"]:
        kind = row[list(PLACES).index(v["group"])][0]
        ok = v["status"] == "Running" or v["group"] in may_fail and v["statusReason"]
        if not ok:
            check("%s: %s runs, or says why not" % (kind, v["vmId"]), False, v)
    check("%s: every VM runs, or says why not" % kinds, settled(), [
        (v["vmId"], v["status"], v["statusReason"]) for v in p.mcis(name)["vms"]])
    time.sleep(2.5)  # what is applied late comes within lateApplyMaxS
    once(p, "%s: none twice" % kinds, name, ("Running", "Failed", "Undefined", "Terminated"))
    p.no_faults()
    status, a = p.act("POST", NS + "/%s/actions" % name, {"action": "reconcile"})
    until(lambda: all(v["status"] == "Running" for v in p.mcis(name)["vms"]), 60)
    once(p, "%s: once the clouds are well again all run" % kinds, name)
    delete(p, name)


CASES = {"hostile": hostile, "ssh": ssh, "deaths": deaths, "clouds": clouds, "frozen": frozen, "kills": kills, "measured": measured}  # see faults.sh


def cases(p):
    p.twin_up()
    p.start("agent.ttl_ms=1000")
    p.discover()
    p.dribbles = None
    for name in sys.argv[2:] or CASES:
        t0 = time.monotonic()
        print("# %s" % name)
        try:
            CASES[name](p)
        except Exception as e:
            traceback.print_exc()
            check(name + ": no surprise", False, repr(e))
            for m in p.get(NS)["items"]:
                p.act("DELETE", NS + "/" + m["name"])
        p.no_faults()
        print("# %s: %.0f s" % (name, time.monotonic() - t0), flush=True)
    if p.dribbles:
        p.dribbles()


if __name__ == "__main__":
    print("# MW_SEED=%d" % SEED)
    sys.exit(main(sys.argv[1], cases))

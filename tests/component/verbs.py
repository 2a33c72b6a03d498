"""Verbs, status, plans, limits and history on VMs of the world "tiny"; see verbs.sh."""
import csv
import io
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from product import check, main, mcis_file, until

SEOUL, TAIWAN = "aws-ap-northeast-2", "gcp-asia-east1"
NS = "/v1/ns/default/mcis"
READS = ("get", "list", "regions", "specs", "images", "console")


def mutations(p):
    return {k: n for k, n in p.truth()["calls"].items() if k not in READS and n}


def status(p, what, want, *args, text="", **opts):
    rc, out, err = p.cli(*args, **opts)
    check(what, rc == want and text in out + err, (rc, out, err))
    return out


def groups(a=2, g=1):
    return [("a", a, SEOUL, "t3.small"), ("g", g, TAIWAN, "e2-small")]


def put(p, name, *g, **more):
    path = "%s/%s.json" % (p.dir, name)
    with open(path, "w") as f:
        json.dump(mcis_file(name, *g, **more), f)
    return path


def states(p, name="t"):
    return {v["vmId"]: v["status"] for v in p.mcis(name)["vms"]}


def refused(p, what, status, code, text, method, path, body=None):
    """A clear error, and no cloud was asked to do anything, and nothing is written."""
    before = mutations(p), p.get(NS)
    got, j = p.api(method, path, body)
    words = json.dumps(j)
    check(what, got == status and j.get("code") == code and text in words, (got, j))
    check("%s: nothing is half done" % what, (mutations(p), p.get(NS)) == before, (before, mutations(p)))
    return j


def plans(p):
    file = put(p, "t", *groups())
    plan = p.cli_json("mcis", "plan", "-f", file)
    price = {s["connection"] + s["name"]: s["costPerHourMicros"] for s in p.get("/v1/specs")["items"]}
    want = 2 * price[SEOUL + "t3.small"] + price[TAIWAN + "e2-small"]
    check("a plan counts and prices what it would create", plan["summary"]["create"] == 3 and
          plan["costPerHourMicros"] == want and plan["before"]["vms"] == 0 and not p.live(), plan)
    out = status(p, "and tells how to carry it out", 0, "mcis", "plan", "-f", file, text="--plan " + plan["planRevision"])
    check("with the sum", "create 3: 3 VMs, %.4f USD/h (now 0 VMs, 0" % (want / 1e6) in out, out)
    other = put(p, "t", *groups(a=3))
    status(p, "another file than the plan's is refused", 5, "mcis", "create", "-f", other, "--plan", plan["planRevision"])
    check("and creates nothing", not mutations(p).get("create"), mutations(p))
    file = put(p, "t", *groups())
    status(p, "the plan is carried out", 0, "mcis", "create", "-f", file, "--plan", plan["planRevision"])
    check("three VMs run", states(p) == {"a-1": "Running", "a-2": "Running", "g-1": "Running"}, states(p))
    status(p, "and not twice: the world is another one", 5, "mcis", "create", "-f", file, "--plan", plan["planRevision"],
           text="new plan")
    before = mutations(p)
    status(p, "the same file again", 0, "mcis", "create", "-f", file, text="nothing to change")
    check("calls no cloud", mutations(p) == before, (before, mutations(p)))
    changed = put(p, "t", ("a", 2, SEOUL, "t3.small"), ("g", 2, TAIWAN, "e2-small"))
    plan = p.cli_json("mcis", "plan", "-f", changed)
    check("a changed file plans only the difference", [(x["vmId"], x["change"]) for x in plan["plan"]] ==
          [("a-1", "keep"), ("a-2", "keep"), ("g-1", "keep"), ("g-2", "create")], plan["plan"])
    code, j = p.api("PUT", NS + "/t", mcis_file("t", *groups(g=2)), **{"If-Match": "0123"})
    check("If-Match is a plan's revision, too", code == 409 and j["code"] == "CONFLICT", (code, j))


def scale(p):
    old = {v["vmId"]: v["cspResourceId"] for v in p.mcis("t")["vms"]}
    status(p, "scale out", 0, "mcis", "scale", "t", "g=2")
    new = {v["vmId"]: v["cspResourceId"] for v in p.mcis("t")["vms"]}
    check("adds one like the others and keeps those", set(new) - set(old) == {"g-2"} and
          all(new[k] == old[k] for k in old), (old, new))
    before = mutations(p)
    status(p, "scale to what is there", 0, "mcis", "scale", "t", "g=2", "a=2", text="nothing to change")
    status(p, "scale in as a plan", 0, "mcis", "scale", "t", "g=1", "--dry-run", text="remove 1")
    check("and nothing was called", mutations(p) == before, (before, mutations(p)))
    refused(p, "scale in without a word", 409, "CONFLICT", "g-2", "POST", NS + "/t/actions",
            {"action": "scale", "groups": {"g": 1}})
    status(p, "scale in with --yes", 0, "mcis", "scale", "t", "g=1", "--yes")
    check("ends the highest number", sorted(states(p)) == ["a-1", "a-2", "g-1"] and len(p.live()) == 3, states(p))
    status(p, "an unknown group is named, with those there are", 3, "mcis", "scale", "t", "x=3", text="it has a, g")
    status(p, "a word that is no count", 2, "mcis", "scale", "t", "g=many")


def power(p):
    status(p, "suspend of one group", 0, "mcis", "suspend", "t", "--group", "a")
    m = p.mcis("t")
    check("leaves the other alone", states(p) == {"a-1": "Suspended", "a-2": "Suspended", "g-1": "Running"} and
          m["targetAction"] is None, states(p))
    check("its status is its own", [(g["name"], g["status"]) for g in m["groups"]] ==
          [("a", "Suspended-(2/2)"), ("g", "Running-(1/1)")], m["groups"])
    check("deck is the default form", m["status"] == "Partial-Suspended-(2/3)", m["status"])
    t = p.get(NS + "/t?statusStyle=tumblebug")
    check("tumblebug is the other", t["status"] == "Partial-Suspended:2 (R:1/3)" and t["statusCounts"] == m["statusCounts"], t)
    check("counts are always there", m["statusCounts"]["total"] == 3 and m["statusCounts"]["suspended"] == 2, m)
    status(p, "--style says which", 0, "mcis", "list", "--style", "tumblebug", text="Partial-Suspended:2 (R:1/3)")
    refused(p, "an unknown style", 400, "INVALID", "deck", "GET", NS + "/t?statusStyle=x")
    a = next(v for v in m["vms"] if v["vmId"] == "a-1")
    one = a["costPerHourMicros"]
    check("a stopped VM of aws costs its disk only", a["billed"] == {"compute": False, "disk": True, "ip": True}, a)
    check("what is billed now is less than what all cost", m["billed"]["vms"] == 1 and
          m["billed"]["costPerHourMicros"] == m["costPerHourMicros"] - 2 * one, m["billed"])
    code, j = p.api("POST", NS + "/t/groups/a/actions", {"action": "reboot"})
    check("who cannot is told by its state", code == 409 and "2 Suspended" in j["detail"], (code, j))
    refused(p, "a verb that one VM's state forbids", 409, "CONFLICT", "a-1 is Suspended", "POST", NS + "/t/vms/a-1/actions",
            {"action": "reboot"})
    code, j = p.act("POST", NS + "/t/actions", {"action": "reboot"})
    check("the others go on, those left out are named", code == 202 and j["state"] == "done" and j["refused"] ==
          [{"vmId": "a-1", "status": "Suspended"}, {"vmId": "a-2", "status": "Suspended"}], j)
    status(p, "resume all", 0, "mcis", "resume", "t")
    status(p, "one VM is suspended outside", 0, "mcis", "suspend", "t", "--vm", "g-1")
    status(p, "both a group and a VM", 2, "mcis", "suspend", "t", "--vm", "g-1", "--group", "g")
    status(p, "resume that one", 0, "mcis", "resume", "t", "--vm", "g-1")
    check("all run", set(states(p).values()) == {"Running"}, states(p))


def running(p):
    f = p.fault("slowCreate", cloud="aws", op="stop", params={"factor": 20})
    code, j = p.api("POST", NS + "/t/actions", {"action": "suspend"})
    r = refused(p, "while a verb runs, another one", 409, "CONFLICT", j["actionId"], "POST", NS + "/t/actions",
                {"action": "reboot"})
    check("is refused with states and the time that is left", "of 3" in r["detail"] and " s at most" in r["hint"], r)
    code, again = p.api("POST", NS + "/t/actions", {"action": "suspend"})
    check("the same verb joins", code == 202 and again["actionId"] == j["actionId"], again)
    status(p, "abort ends what runs", 0, "mcis", "abort", "t")
    p.no_faults()
    check("and nothing is under way", p.mcis("t")["actionId"] is None)
    status(p, "abort of nothing", 5, "mcis", "abort", "t", text="nothing is under way")
    until(lambda: set(states(p).values()) <= {"Suspended", "Running"}, 30)
    p.act("POST", NS + "/t/actions", {"action": "resume"})
    check("all run again", until(lambda: set(states(p).values()) == {"Running"}), states(p))
    del f


def reconcile(p):
    victim = next(v for v in p.mcis("t")["vms"] if v["vmId"] == "a-1")
    p.twin("DELETE", "/v1/clouds/aws/vms/" + victim["cspResourceId"])
    until(lambda: victim["cspResourceId"] not in [v["id"] for v in p.live()])
    code, j = p.api("POST", NS + "/t/actions", {"action": "reconcile"})
    end = p.wait(j["actionId"])
    check("reconcile ends when it has looked, and mended", end["state"] == "done" and end["progress"]["done"] == 3 and
          set(states(p).values()) == {"Running"} and len(p.live()) == 3, (end, states(p)))
    check("with a new VM in that place", p.mcis("t")["vms"][0]["generation"] == 2, p.mcis("t")["vms"][0])
    status(p, "reconcile with nothing to mend", 0, "mcis", "reconcile", "t")
    f = p.fault("authExpired", cloud="gcp", op="list")
    code, j = p.act("POST", NS + "/t/actions", {"action": "reconcile"})
    p.no_faults()
    check("a list that fails changes nothing and is told", j["outcome"] == "partial" and
          set(states(p).values()) == {"Running"}, j)
    del f


def vanish(p):
    g = [("a", 1, SEOUL, "t3.small")]
    code, j = p.act("PUT", NS + "/v", mcis_file("v", *g, onVanish="replace"))
    check("onVanish is stored and shown", j["state"] == "done" and p.mcis("v")["onVanish"] == "replace" and
          p.mcis("t")["onVanish"] == "report", j)
    p.restart()
    check("also after a restart", p.mcis("v")["onVanish"] == "replace")
    old = p.mcis("v")["vms"][0]["cspResourceId"]
    p.twin("DELETE", "/v1/clouds/aws/vms/" + old)
    p.api("POST", NS + "/v/actions", {"action": "reconcile"})
    check("a VM that vanishes is replaced by itself", until(lambda: (v := p.mcis("v")["vms"][0])["status"] == "Running" and
          v["generation"] == 2, 30), p.mcis("v"))
    p.act("DELETE", NS + "/v")


def partial(p):
    file = put(p, "f", *groups(a=1, g=3))
    one = dict(cloud="gcp", op="create", count=1)
    f = p.fault("capacity", **one)
    status(p, "continue: a part that failed is exit 12", 12, "mcis", "create", "-f", file, text="partly done")
    m = p.mcis("f")
    check("the others stay, the status says so", m["status"] == "Failed-(1/4)" and m["statusCounts"]["running"] == 3, m)
    p.no_faults()
    status(p, "the same file tries the failed one again", 0, "mcis", "create", "-f", file)
    check("and all run", p.mcis("f")["status"] == "Running-(4/4)")
    p.act("DELETE", NS + "/f")
    p.fault("capacity", **one)
    file = put(p, "f", *groups(a=1, g=3), onPartialFailure="refine")
    status(p, "refine: exit 12, too", 12, "mcis", "create", "-f", file)
    check("the failed one is dropped", p.mcis("f")["status"] == "Running-(3/3)", p.mcis("f"))
    p.no_faults()
    p.act("DELETE", NS + "/f")
    p.fault("capacity", **one)
    file = put(p, "f", *groups(a=1, g=3), onPartialFailure="rollback")
    rc, out, err = p.cli("mcis", "create", "-f", file)
    check("rollback: failed, and nothing is left", rc not in (0, 12) and p.mcis("f")["status"] == "Empty" and
          len(p.live()) == 3, (rc, out, err))
    p.no_faults()
    p.act("DELETE", NS + "/f")


def bad_input(p):
    def wish(**more):
        g = dict(name="a", count=1, connection=SEOUL, spec="t3.small", image="debian-12")
        g.update(more)
        return {"name": "n", "groups": [g]}

    at = NS + "/n"
    refused(p, "a spec that is not offered there", 400, "INVALID", "offers no spec m9.huge", "PUT", at, wish(spec="m9.huge"))
    refused(p, "a spec of another cloud", 400, "INVALID", "offers no spec", "PUT", at, wish(spec="e2-small"))
    refused(p, "an image that is not there", 400, "INVALID", "offers no image", "PUT", at, wish(image="os/2"))
    refused(p, "an unknown connection", 400, "INVALID", "no connection", "PUT", at, wish(connection="aws-mars"))
    twice = wish()
    twice["groups"] *= 2
    refused(p, "a group that is named twice", 400, "INVALID", "two groups", "PUT", at, twice)
    refused(p, "a key that is given twice", 400, "INVALID", "", "PUT", at,
            '{"name":"n","groups":[{"name":"a","count":1,"count":2,"connection":"%s","spec":"t3.small"}]}' % SEOUL)
    half = wish()
    half["groups"].append(dict(half["groups"][0], name="b", spec="none"))
    refused(p, "one good group, one bad one", 400, "INVALID", "/groups/1/spec", "PUT", at, half)
    refused(p, "an unknown policy", 400, "INVALID", "continue", "PUT", at, dict(wish(), onPartialFailure="hope"))
    refused(p, "an unknown onVanish", 400, "INVALID", "replace", "PUT", at, dict(wish(), onVanish="cry"))
    refused(p, "an unknown MCIS", 404, "NOT_FOUND", "no MCIS", "POST", at + "/actions", {"action": "suspend"})
    refused(p, "an unknown group", 404, "NOT_FOUND", "no group", "POST", NS + "/t/groups/x/actions", {"action": "suspend"})
    refused(p, "an unknown VM", 404, "NOT_FOUND", "no VM", "POST", NS + "/t/vms/a-9/actions", {"action": "suspend"})
    refused(p, "an unknown verb", 400, "INVALID", "suspend", "POST", NS + "/t/actions", {"action": "explode"})
    refused(p, "a verb that a VM has not", 400, "INVALID", "", "POST", NS + "/t/vms/a-1/actions", {"action": "abort"})
    refused(p, "scale without a count", 400, "INVALID", "", "POST", NS + "/t/groups/a/actions", {"action": "scale"})
    refused(p, "scale below nothing", 400, "INVALID", "", "POST", NS + "/t/actions", {"action": "scale", "groups": {"a": -1}})
    refused(p, "history of nothing", 404, "NOT_FOUND", "", "GET", NS + "/t/history?vm=zz-1")
    refused(p, "a quota that is none", 400, "INVALID", "/maxVms", "PUT", "/v1/quota", {"maxVms": -3})


def limits(p):
    have = len(p.mcis("t")["vms"])
    status(p, "quota set", 0, "quota", "set", "--max-vms", have + 1)
    p.restart()
    j = p.get("/v1/ns/default/quota")
    check("it is kept, with what is used", j["maxVms"] == have + 1 and j["used"]["vms"] == have and
          j["maxUsdPerHour"] is None, j)
    text = "would be %d of at most %d VMs" % (have + 2, have + 1)
    refused(p, "more VMs than allowed", 429, "LIMIT", text, "PUT", NS + "/q", mcis_file("q", *groups(a=1, g=1)))
    refused(p, "also as a plan", 429, "LIMIT", text, "PUT", NS + "/q?dryRun=1", mcis_file("q", *groups(a=1, g=1)))
    refused(p, "also by scale", 429, "LIMIT", text, "POST", NS + "/t/actions", {"action": "scale", "groups": {"g": 3}})
    status(p, "the command says it with numbers", 11, "mcis", "scale", "t", "g=3", text=text)
    status(p, "what still fits is made", 0, "mcis", "scale", "t", "g=2")
    p.api("PUT", "/v1/ns/default/quota", {"maxVms": 1})
    status(p, "over a limit, less is always allowed", 0, "mcis", "scale", "t", "g=1", "--yes")
    cost = p.mcis("t")["costPerHourMicros"]
    p.api("PUT", "/v1/ns/default/quota", {})
    p.api("PUT", "/v1/quota", {"maxUsdPerHour": (cost + 1000) / 1e6})
    refused(p, "more money than the deployment may spend", 429, "LIMIT", "of at most %.4f USD/h" % ((cost + 1000) / 1e6),
            "PUT", NS + "/q", mcis_file("q", *groups(a=1, g=1)))
    status(p, "quota show", 0, "quota", "show", "--deployment", text="%.4f" % (cost / 1e6))
    p.api("PUT", "/v1/quota", {})
    check("without limits it is allowed", p.api("PUT", NS + "/q?dryRun=1", mcis_file("q", *groups()))[0] == 200)
    code, who = p.api("PUT", "/v1/quota", {"maxUsdPerHour": "much"})
    check("money is a number", code == 400, (code, who))


def history(p):
    rows = p.get(NS + "/t/history?vm=a-1&limit=10000")["items"]
    mine = [r for r in rows if r["vmId"] == "a-1"]
    sus = next((r for r in mine if r["event"] == "status" and r["to"] == "Suspended"), None)
    check("history: who, what, from, to, native state", sus and sus["who"] and sus["action"] == "suspend" and
          sus["from"] == "Suspending" and sus["nativeStatus"] == "stopped" and sus["at"], sus)
    begin = next((r for r in mine if r["event"] == "status" and r["to"] == "Suspending"), None)
    check("history: the target action while it is under way", begin and begin["targetAction"] == "suspend", begin)
    check("history: what others did", any(r["event"] == "external" and r["who"] == "cloud" for r in mine), mine)
    check("history: the wish itself, with its author", any(r["event"] == "desired" and r["who"] for r in rows), rows)
    out = status(p, "history as a table", 0, "mcis", "history", "t", "a-1")
    check("history: the newest is last", out.splitlines()[0].split()[:4] == ["TIME", "VM", "EVENT", "WHO"], out)
    table = list(csv.DictReader(io.StringIO(p.cli("mcis", "history", "t", "-o", "csv", "--limit", 10000)[1])))
    check("history as csv", len(table) > 20 and {"a-1", "g-1"} <= {r.get("VM", r.get("vm")) for r in table}, table[:3])


def unknown(p):
    f = p.fault("unknownState", cloud="gcp", params={"text": "WOBBLING"})
    until(lambda: any(e["type"] == "lifecycle.unknown" for e in p.events()) or
          p.act("POST", NS + "/t/actions", {"action": "reconcile"}) and False, 20)
    check("a native state that nobody knows keeps the last one", set(states(p).values()) == {"Running"}, states(p))
    p.act("POST", NS + "/t/actions", {"action": "reconcile"})
    told = [e for e in p.events() if e["type"] == "lifecycle.unknown"]
    check("and is told once", len(told) == 1 and "WOBBLING" in told[0]["reason"], told)
    p.no_faults()
    del f


def prices(p):
    """A spec without a price; see world()."""
    free = mcis_file("w", ("g", 2, TAIWAN, "e2-free"), ("a", 1, SEOUL, "t3.small"))
    code, j = p.api("PUT", NS + "/w?dryRun=1", free)
    one = j["plan"][-1]["costPerHourMicros"]
    check("an unknown price is null, said in the sum, with what is known", code == 200 and j["costPerHourMicros"] is None and
          j["costReason"] == "notPublished" and j["costUnknownVms"] == 2 and j["costKnownPerHourMicros"] == one and
          j["plan"][0]["costPerHourMicros"] is None, j)
    file = put(p, "w", ("g", 2, TAIWAN, "e2-free"), ("a", 1, SEOUL, "t3.small"))
    status(p, "and in words", 0, "mcis", "plan", "-f", file, text="the price of 2 VMs is not known (notPublished)")
    p.api("PUT", "/v1/ns/default/quota", {"maxUsdPerHour": 100})
    refused(p, "under a money limit it is refused", 429, "LIMIT", "2 VMs have no known price", "PUT", NS + "/w", free)
    check("unless the request allows it", p.api("PUT", NS + "/w?dryRun=1&allowUnknownPrices=1", free)[0] == 200)
    p.api("PUT", "/v1/ns/default/quota", {"maxUsdPerHour": 100, "allowUnknownPrices": True})
    check("or the quota does", p.api("PUT", NS + "/w?dryRun=1", free)[0] == 200)
    p.api("PUT", "/v1/ns/default/quota", {})


def billed(p):
    vm = next(v for v in p.mcis("t")["vms"] if v["vmId"] == "g-1")
    # with its memory kept, from the cloud's own console
    p.twin("POST", "/v1/clouds/gcp/vms/%s/actions" % vm["cspResourceId"], {"action": "suspend"})
    seen = until(lambda: p.act("POST", NS + "/t/actions", {"action": "reconcile"}) and
                 (v := next(v for v in p.mcis("t")["vms"] if v["vmId"] == "g-1"))["nativeStatus"] == "SUSPENDED" and v, 30)
    check("a VM that others suspended is followed", seen and seen["status"] == "Suspended" and
          seen["billed"]["compute"] is True, seen)
    status(p, "and shown as what it costs", 0, "mcis", "show", "t", text="Suspended (still billed: compute)")
    check("it counts as billed", p.mcis("t")["billed"]["vms"] == 3, p.mcis("t")["billed"])
    p.act("POST", NS + "/t/actions", {"action": "resume"})
    check("it can be resumed", states(p)["g-1"] == "Running", states(p))


def deadline(p):
    p.kill()
    p.start("agent.install=false", "lifecycle.poll_ms=50", "lifecycle.power_s=5")
    p.fault("stuck", cloud="gcp", op="stop")
    code, j = p.act("POST", NS + "/t/vms/g-1/actions", {"action": "suspend"})
    check("a suspend that sticks ends at its deadline", j["state"] == "failed" and "timeout" in j["error"]["message"], j)
    v = next(v for v in p.mcis("t")["vms"] if v["vmId"] == "g-1")
    check("then the state is the cloud's", v["status"] == "Suspending" and v["targetAction"] is None, v)
    p.no_faults()
    code, j = p.act("POST", NS + "/t/vms/g-1/actions", {"action": "terminate"})
    check("and terminate is always possible", j["state"] == "done" and states(p)["g-1"] == "Terminated", (j, states(p)))
    status(p, "refine drops it", 0, "mcis", "refine", "t")
    check("from the record, too", sorted(states(p)) == ["a-1", "a-2"], states(p))


def world(p):
    """The world "tiny", and one spec without a price."""
    with open(p.world) as f:
        w = json.load(f)
    gcp = next(c for c in w["clouds"] if c["id"] == "gcp")
    gcp["specs"].append(dict(gcp["specs"][0], id="e2-free", costPerHourMicros=None, costReason="notPublished"))
    p.world = p.dir + "/world.json"
    with open(p.world, "w") as f:
        json.dump(w, f)


def cases(p):
    world(p)
    p.twin_up()
    p.start("agent.install=false", "lifecycle.poll_ms=50")
    p.discover()
    for case in (plans, scale, power, running, reconcile, unknown, vanish, partial, bad_input, prices, limits, billed,
                 history, deadline):
        case(p)
    status(p, "the end", 0, "mcis", "delete", "t", "--yes")
    check("nothing is left", until(lambda: not p.live()), p.live())


sys.exit(main(sys.argv[1], cases))

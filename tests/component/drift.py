"""Placements that are applied and watched, in the world "tiny"; see drift.sh.
Seoul, Virginia, Taiwan, Frankfurt: S-U 180, S-T 40, S-F 250, U-T 190, U-F 90, T-F 260 ms."""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from product import check, main, mcis_file, until

PLACES = {"s": ("aws-ap-northeast-2", "t3.small"), "u": ("aws-us-east-1", "t3.small"),
          "t": ("gcp-asia-east1", "e2-small"), "f": ("gcp-europe-west3", "e2-small")}
NS = "/v1/ns/default/mcis"
S, T = "aws-ap-northeast-2", "gcp-asia-east1"


def rounds(p, name, n=1):
    """n whole rounds; one that lacks a row says nothing of its pairs."""
    def whole():
        status, a = p.act("POST", "%s/%s/matrix" % (NS, name), {"k": 5, "windowMs": 300})
        return status == 202 and a["state"] == "done" and a["outcome"] == "ok"
    for _ in range(n):
        assert until(whole, 30), "no whole round of " + name


def link(p, a=S, b=T, **rule):
    status, j = p.twin("PUT", "/v1/lab/links", dict(rule, a=a, b=b))
    assert status in (200, 204), (status, j)


def mend(p):
    assert p.twin("DELETE", "/v1/lab/links")[0] == 204


def watched(p, name):
    return p.get("%s/%s/placement" % (NS, name))


def drifts(p, name):
    return [e for e in p.events(type="placement.drift") if e["type"] == "placement.drift" and e["mcis"] == name]


def told(p, name, n):
    """The n-th event of that MCIS, once it is there."""
    return until(lambda: len(drifts(p, name)) >= n and drifts(p, name)[n - 1], 10)


def place(p, limit, create, **constraints):
    """Creates the pair with the smallest times below the limit."""
    status, j = p.api("POST", "/v1/placements", {
        "groups": [{"name": "vm", "count": 2}], "from": {"mcis": ["base"]},
        "constraints": dict(maxRttMs=limit, maxPerSite=1, **constraints),
        "objective": {"mode": "weighted", "terms": [{"term": "pairRttMean", "weightMicrosPerMs": 1}]}})
    assert status == 200 and j["ranking"], (status, j)
    rc, out, err = p.cli("mcis", "create", "--from-placement", j["placementId"], "--name", create)
    assert rc == 0, err
    return j


def applied(p):
    status, a = p.act("PUT", NS + "/base", mcis_file("base", *((n, 1, w, s) for n, (w, s) in PLACES.items())))
    assert status == 202 and a["outcome"] == "ok", a
    rounds(p, "base", 3)
    j = place(p, 200, "one")
    place(p, 100, "two")
    w = watched(p, "one")
    best = j["ranking"][0]
    check("what was applied says what it relied on", w["placementId"] == j["placementId"] and w["rank"] == 1 and
          w["state"] == "pending" and len(w["pairs"]) == 1 and w["pairs"][0]["limitMs"] == 200 and
          w["pairs"][0]["relied"]["valueMs"] == best["worstRttMs"] and w["pairs"][0]["relied"]["n"] >= 15 and
          w["pairs"][0]["relied"]["measuredAt"] and w["pairs"][0]["reason"] == "notMeasured", w)
    status, e = p.api("GET", NS + "/base/placement")
    check("an MCIS from a file has no placement", status == 404 and e["code"] == "NOT_FOUND" and e["hint"], e)
    rounds(p, "one")
    w = watched(p, "one")
    rc, out, err = p.cli("drift", "one")
    check("a pair below its limit is ok", w["state"] == "ok" and w["pairs"][0]["state"] == "ok" and rc == 0 and
          0 < w["pairs"][0]["slackMs"] < 170 and not drifts(p, "one"), (w, rc, out, err))


def one_move(p):
    link(p, rttMs=300)
    rounds(p, "one", 2)
    before = watched(p, "one")
    p.restart()
    check("two bad rounds are no drift, and a restart no round", before["state"] == "ok" == watched(p, "one")["state"] and
          before["pairs"][0]["relied"] == watched(p, "one")["pairs"][0]["relied"] and not drifts(p, "one"), before)
    rounds(p, "one")
    e = told(p, "one", 1)
    check("the third is, with an event", e and (e["from"], e["to"]) == ("ok", "drifted") and
          e["detail"]["pairs"][0]["state"] == "drifted" and e["detail"]["pairs"][0]["valueMs"] >= 300 and
          e["detail"]["pairs"][0]["limitMs"] == 200, e)
    m = e["detail"]["move"]
    check("the event names the one VM to move", m and len(m["vms"]) == 1 and m["vms"][0]["from"]["connection"] == T and
          m["vms"][0]["to"]["connection"] == "aws-us-east-1" and 180 <= m["worstRttMs"] < 190 and
          m["costChangePerHourMicros"] == 4000 and len(m["commands"]) == 2, e["detail"])
    rc, out, err = p.cli("drift", "one")
    check("the command says so, and ends with 4", rc == 4 and "drifted" in out and "move " + m["vms"][0]["vmId"] in out,
          (rc, out, err))
    rc, out, err = p.cli("doctor")
    check("the doctor names it", "one" in out and "over its limit" in out, out)
    p.restart()
    w = watched(p, "one")
    check("a restart keeps the state and the move", w["state"] == "drifted" and w["move"] == m and
          w["eventSeq"] == e["seq"] and len(drifts(p, "one")) == 1, w)


def two_moves(p):
    rounds(p, "two", 3)
    e = told(p, "two", 1)
    m = e and e["detail"]["move"]
    check("where no single move helps, two are named", m and e["from"] == "pending" and
          sorted(v["to"]["connection"] for v in m["vms"]) == ["aws-us-east-1", "gcp-europe-west3"] and
          90 <= m["worstRttMs"] < 100, e)


def back(p):
    mend(p)
    rounds(p, "two", 2)
    check("two good rounds are no recovery", watched(p, "two")["state"] == "drifted" and len(drifts(p, "two")) == 1)
    rounds(p, "two")
    e = told(p, "two", 2)
    w = watched(p, "two")
    check("the third is", e and (e["from"], e["to"]) == ("drifted", "ok") and e["detail"]["move"] is None and
          w["state"] == "ok" and w["move"] is None, (e, w))
    rounds(p, "two", 2)
    check("what the pool remembers does not bring it back", watched(p, "two")["state"] == "ok" and
          len(drifts(p, "two")) == 2, watched(p, "two"))


def lost(p):
    # of these two VMs only: the coordinator is in Seoul too
    a, b = (v["cspResourceId"] for v in p.mcis("two")["vms"])
    link(p, a=a, b=b, partitioned=True)
    rounds(p, "two", 3)
    e = told(p, "two", 3)
    check("a pair that does not answer is lost", e and e["detail"]["pairs"][0]["state"] == "pairLost" and
          e["detail"]["pairs"][0]["valueMs"] is None and e["detail"]["pairs"][0]["reason"] == "noAnswer" and
          e["to"] == "drifted", e)
    mend(p)


def apply_move(p):
    link(p, rttMs=300)
    rc, out, err = p.cli("drift", "one", "--file")
    path = p.dir + "/one.json"
    open(path, "w").write(out)
    check("the file of the move is an MCIS file", rc == 0 and len(json.loads(out)["groups"]) == 2, (rc, out, err))
    rc, out, err = p.cli("mcis", "create", "-f", path, "--allow-remove", "--allow-replace")
    check("it is applied by the command that was named", rc == 0, (rc, out, err))
    rounds(p, "one")
    e = told(p, "one", 2)
    w = watched(p, "one")
    check("then the placement holds again", e and e["to"] == "ok" and w["state"] == "ok" and
          w["pairs"][0]["relied"] is None and 180 <= w["pairs"][0]["valueMs"] < 190, (e, w))


def gone(p):
    status, a = p.act("DELETE", NS + "/two")
    placement = watched(p, "one")["placementId"]
    status, a = p.api("POST", NS, {"name": "killed", "fromPlacement": placement, "rank": 1})
    p.kill()
    assert status == 202, (status, a)
    p.start()
    w = watched(p, "killed")
    check("what was acknowledged is watched, whatever dies", w["placementId"] == placement and len(w["pairs"]) == 1 and
          w["state"] == "pending" and w["pairs"][0]["relied"], w)
    status, a = p.act("PUT", NS + "/two", mcis_file("two", ("s", 1) + PLACES["s"], ("u", 1) + PLACES["u"]))
    p.restart()
    check("another MCIS of that name has no placement", p.api("GET", NS + "/two/placement")[0] == 404)


def tests(p):
    p.twin_up()
    p.start("schedule.defaults=none")
    p.discover()
    for test in (applied, one_move, two_moves, back, lost, apply_move, gone):
        test(p)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], tests))

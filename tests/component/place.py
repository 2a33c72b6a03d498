"""Placements over HTTP in the world "tiny"; see place.sh."""
import json
import os
import signal
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from product import check, main, mcis_file, until

PLACES = {"s": ("aws-ap-northeast-2", "t3.small"), "u": ("aws-us-east-1", "t3.small"),
          "t": ("gcp-asia-east1", "e2-small"), "f": ("gcp-europe-west3", "e2-small")}
NS = "/v1/ns/default/mcis"


def query(**more):
    q = {"from": {"mcis": ["base"]}, "groups": [{"name": "vm", "count": 2}],
         "constraints": {"maxPerSite": 1, "maxRttMs": 500},
         "objective": {"mode": "weighted", "terms": [{"term": "price", "weight": 1}]}}
    q.update(more)
    return q


def measured(p):
    status, a = p.act("PUT", NS + "/base", mcis_file("base", *((n, 1, w, s) for n, (w, s) in PLACES.items())))
    assert status == 202 and a["state"] == "done", (status, a)

    def whole():
        status, a = p.act("POST", NS + "/base/matrix", {"k": 5, "windowMs": 300})
        return status == 202 and a["state"] == "done" and a["outcome"] == "ok"
    assert until(whole, 30), "no whole round"


def plain(a):
    """An answer without what moves with the clock."""
    a = json.loads(json.dumps(a))
    for key in ("placementId", "createdAt", "measuredAt", "dataAgeS", "query"):
        a.pop(key, None)
    for r in a["ranking"]:
        if r.get("worstPair"):
            r["worstPair"].pop("ageS", None)
    return a


def at_once(p):
    """The same question many times at once: one answer."""
    got = []

    def one():
        got.append(p.api("POST", "/v1/placements", query()))
    threads = [threading.Thread(target=one) for _ in range(40)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    check("40 questions at once are all answered", [s for s, _ in got] == [200] * 40, [s for s, _ in got])
    texts = {json.dumps(plain(a), sort_keys=True) for s, a in got if s == 200}
    check("they have the same answer", len(texts) == 1, texts)


def changed(p):
    """A kept world is not one of before a change."""
    before = p.api("POST", "/v1/placements", query())[1]
    status, a = p.act("PUT", NS + "/base?allowRemove=1", mcis_file("base", ("s", 1) + PLACES["s"], ("u", 1) + PLACES["u"]))
    status, after = p.api("POST", "/v1/placements", query(groups=[{"name": "vm", "count": 4}]))
    check("after a change the world is another one", status == 200 and before["status"] == "optimal" and
          after["status"] == "infeasible", (status, after))


BAD = [
    ("no body", {}, "/from"),
    ("no groups", {"from": {"mcis": ["base"]}}, "/groups"),
    ("0 groups", query(groups=[]), "/groups"),
    ("a count of 0", query(groups=[{"name": "vm", "count": 0}]), "/groups/0/count"),
    ("a negative count", query(groups=[{"name": "vm", "count": -1}]), "/groups/0/count"),
    ("100,000 VMs", query(groups=[{"name": "vm", "count": 100000}]), "/groups/0/count"),
    ("129 VMs in two groups", query(groups=[{"name": "a", "count": 65}, {"name": "b", "count": 64}]), "/groups"),
    ("two groups of one name", query(groups=[{"name": "a", "count": 1}, {"name": "a", "count": 1}]), "/groups"),
    ("min above max", query(groups=[{"name": "a", "count": 1, "filter": {"vcpu": {"min": 4, "max": 2}}}]),
     "/groups/0/filter/vcpu"),
    ("an unknown region", query(groups=[{"name": "a", "count": 1, "filter": {"region": ["mars"]}}]),
     "/groups/0/filter/region/0"),
    ("an unknown site", query(groups=[{"name": "a", "count": 1, "filter": {"site": ["mars"]}}]),
     "/groups/0/filter/site/0"),
    ("an unknown role", query(constraints={"pairLimits": [{"between": ["vm", "db"], "maxRttMs": 1}]}),
     "/constraints/pairLimits/0/between"),
    ("a negative limit", query(constraints={"maxRttMs": -1}), "/constraints/maxRttMs"),
    ("a limit of 1e308", query(constraints={"maxRttMs": 1e308}), "/constraints/maxRttMs"),
    ("a limit as a text", query(constraints={"maxRttMs": "NaN"}), "/constraints/maxRttMs"),
    ("a budget of 2^63", query(constraints={"budgetPerHourMicros": 2 ** 63 - 1}), "/constraints/budgetPerHourMicros"),
    ("an unknown field", query(constraints={"maxRtt": 1}), "/constraints/maxRtt"),
]


def bad(p):
    for what, q, pointer in BAD:
        status, a = p.api("POST", "/v1/placements", q)
        where = [e.get("pointer") for e in (a or {}).get("errors", [])] or [(a or {}).get("pointer")]
        check("%s is refused at %s" % (what, pointer), status in (400, 422) and pointer in where, (status, a))
    for text in ('{"from":{"mcis":["base"]},"groups":[{"name":"vm","count":NaN}]}',
                 '{"from":{"mcis":["base"]},"groups":[{"name":"vm","count":1e999}]}',
                 '{"from":{"mcis":["base"]},"groups":[{"name":"vm","count":9223372036854775808}]}', "", "[]", "null"):
        status, a = p.api("POST", "/v1/placements", text)
        check("%.60s is refused" % (text or "nothing"), status == 400, (status, a))
    status, a = p.api("POST", "/v1/placements", query(groups=[{"name": "vm", "count": 128}]))
    check("more VMs than places are proved impossible", status == 200 and a["status"] == "infeasible", (status, a))


def later(p):
    """With place.hold_ms 0 every answer comes later."""
    p.kill()
    p.start("place.hold_ms=0")
    status, a = p.api("POST", "/v1/placements", query())
    check("what takes long is answered with 202 and a number", status == 202 and a["status"] == "running" and
          a["placementId"].startswith("pl-"), (status, a))
    path = "/v1/placements/" + a["placementId"]
    done = until(lambda: [x for x in [p.get(path)] if x["status"] != "running"])
    check("the answer is found under it", done and done[0]["status"] == "optimal" and done[0]["ranking"], done)
    status, a = p.api("POST", "/v1/placements", query(groups=[{"name": "vm", "count": 0}]))
    failed = until(lambda: [x for x in [p.get("/v1/placements/" + a["placementId"])] if x["status"] != "running"])
    check("so is why there is none", failed and failed[0]["status"] == "failed" and
          failed[0]["error"]["pointer"] == "/groups/0/count", failed)
    rc, out, err = p.cli("place", "--from", "base", "--vms", "2", "--max-rtt", "500")
    check("the command line waits for it", rc == 0 and "being searched for" in err and "optimal" in out, (rc, out, err))
    env = dict(os.environ, MILKYWAY_DIR=p.dir)
    c = subprocess.Popen([p.build + "/milkyway", "place", "--from", "base", "--vms", "2"],
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env)
    first = c.stderr.readline().decode()
    c.send_signal(signal.SIGINT)
    rest = c.communicate(timeout=30)[1].decode()
    check("Ctrl-C leaves it and says how to fetch it", c.returncode == 130 and "being searched" in first and
          "milkyway placement pl-" in rest, (c.returncode, first, rest))


def tests(p):
    p.twin_up()
    p.start("schedule.defaults=none")
    p.discover()
    for test in (measured, at_once, bad, changed, later):
        test(p)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], tests))

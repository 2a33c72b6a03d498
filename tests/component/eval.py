"""What specs are worth, on five VMs of one spec and one of another whose
benchmarks are replayed with 1 % noise; see eval.sh."""
import glob
import json
import os
import sqlite3
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from product import ROOT, check, main, mcis_file

SEOUL, TAIWAN = "aws-ap-northeast-2", "gcp-asia-east1"
SCORES = {"cpus": 100, "cpum": 150, "memR": 8000}


def world(p):
    """The world "tiny" with known benchmarks."""
    with open("%s/bench-data/worlds/tiny.json" % ROOT) as f:
        w = json.load(f)
    w["bench"] = "replay"
    for cloud in w["clouds"]:
        for spec in cloud["specs"]:
            spec["scores"] = dict(SCORES)
            if cloud["id"] == "gcp":
                spec["costPerHourMicros"], spec["costReason"] = None, "privateCloudNoPrice"
    p.world = p.dir + "/world.json"
    with open(p.world, "w") as f:
        json.dump(w, f)


def near(a, b, part=0.03):
    return a is not None and abs(a - b) <= part * b


def get(p, query=""):
    return p.get("/v1/ns/default/mcis/e/evaluations" + query)


def items(a):
    return {(x["spec"], x["kind"]): x for x in a["items"]}


def evaluation(p):
    a = get(p)
    x = items(a)[("t3.small", "cpum")]
    check("one value of five VMs", near(x["value"], 150) and x["nVms"] == 5 and x["nResults"] == 5, x)
    check("below six VMs the hull of their intervals", x["ciMethod"] == "hull" and
          x["ciLow"] <= x["value"] <= x["ciHigh"], x)
    check("replayed numbers are called so", x["provenance"] == "replay" and "replay" in x["flags"] and
          "fewVms" not in x["flags"], x)
    check("its price", x["costPerUnitMicros"] == round(20800 / x["value"]) and
          near(x["unitsPerCostHour"], 150 / 0.0208), x)
    s = {y["spec"]: y for y in a["specs"]}
    check("cores", near(s["t3.small"]["effectiveCores"], 1.5) and near(s["t3.small"]["efficiency"], 0.75) and
          "hyper-threads" in s["t3.small"]["cores"] and near(s["t3.small"]["costPerCoreMicros"], 20800 / 1.5), s)
    y = items(a)[("e2-small", "cpum")]
    check("no price, and why", y["costPerUnitMicros"] is None and y["unitsPerCostHour"] is None and
          s["e2-small"]["costReason"] == "privateCloudNoPrice" and s["e2-small"]["costPerCoreMicros"] is None, s)
    check("one VM is few", y["nVms"] == 1 and "fewVms" in y["flags"], y)
    check("equal VMs are no lemons", a["lemons"] == [], a["lemons"])


def filters(p):
    every = p.get("/v1/evaluations")
    check("all that is known", items(every) == items(get(p)) and every["lemons"] is None, every)
    for query, n in (("kind=cpum", 2), ("csp=gcp", 3), ("region=ap-northeast-2&kind=memR", 1), ("spec=none", 0),
                     ("mcis=e", 6), ("mcis=other", 0), ("profile=quick", 6), ("profile=deep", 0), ("variant=std", 6)):
        a = p.get("/v1/evaluations?" + query)
        check("?%s gives %d" % (query, n), len(a["items"]) == n, a)
    for query in ("kind=rtt", "kind=gpu", "include=failed", "maxAgeS=0", "maxAgeS=x", "csp=" + "x" * 100):
        code, a = p.api("GET", "/v1/evaluations?" + query)
        check("?%.20s is refused" % query, code == 400 and a["code"] == "INVALID", (code, a))
    code, a = p.api("GET", "/v1/ns/default/mcis/none/evaluations")
    check("no such MCIS", code == 404, (code, a))


def change(p, sql):
    """What a bad VM or a busy host would have left in the database, which its
    coordinator keeps to itself."""
    p.kill()
    for path in glob.glob(p.dir + "/*"):
        with open(path if os.path.isfile(path) else os.devnull, "rb") as f:
            if f.read(15) == b"SQLite format 3":
                db = sqlite3.connect(path)
                with db:
                    db.execute(sql)
                db.close()
    p.start()


def lemons(p):
    change(p, "UPDATE result SET value = value * 0.6 WHERE vm = 'a-3' AND kind IN (0, 1)")
    a = get(p)
    l = a["lemons"]
    check("a planted lemon is found, alone", len(l) == 1 and l[0]["vmId"] == "a-3", l)
    check("in the kinds it is bad in", [k["kind"] for k in l[0]["kinds"]] == ["cpus", "cpum"] and
          near(l[0]["worstPct"], 40, 0.1) and l[0]["kinds"][0]["nSiblings"] == 5, l)
    check("what it costs", l[0]["rerollCostMicros"] == 20800 and
          near(l[0]["wastePerMonthMicros"], 20800 * 730 * l[0]["worstPct"] / 100, 0.001), l)
    check("and the median does not move", near(items(a)[("t3.small", "cpum")]["value"], 150), a["items"])
    rc, out, err = p.cli("eval", "lemons", "e")
    check("eval lemons", rc == 0 and "a-3" in out and "terminate e --vm a-3" in err, (rc, out, err))


def flagged(p):
    change(p, "UPDATE result SET validity = 1 WHERE kind = 2")
    x = items(get(p))[("t3.small", "memR")]
    check("nothing valid is no value", x["value"] is None and x["valueReason"] == "noValidResult" and
          near(x["flaggedValue"], 8000) and x["validity"] == "contended", x)
    x = items(get(p, "?include=contended"))[("t3.small", "memR")]
    check("unless it is asked for", near(x["value"], 8000) and x["valueReason"] is None, x)
    rc, out, err = p.cli("eval", "e")
    check("a star", rc == 0 and "* not fully valid" in out and "replayed" in out, (rc, out, err))


def placement(p):
    query = {"mode": "place", "groups": [{"name": "vm", "count": 1}], "constraints": {"maxRttMs": 1000},
             "objective": {"mode": "weighted", "terms": [{"term": "performance", "metric": "cpum",
                                                          "weightMicrosPerPoint": 1}]},
             "from": {"ns": "default", "mcis": ["e"]}}
    code, a = p.api("POST", "/v1/placements", query)
    value = items(get(p))[("t3.small", "cpum")]
    got = {s["specId"]: s["metrics"] for s in a.get("scores", [])}
    m = got.get("aws+ap-northeast-2+t3.small", {})
    check("placement has the evaluated number", code == 200 and m.get("cpum", {}).get("value") == value["value"] and
          m["cpum"]["nVms"] == 5 and m["cpum"]["newestAt"] == value["newestAt"], (code, a))
    check("what was disturbed is no score", "memR" not in m and "cores" in m, m)
    query["objective"]["terms"] = [{"term": "pricePerformance", "metric": "cores", "alpha": 1}]
    code, a = p.api("POST", "/v1/placements", query)
    check("the price of a core decides", code == 200 and
          a["ranking"][0]["members"][0]["specId"] == "aws+ap-northeast-2+t3.small", (code, a))


def tables(p):
    rc, out, err = p.cli("report", "tables", "e", "--table", "cpu", "-o", "csv")
    check("the CPU table", rc == 0 and out.startswith("spec,cpus,cpum\n") and len(out.splitlines()) == 3, (out, err))
    rc, out, err = p.cli("report", "tables", "e", "--table", "matrix", "-o", "csv")
    check("a square matrix", rc == 0 and len(out.splitlines()) == 7 and
          all(line.count(",") == 6 for line in out.splitlines()), (out, err))
    t = p.cli_json("report", "tables", "e", "--from", "g-1")
    check("RTTs from one VM", len(t["rtt"]["rows"]) == 5 and "g-1" in t["rttFrom"], t["rtt"])
    rc, out, err = p.cli("report", "tables", "--deck", dir="/nonexistent")
    check("published tables without a coordinator", rc == 0 and "41.52  284.36" in out and "119.18" in out, (out, err))


def run(p):
    world(p)
    p.twin_up()
    p.start()
    p.discover()
    file = p.dir + "/e.json"
    with open(file, "w") as f:
        json.dump(mcis_file("e", ("a", 5, SEOUL, "t3.small"), ("g", 1, TAIWAN, "e2-small")), f)
    rc, out, err = p.cli("mcis", "create", "-f", file)
    check("six VMs", rc == 0, (rc, out, err))
    rc, out, err = p.cli("eval", "e")
    check("nothing to evaluate yet", rc == 0 and "bench run e" in err, (rc, out, err))
    rc, out, err = p.cli("bench", "run", "e", "-k", "cpus,cpum,memR")
    check("benchmarks", rc == 0, (rc, out, err))
    rc, out, err = p.cli("matrix", "e", "--run", "--window", "500")
    check("a matrix", rc == 0, (rc, out, err))
    for case in (evaluation, filters, lemons, flagged, placement, tables):
        case(p)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], run))

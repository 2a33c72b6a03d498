"""Bundles of three VMs with replayed benchmarks; see bundle.sh."""
import gzip
import hashlib
import json
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from product import ROOT, check, main, mcis_file

SEOUL, TAIWAN = "aws-ap-northeast-2", "gcp-asia-east1"
IP = re.compile(r"\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}\b")


def world(p, scores):
    """The world "tiny" with known benchmarks."""
    with open("%s/bench-data/worlds/tiny.json" % ROOT) as f:
        w = json.load(f)
    w["bench"] = "replay"
    for cloud in w["clouds"]:
        for spec in cloud["specs"]:
            spec["scores"] = dict(scores)
    p.world = p.dir + "/world.json"
    with open(p.world, "w") as f:
        json.dump(w, f)


def digest(path):
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


def load(path):
    with (gzip.open if path.endswith(".gz") else open)(path, "rb") as f:
        return json.load(f)


def canonical(j):
    """The documented form, by another program."""
    return json.dumps(j, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def target(p):
    """An address that somebody asks about: here that of a VM."""
    return [v for v in p.mcis("e")["vms"] if v["vmId"] == "g-1"][0]["publicIp"]


def export(p, name, *options):
    path = "%s/%s" % (p.dir, name)
    rc, out, err = p.cli("bundle", "export", "e", "--out", path, *options)
    check("bundle export %s %s" % (name, " ".join(options)), rc == 0, (rc, out, err))
    return path


def content(p):
    a, b = export(p, "a.json"), export(p, "b.json")
    check("the same data gives the same bytes", digest(a) == digest(b))
    j = load(a)
    check("who, and what was measured", j["schema"] == "mw.bundle/1" and j["mcis"] == "e" and len(j["vms"]) == 3 and
          len(j["results"]) == 9 + 3 and len(j["results"][0]["samples"]) > 5 and "env" in j["results"][0], j.keys())
    check("with their place and price", j["vms"][0]["vmId"] == "a-1" and j["vms"][0]["costPerHourMicros"] == 20800 and
          j["vms"][0]["lat"] == 37.57, j["vms"][0])
    check("the matrix", len(j["matrix"]["cells"]) == 3 and j["matrix"]["cells"][0][2]["rttMedianMs"] > 30, j["matrix"])
    value = {(x["spec"], x["kind"]): x["value"] for x in j["evaluations"]["items"]}
    served = {(x["spec"], x["kind"]): x["value"] for x in p.get("/v1/ns/default/mcis/e/evaluations")["items"]}
    check("evaluations are those of the API", value == served and len(value) == 6, (value, served))
    with open(a) as f:
        text = f.read()
    check("sorted keys, compact", text == canonical(j) + "\n", text[:200])
    check("no addresses, no names of hosts", not IP.search(text) and "publicIp" not in text and
          "target-1" in text, IP.findall(text)[:3])
    token = open(p.dir + "/token").read().strip() if os.path.exists(p.dir + "/token") else None
    check("no token", not token or token not in text)
    one = "{" + ",".join('"%s":%s' % (k, v) for k, v in parts(text) if k != "sha256") + "}"
    check("the hash is of what it says", j["sha256"] == "sha256:" + hashlib.sha256(one.encode()).hexdigest())
    return a


def parts(text):
    """Members of the outermost object as they are written."""
    at, out, decode = 1, [], json.JSONDecoder()
    while text[at] != "}":
        key, at = decode.raw_decode(text, at)
        _, end = decode.raw_decode(text, at + 1)
        out.append((key, text[at + 1:end]))
        at = end + (text[end] == ",")
    return out


def options(p):
    j = load(export(p, "r.json.gz", "--raw", "--kind", "cpum"))
    check("raw texts of one kind", len(j["results"]) == 3 and {r["kind"] for r in j["results"]} == {"cpum"} and
          len(j["raw"]) >= 1, j.get("raw"))
    for name, text in j["raw"].items():
        check("a raw text is what its name says", name == "sha256:" + hashlib.sha256(text.encode()).hexdigest(), name)
    j = load(export(p, "w.json", "--with-addresses"))
    check("addresses where they are asked for", IP.match(j["vms"][0]["publicIp"]) and j["addresses"] is True and
          any(r.get("target") == target(p) for r in j["results"]), j["vms"][0])
    j = load(export(p, "h.json", "--since", "1h"))
    check("of the last hour", len(j["results"]) == 12, len(j["results"]))
    rc, out, err = p.cli("bundle", "export", "e", "--out", "-", "--since", "yesterday")
    check("no time", rc == 2 and out == "", (rc, out, err))
    rc, out, err = p.cli("bundle", "export", "e", "--out", "-", "--until", "2001-01-01T00:00:00Z")
    check("before anything was", rc == 2 and "until" in err, (rc, err))
    rc, out, err = p.cli("bundle", "export", "none", "--out", "-")
    check("no such MCIS", rc == 3, (rc, err))
    for query in ("kind=gpu", "since=x", "raw=2", "until=2001-01-01T00:00:00Z"):
        code, a = p.api("GET", "/v1/ns/default/mcis/e/bundle?" + query)
        check("?%s is refused" % query, code == 400 and a["code"] == "INVALID", (code, a))


def looking(p, a):
    rc, out, err = p.cli("bundle", "show", a, dir="/nonexistent")
    check("bundle show needs no coordinator", rc == 0 and "3 VMs, 12 results, 6 latencies" in out and
          "t3.small" in out and "replay" in out, (rc, out, err))
    rc, out, err = p.cli("bundle", "verify", a, dir="/nonexistent")
    check("bundle verify", rc == 0 and "is whole: sha256:" in out, (rc, out, err))
    j = load(a)
    pretty = p.dir + "/pretty.json"
    with open(pretty, "w") as f:
        json.dump(j, f, indent=3)
    rc, out, err = p.cli("bundle", "verify", pretty)
    check("another layout is the same bundle", rc == 0, (rc, out, err))
    rc, out, err = p.cli("bundle", "convert", pretty, "--format", "bundle", "--out", p.dir + "/back.json")
    check("and back", rc == 0 and digest(p.dir + "/back.json") == digest(a), (rc, out, err))
    j["results"][0]["value"] *= 1.01
    bad = p.dir + "/bad.json"
    with open(bad, "w") as f:
        json.dump(j, f)
    for words in (("bundle", "verify", bad), ("bundle", "show", bad), ("bundle", "diff", a, bad),
                  ("bundle", "convert", bad), ("place", "--world", bad, "--vms", "1")):
        rc, out, err = p.cli(*words)
        check("%s %s refuses what was changed" % words[:2], rc == 2 and "was changed" in err, (rc, out, err))
    with open(bad, "w") as f:
        f.write('{"schema":"mw.bundle/2"}')
    rc, out, err = p.cli("bundle", "show", bad)
    check("another version", rc == 10 and "newer milkyway" in err, (rc, out, err))


def replaced(p, a, change):
    """A bundle with a right hash, whose results were changed."""
    j = load(a)
    change(j)
    del j["sha256"]
    path = p.dir + "/changed.json"
    with open(path, "w") as f:
        json.dump(dict(j, sha256="sha256:" + hashlib.sha256(canonical(j).encode()).hexdigest()), f)
    return path


def diff(p, a):
    rc, out, err = p.cli("bundle", "diff", a, a, dir="/nonexistent")
    check("nothing differs from itself", rc == 0 and "6 same" in err and "slower" not in out + err, (rc, out, err))

    def slower(j):
        for r in j["results"]:
            if r["kind"] == "cpum" and r["csp"] == "aws":
                for key in ("value", "median", "ciLow", "ciHigh"):
                    r[key] = round(r[key] * 0.8, 3)
                for s in r["samples"]:
                    s["value"] = round(s["value"] * 0.8, 3)
        j["matrix"]["cells"][0][2]["rttMedianMs"] = 55.5
        j["matrix"]["cells"][2][0]["rttMedianMs"] = None

    b = replaced(p, a, slower)
    rc, out, err = p.cli("bundle", "diff", a, b)
    check("what got worse is found", rc == 4 and "benchmarks: 5 same, 1 slower" in err and
          "latencies: 4 same, 1 slower, 1 lost" in err, (rc, out, err))
    rc, out, err = p.cli("bundle", "diff", a, b, "-o", "csv", "--table", "pairs")
    check("pairs as CSV", rc == 4 and len(out.splitlines()) == 3 and
          all(x.count(",") == 5 for x in out.splitlines()), (rc, out, err))
    d = p.cli("bundle", "diff", b, a, "-o", "json")
    j = json.loads(d[1])
    x = [r for r in j["benchmarks"] if r["verdict"] != "same"]
    check("and the other way what got better", d[0] == 0 and len(x) == 1 and x[0]["verdict"] == "faster" and
          abs(x[0]["changePct"] - 25) < 1 and j["worse"] == 0, (d[0], x, j["worse"]))

    def kernel(j):
        for r in j["results"]:
            if r["kind"] == "cpus":
                r["env"]["kernel"] = "7.0"
                r["envHash"] = "sha256:" + "0" * 64

    rc, out, err = p.cli("bundle", "diff", a, replaced(p, a, kernel), "-o", "csv")
    check("other environments are not compared", rc == 0 and out.count("notComparable") == 2 and "-> 7.0" in out,
          (rc, out, err))


def perfkit(p, a):
    rc, out, err = p.cli("bundle", "convert", a)
    lines = [json.loads(x) for x in out.splitlines()]
    check("a sample a line", rc == 0 and len(lines) == 9 + 3 + 6 * 3, (rc, len(lines), err))
    fields = {"metric", "value", "unit", "timestamp", "test", "product_name", "official", "owner", "run_uri",
              "sample_uri", "labels"}
    check("their fields", all(set(x) == fields and isinstance(x["value"], float) for x in lines), lines[0])
    # as PerfKitBenchmarker's publisher.py reads labels back
    labels = [dict(f.split(":", 1) for f in x["labels"][1:-1].split("|,|")) for x in lines]
    first = [l for x, l in zip(lines, labels) if x["metric"] == "cpum median"][0]
    check("labels", first["cloud"] in ("aws", "gcp") and first["kind"] == "cpum" and first["validity"] == "ok" and
          first["num_cpus"] == "2" and first["provenance"] == "replay", first)
    rtt = [l for x, l in zip(lines, labels) if x["test"] == "milkyway_rtt"][0]
    check("of latencies", rtt["sending_vm"] == "a-1" and "receiving_region" in rtt and rtt["n"] == "10", rtt)
    check("each has its own name", len({x["sample_uri"] for x in lines}) == len(lines))
    direct = export(p, "s.ndjson", "--format", "perfkit")
    with open(direct) as f:
        check("bundle export --format perfkit", f.read() == out)


def place(p, a):
    rc, out, err = p.cli("place", "--world", a, "--vms", "2", "--max-rtt", "60", "--csps", "2", "-o", "json",
                         dir="/nonexistent")
    j = json.loads(out)
    check("placed from a bundle, offline", rc == 0 and
          sorted(m["site"] for m in j["ranking"][0]["members"]) == [SEOUL + "-t3.small", TAIWAN + "-e2-small"], (out, err))
    b = p.cli_json("place", "--from", "e", "--vms", "2", "--max-rtt", "60", "--csps", "2")
    check("as the coordinator places", [[m["specId"] for m in r["members"]] for r in b["ranking"]] ==
          [[m["specId"] for m in r["members"]] for r in j["ranking"]] and
          b["ranking"][0]["worst"]["rttMs"] == j["ranking"][0]["worst"]["rttMs"]
          if "worst" in j["ranking"][0] else True, (b["ranking"][0], j["ranking"][0]))
    rc, out, err = p.cli("place", "--world", a, "--vms", "2", "--objective", "performance:cpum")
    check("scores of evaluations", rc == 0, (rc, out, err))
    rc, out, err = p.cli("whatif", "--world", a, "--vms", "2", "--csps", "2")
    check("whatif from a bundle", rc == 0, (rc, out, err))
    rc, out, err = p.cli("mcis", "create", "-f", a)
    check("a bundle is no group to create", rc == 2 and "is a bundle" in err, (rc, out, err))


def later(p, a):
    rc, out, err = p.cli("bench", "run", "e", "-k", "cpum")
    check("measured again", rc == 0, (rc, out, err))
    b = export(p, "later.json")
    check("is another bundle", load(b)["sha256"] != load(a)["sha256"] and len(load(b)["results"]) == 15)
    c = export(p, "then.json", "--until", load(a)["until"])
    check("what was then can be had later", digest(c) == digest(a))
    rc, out, err = p.cli("bundle", "diff", a, b)
    check("noise alone is no difference", rc == 0 and "slower" not in err, (rc, out, err))


def run(p):
    world(p, {"cpus": 100, "cpum": 150, "memR": 8000})
    p.twin_up()
    p.start()
    p.discover()
    file = p.dir + "/e.json"
    with open(file, "w") as f:
        json.dump(mcis_file("e", ("a", 2, SEOUL, "t3.small"), ("g", 1, TAIWAN, "e2-small")), f)
    rc, out, err = p.cli("mcis", "create", "-f", file)
    check("three VMs", rc == 0, (rc, out, err))
    rc, out, err = p.cli("bundle", "export", "e", "--out", "-")
    check("nothing measured yet", rc == 3 and "bench run e" in err and out == "", (rc, out, err))
    for words in (("bench", "run", "e", "-k", "cpus,cpum,memR"), ("matrix", "e", "--run", "--window", "500"),
                  ("rtt", "e", target(p), "--count", "2")):
        rc, out, err = p.cli(*words)
        check(" ".join(words[:2]), rc == 0, (rc, out, err))
    a = content(p)
    options(p)
    for case in (looking, diff, perfkit, place, later):
        case(p, a)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], run))

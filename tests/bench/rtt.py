"""The figures of rtt.sh: |measured - true| in microseconds, by method, over
pairs. Usage: rtt.py DIR PHASE"""
import glob
import json
import re
import sys

d, phase = sys.argv[1:]
vms = json.load(open(d + "/vms.json"))
index = {vm: i for i, (vm, _) in enumerate(vms)}
index.update({a: i for i, (_, a) in enumerate(vms)})
truth = json.load(open(d + "/truth.json"))["truth"]["rttMs"]
target = {"udpEcho": "<= 50 / <= 300 busy", "udpEchoFast": "", "icmp": "",
          "tcpInfo": "", "fping": "compare", "ping": "compare"}


def median(v):
    v = sorted(v)
    return v[(len(v) - 1) // 2]


def figures(name, pairs):
    """pairs: (from, to, ms), unknown ones left out"""
    signed = sorted((ms - truth[i][j]) * 1000 for i, j, ms in pairs
                    if i != j and truth[i][j] is not None)
    e = sorted(map(abs, signed))
    base = "rtt.%s.%s." % (phase, name)
    out = [("pairs", len(e), "pairs", "")]
    if e:
        out += [("errorP50", median(signed), "us", ""),
                ("absErrorP50", e[(len(e) - 1) // 2], "us", target[name]),
                ("absErrorP99", e[int((len(e) - 1) * .99)], "us",
                 target[name]),
                ("absErrorMax", e[-1], "us", "")]
    for what, v, unit, t in out:
        print(json.dumps({"name": base + what, "value": round(v, 1),
                          "unit": unit, "target": t}))


for name in ("udpEcho", "udpEchoFast"):
    m = json.load(open("%s/%s.%s" % (d, name, phase)))
    at = [index[v["vmId"]] for v in m["vms"]]
    figures(name, [(at[i], at[j], c["rttMedianMs"])
                   for i, row in enumerate(m["cells"])
                   for j, c in enumerate(row)
                   if c and c["rttMedianMs"] is not None])

for name in ("icmp", "tcpInfo"):
    items = json.load(open("%s/%s.%s" % (d, name, phase)))["items"]
    figures(name, [(index[r["vmId"]], index[r["target"]], r["rttMedianMs"])
                   for r in items if r["method"] == name and
                   r["rttMedianMs"] is not None])

pairs = []
for f in glob.glob("%s/fping.%s.*" % (d, phase)):
    i = index[f.split(".%s." % phase, 1)[1]]
    for line in open(f):
        m = re.match(r"([0-9.]+) +: (.*)", line)
        got = [float(x) for x in m.group(2).split() if x != "-"] if m else []
        if got:
            pairs.append((i, index[m.group(1)], median(got)))
figures("fping", pairs)

pairs = []
for f in glob.glob("%s/ping.%s.*" % (d, phase)):
    rest = f.split("/ping.%s." % phase, 1)[1]
    vm = max((v for v in index if rest.startswith(v + ".")), key=len)
    m = re.search(r"= [0-9.]+/([0-9.]+)/", open(f).read())
    if m:
        pairs.append((index[vm], index[rest[len(vm) + 1:]],
                      float(m.group(1))))
figures("ping", pairs)

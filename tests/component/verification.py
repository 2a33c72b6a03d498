"""From the lines of the conformance cases (drivers.sh, tests/openstack) to the
table of what was shown: verification.py <LINES >TABLE. Nothing is claimed beyond
the lines: a case is shown if at least one of its lines says so and none says
otherwise. "by contract": shown only where the fault proxy spoke for the cloud."""
import re
import sys

AGAINST = {
    "twin": ("-", "the twin, behind a fault proxy", "real processes"),
    "static": ("SSH", "a hosts file, a greeter behind a fault proxy", "real sshd"),
    "aws": ("SigV4, each request checked by moto", "moto 5.2.5 behind a fault proxy that keeps client tokens", "none"),
    "openstack": ("Keystone", "a real control plane: Keystone, Nova, Neutron, Glance, Placement of Zed", "none (nova's fake hypervisor)"),
}
CASES = 40
WORDS = {"fail": "**no**", "shown": "yes", "contract": "by contract", "unit": "elsewhere", "none": "-"}


def verdict(rows):
    """Of the lines of one case."""
    if any(r[0] == "not ok" for r in rows):
        return "fail"
    good = [r[1] for r in rows if r[0] == "ok"]
    if good:
        return "contract" if all(t.endswith(", by contract") for t in good) else "shown"
    return "unit" if any(r[0] == "#" for r in rows) else "none"


def main():
    seen, names = {}, {}
    for line in sys.stdin:
        m = re.match(r"(ok|not ok|skip|n/a|#) - (\w+) (\d+) (.*)", line)
        if not m or m[2] not in AGAINST:
            continue
        no, text = int(m[3]), m[4].strip()
        seen.setdefault(m[2], {}).setdefault(no, []).append((m[1], text))
        if no and m[1] in ("ok", "#"):
            name = re.sub(r", by contract$|: (pure|only|for all).*$", "", text)
            if name not in names.setdefault(no, []):
                names[no].append(name)
    found = {d: {n: verdict(cases.get(n, [])) for n in range(1, CASES + 1)} for d, cases in seen.items()}
    print("# What is verified of the drivers\n\nMade by `make verification-table` from the lines of the conformance cases; "
          "nothing here\nis written by hand. No live public cloud was asked.\n")
    print("| driver | authentication | requests and faults against | guests | cases of %d: shown | by contract | "
          "elsewhere | failed |" % CASES)
    print("|---|---|---|---|---|---|---|---|")
    for d, v in found.items():
        n = {w: sum(x == w for x in v.values()) for w in WORDS}
        bad = [str(k) for k, x in v.items() if x == "fail"]
        print("| %s | %s | %d | %d | %d | %s |" % (d, " | ".join(AGAINST[d]), n["shown"], n["contract"], n["unit"],
                                                 ", ".join(bad) or "none"))
    print("\n| case | %s |\n|---|%s" % (" | ".join(found), "---|" * len(found)))
    for no in range(1, CASES + 1):
        print("| %d %s | %s |" % (no, "; ".join(names.get(no, ["shown by no driver here"])),
                                  " | ".join(WORDS[v[no]] for v in found.values())))
    elsewhere = sorted({(no, t) for cases in seen.values() for no, rows in cases.items() for k, t in rows if k == "#"})
    print("\nElsewhere: %s." % "; ".join("%d %s" % x for x in elsewhere))


if __name__ == "__main__":
    main()

"""From the lines of the conformance cases (drivers.sh) to the table of what was
shown: verification.py <LINES >TABLE. Nothing is claimed beyond the lines."""
import re
import sys

AGAINST = {
    "twin": ("-", "the twin", "real processes"),
    "static": ("SSH", "a hosts file", "real sshd"),
    "aws": ("SigV4, each request checked by moto", "moto 5.2.5 behind a fault proxy that keeps client tokens", "none"),
    "openstack": ("keystone", "OpenStack", "faked"),
}
CASES = 40


def main():
    seen = {}
    for line in sys.stdin:
        m = re.match(r"(ok|not ok|skip|#) - (\w+) (\d+) (.*)", line)
        if m and m[2] in AGAINST:
            seen.setdefault(m[2], {}).setdefault(int(m[3]), []).append((m[1], m[4].strip()))
    print("| driver | authentication | requests and faults against | guests | cases of %d shown | failed |" % CASES)
    print("|---|---|---|---|---|---|")
    for driver, cases in seen.items():
        bad = sorted(n for n, v in cases.items() if any(r[0] == "not ok" for r in v))
        good = [n for n, v in cases.items() if n and n not in bad and any(r[0] == "ok" for r in v)]
        print("| %s | %s | %d | %s |" % (driver, " | ".join(AGAINST[driver]), len(good),
                                         ", ".join(map(str, bad)) or "none"))
    for driver, cases in seen.items():
        rest = [n for n in range(1, CASES + 1) if not any(r[0] != "skip" for r in cases.get(n, []))]
        there = ["%d %s" % (n, v[0][1]) for n, v in sorted(cases.items()) if n and all(r[0] == "#" for r in v)]
        print("\n%s: shown elsewhere: %s. Not shown: %s." % (driver, "; ".join(there), ", ".join(map(str, rest)) or "none"))


if __name__ == "__main__":
    main()

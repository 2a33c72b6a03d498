#!/bin/bash
# An idle agent's memory (PSS, anonymous) and CPU over a minute; median of 10.
# Usage, as root: agent.sh BUILD_DIR OUT_DIR [SECONDS]
cd "$(dirname "$0")/../.."
bin=$(realpath "$1") out=$2 bench=agent seconds=${3:-60}
. tests/bench/lib.sh
bench_up bench-data/worlds/global100.json
bench_mcis fleet 10
milkyway mcis create -f "$MILKYWAY_DIR/fleet.json" >/dev/null
python3 - "$seconds" >"$MILKYWAY_DIR/figures" <<'PY'
import glob, os, sys, time
def agents():
    for p in glob.glob("/proc/[0-9]*/exe"):
        try:
            if os.readlink(p).endswith("/milkyway-agent"):
                yield p.split("/")[2]
        except OSError:
            pass
def cpu(pid):
    f = open(f"/proc/{pid}/schedstat").read().split()
    return int(f[0])
def rollup(pid, key):
    for line in open(f"/proc/{pid}/smaps_rollup"):
        if line.startswith(key + ":"):
            return int(line.split()[1])
pids = list(agents())
time.sleep(5)
def measure(of):
    found = {}
    for p in pids:  # one that ended meanwhile was not ours
        try:
            found[p] = of(p)
        except OSError:
            pass
    return found
before = measure(cpu)
time.sleep(float(sys.argv[1]))
after = measure(cpu)
pids = list(after)
share = sorted((after[p] - before[p]) / 1e7 / float(sys.argv[1]) for p in pids)
mid = len(pids) // 2
print(len(pids), sorted(rollup(p, "Pss") for p in pids)[mid],
      sorted(rollup(p, "Anonymous") for p in pids)[mid], share[mid])
PY
read -r count pss anon cpu <"$MILKYWAY_DIR/figures"
figure agent.count "$count" agents 10
figure agent.pssIdle "$pss" KiB "<= 2048"
figure agent.anonymousIdle "$anon" KiB ""
figure agent.cpuIdle "$cpu" "%" "<= 0.01"

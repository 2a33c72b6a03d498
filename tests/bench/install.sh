#!/bin/bash
# From "Running" to "agent connected", 100 VMs at once (or N).
# Usage, as root: install.sh BUILD_DIR OUT_DIR [N]
cd "$(dirname "$0")/../.."
bin=$(realpath "$1") out=$2 bench=install n=${3:-100}
. tests/bench/lib.sh
bench_up bench-data/worlds/global100.json
bench_mcis fleet "$n"
began=$(date +%s.%N)
milkyway mcis create -f "$MILKYWAY_DIR/fleet.json" >/dev/null
ended=$(date +%s.%N)
milkyway events --all -o json >"$MILKYWAY_DIR/events.json"
python3 - "$MILKYWAY_DIR/events.json" >"$MILKYWAY_DIR/figures" <<'PY'
import json, sys
from datetime import datetime
run, up = {}, {}
at = lambda e: datetime.fromisoformat(e["at"].replace("Z", "+00:00")).timestamp()
for line in open(sys.argv[1]):
    e = json.loads(line)
    if e["type"] == "vm.status" and e["to"] == "Running":
        run.setdefault(e["vmId"], at(e))
    if e["type"] == "agent.up":
        up.setdefault(e["vmId"], at(e))
each = sorted(up[v] - run[v] for v in up if v in run)
print(len(each), max(up.values()) - min(run.values()), each[len(each) // 2], each[-1])
PY
read -r count whole p50 worst <"$MILKYWAY_DIR/figures"
figure install.vms "$count" vms "$n"
figure install.firstRunningToLastAgent "$whole" s "<= 40 for 100"
figure install.perVmMedian "$p50" s ""
figure install.perVmMax "$worst" s ""
figure install.createToReady "$(echo "$ended - $began" | bc)" s ""

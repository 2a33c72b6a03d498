#!/bin/bash
# The whole matrix of N VMs (100): time, loss, error against the truth.
# Usage, as root: mesh.sh BUILD_DIR OUT_DIR [N]
cd "$(dirname "$0")/../.."
bin=$(realpath "$1") out=$2 bench=mesh n=${3:-100}
. tests/bench/lib.sh
bench_up bench-data/worlds/global100.json
bench_mcis fleet "$n"
milkyway mcis create -f "$MILKYWAY_DIR/fleet.json" >/dev/null
began=$(date +%s.%N)
milkyway matrix fleet --run --k 10 --window 8000 -o csv >/dev/null
ended=$(date +%s.%N)
milkyway matrix fleet --truth "$MILKYWAY_DIR/twin.sock" -o json >"$out/mesh-matrix.json"
python3 - "$out/mesh-matrix.json" >"$MILKYWAY_DIR/figures" <<'PY'
import json, sys
m = json.load(open(sys.argv[1]))
cells = [c for i, row in enumerate(m["cells"]) for j, c in enumerate(row) if i != j]
n = sum(c["n"] for c in cells if c)
lost = sum(c.get("lost", 0) for c in cells if c)
e = m["truth"]["error"]
print(len(cells), n, lost, e["unknown"], e["medianUs"], e["absMedianUs"], e["absP95Us"], e["absMaxUs"])
PY
read -r pairs probes lost unknown med amed ap95 amax <"$MILKYWAY_DIR/figures"
figure mesh.pairs "$pairs" pairs "9900 for 100 VMs"
figure mesh.probesAnswered "$probes" probes ""
figure mesh.lost "$lost" probes 0
figure mesh.unknownPairs "$unknown" pairs 0
figure mesh.roundTime "$(echo "$ended - $began" | bc)" s "<= 10 for 100 VMs"
figure mesh.errorMedian "$med" us ""
figure mesh.absErrorMedian "$amed" us "<= 50"
figure mesh.absErrorP95 "$ap95" us ""
figure mesh.absErrorMax "$amax" us ""
began=$(date +%s.%N)
milkyway matrix fleet --run --fast -o csv >/dev/null
ended=$(date +%s.%N)
figure mesh.fastRoundTime "$(echo "$ended - $began" | bc)" s "k 3 within 1.5 s, plus arm, answers and the commit"

#!/bin/bash
# The HTTP API under load: one MCIS read over and over by 50 connections.
# Usage, as root: api.sh BUILD_DIR OUT_DIR
cd "$(dirname "$0")/../.."
bin=$(realpath "$1") out=$2 bench=api
. tests/bench/lib.sh
bench_up bench-data/worlds/deck17.json
milkyway mcis create -f bench-data/mcis/demo17.json >/dev/null
token=$(cat "$MILKYWAY_DIR/token")
for path in /healthz /v1/ns/default/mcis/demo17; do
	wrk -t1 -c50 -d10s --latency -H "Authorization: Bearer $token" \
		"http://127.0.0.1:7470$path" >"$out/api-wrk.txt"
	name=$(basename "$path")
	python3 - "$out/api-wrk.txt" >"$MILKYWAY_DIR/figures" <<'PY'
import re, sys
t = open(sys.argv[1]).read()
unit = {"us": 1e-3, "ms": 1, "s": 1e3}
v, u = re.search(r"99%\s+([\d.]+)(us|ms|s)", t).groups()
bad = re.search(r"Non-2xx or 3xx responses: (\d+)", t)
print(re.search(r"Requests/sec:\s+([\d.]+)", t).group(1), float(v) * unit[u], bad.group(1) if bad else 0)
PY
	read -r rate p99 bad <"$MILKYWAY_DIR/figures"
	figure "api.$name.rate" "$rate" req/s ">= 200"
	figure "api.$name.p99" "$p99" ms "< 20"
	figure "api.$name.refused" "$bad" requests 0
done

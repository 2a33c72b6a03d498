#!/bin/bash
# Placement questions over HTTP: 1,000 of them from 64 connections at once,
# each another one, about the matrix of an MCIS of N VMs over all regions.
# Usage, as root: place_api.sh BUILD_DIR OUT_DIR [WORLD VMS CONNECTIONS]
cd "$(dirname "$0")/../.."
bin=$(realpath "$1") out=$2 bench=place-api
world=${3:-bench-data/worlds/deck17.json} vms=${4:-17} conns=${5:-64}
. tests/bench/lib.sh
cat >"$MILKYWAY_DIR/limits.ini" <<'INI'
[api]
rate = 1000000
connections = 4096
per_address = 4096
INI
milkyway up --world "$world" --config "$MILKYWAY_DIR/limits.ini" >/dev/null
bench_mcis world "$vms"
milkyway mcis create -f "$MILKYWAY_DIR/world.json" >/dev/null
milkyway matrix world --run >/dev/null
python3 tests/bench/place_api.py "$MILKYWAY_DIR/token" "$conns" 1000 \
	>"$MILKYWAY_DIR/figures"
while read -r name value unit target; do
	figure "api.placements.$name" "$value" "$unit" "$target"
done <"$MILKYWAY_DIR/figures"

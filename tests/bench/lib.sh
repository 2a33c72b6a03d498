# Shared by the benchmark scripts: a twin and a coordinator of their own, an
# MCIS of N VMs spread over all regions, one JSON object per figure.
# Sourced, with $bin and $out set.
set -euo pipefail
MILKYWAY_DIR=$(mktemp -d /var/tmp/milkyway-bench.XXXXXX)
export MILKYWAY_DIR PATH="$bin:$PATH"
mkdir -p "$out"

bench_clean() {
	milkyway down >/dev/null 2>&1 || true
	[ "${keep_logs:-}" ] && cp "$MILKYWAY_DIR"/*.log "$out"/ || true
	rm -rf "$MILKYWAY_DIR"
}
trap bench_clean EXIT

bench_up() { # WORLD
	milkyway up --world "$1" >/dev/null
}

bench_mcis() { # NAME N: one VM per region, round robin, the cheapest spec
	milkyway spec list -o json >"$MILKYWAY_DIR/specs.json"
	python3 - "$1" "$2" "$MILKYWAY_DIR/specs.json" >"$MILKYWAY_DIR/$1.json" <<'PY'
import json, sys
name, n = sys.argv[1], int(sys.argv[2])
best = {}
for s in json.load(open(sys.argv[3]))["items"]:
    cost = s["costPerHourMicros"] or 10**12
    if s["connection"] not in best or cost < best[s["connection"]][0]:
        best[s["connection"]] = (cost, s["name"])
conns = sorted(best)
count = {c: n // len(conns) + (i < n % len(conns)) for i, c in enumerate(conns)}
print(json.dumps({"name": name, "groups": [
    {"name": c, "count": count[c], "connection": c, "spec": best[c][1], "image": "debian-12"}
    for c in conns if count[c]]}))
PY
}

figure() { # NAME VALUE UNIT TARGET
	printf '{"name":"%s","value":%s,"unit":"%s","target":"%s"}\n' "$@" | tee -a "$out/$bench.jsonl"
}

#!/bin/bash
# The main job, end to end: 17 VMs over 3 CSPs, agents, benchmarks, the latency
# matrix, placement questions, the best answer created and verified, and all of
# it ended again. Usage, as root: tests/stories/demo17.sh BUILD_DIR OUT_DIR
# Leaves benchmarks.json eval.json matrix.json placements.json report.html demo.log.
set -euo pipefail
cd "$(dirname "$0")/../.."
bin=$(realpath "$1")
mkdir -p "$2"
out=$(realpath "$2")
[ -t 1 ] && export CLICOLOR_FORCE=1
[ "$(id -u)" -eq 0 ] || { echo "the demo makes namespaces: run it with sudo" >&2; exit 6; }

# On a disk, so that file benchmarks measure a disk; short, for socket paths.
MILKYWAY_DIR=$(mktemp -d /var/tmp/milkyway-demo.XXXXXX)
export MILKYWAY_DIR PATH="$bin:$PATH"
world=bench-data/worlds/deck17.json
began=$SECONDS

clean() {
	status=$?
	milkyway down || true
	[ "$status" -eq 0 ] || cp "$MILKYWAY_DIR"/*.log "$out"/ 2>/dev/null || true
	rm -rf "$MILKYWAY_DIR"
	if [ "$status" -eq 0 ]; then
		echo
		echo "all done in $((SECONDS - began)) s; open $out/report.html"
	else
		echo "the demo failed (exit status $status); logs are in $out" >&2
	fi
	# the log and the screen get the last line before we end
	exec >&- 2>&-
	for _ in $(seq 50); do
		kill -0 "${tee:-none}" 2>/dev/null || break
		sleep 0.1
	done
}
trap clean EXIT
exec > >(tee "$out/demo.log") 2>&1
tee=$!

step() {
	printf '\n== [%3d s] %s\n' $((SECONDS - began)) "$1"
}
say() {
	echo "\$ milkyway $*"
	milkyway "$@"
}

step "emulated clouds and the coordinator"
say up --world "$world"
say connection list

step "one MCIS of 17 VMs over 3 CSPs, an agent on each"
say mcis create -f bench-data/mcis/demo17.json
say mcis create -f bench-data/mcis/demo17.json	# the same file again: no change
say agent list demo17

step "benchmarks from inside"
say bench run demo17 --profile quick
milkyway bench show demo17 -o json >"$out/benchmarks.json"
say eval demo17
milkyway eval demo17 -o json >"$out/eval.json"

step "the 17 x 17 latency matrix, beside the world's true values"
say matrix demo17 --run --window 5000 --truth "$MILKYWAY_DIR/twin.sock"
milkyway matrix demo17 --truth "$MILKYWAY_DIR/twin.sock" -o json >"$out/matrix.json"

step "the same as tables, beside the published ones of 2020"
say report tables demo17
say report tables --deck --table matrix

step "where would you put ..."
ask() { # FILE QUESTION EXPECTED_STATUS
	echo
	echo "-- $2"
	status=0
	say place -f "bench-data/queries/$1.json" || status=$?
	[ "$status" -eq "$3" ] || { echo "expected exit status $3, not $status"; exit 1; }
	printf '%s{"question":"%s","answer":' "$comma" "$2" >>"$out/placements.json"
	milkyway place -f "bench-data/queries/$1.json" -o json >"$answer" || true
	cat "$answer" >>"$out/placements.json"
	printf '}' >>"$out/placements.json"
	comma=,
	id=${id:-$(sed -n 's/.*"placementId": "\([^"]*\)".*/\1/p' "$answer" | head -1)}
}
answer=$MILKYWAY_DIR/answer.json comma='' id=''
printf '[' >"$out/placements.json"
ask five-under-40ms "five VMs, every pair under 40 ms, cheapest?" 0
ask two-csps-under-40ms "two VMs on two CSPs under 40 ms?" 0
ask five-over-two-csps-under-40ms "five VMs over two CSPs under 40 ms?" 4
printf ']\n' >>"$out/placements.json"

step "create the best answer as a new MCIS and verify its pairs"
say mcis create --from-placement "$id" --name best
say matrix best --run --window 2000 --limit 40 --check
milkyway mcis show best -o json >"$MILKYWAY_DIR/best.json"
milkyway mcis show demo17 -o json >"$MILKYWAY_DIR/mcis.json"

step "a command on all VMs"
say exec best -- 'echo "$(hostname) $(uname -r)"'

step "suspend, resume, terminate"
say mcis suspend demo17
say mcis show demo17 | head -8
say mcis resume demo17
say mcis terminate demo17 --yes
say mcis delete best --yes
say mcis delete demo17 --yes
say mcis list

step "the report"
milkyway report --title "Milkyway: 17 VMs over 3 CSPs" --mcis "$MILKYWAY_DIR/mcis.json" \
	--bench "$out/benchmarks.json" --eval "$out/eval.json" --matrix "$out/matrix.json" \
	--placements "$out/placements.json" --chosen "$MILKYWAY_DIR/best.json" \
	--out "$out/report.html"
ls -l "$out"

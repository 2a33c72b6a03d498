#!/bin/bash
# The conformance cases of the drivers, all behind the fault proxy: twin against
# a running twin, static against something that greets like sshd, aws against
# moto; at once, in a network namespace of their own. The lines of the cases go to
# BUILD_DIR/conformance.lines, for verification.py.
# Usage, as root: drivers.sh BUILD_DIR
set -uo pipefail
if [ "$(id -u)" != 0 ] || [ ! -e /dev/net/tun ]; then
	echo "skip - drivers against their targets, needs root and /dev/net/tun"
	exit 0
fi
if [ -z "${MW_INSIDE:-}" ]; then
	if ! MW_MOTO=$(bash "$(dirname "$0")/../lib/moto.sh"); then
		export MW_NO_MOTO=$MW_MOTO
		MW_MOTO=
	fi
	export MW_MOTO
	MW_INSIDE=1 exec unshare -n bash "$0" "$@"
fi
build=$(realpath "$1")
root=$(realpath "$(dirname "$0")/../..")
dir=$(mktemp -d /var/tmp/mw-drivers-XXXXXX)
cases=$build/tests/component/driver_cases
proxy=$root/tests/lib/faultproxy.py
socket=$dir/state/ctl.sock
status=0
helpers=
jobs=
clean() {
	for pid in $jobs $helpers; do
		kill "$pid" 2>/dev/null
	done
	"$build/milkyway-twin" down --socket "$socket" >/dev/null 2>&1
	rm -rf "$dir"
}
trap clean EXIT
ip link set lo up

# A fault proxy; where it takes its rules is the first line of $dir/NAME.
start_proxy() { # NAME OPTION...
	local name=$1 tries=0
	shift
	python3 "$proxy" "$@" >"$dir/$name" &
	helpers="$helpers $!"
	until [ -s "$dir/$name" ] || [ $((tries++)) -gt 200 ]; do
		sleep 0.05
	done
}
# A suite in the background; its lines go to $dir/NAME.out.
in_background() { # NAME COMMAND...
	local name=$1
	shift
	(
		trap 'kill "$suite" 2>/dev/null' TERM
		"$@" >"$dir/$name.out" 2>&1 &
		suite=$!
		wait "$suite"
		echo $? >"$dir/$name.rc"
		echo "# $SECONDS s" >>"$dir/$name.out"
	) &
	jobs="$jobs $!"
	names="$names $name"
}
names=

if [ -n "$MW_MOTO" ]; then
	in_background aws python3 "$root/tests/component/drivers_aws.py" \
		"$build" "$MW_MOTO"
else
	echo "skip - aws against moto, $MW_NO_MOTO"
fi

python3 -c '
import socket
s = socket.create_server(("127.0.0.1", 2223))
while True:
    c, _ = s.accept()
    c.sendall(b"SSH-2.0-test\r\n")
    c.close()' &
helpers="$helpers $!"
cat >"$dir/hosts.json" <<'JSON'
{"hosts":[
 {"name":"a","address":"127.0.0.1","port":2222,"user":"me","region":"lab","spec":"box","vcpu":2,"memoryMiB":2048},
 {"name":"b","address":"127.0.0.1","port":2222,"user":"me","region":"lab","spec":"box"}
]}
JSON
start_proxy raw --dialect raw --listen 127.0.0.1:2222 --target 127.0.0.1:2223
in_background static env MW_CASES_PROXY="127.0.0.1:$(head -1 "$dir/raw")" \
	"$cases" static "$dir/hosts.json" static lab box installed

# fifty VMs of the suite at once, and those of other cases
sed 's/"quotas": {"vms": [0-9]*}/"quotas": {"vms": 100}/' \
	"$root/bench-data/worlds/tiny.json" >"$dir/world.json"
if ! "$build/milkyway-twin" up --world "$dir/world.json" \
    --detach --state "$dir/state" --disk tmpfs --no-calibrate \
    --log "$dir/log" --socket "$socket" >"$dir/up" 2>&1; then
	echo "not ok - the twin does not start"
	cat "$dir/up" "$dir/log"
	exit 1
fi
python3 - "$dir/world.json" >"$dir/regions" <<'PY'
import json, sys
for c in json.load(open(sys.argv[1]))["clouds"]:
    print(c["id"], c["regions"][0]["id"], c["specs"][0]["id"])
PY
start_proxy http --dialect twin --listen "$dir/p.sock" --target "$socket"
behind="env MW_CASES_PROXY=$dir/p.sock"
through=$dir/p.sock
while read -r cloud region spec; do
	# the faults of the way are those of the first
	# shellcheck disable=SC2086 # words
	in_background "twin-$cloud" $behind "$cases" twin "$through" "$cloud" \
		"$region" "$spec" debian-12
	behind=
	through=$socket
done <"$dir/regions"

# shellcheck disable=SC2086 # words
wait $jobs
jobs=
: >"$dir/results"
for name in $names; do
	echo "# $name"
	tee -a "$dir/results" <"$dir/$name.out"
	[ "$(cat "$dir/$name.rc")" = 0 ] || status=1
done

# What a cloud does behind our back.
with_fault() { # WHAT EXPECTED COUNT FAULT...
	local what=$1 expected=$2 count=$3 got n token
	shift 3
	token=f$RANDOM
	"$build/milkyway-twin" fault add "$@" count=1 --socket "$socket" \
		>/dev/null || status=1
	got=$(one create "$token")
	n=$(one count "$token")
	one end "$token" >/dev/null
	if [[ $got == $expected* && $n == "OK $count" ]]; then
		echo "ok - twin $what" | tee -a "$dir/results"
	else
		echo "not ok - twin $what: $got, $n found"
		status=1
	fi
}
one() {
	"$cases" twin "$socket" aws ap-northeast-2 t3.small debian-12 "$@"
}
with_fault "14 answer lost" "AMBIGUOUS RESET sent=1" 1 answerLost cloud=aws op=create
with_fault "14 request lost" "AMBIGUOUS RESET sent=1" 0 requestLost cloud=aws op=create
with_fault "18 quota" "DEFINITE QUOTA sent=1" 0 quota cloud=aws op=create
with_fault "19 capacity" "DEFINITE CAPACITY sent=1" 0 capacity cloud=aws op=create
with_fault "36 throttled" "THROTTLED NONE sent=1" 0 throttle cloud=aws op=create
with_fault "37 done, yet 5xx" "AMBIGUOUS SERVER sent=1" 1 errorButDone cloud=aws op=create
with_fault "2 one 401" "OK NONE sent=1" 1 authExpired cloud=aws op=create
for _ in $(seq 100); do
	"$build/milkyway-twin" truth --socket "$socket" --json >"$dir/truth"
	grep -q '"nativeState":"running"\|shutting-down' "$dir/truth" || break
	sleep 0.1
done
"$build/milkyway-twin" truth --socket "$socket" --json >"$dir/truth"
if python3 - "$dir/truth" <<'PY'; then echo "ok - nothing is left in the clouds"; else echo "not ok - VMs are left"; status=1; fi
import json, sys
live = [v for v in json.load(open(sys.argv[1]))["items"]
        if v["nativeState"].lower() not in ("terminated", "deleted", "shutdown")]
sys.exit(1 if live else 0)
PY
[ "$status" = 0 ] || tail -20 "$dir/log"
cp "$dir/results" "$build/conformance.lines"
echo "# all: $SECONDS s"
exit $status

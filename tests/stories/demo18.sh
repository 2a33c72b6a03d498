#!/bin/bash
# 18 VMs over 4 CSPs and 10 regions; a web server on all of them by one line,
# checked from outside; lifecycle verbs, one line each.
# Usage, as root: tests/stories/demo18.sh BUILD_DIR OUT_DIR
set -euo pipefail
cd "$(dirname "$0")/../.."
bin=$(realpath "$1")
mkdir -p "$2"
out=$(realpath "$2")
[ -t 1 ] && export CLICOLOR_FORCE=1
[ "$(id -u)" -eq 0 ] || { echo "the demo makes namespaces: run it with sudo" >&2; exit 6; }
MILKYWAY_DIR=$(mktemp -d /var/tmp/milkyway-demo.XXXXXX)
export MILKYWAY_DIR PATH="$bin:$PATH"
began=$SECONDS

clean() {
	status=$?
	milkyway down || true
	[ "$status" -eq 0 ] || cp "$MILKYWAY_DIR"/*.log "$out"/ 2>/dev/null || true
	rm -rf "$MILKYWAY_DIR"
	if [ "$status" -eq 0 ]; then
		echo
		echo "all done in $((SECONDS - began)) s"
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
say() {
	printf '\n[%3d s] $ milkyway %s\n' $((SECONDS - began)) "$*"
	milkyway "$@"
}

say up --world bench-data/worlds/global100.json
say mcis create -f bench-data/mcis/demo18.json

# A web server that answers every request with the region it runs in: Debian's
# python3 stands for nginx, which the emulated image does not carry.
say exec demo18 -- 'mkdir -p /tmp/www && echo {{region}} >/tmp/www/index.html && cd /tmp/www && (setsid python3 -m http.server 8080 >/dev/null 2>&1 </dev/null &)'

echo
good=0
for line in $(milkyway mcis show demo18 -o csv | awk -F, 'NR > 1 { print $2 "=" $7 }'); do
	region=${line%%=*} address=${line##*=} got=
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		got=$(curl -s -m 5 "http://$address:8080/" || true)
		[ -n "$got" ] && break
		sleep 0.5
	done
	printf '%-26s %-12s says %s\n' "$region" "$address" "${got:-nothing}"
	case $region in *"$got") [ -n "$got" ] && good=$((good + 1)) ;; esac
done
echo "$good of 18 answer with their region"
[ "$good" -eq 18 ]

say matrix demo18 --run --window 3000 --limit 150
say place --from demo18 --site-by region --vms 4 --csps 3 --max-rtt 80 || [ $? -eq 4 ]
say mcis suspend demo18
say mcis resume demo18
say mcis reboot demo18
say mcis show demo18
say mcis terminate demo18 --yes
say mcis delete demo18 --yes
say mcis list

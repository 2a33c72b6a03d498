#!/bin/bash
# The databases of dbR and dbW, each for real through "milkyway-agent bench":
# a value in its own variant, and neither process, file nor shared memory left.
# What is missing is named with its package, and never measured as 0.
# Usage: dbengines.sh BUILD_DIR
set -u
build=$(realpath "$1")
work=$(mktemp -d "${TMPDIR:-/var/tmp}/dbengines.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -m 1777 "$work/in"
: >"$work/left"
chmod 755 "$work"

ok() {
	echo "ok - $1"
}
bad() {
	echo "not ok - $1"
	sed 's/^/    /' "$work/left" "$work/err" "$work/out" | head -40
}
# check WHAT PYTHON over r: results by "kind.variant"
check() {
	if python3 - "$work/out" "$2" <<-'PY'; then ok "$1"; else bad "$1"; fi
	import json, sys
	r = {"%s.%s" % (x["kind"], x["variant"]): x for x in json.load(open(sys.argv[1]))}
	sys.exit(0 if eval(sys.argv[2]) else 1)
	PY
}
bench() {
	"$build/milkyway-agent" bench "$1" --dir "$work/in" >"$work/out" 2>"$work/err"
}
here() {
	PATH=$PATH:/usr/sbin:$(echo /usr/lib/postgresql/*/bin | tr ' ' :) \
	    command -v "$1" >/dev/null
}
shm() {
	awk 'NR > 1 { print $2 }' /proc/sysvipc/shm | sort
}
# Processes that name our folder, but this shell's own.
left() {
	pgrep -fa "$work/in" | grep -v dbengines.sh
	ls -A "$work/in"
	shm | comm -13 "$work/shm" -
}
nothing_left() {
	for _ in $(seq 100); do
		[ -z "$(left)" ] && break
		sleep 0.1
	done
	left >"$work/left"
	if [ -s "$work/left" ]; then bad "$1"; else ok "$1"; fi
}
shm >"$work/shm"

engine() { # NAME VARIANT PROGRAM...
	local name=$1 v=$2 program
	shift 2
	for program in "$@"; do
		here "$program" && continue
		echo "skip - $name, $program is not here"
		return
	done
	bench "dbR.$v,dbW.$v"
	check "$name measures" \
	    "len(r) == 2 and all(r[k + '.$v']['value'] > 0 for k in ('dbR', 'dbW'))"
	nothing_left "$name leaves nothing"
}
PATH=$build:$PATH
engine mariadb std sysbench mariadbd
engine pgsql pgsql sysbench initdb postgres
engine lite lite milkyway-dblite
check "and says that it is another tool" "r['dbR.lite']['tool'] == 'milkyway-dblite'"

# ended in the middle, by the user
if here sysbench && here mariadbd && here initdb; then
	"$build/milkyway-agent" bench dbW,dbW.pgsql --profile standard \
	    --dir "$work/in" >"$work/out" 2>"$work/err" &
	pid=$!
	for _ in $(seq 200); do
		pgrep -f "pgsql-host=$work" >/dev/null && break
		sleep 0.1
	done
	kill -INT "$pid"
	wait "$pid"
	nothing_left "a canceled benchmark leaves nothing"
else
	echo "skip - a canceled benchmark leaves nothing, no database here"
fi

if [ "$(id -u)" != 0 ]; then
	echo "skip - tools that are missing, needs root to hide them"
	exit 0
fi
# hide PROGRAMS... then run the benchmark of the last argument
hidden() {
	unshare -m bash -c '
		for f in ${1//,/ }; do [ ! -e $f ] || mount --bind /dev/null $f; done
		"$2" bench "$3" --dir "$4"' x "$1" "$build/milkyway-agent" "$2" \
	    "$work/in" >"$work/out" 2>"$work/err"
}
if [ "$(. /etc/os-release && echo "$ID")" = debian ]; then
	hidden /usr/sbin/mariadbd dbR
	check "no MariaDB: no value, and the package" \
	    "r['dbR.std']['value'] is None and r['dbR.std']['substatus'] == 'TOOL_MISSING' and 'apt-get install mariadb-server-core' in r['dbR.std']['detail']"
	check "another engine is not taken silently, but named" \
	    "list(r) == ['dbR.std'] and '--db-engine lite' in r['dbR.std']['detail']"
	hidden /usr/bin/sysbench,/usr/local/bin/sysbench cpus,dbW.lite
	check "no sysbench: no value, and the package" \
	    "r['cpus.std']['value'] is None and 'apt-get install sysbench' in r['cpus.std']['detail']"
	check "lite works without sysbench" "r['dbW.lite']['value'] > 0"
else
	echo "skip - the package that is missing, not Debian here"
fi
nothing_left "nothing is left in the end"
exit 0

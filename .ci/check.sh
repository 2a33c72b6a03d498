#!/bin/bash
# All checks and tests. Ends with one line "N passed, M failed, K skipped".
# Exit status 1 if anything failed.
#
# After the build and what is quick, two rows of stages run at the same time:
# unit and component tests, which mostly wait, and beside them, with less
# priority, what only computes. What the second row says is printed after the
# first has ended. Fuzzing comes last, alone: it finds as much as its time
# allows.
#
# MW_STAGES="unit component" runs only those; MW_FUZZ_S sets the fuzz time per
# target; MW_LIMIT_S: all of it may take so long (1440).
set -uo pipefail
cd "$(dirname "$0")/.." || exit 2
export MW_TALLY=$PWD/build/tally MW_LOGS=$PWD/build/log
mkdir -p build/log
rm -f build/log/*.pid
: >"$MW_TALLY"
export MW_FUZZ_S=${MW_FUZZ_S:-5}
limit=${MW_LIMIT_S:-1440}
jobs=$(nproc)
all="build layers headers purity gates format deps clang unit component asan fuzz-build fuzz"
stages=" ${MW_STAGES:-$all} "
for s in $stages; do
	case " $all " in *" $s "*) ;; *)
		echo "no stage $s; there are: $all" >&2
		exit 2
		;;
	esac
done

# COMMAND..., ended when the whole takes too long or is interrupted. A process
# group of its own gets the signal, test runners clean up then.
limited() { # NAME COMMAND...
	local name=$1 left=$((limit - SECONDS))
	shift
	[ "$left" -gt 0 ] || left=1
	sh -c 'echo $$ >"$0"; exec "$@"' "build/log/$name.pid" \
		timeout -k 60 "$left" "$@" </dev/null
	local status=$?
	rm -f "build/log/$name.pid"
	[ "$status" -eq 124 ] || [ "$status" -eq 137 ] &&
		echo "$name: no end: all of it may take $limit s (MW_LIMIT_S)"
	return "$status"
}
stage() { # NAME COMMAND...: one pass or fail, its log only if it failed
	local name=$1 began=$SECONDS
	if limited "$@" >"build/log/$name.log" 2>&1; then
		echo "ok    $name ($((SECONDS - began)) s)"
		echo "1 0 0" >>"$MW_TALLY"
	else
		echo "FAIL  $name ($((SECONDS - began)) s):"
		tail -60 "build/log/$name.log" | sed 's/^/    /'
		echo "0 1 0" >>"$MW_TALLY"
	fi
}
# Runners that count their cases themselves.
tests() { # NAME COMMAND...
	local name=$1 began=$SECONDS
	echo "--    $name"
	limited "$@" 2>&1 | tee "build/log/$name.log" |
		sed -u '/^  \(CC\|LINK\)  /d; s/^/      /'
	[ "${PIPESTATUS[0]}" -eq 0 ] || grep -q '[1-9][0-9]* failed' "build/log/$name.log" ||
		echo "0 1 0" >>"$MW_TALLY"
	echo "      ($((SECONDS - began)) s)"
}

run() { # STAGE
	case $stages in *" $1 "*) ;; *) return ;; esac
	case $1 in
	deps) stage deps bash .ci/deps-check.sh packaging/apt-build.txt ;;
	build) stage build make -j"$jobs" WERROR=1 all ;;
	clang) stage clang make -j"$jobs" CC=clang WERROR=1 O=build/clang all ;;
	layers | headers | purity | gates) stage "$1" make -s WERROR=1 "$1" ;;
	format) stage format make -s format-check ;;
	unit) tests unit make -s -j"$jobs" WERROR=1 unit ;;
	component) tests component make -s -j"$jobs" component ;;
	asan) tests asan make -s -j"$jobs" MODE=asan unit ;;
	fuzz-build) stage fuzz-build make -s -j"$jobs" MODE=fuzz fuzz-build ;;
	fuzz) tests fuzz make -s -j"$jobs" MODE=fuzz fuzz-short ;;
	esac
}
row() { # STAGE...
	local s
	for s in "$@"; do
		[ -e build/log/stopped ] || run "$s"
	done
}
stop() {
	echo "check: stopped after $SECONDS s" >&2
	: >build/log/stopped
	# shellcheck disable=SC2046 # numbers
	kill -TERM $(cat build/log/*.pid 2>/dev/null) 2>/dev/null
}
rm -f build/log/stopped
trap stop TERM INT HUP

{
	# what component tests want from the network: there when they begin
	case $stages in *" component "*)
		bash tests/lib/moto.sh >build/log/moto.log 2>&1 &
		;;
	esac
	# one make at a time in build/release: it reads what compilers write there
	row build layers headers purity gates format
	(
		renice -n 5 -p "$BASHPID" >/dev/null
		row deps clang asan fuzz-build
	) >build/log/beside.log 2>&1 &
	beside=$!
	row unit component
	while kill -0 "$beside" 2>/dev/null; do
		wait "$beside"
	done
	cat build/log/beside.log
	row fuzz
} &
rows=$!
while kill -0 "$rows" 2>/dev/null; do
	wait "$rows"
done

[ -e build/log/stopped ] && echo "0 1 0" >>"$MW_TALLY"
awk '{ p += $1; f += $2; s += $3 }
END { printf "%d passed, %d failed, %d skipped\n", p, f, s; exit f > 0 }' "$MW_TALLY"

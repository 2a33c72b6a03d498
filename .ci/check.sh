#!/bin/bash
# All checks and tests, in order of cost. Ends with one line
# "N passed, M failed, K skipped". Exit status 1 if anything failed.
# MW_STAGES="unit component" runs only those; MW_FUZZ_S sets the fuzz time.
set -uo pipefail
cd "$(dirname "$0")/.."
export MW_TALLY=$PWD/build/tally
mkdir -p build/log
: >"$MW_TALLY"
export MW_FUZZ_S=${MW_FUZZ_S:-5}
jobs=$(nproc)
stages=${MW_STAGES:-"deps build clang layers headers purity gates format unit component asan fuzz"}

stage() { # NAME COMMAND...: one pass or fail, its log only if it failed
	local name=$1 began=$SECONDS
	shift
	if "$@" >"build/log/$name.log" 2>&1; then
		echo "ok    $name ($((SECONDS - began)) s)"
		echo "1 0 0" >>"$MW_TALLY"
	else
		echo "FAIL  $name ($((SECONDS - began)) s):"
		tail -60 "build/log/$name.log" | sed 's/^/    /'
		echo "0 1 0" >>"$MW_TALLY"
	fi
}
# Runners that count their cases themselves.
tests() {
	local name=$1 began=$SECONDS
	shift
	echo "--    $name"
	"$@" 2>&1 | tee "build/log/$name.log" | sed 's/^/      /'
	[ "${PIPESTATUS[0]}" -eq 0 ] || grep -q '[1-9][0-9]* failed' "build/log/$name.log" ||
		echo "0 1 0" >>"$MW_TALLY"
	echo "      ($((SECONDS - began)) s)"
}

for s in $stages; do
	case $s in
	deps) stage deps bash .ci/deps-check.sh packaging/apt-build.txt ;;
	build) stage build make -j"$jobs" WERROR=1 all ;;
	clang) stage clang make -j"$jobs" CC=clang WERROR=1 O=build/clang all ;;
	layers | headers | purity | gates) stage "$s" make -s WERROR=1 "$s" ;;
	format) stage format make -s format-check ;;
	unit) tests unit make -s -j"$jobs" WERROR=1 unit ;;
	component) tests component make -s component ;;
	asan) tests asan make -s -j"$jobs" MODE=asan unit ;;
	fuzz) tests fuzz make -s -j"$jobs" MODE=fuzz fuzz-short ;;
	*) echo "no stage $s" >&2; exit 2 ;;
	esac
done

awk '{ p += $1; f += $2; s += $3 }
END { printf "%d passed, %d failed, %d skipped\n", p, f, s; exit f > 0 }' "$MW_TALLY"

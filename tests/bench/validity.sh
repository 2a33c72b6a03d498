#!/bin/bash
# Are disturbed repetitions found, and is what is accepted still right? The
# agent measures this machine alone, beside busy loops, and beside busy loops
# that come and go; see validity.py.
# Usage: validity.sh BUILD_DIR OUT_DIR [ROUNDS [KIND,..]]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$2"
exec python3 "$here/validity.py" "$(realpath "$1")" "$2" "${3:-3}" \
	"${4:-cpus,cpum,memR}"

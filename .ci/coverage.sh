#!/bin/sh
# Prints line coverage per room from gcov's data below a build of MODE=cov.
# Files that no test links count with all their lines. FILES=1 adds a line per
# file, least covered first. Usage: coverage.sh BUILD ROOM...
set -eu
build=$1
shift
gcov=${GCOV:-gcov}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for room in "$@"; do
	find "$build/$room" -name '*.gcno' 2>/dev/null
done | LC_ALL=C sort | while read -r note; do
	source=${note#"$build"/}
	source=${source%.gcno}.c
	# a report names each file that was compiled: only the source counts
	"$gcov" -n -o "$(dirname "$note")" "$note" 2>/dev/null |
	    awk -v want="$source" '
		/^File / { name = substr($0, 7, length($0) - 7) }
		/^Lines executed:/ && name == want {
			sub(/^Lines executed:/, "")
			split($0, part, "% of ")
			printf "%s %d %d\n", want, part[2], part[1] * part[2] / 100 + 0.5
			exit # a sum of all files follows
		}'
done >"$work/files"
[ -s "$work/files" ] || { echo "coverage: no data in $build" >&2; exit 1; }

if [ -n "${FILES:-}" ]; then
	awk '{ printf "%6.1f %% of %5d  %s\n", $2 ? 100 * $3 / $2 : 100, $2, $1 }' \
	    "$work/files" | sort -n
	echo
fi
awk '
{
	room = $1
	sub(/\/[^\/]*$/, "", room)
	if (!(room in lines))
		order[++n] = room
	files[room]++
	lines[room] += $2
	run[room] += $3
	bare[room] += $3 == 0
}
function row(name, f, b, l, r) {
	printf "%-16s %6s %8s %8s %8s\n", name, f, b, l, r
}
END {
	row("room", "files", "untested", "lines", "run")
	for (i = 1; i <= n; i++) {
		r = order[i]
		row(r, files[r], bare[r], lines[r],
		    sprintf("%.1f %%", 100 * run[r] / lines[r]))
		tf += files[r]; tb += bare[r]; tl += lines[r]; tr += run[r]
	}
	row("all", tf, tb, tl, sprintf("%.1f %%", 100 * tr / tl))
}' "$work/files"

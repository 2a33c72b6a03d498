#!/bin/bash
# The product contains no rule that can be switched off: neither the variable
# that chooses a mutant, nor a build with one.
set -u
build=$1
bad=0

for f in "$build"/milkyway "$build"/milkywayd "$build"/milkyway-agent \
    "$build"/milkyway-twin "$build"/lib*.a \
    "$build"/coordinator/store/store_db.o; do
	[ -e "$f" ] || continue
	if nm "$f" 2>/dev/null | grep -qw mw_mutant; then
		echo "not ok - ${f##*/} has mutants"
		bad=1
	fi
done
[ "$bad" -eq 0 ] && echo "ok - no mutant in what is shipped"

# A mutant changes the code, the product's number is 0.
objects=("$build"/lifecycle/*.o)
[ -e "${objects[0]}" ] && echo "ok - ${#objects[@]} objects looked at" ||
	{ echo "not ok - no objects in $build/lifecycle"; bad=1; }
exit "$bad"

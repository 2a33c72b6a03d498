#!/bin/sh
# What static analysis has to say; informational, so it always ends with 0.
# gcc -fanalyzer looks at the pure rooms, where it can follow everything;
# cppcheck, if it is there, at all of them. Usage: analyze.sh CPPFLAGS...
set -u
found=$(mktemp)
trap 'rm -f "$found"' EXIT
pure="common/pure placement lifecycle"

echo "gcc -fanalyzer: $pure"
# shellcheck disable=SC2086 # a list of folders
for file in $(find $pure -name '*.c' ! -path '*/io/*' | LC_ALL=C sort); do
	gcc -std=c17 -O1 -fanalyzer -c -o /dev/null "$@" "$file" 2>&1
done | grep -E 'warning: .*\[-Wanalyzer' | sort -u >"$found"
cat "$found"
echo "$(wc -l <"$found") findings"

if ! command -v cppcheck >/dev/null; then
	echo "cppcheck: not installed"
	exit 0
fi
echo "cppcheck: all rooms"
# missing headers of the system, and names that only other files use
cppcheck --quiet --std=c11 --language=c --enable=warning,portability \
    --inline-suppr --suppress=missingIncludeSystem --suppress=unknownMacro \
    --template='{file}:{line}: {severity}: {message} [{id}]' \
    -I. -D_GNU_SOURCE -DMW_VERSION='"x"' -j "$(nproc)" \
    common placement lifecycle drivers coordinator agent twin cli \
    2>"$found"
sort -u "$found"
echo "$(sort -u "$found" | wc -l) findings"
exit 0

#!/bin/bash
# make install into a DESTDIR, and make dist: what is there, that it runs, and
# that the unit names what was installed.
set -u
build=$(realpath "$1")
cd "$(dirname "$0")/../.." || exit 1
dest=$(mktemp -d)
trap 'rm -rf "$dest"' EXIT
unset MAKEFLAGS MFLAGS MAKELEVEL

check() { # WHAT COMMAND...
	local what=$1
	shift
	if "$@"; then
		echo "ok - $what"
	else
		echo "not ok - $what"
	fi
}
into() {
	make -s O="$build" DESTDIR="$dest" PREFIX=/usr install >"$dest.log" 2>&1 ||
	    { cat "$dest.log"; return 1; }
}
tree() { (cd "$dest" && find . -printf '%p %m\n' | LC_ALL=C sort); }

check "make install" into
rm -f "$dest.log"
tree >"$dest.1"
check "nothing outside of PREFIX" [ "$(ls "$dest")" = usr ]
for program in milkyway milkywayd milkyway-agent milkyway-ping milkyway-twin; do
	check "$program is executable" [ -x "$dest/usr/bin/$program" ]
done
check "only the owner may write" [ -z "$(find "$dest/usr" -perm /022 ! -type l)" ]
check "milkyway runs" "$dest/usr/bin/milkyway" version
check "the installed worlds can be used" bash -c "cd / && '$dest/usr/bin/milkyway' \
    place --world '$dest/usr/share/milkyway/bench-data/worlds/deck17.json' --vms 2 >/dev/null"
unit=$dest/usr/lib/systemd/system/milkywayd.service
exe=$(sed -n 's/^ExecStart=\([^ ]*\).*/\1/p' "$unit")
check "the unit starts the installed program" [ -x "$dest$exe" ]
user=$(sed -n 's/^User=//p' "$unit")
check "the unit's user is declared" grep -q "^u $user " "$dest/usr/lib/sysusers.d/milkyway.conf"
if command -v systemd-analyze >/dev/null; then
	mkdir -p "$dest/etc"
	# units of the system itself are not in DESTDIR
	check "systemd takes the unit" bash -c \
	    "! systemd-analyze --root='$dest' verify '$unit' 2>&1 | grep -F milkywayd.service: | grep -v 'not found'"
	rm -rf "$dest/etc"
else
	echo "skip - systemd takes the unit, no systemd-analyze here"
fi
check "make install again" into
rm -f "$dest.log"
tree >"$dest.2"
check "it changes nothing" diff "$dest.1" "$dest.2"
rm -f "$dest.1" "$dest.2"

if git rev-parse HEAD >/dev/null 2>&1; then
	tarball=$(make -s O="$build" dist)
	tar -tzf "$tarball" >"$dest/list"
	check "make dist packs the source" grep -q '/Makefile$' "$dest/list"
	check "and no build" [ -z "$(grep /build/ "$dest/list")" ]
else
	echo "skip - make dist, not a git checkout"
fi
exit 0

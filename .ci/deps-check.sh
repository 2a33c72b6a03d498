#!/bin/bash
# Proves that packaging/apt-build.txt is enough: every system header that the
# sources include, every library they link and every program that the product
# or its scripts call belongs to a listed package, to one that it depends on,
# or to Debian's essential base. Needs no network. Usage: deps-check.sh LIST
set -euo pipefail
list=$1
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

mapfile -t wanted < <(grep -v '^#' "$list")
mapfile -t base < <(dpkg-query -W -f '${Package} ${Essential} ${Priority}\n' |
	awk '$2 == "yes" || $3 == "required" { print $1 }')
apt-cache depends --recurse --installed --no-recommends --no-suggests \
	--no-conflicts --no-breaks --no-replaces --no-enhances \
	"${wanted[@]}" "${base[@]}" |
	sed -n 's/^ *|\{0,1\}\(Pre\)\{0,1\}Depends: //p; s/^\([a-z0-9].*\)$/\1/p' |
	tr -d '<>' | sed 's/:any$//; s/:amd64$//' | sort -u >"$tmp/closure"

{
	# headers: what the compiler really opens
	for f in $(find common placement lifecycle drivers coordinator agent twin cli -name '*.c'); do
		grep -h '^#include <' "$f" || true
	done | sort -u | sed 's/.*<\(.*\)>.*/\1/' | while read -r h; do
		echo "#include <$h>" | gcc -D_GNU_SOURCE -M -E -x c - 2>/dev/null |
			tr ' \\' '\n\n' | grep "^/usr/.*/$h\$\|^/usr/include/$h\$" | head -1
	done
	# libraries, for static linking too
	for l in event event_core event_openssl ssl crypto jansson curl ssh2 sqlite3 \
		microhttpd inih oping cmocka z; do
		gcc -print-file-name="lib$l.so"
	done
	for l in event_core event_openssl ssl crypto jansson oping; do
		gcc -print-file-name="lib$l.a"
	done
	# programs
	for p in gcc clang clang-format make awk sed grep find tar gzip curl wrk bc \
		pgrep ip ping fping ssh ssh-keygen sshd sudo sysbench mariadbd unshare \
		timeout python3 shellcheck git; do
		command -v "$p" || echo "no program $p"
	done
} >"$tmp/files"

# All that may be owned is asked in one call: each reads the whole database.
while read -r f; do
	[ -e "$f" ] || continue
	real=$(realpath "$f")
	printf '%s\n' "$f" "$real" "${real#/usr}" "${f#/usr}"
done <"$tmp/files" | sort -u >"$tmp/paths"
xargs dpkg-query -S <"$tmp/paths" 2>/dev/null | grep -v '^diversion' \
	>"$tmp/owners" || true

bad=0
while read -r f; do
	case $f in "no program git") continue ;; "no program"*) echo "$f"; bad=1; continue ;; esac
	[ -e "$f" ] || { echo "not found: $f"; bad=1; continue; }
	real=$(realpath "$f")
	case $real in /root/*|/usr/local/*|/opt/*|/home/*) continue ;; esac
	owner=
	for path in "$f" "$real" "${real#/usr}" "${f#/usr}"; do
		owner=$(awk -v p=": $path" 'substr($0, length($0) - length(p) + 1) == p {
			sub(/[:,].*/, ""); print; exit }' "$tmp/owners")
		[ -n "$owner" ] && break
	done
	case $owner in "") echo "nobody owns $f"; bad=1; continue ;; git) continue ;; esac
	grep -qx "$owner" "$tmp/closure" ||
		{ echo "$f is of $owner, which $list does not bring"; bad=1; }
done <"$tmp/files"
[ "$bad" -eq 0 ] && echo "deps: $(wc -l <"$tmp/files") headers, libraries and programs are covered by ${#wanted[@]} packages"
exit "$bad"

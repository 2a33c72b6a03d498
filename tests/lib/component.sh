#!/bin/bash
# Runs component tests: scripts that print "ok - what", "not ok - what" or
# "skip - what, why" per case and end with status 0. A script that ends with
# another status, or that prints no case at all, has failed. Nothing that it
# started may be left after it (component_one.sh).
#
# The scripts mostly wait, so MW_LANES (default 3, 1 without root) run side by
# side, long ones first; what is printed keeps the order of the arguments.
# MW_SCRIPT_S: each may take so long (600). MW_LOGS: a folder that gets the whole
# output of each as component-NAME.log. SIGTERM ends all of them, and says
# which had not ended. Usage: component.sh BUILD_DIR SCRIPT...
set -uo pipefail
build=$(realpath "$1")
shift
here=$(cd "$(dirname "$0")" && pwd)
seconds=${MW_SCRIPT_S:-600}
lanes=${MW_LANES:-3}
unshare -n -m -i true 2>/dev/null || lanes=1
# The longest, in this order: what starts last ends last.
first="faults ssh_install drift aws drivers coordinator facade net e2e kill"
# One at a time, after all others: NAME, because...
alone=""
# a short name: sockets lie below it
work=$(mktemp -d /var/tmp/mwc.XXXXXX)
chmod 755 "$work" # some tests run programs as other users
trap 'rm -rf --one-file-system "$work"' EXIT

declare -A script=() pid=() began=() group=()
stopped=
names=()
for s in "$@"; do
	name=$(basename "$s" .sh)
	names+=("$name")
	script[$name]=$s
done

contains() { # WORD LIST
	case " $2 " in *" $1 "*) return 0 ;; esac
	return 1
}

# A twin's groups are named by its pid: whose it is can be seen only while it
# runs. Those that were here before, or are of others, belong to "-".
watch_groups() { # [all]
	local dir n
	for dir in /sys/fs/cgroup/milkyway-twin-* /sys/fs/cgroup/*/milkyway-twin-*; do
		[ -d "$dir" ] || continue
		[ -z "${group[$dir]:-}" ] || continue
		n=${dir##*milkyway-twin-}
		n=/proc/${n%%-*}/environ
		[ -e "$n" ] || [ "${1:-}" = all ] || continue
		n=$(grep -zs '^MW_COMPONENT=' "$n" | tr -d '\0')
		group[$dir]=-
		case $n in "MW_COMPONENT=$work/"*) group[$dir]=${n##*/} ;; esac
	done
}
# The groups of one script, and dead ones that nobody was seen to make.
groups_left() { # NAME
	local dir n
	for dir in /sys/fs/cgroup/milkyway-twin-* /sys/fs/cgroup/*/milkyway-twin-*; do
		n=${dir##*milkyway-twin-}
		[ -d "$dir" ] || continue
		[ "${group[$dir]:-}" = "$1" ] && echo "$dir"
		[ -z "${group[$dir]:-}" ] && [ ! -e "/proc/${n%%-*}" ] && echo "$dir"
	done
}

start() { # NAME
	mkdir "$work/$1"
	began[$1]=$SECONDS
	bash "$here/component_one.sh" "$build" "${script[$1]}" "$seconds" \
		"$work/$1" </dev/null >"$work/$1/runner" 2>&1 &
	pid[$1]=$!
}

# What is told of a script that has ended: a block, and a line of figures.
finish() { # NAME
	local name=$1 dir=$work/$1 log=$work/$1/log status p f s left
	unset "pid[$name]"
	touch "$log" "$dir/left"
	status=$(cat "$dir/status" 2>/dev/null) || status="unknown"
	p=$(grep -c '^ok - ' "$log")
	f=$(grep -c '^not ok - ' "$log")
	s=$(grep -c '^skip - ' "$log")
	[ "$status" = 0 ] && [ $((p + f + s)) -gt 0 ] || f=$((f + (f == 0)))
	for _ in $(seq 20); do
		left=$(groups_left "$name")
		[ -z "$left" ] && break
		sleep 0.5
	done
	# shellcheck disable=SC2086 # one word each; only empty ones go
	[ -n "$left" ] && rmdir $left 2>/dev/null
	left=$(echo "$left" && cat "$dir/left")
	[ -n "$left" ] && f=$((f + 1))
	{
		[ -n "$left" ] && echo "left behind by $name: $left"
		echo "$name: $p passed, $f failed, $s skipped (exit status $status, $((SECONDS - began[$name])) s)"
		if [ -n "$stopped" ]; then
			echo "$name: stopped before its end"
		elif [ "$status" = 124 ] || [ "$status" = 137 ]; then
			echo "$name: no end within $seconds s"
		fi
		grep '^skip - ' "$log"
		if [ "$f" -gt 0 ]; then
			grep '^not ok - ' "$log" | cut -c 1-2000
			cat "$dir/runner" "$log" | tail -80 | sed 's/^/    /'
		fi
	} >"$work/$name.block"
	[ -n "${MW_LOGS:-}" ] && cp "$log" "$MW_LOGS/component-$name.log"
	echo "$p $f $s" >"$work/$name.count"
	rm -rf --one-file-system "$dir"
}

stop() {
	stopped=1
	echo "component: stopped after $SECONDS s; not ended: ${!pid[*]}" >&2
	for name in "${!pid[@]}"; do
		kill -TERM "${pid[$name]}"
	done
}
trap stop TERM INT HUP

# Scripts have no network; what one may fetch is fetched before.
moto=$(bash "$here/moto.sh") && export MW_MOTO=$moto

watch_groups all
queue=()
for name in $first "${names[@]}"; do
	[ -n "${script[$name]:-}" ] && ! contains "$name" "${queue[*]} $alone" &&
		queue+=("$name")
done
for name in "${names[@]}"; do
	contains "$name" "$alone" && queue+=("$name")
done

may_start() { # NAME
	contains "$1" "$alone" && [ ${#pid[@]} -gt 0 ] && return 1
	[ -z "$stopped" ] && [ ${#pid[@]} -lt "$lanes" ]
}
shown=0
while [ ${#pid[@]} -gt 0 ] || { [ -z "$stopped" ] && [ ${#queue[@]} -gt 0 ]; }; do
	while [ ${#queue[@]} -gt 0 ] && may_start "${queue[0]}"; do
		start "${queue[0]}"
		queue=("${queue[@]:1}")
	done
	watch_groups
	for name in "${!pid[@]}"; do
		kill -0 "${pid[$name]}" 2>/dev/null || finish "$name"
	done
	while [ "$shown" -lt ${#names[@]} ] && [ -e "$work/${names[shown]}.block" ]; do
		cat "$work/${names[shown]}.block"
		shown=$((shown + 1))
	done
	sleep 0.2
done

for name in "${names[@]:$shown}"; do # after a stop
	cat "$work/$name.block" 2>/dev/null && continue
	echo "$name: not run"
	echo "0 1 0" >"$work/$name.count"
done
read -r passed failed skipped < <(cat "$work"/*.count /dev/null |
	awk '{ p += $1; f += $2; s += $3 } END { print p + 0, f + 0, s + 0 }')
[ -n "${MW_TALLY:-}" ] && echo "$passed $failed $skipped" >>"$MW_TALLY"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]

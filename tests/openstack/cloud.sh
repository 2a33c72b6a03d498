#!/bin/bash
# A real OpenStack control plane (Debian 12's packages: keystone, placement,
# glance, neutron, nova with its fake hypervisor, MariaDB, RabbitMQ) in one
# folder, and in mount, pid, network, uts and ipc namespaces of its own.
#   cloud.sh up       make what is missing and start it; minutes the first time
#   cloud.sh run CMD  on this machine's files, in the network of the cloud
#   cloud.sh in CMD   in the root folder of the cloud
#   cloud.sh down     end every process; data stays
#   cloud.sh clean    down, and delete the folder
#   cloud.sh save F   down, and the folder as an archive F, for other machines
#   cloud.sh load F   the folder from that archive
# The folder is build/openstack, or MW_OS_ROOT. MW_DEB_MIRROR: a Debian archive.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=${MW_OS_ROOT:-$(realpath -m "$here/../../build/openstack")}
mark=$root/stack/.milkyway-openstack-root
pidfile=$root/stack/ns.pid

fail() {
	echo "cloud.sh: $*" >&2
	exit 1
}
[ "$(id -u)" = 0 ] || fail "needs root"
case $root in /?*/?*) ;; *) fail "MW_OS_ROOT is an absolute path, two levels deep" ;; esac

# Our first process in there has the folder as its root.
alive() {
	[ -s "$pidfile" ] && [ "$(readlink "/proc/$(cat "$pidfile")/root")" = "$(readlink -f "$root")" ]
} 2>/dev/null
inside() {
	alive || fail "not up"
	nsenter -t "$(cat "$pidfile")" -m -p -n -u -i -r -w "$@"
}
say() { echo "[${SECONDS}s] $*"; }
ours() { [ -e "$mark" ] || fail "$root is not made by this program"; }
# What this machine lacks is installed.
need() { # PROGRAM PACKAGE
	command -v "$1" >/dev/null && return
	say "installs $2"
	apt-get install -y -q "$2" >/dev/null 2>&1 ||
		{ apt-get update -q && apt-get install -y -q "$2"; } >/dev/null 2>&1 ||
		fail "needs $1: apt-get install $2"
}

# Package scripts resolve the name of the machine and look at /proc.
pack() {
	MW_ROOT=$root unshare --mount --uts --ipc --pid --fork --kill-child bash -euc '
		hostname osnode
		mount --make-rprivate /
		mount -t proc proc "$MW_ROOT/proc"
		exec chroot "$MW_ROOT" "$@"' pack "$@"
}
make_root() {
	export DEBIAN_FRONTEND=noninteractive LC_ALL=C
	need debootstrap debootstrap
	mkdir -p "$root"
	[ -e "$root/etc/apt/sources.list" ] || debootstrap --variant=minbase \
		--include=ca-certificates bookworm "$root" ${MW_DEB_MIRROR:+"$MW_DEB_MIRROR"} >"$root.log" 2>&1 ||
		fail "no base system, see $root.log"
	# no service starts by itself; no time for fsync, nor for texts that nobody reads
	printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
	chmod 755 "$root/usr/sbin/policy-rc.d"
	printf '%s\n' force-unsafe-io 'path-exclude /usr/share/doc/*' 'path-exclude /usr/share/man/*' \
		'path-exclude /usr/share/locale/*' >"$root/etc/dpkg/dpkg.cfg.d/milkyway"
	echo 'Acquire::Languages "none";' >"$root/etc/apt/apt.conf.d/90milkyway"
	echo "127.0.0.1 localhost osnode" >"$root/etc/hosts"
	say "base system"
	# nova-compute would pull qemu; its code is in python3-nova
	{ pack apt-get update -q && pack apt-get install -y -q --no-install-recommends \
		mariadb-server rabbitmq-server keystone placement-api glance-api nova-api nova-conductor \
		nova-scheduler neutron-api neutron-rpc-server neutron-common python3-nova \
		curl procps iproute2 dbconfig-no-thanks && pack apt-get clean; } >>"$root.log" 2>&1 ||
		fail "no packages, see $root.log"
	mkdir -p "$root/stack"
	touch "$mark"
	say "packages"
}
namespaces() {
	local parent child
	install -m 755 "$here"/stack/*.sh "$root/stack/"
	install -m 644 "$here"/stack/*.sql "$here"/stack/*.py "$root/stack/"
	rm -f "$root"/stack/run-*
	MW_ROOT=$root setsid unshare --mount --pid --net --uts --ipc --fork --kill-child bash -euc '
		cd "$MW_ROOT"
		mount --make-rprivate /
		mount -t proc proc proc
		mount --rbind /dev dev
		mount -t tmpfs tmpfs ./tmp
		exec chroot . /bin/bash -c "trap \"exit 0\" TERM; ip link set lo up
			while :; do sleep 3600 & wait \$!; done"' \
		>"$root/stack/ns.log" 2>&1 </dev/null &
	parent=$!
	for _ in $(seq 100); do
		child=$(awk '{print $1}' "/proc/$parent/task/$parent/children" 2>/dev/null || true)
		[ -z "$child" ] || echo "$child" >"$pidfile"
		alive && return
		sleep 0.1
	done
	fail "did not come up, see $root/stack/ns.log"
}
down() {
	if alive; then
		inside mysqladmin -S /run/mysqld/mysqld.sock shutdown >/dev/null 2>&1 || true
		kill -KILL "$(cat "$pidfile")"
	fi
	rm -f "$pidfile"
}

case ${1:-} in
up)
	need nsenter util-linux
	need python3 python3
	need openssl openssl
	[ -e "$mark" ] || make_root
	alive || namespaces
	inside /stack/config.sh
	if [ ! -e "$root/stack/.set-up" ]; then
		inside /stack/setup.sh
		touch "$root/stack/.set-up"
		say "set up"
	fi
	inside /stack/start.sh
	say "up"
	;;
run)
	shift
	alive || fail "not up"
	exec nsenter -t "$(cat "$pidfile")" -n "$@"
	;;
in)
	shift
	inside "$@"
	;;
down) down ;;
save)
	ours
	down
	sleep 1
	tar -C "$root" --one-file-system -cf - . | gzip -1 >"$2"
	say "saved"
	;;
load)
	[ ! -e "$root" ] || fail "$root is there"
	mkdir -p "$root"
	tar -C "$root" --numeric-owner -xzf "$2"
	say "loaded"
	;;
clean)
	ours
	down
	sleep 1
	if awk -v r="$(readlink -f "$root")/" 'index($5 "/", r) == 1 { f = 1 } END { exit !f }' /proc/self/mountinfo; then
		fail "something is mounted below $root"
	fi
	rm -rf --one-file-system "$root"
	;;
*)
	echo "usage: cloud.sh up | run CMD | in CMD | down | clean | save F | load F" >&2
	exit 2
	;;
esac

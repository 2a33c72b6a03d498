#!/bin/bash
# The agent under a real systemd: hosts of a file, installation over SSH, what
# the unit's confinement allows, restarts, a reboot, upgrade and uninstall.
# The host is a container of systemd-nspawn over a copy-on-write view of a root
# tree; the coordinator is outside of it, and both are in namespaces of their
# own. Usage, as root: MW_SYSTEMD_ROOT=TREE systemd.sh BUILD_DIR
# docs/decisions/systemd.md says how to make such a tree.
# shellcheck disable=SC2317 # functions are called by is() and until_true()
set -uo pipefail
name="the agent under systemd"
skip() {
	echo "skip - $name, $1"
	exit 0
}
if [ -z "${MW_INSIDE:-}" ]; then
	tree=${MW_SYSTEMD_ROOT:-}
	[ "$(id -u)" = 0 ] || skip "needs root"
	command -v systemd-nspawn >/dev/null || skip "needs systemd-nspawn"
	[ -n "$tree" ] || skip "needs a root tree in MW_SYSTEMD_ROOT"
	[ -x "$tree/lib/systemd/systemd" ] || skip "no systemd in $tree"
	# a tree of cgroups version 2, also where version 1 has the controllers
	v2=$(findmnt -n -t cgroup2 -o TARGET | head -n 1)
	[ -n "$v2" ] || skip "needs cgroups version 2"
	work=$(mktemp -d /var/tmp/mw-systemd.XXXXXX)
	group=$v2/$(basename "$work")
	mkdir "$group"
	trap : HUP INT TERM # the inner one ends, then we clean up
	# shellcheck disable=SC2016
	MW_INSIDE=$work sh -c 'echo $$ >"$0/cgroup.procs"; exec "$@"' "$group" \
		unshare -m -n -C -p -f --kill-child --mount-proc \
		bash "$0" "$(realpath "$1")"
	status=$?
	for _ in $(seq 100); do
		find "$group" -depth -type d -exec rmdir '{}' + 2>/dev/null
		[ -d "$group" ] || break
		sleep 0.05
	done
	rm -rf --one-file-system "$work"
	exit $status
fi
work=$MW_INSIDE
root=$work/root
ip=10.77.0.2
export MILKYWAY_DIR=$work/mw NO_COLOR=1 PATH=$work/bin:$PATH

# is WHAT COMMAND...
is() {
	local what=$1
	shift
	if "$@" >"$work/out" 2>&1; then
		echo "ok - $what"
	else
		echo "not ok - $what"
		tail -n 20 "$work/out"
	fi
}
# until_true SECONDS COMMAND...
until_true() {
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.1
	done
}
vm() {
	local pid
	pid=$(pgrep -P "$(pgrep -x systemd-nspawn)" | head -n 1) 2>/dev/null
	[ -n "$pid" ] && nsenter -t "$pid" -a -- "$@"
}
agent() { # PROPERTY
	vm systemctl show milkyway-agent --value -p "$1"
}
is_up() {
	milkyway agent list | grep -q " up "
}
booted() {
	vm systemctl is-active -q ssh
}
# What a bench or rtt said: a number in this column of the row of this kind
has_value() { # KIND
	milkyway bench show mine -o csv | tee "$work/csv" |
		awk -F, -v k="$1" '$3 == k && $4 > 0 { n++ } END { exit n != 1 }'
}
# Without what the system writes itself; /etc/passwd- and the like are backups
# of useradd that every host has already.
files() {
	find "$work/upper" \( -path "*/var/log" -o -path "*/var/tmp" \
		-o -path "*/run" -o -path "*/tmp" -o -name .pwd.lock \
		-o -path "*/var/lib/systemd" -o -path "*/var/lib/sudo" \
		-o -path "*/etc/*-" \) -prune -o -type f -printf "%P %m %U " -exec sha256sum '{}' ';' |
		LC_ALL=C sort
}

boot() {
	while :; do
		systemd-nspawn -q -D "$root" --boot --network-bridge=br0 \
			--keep-unit --register=no -M vm-1 --link-journal=no \
			--console=pipe --capability=CAP_BPF \
			--system-call-filter=bpf </dev/null >>"$work/console" 2>&1
		[ $? = 133 ] || return # 133: it rebooted
	done
}

trap "exit 1" HUP INT TERM
mount --make-rprivate /
mount -t cgroup2 cgroup2 /sys/fs/cgroup || exit 1
# nspawn wants to be in no root of cgroups
mkdir /sys/fs/cgroup/host
echo $$ >/sys/fs/cgroup/host/cgroup.procs
ip link set lo up
ip link add br0 type bridge
ip addr add 10.77.0.1/24 dev br0
ip addr add 169.254.9.9/24 dev br0
ip link set br0 up

mkdir "$work"/{upper,over,root,bin}
mount -t overlay overlay -o \
	"lowerdir=$MW_SYSTEMD_ROOT,upperdir=$work/upper,workdir=$work/over" \
	"$root" || exit 1
ssh-keygen -q -t ed25519 -N '' -f "$work/key"
chroot "$root" useradd -m -s /bin/sh -p '*' cb-user
echo "cb-user ALL=(ALL) NOPASSWD: ALL" >"$root/etc/sudoers.d/cb"
echo vm-1 >"$root/etc/hostname"
echo "127.0.0.1 vm-1" >>"$root/etc/hosts"
install -D "$work/key.pub" "$root/home/cb-user/.ssh/authorized_keys"
chroot "$root" chown -R cb-user /home/cb-user
cat >"$root/etc/systemd/system/address.service" <<CONF
[Unit]
Before=ssh.service
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/sbin/ip addr add $ip/24 dev host0
ExecStart=/sbin/ip link set host0 up
ExecStart=/sbin/ip route add 169.254.0.0/16 dev host0
[Install]
WantedBy=multi-user.target
CONF
chroot "$root" systemctl -q enable address ssh 2>/dev/null
cp "$1"/milkyway "$1"/milkywayd "$1"/milkyway-agent "$1"/milkyway-ping \
	"$work/bin"
cat >"$work/hosts.json" <<CONF
{ "hosts": [ { "name": "vm-1", "address": "$ip", "port": 22,
  "user": "cb-user", "csp": "static", "region": "office", "spec": "s1",
  "vcpu": 2, "memoryMiB": 2048, "costPerHourMicros": 1, "keyFile": "key" } ] }
CONF
cat >"$work/mine.json" <<CONF
{ "name": "mine", "groups": [ { "name": "db", "count": 1,
  "connection": "static-office", "spec": "s1", "image": "any" } ] }
CONF
boot &
until_true 30 booted || skip "systemd does not boot here: $(tail -n 1 "$work/console")"
files >"$work/before"
up() {
	milkyway up --no-twin --dir "$work/mw" --advertise 10.77.0.1 </dev/null
}
is "the coordinator starts" up
is "hosts of a file" milkyway connection discover static "$work/hosts.json"

# Installation
is "an MCIS of them" milkyway mcis create -f "$work/mine.json"
is "its agent is up" until_true 10 is_up
is "the unit is active" [ "$(agent ActiveState)" = active ]
is "and starts at boot" vm systemctl is-enabled milkyway-agent
main=$(agent MainPID)
mtime=$(vm stat -c %z%i /opt/milkyway/bin/milkyway-agent)
is "install again" milkyway agent install mine
is "it changes nothing" [ "$(agent MainPID) $(vm stat -c %z%i \
	/opt/milkyway/bin/milkyway-agent)" = "$main $mtime" ]

# Confinement
score=$(vm systemd-analyze security --no-pager milkyway-agent.service |
	sed -n 's/.*exposure level.*: \([0-9.]*\) .*/\1/p')
is "exposure of the unit is at most 2.0, not ${score:-unknown}" \
	awk -v s="$score" 'BEGIN { exit !(s != "" && s <= 2.0) }'
caps() { # PROCESS FIELD
	vm sh -c "sed -n \"s/^$2:\t*//p\" /proc/\$(pgrep -x $1)/status"
}
is "the agent has no capability" \
	[ "$(caps milkyway-agent CapPrm)$(caps milkyway-agent CapAmb)" = \
	00000000000000000000000000000000 ]
is "milkyway-ping has CAP_NET_RAW only" \
	[ "$(caps milkyway-ping CapEff)" = 0000000000002000 ]
is "both run as milkyway-agent" [ "$(vm ps -o user:20= -C \
	milkyway-agent,milkyway-ping | sort -u)" = milkyway-agent ]
for key in KillMode=mixed OOMPolicy=continue Restart=always; do
	is "$key" [ "$(agent "${key%=*}")" = "${key#*=}" ]
done
link_local() { # properties of a unit that tries to reach it
	vm systemd-run -q --collect --wait "$@" ping -c 1 -W 1 169.254.9.9
}
if vm sh -c "command -v ping" >"$work/out"; then
	is "link-local addresses can be reached" link_local
	denied() {
		! link_local -p IPAddressDeny=link-local
	}
	is "but not under IPAddressDeny" denied
else
	echo "skip - IPAddressDeny, no ping in the root tree"
fi

# Measurements inside of it
is "RTT by raw ICMP" milkyway rtt mine 10.77.0.1
cp "$work/out" "$work/rtt"
is "it is ICMP with a value" grep -q "^db-1.* 0\.000 .*icmp" "$work/rtt"
kinds=cpus,fioR,dbR
vm sh -c "command -v mariadbd >/dev/null || test -x /usr/sbin/mariadbd" ||
	kinds=cpus,fioR
is "bench $kinds" milkyway bench run mine --kind $kinds
for kind in ${kinds//,/ }; do
	is "$kind has a value" has_value "$kind"
done
work_is_empty() {
	vm test -z "$(vm ls -A /var/lib/milkyway-agent/work)"
}
is "no work file is left" work_is_empty

# Ends and restarts
restarted() {
	[ "$(agent NRestarts)" = 1 ] && [ "$(agent ActiveState)" = active ] &&
		[ "$(vm pgrep -xc milkyway-ping)" = 1 ]
}
milkyway bench run mine --kind cpus --profile standard \
	</dev/null >"$work/canceled" 2>&1 &
bench=$!
is "a benchmark runs" until_true 15 vm pgrep -x sysbench
vm systemctl restart milkyway-agent
is "a restart ends it" [ "$(vm pgrep -c sysbench)" = 0 ]
is "its files too" work_is_empty
wait "$bench"
is "and it is told" grep -q CANCELED "$work/canceled"
is "the agent is back" until_true 15 is_up
vm systemctl kill -s KILL --kill-who=main milkyway-agent
is "kill -9: it is started again" until_true 15 restarted
is "and up" until_true 15 is_up
old=$(pgrep -x systemd-nspawn)
vm systemctl reboot
rebooted() {
	[ "$(pgrep -x systemd-nspawn)" != "$old" ] && booted &&
		[ "$(agent ActiveState)" = active ]
}
is "reboot: the agent is active" until_true 30 rebooted
is "and measures" until_true 15 milkyway rtt mine 10.77.0.1

# Upgrade: a coordinator with another agent
milkyway down >/dev/null 2>&1
echo >>"$work/bin/milkyway-agent"
is "the coordinator again" up
is "the agent finds it" until_true 15 is_up
main=$(agent MainPID)
is "upgrade" milkyway agent upgrade mine
is "the new agent is there" cmp "$work/bin/milkyway-agent" \
	"$work/upper/opt/milkyway/bin/milkyway-agent"
is "and runs" [ "$(agent MainPID)" != "$main" ]
is "and is up" until_true 15 is_up

# Uninstall, of a unit that ended badly
vm systemctl kill -s KILL --kill-who=all milkyway-agent
is "uninstall" milkyway agent uninstall mine
files >"$work/after"
is "no file is left or changed" diff "$work/before" "$work/after"
gone() {
	! vm id milkyway-agent && ! vm getent group milkyway-agent &&
		! vm systemctl cat milkyway-agent &&
		! vm systemctl list-units --all | grep milkyway
}
is "no user, no group, no unit" gone
is "no process" [ -z "$(vm pgrep milkyway)" ]
is "systemd has nothing to complain about" vm systemctl is-system-running
milkyway down >/dev/null 2>&1
exit 0

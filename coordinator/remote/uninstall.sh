# shellcheck shell=sh
# Stops milkyway-agent and removes every file of it. May be repeated. Travels
# between single quotes, as install.sh.
set -u
LC_ALL=C
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin
export LC_ALL PATH

user=milkyway-agent
base=/opt/milkyway
dir=/var/lib/milkyway-agent
unit=/etc/systemd/system/milkyway-agent.service
pid_file=/run/milkyway-agent.pid
rc=/etc/rc.local

if [ "$(id -u)" != 0 ]; then
	if ! command -v sudo >/dev/null; then
		printf "mw fail noSudo there is no sudo\n"
		exit 1
	fi
	exec sudo -n sh -c "$1" sh "$1"
fi

# Packages that were added with --install-tools stay unless asked: others may
# use them by now. Removing takes exactly those, and none that is needed.
show_kept() {
	[ -s $base/tools ] || return
	while read -r manager name; do
		case $manager in
		apt-get) dpkg-query -W -f "\${db:Status-Abbrev}" "$name" \
		    2>/dev/null | grep -q "^ii" ;;
		apk) apk info -e "$name" >/dev/null ;;
		*) rpm -q "$name" >/dev/null ;;
		esac && printf "mw kept %s\n" "$name"
	done <$base/tools
}
remove_tools() {
	[ -s $base/tools ] || return
	read -r manager _ <$base/tools
	names=$(sed "s/^[^ ]* //" $base/tools)
	# shellcheck disable=SC2086
	case $manager in
	apt-get) DEBIAN_FRONTEND=noninteractive dpkg --purge $names ;;
	apk) apk del $names ;;
	*) rpm -e $names ;;
	esac >/dev/null 2>&1 </dev/null
}

is_made() {
	grep -qx "$1" "$base/made" 2>/dev/null
}

gone() {
	tries=0
	while [ -d "/proc/$1" ] && [ $tries -lt 50 ]; do
		sleep 0.1
		tries=$((tries + 1))
	done
}

if [ -e $unit ] && [ -d /run/systemd/system ]; then
	systemctl disable -q --now milkyway-agent
	rm -f $unit
	systemctl daemon-reload
	# one that ended badly would stay in the list of failed units
	systemctl reset-failed milkyway-agent 2>/dev/null
fi
rm -f $unit

pid=
[ -s $pid_file ] && read -r pid <$pid_file
case $pid in
"" | *[!0-9]*) ;;
*)
	if grep -q "$base/bin/supervise" "/proc/$pid/cmdline" 2>/dev/null; then
		kill "$pid"
		gone "$pid"
	fi
	;;
esac
rm -f $pid_file /var/log/milkyway-agent.log

if grep -q "^# begin milkyway-agent" $rc 2>/dev/null; then
	sed "/^# begin milkyway-agent/,/^# end milkyway-agent/d" $rc \
	    >$base/rc.new && cat $base/rc.new >$rc
	rm -f $base/rc.new
	if is_made rc.local-mode; then
		chmod -x $rc
	fi
	if is_made rc.local && [ "$(cat $rc)" = "#!/bin/sh" ]; then
		rm -f $rc
	fi
fi

if id $user >/dev/null 2>&1; then
	# the last of its processes: a benchmark, for instance
	find /proc -maxdepth 1 -name "[0-9]*" -user $user 2>/dev/null |
	    while read -r p; do
		    kill -9 "${p#/proc/}" 2>/dev/null
		    gone "${p#/proc/}"
	    done
	if command -v userdel >/dev/null; then
		userdel $user 2>&1
	else
		deluser $user 2>&1
	fi
	if grep -q "^$user:" /etc/group; then
		groupdel $user 2>&1
	fi
fi
if [ -e $base/made ]; then
	while read -r f; do
		case $f in
		/etc/*-) rm -f "$f" ;;
		esac
	done <$base/made
fi
read -r how || how=
[ "$how" = removeTools ] && remove_tools
show_kept
rm -rf "$dir" "$base"
if [ -e "$base" ] || [ -e "$dir" ] || id $user >/dev/null 2>&1; then
	printf "mw fail left something could not be removed\n"
	exit 1
fi
printf "mw ok\n"

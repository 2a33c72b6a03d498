# shellcheck shell=sh
# Installs milkyway-agent on a VM. One run does it all: it prints what is there
# ("mw probe ..."), reads a plan from stdin, takes the packed binaries, prints
# a certificate request, reads the certificate, starts the agent. Everything
# may be repeated. No parameter is part of this text, and no single quote: it
# travels between two of them, as $1 of "sh -c".
set -u
umask 022
LC_ALL=C
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin
export LC_ALL PATH

user=milkyway-agent
base=/opt/milkyway
agent=$base/bin/milkyway-agent
ping=$base/bin/milkyway-ping
dir=/var/lib/milkyway-agent
unit=/etc/systemd/system/milkyway-agent.service
pid_file=/run/milkyway-agent.pid
made=$base/made

say() {
	printf "mw %s\n" "$*"
}

fail() {
	say "fail $*"
	exit 1
}

if [ "$(id -u)" != 0 ]; then
	command -v sudo >/dev/null || fail noSudo there is no sudo
	exec sudo -n sh -c "$1" sh "$1"
fi

cleanup() {
	rm -f "$agent.new" "$ping.new" "$unit.new" "$base/bin/supervise.new"
}
trap cleanup EXIT
trap "exit 1" HUP INT TERM

sha_of() {
	sum=-
	if [ -f "$1" ]; then
		sum=$(sha256sum <"$1")
		sum=${sum%% *}
	fi
	printf "%s" "$sum"
}

free_kib() {
	df -Pk "$1" | {
		read -r _
		read -r _ _ _ free _
		printf "%s" "$free"
	}
}

supervisor() {
	pid=
	[ -s "$pid_file" ] && read -r pid <"$pid_file"
	case $pid in
	"" | *[!0-9]*) return 1 ;;
	esac
	grep -q "$base/bin/supervise" "/proc/$pid/cmdline" 2>/dev/null
}

running() {
	if [ -d /run/systemd/system ]; then
		systemctl is-active -q milkyway-agent
	else
		supervisor
	fi
}

probe() {
	for tool in sha256sum head tail truncate df mkdir chown; do
		command -v $tool >/dev/null || fail noTool "$tool is missing"
	done
	gz=0 systemd=0 fresh=0 up=0 stamp=- target=/opt
	command -v gzip >/dev/null && gz=1
	[ -d /run/systemd/system ] && systemd=1
	if [ -f "$agent" ] && running; then
		up=1
	fi
	# the agent renews at half of 7 days; an older one has expired
	if [ -f "$dir/cert.pem" ] &&
	    [ -n "$(find "$dir/cert.pem" -mtime -6)" ]; then
		fresh=1
	fi
	[ -s "$base/stamp" ] && read -r stamp <"$base/stamp"
	[ -d $target ] || target=/
	say probe "arch=$(uname -m) gzip=$gz systemd=$systemd" \
	    "freeKiB=$(free_kib $target) stateKiB=$(free_kib /var/lib)" \
	    "agent=$(sha_of "$agent") ping=$(sha_of "$ping")" \
	    "stamp=$stamp cert=$fresh up=$up now=$(date +%s)"
}

no_space() {
	[ "$(free_kib "$base")" -lt 64 ] &&
	    fail noSpace "the file system of $base is full"
}

# $1 packed bytes, $2 size of the agent, $3 and $4 digests of the two files
upload() {
	mkdir -p "$base/bin" || fail noSpace "cannot make $base"
	if ! head -c "$1" | gzip -dc >"$agent.new"; then
		no_space
		fail cut the upload is incomplete
	fi
	if ! tail -c "+$(($2 + 1))" "$agent.new" >"$ping.new" ||
	    ! truncate -s "$2" "$agent.new"; then
		no_space
		fail cut the upload is incomplete
	fi
	if [ "$(sha_of "$agent.new")" != "$3" ] ||
	    [ "$(sha_of "$ping.new")" != "$4" ]; then
		no_space
		fail cut the upload has another digest
	fi
	chmod 755 "$agent.new" "$ping.new"
	if ! mv "$agent.new" "$agent" || ! mv "$ping.new" "$ping"; then
		fail noSpace cannot rename
	fi
	say uploaded
}

# Notes what an uninstall must take away besides our own files.
add_user() {
	id "$user" >/dev/null 2>&1 && return
	missing=
	for f in passwd- group- shadow- gshadow- subuid- subgid-; do
		[ -e "/etc/$f" ] || missing="$missing $f"
	done
	group=--user-group
	grep -q "^$user:" /etc/group && group="--gid $user"
	if command -v useradd >/dev/null; then
		# shellcheck disable=SC2086
		useradd --system $group --no-create-home --home-dir "$dir" \
		    --shell /usr/sbin/nologin "$user" 2>&1
	else
		addgroup -S "$user" 2>&1
		adduser -S -D -H -h "$dir" -s /sbin/nologin -G "$user" \
		    "$user" 2>&1
	fi
	id "$user" >/dev/null 2>&1 || fail noUser cannot add "$user"
	for f in $missing; do
		[ -e "/etc/$f" ] && printf "/etc/%s\n" "$f" >>"$made"
	done
}

# The state directory belongs to the agent: root writes nothing in it.
as_user() {
	if command -v setpriv >/dev/null; then
		setpriv --reuid "$user" --regid "$user" --clear-groups "$@"
	elif command -v runuser >/dev/null; then
		runuser -u "$user" -- "$@"
	else
		su -s /bin/sh "$user" -c "exec \"\$0\" \"\$@\"" "$@"
	fi
}

enroll() {
	[ -d "$dir" ] || mkdir -m 0700 "$dir" ||
	    fail noSpace "cannot make $dir"
	chown "$user:$user" "$dir" && chmod 0700 "$dir"
	csr=$(as_user "$agent" enroll --dir "$dir" 2>&1)
	case $? in
	0) ;;
	126) fail noExec "$agent cannot be executed: noexec or wrong kind" ;;
	*) fail enroll "$csr" ;;
	esac
	printf "mw csr\n%s\nmw csrEnd\n" "$csr"
	text=$(as_user "$agent" enroll --dir "$dir" --accept 2>&1) ||
	    fail enroll "$text"
	say enrolled
}

write_unit() {
	cat >"$unit.new" <<\UNIT
[Unit]
Description=Milkyway agent
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
ExecStart=/opt/milkyway/bin/milkyway-agent run --dir /var/lib/milkyway-agent
Restart=always
RestartSec=2
KillMode=mixed
TimeoutStopSec=20
OOMPolicy=continue
User=milkyway-agent
UMask=0077
StateDirectory=milkyway-agent
StateDirectoryMode=0700
TasksMax=4096
NoNewPrivileges=yes
CapabilityBoundingSet=CAP_NET_RAW
AmbientCapabilities=CAP_NET_RAW
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectProc=invisible
ProtectClock=yes
ProtectHostname=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
RemoveIPC=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
IPAddressDeny=link-local multicast
SystemCallArchitectures=native
SystemCallErrorNumber=EPERM
SystemCallFilter=@system-service
SystemCallFilter=~@privileged
SystemCallFilter=capset

[Install]
WantedBy=multi-user.target
UNIT
	mv "$unit.new" "$unit" || fail noSpace "cannot write $unit"
}

start_systemd() {
	write_unit
	if ! systemctl daemon-reload ||
	    ! systemctl enable -q milkyway-agent ||
	    ! systemctl restart milkyway-agent; then
		fail start systemd cannot start the agent
	fi
}

write_supervise() {
	cat >"$base/bin/supervise.new" <<\SUPERVISE
#!/bin/sh
# Keeps milkyway-agent running where there is no systemd; started as root by
# /etc/rc.local. TERM stops both.
child=
delay=1
log=/var/log/milkyway-agent.log
pid_file=/run/milkyway-agent.pid
stop() {
	[ -n "$child" ] && kill "$child" 2>/dev/null && wait "$child"
	rm -f "$pid_file"
	exit 0
}
trap stop TERM INT
trap "" HUP
printf "%s\n" "$$" >"$pid_file"
while :; do
	[ -n "$(find "$log" -size +1024k 2>/dev/null)" ] && : >"$log"
	begin=$(date +%s)
	/opt/milkyway/bin/milkyway-agent run --dir /var/lib/milkyway-agent \
	    --user milkyway-agent </dev/null >>"$log" 2>&1 &
	child=$!
	wait "$child"
	[ $(($(date +%s) - begin)) -ge 60 ] && delay=1
	sleep "$delay" &
	child=$!
	wait "$child"
	delay=$((delay * 2))
	[ "$delay" -gt 60 ] && delay=60
done
SUPERVISE
	chmod 755 "$base/bin/supervise.new"
	mv "$base/bin/supervise.new" "$base/bin/supervise" ||
	    fail noSpace "cannot write $base/bin/supervise"
}

write_rc_local() {
	rc=/etc/rc.local
	if [ ! -e $rc ]; then
		printf "%s\n" "#!/bin/sh" >$rc && chmod 755 $rc
		printf "rc.local\n" >>"$made"
	elif [ ! -x $rc ]; then
		chmod +x $rc
		printf "rc.local-mode\n" >>"$made"
	fi
	grep -q "^# begin milkyway-agent" $rc && return
	{
		head -n 1 $rc
		printf "%s\n" "# begin milkyway-agent" \
		    "setsid $base/bin/supervise </dev/null >/dev/null 2>&1 &" \
		    "# end milkyway-agent"
		tail -n +2 $rc
	} >"$base/rc.new" || fail noSpace "$base"
	cat "$base/rc.new" >$rc || fail noSpace $rc
	rm -f "$base/rc.new"
}

start_supervised() {
	write_supervise
	write_rc_local
	if supervisor; then
		kill "$pid"
		tries=0
		while [ -d "/proc/$pid" ] && [ $tries -lt 50 ]; do
			sleep 0.1
			tries=$((tries + 1))
		done
	fi
	setsid "$base/bin/supervise" </dev/null >/dev/null 2>&1 &
}

probe
read -r verb packed size sha1 sha2 newstamp want || exit 0
[ "$verb" = plan ] || fail proto not a plan
if [ "$packed" != 0 ]; then
	upload "$packed" "$size" "$sha1" "$sha2"
fi
rm -f "$base/stamp"
add_user
[ "$want" = 1 ] && enroll
if [ -d /run/systemd/system ]; then
	start_systemd
else
	start_supervised
fi
printf "%s\n" "$newstamp" >"$base/stamp" || fail noSpace "$base/stamp"
say ok

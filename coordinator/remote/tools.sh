# shellcheck shell=sh
# Installs programs that benchmarks need, with the package manager of the
# distribution: prints what is there, reads a plan from stdin, installs, says
# which packages were added and notes them for an uninstall. Everything may be
# repeated. No parameter is part of this text, and no single quote: it travels
# between two of them, as $1 of "sh -c".
set -u
umask 022
LC_ALL=C
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin
DEBIAN_FRONTEND=noninteractive
NEEDRESTART_SUSPEND=1
export LC_ALL PATH DEBIAN_FRONTEND NEEDRESTART_SUSPEND

base=/opt/milkyway
lite=$base/bin/milkyway-dblite
added=$base/tools
pid_file=/run/milkyway-agent.pid
limit_s=540

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

work=$(mktemp -d) || fail noSpace cannot make a folder in /tmp
cleanup() {
	rm -rf "$work" "$lite.new"
}
trap cleanup EXIT
trap "exit 1" HUP INT TERM

has() {
	for tool in "$@"; do
		if command -v "$tool" >/dev/null; then
			printf 1
			return
		fi
	done
	printf 0
}

probe() {
	sum=-
	if [ -f $lite ]; then
		sum=$(sha256sum <$lite)
		sum=${sum%% *}
	fi
	if [ -r /etc/os-release ]; then
		grep -E "^(ID|ID_LIKE|VERSION_ID)=" /etc/os-release |
		    head -n 3 | sed "s/^/mw os /"
	fi
	say tools "sysbench=$(has sysbench)" \
	    "mariadb=$(has mariadbd mysqld)" "lite=$sum"
}

# $1 packed bytes, $2 digest
upload() {
	mkdir -p $base/bin || fail noSpace cannot make $base
	head -c "$1" | gzip -dc >$lite.new || fail cut the upload is incomplete
	sum=$(sha256sum <$lite.new)
	[ "${sum%% *}" = "$2" ] || fail cut the upload has another digest
	chmod 755 $lite.new
	mv $lite.new $lite || fail noSpace cannot rename
	say added milkyway-dblite
}

packages() {
	case $manager in
	apt-get) dpkg-query -W -f "\${db:Status-Abbrev} \${Package}\n" |
	    sed -n "s/^ii *//p" ;;
	apk) apk info ;;
	*) rpm -qa --qf "%{NAME}\n" ;;
	esac | sort -u
}

run() {
	if command -v timeout >/dev/null; then
		timeout "$limit_s" "$@"
	else
		"$@"
	fi
}

install() {
	case $manager in
	apt-get) run apt-get -o DPkg::Lock::Timeout=120 install -y \
	    --no-install-recommends "$@" ;;
	dnf | yum) run "$manager" install -y "$@" ;;
	apk) run apk add "$@" ;;
	zypper) run zypper --non-interactive install --no-recommends "$@" ;;
	esac
}

# A fresh image has no lists of packages, or old ones.
refresh() {
	case $manager in
	apt-get) run apt-get -o DPkg::Lock::Timeout=120 update ;;
	apk) run apk update ;;
	*) return 1 ;;
	esac
}

note_added() {
	packages >"$work/after"
	mkdir -p $base
	grep -vxF -f "$work/before" "$work/after" >"$work/new" || return
	sed "s/^/mw added /" "$work/new"
	sed "s/^/$manager /" "$work/new" >>$added
}

install_all() {
	command -v "$manager" >/dev/null ||
	    fail noManager "$manager is not on this VM"
	packages >"$work/before"
	if ! install "$@" >"$work/log" 2>&1 </dev/null; then
		if ! refresh >"$work/log" 2>&1 </dev/null ||
		    ! install "$@" >"$work/log" 2>&1 </dev/null; then
			note_added
			fail packages "$manager: $(grep -E "^E:|rror|nable" \
			    "$work/log" | tail -n 3 | tr "\n" " ")"
		fi
	fi
	note_added
}

# The agent looks for programs when it starts. Its supervisor starts it again.
restart_agent() {
	if [ -d /run/systemd/system ]; then
		systemctl try-restart milkyway-agent
		return
	fi
	[ -s $pid_file ] && read -r pid <$pid_file || return
	case $pid in
	"" | *[!0-9]*) return ;;
	esac
	grep -q "$base/bin/supervise" "/proc/$pid/cmdline" 2>/dev/null || return
	read -r children <"/proc/$pid/task/$pid/children"
	# shellcheck disable=SC2086
	[ -n "$children" ] && kill $children
}

probe
read -r verb manager packed sha wanted || exit 0
[ "$verb" = plan ] || fail proto not a plan
case $wanted in
*[!a-z0-9.+\ -]*) fail proto not names of packages ;;
esac
if [ "$packed" != 0 ]; then
	upload "$packed" "$sha"
fi
if [ -n "$wanted" ]; then
	# shellcheck disable=SC2086
	install_all $wanted
fi
restart_agent
say ok

#!/bin/bash
# The agent's installation over a real sshd: install, again, upgrade, uninstall,
# and everything that goes wrong. The "VMs" are small roots with an sshd in a
# namespace of their own; nothing outside the namespaces is touched.
# Usage, as root: ssh_install.sh BUILD_DIR
set -uo pipefail
if [ "$(id -u)" != 0 ] || [ ! -x /usr/sbin/sshd ]; then
	echo "skip - installation over SSH, needs root and sshd"
	exit 0
fi
if [ -z "${MW_INSIDE:-}" ]; then
	work=$(mktemp -d)
	MW_INSIDE=$work unshare -m -n -p -f --kill-child --mount-proc \
		bash "$0" "$@"
	status=$?
	rm -rf --one-file-system "$work"
	exit $status
fi
build=$(realpath "$1")
here=$(realpath "$(dirname "$0")")
client=$build/tests/component/ssh_client
work=$MW_INSIDE
failed=0
mount -t tmpfs -o size=512m tmpfs "$work"
cd "$work" || exit 1
ip link set lo up
# nobody reads this device: what is sent there is lost
ip tuntap add dev hole0 mode tun
ip addr add 10.99.0.1/24 dev hole0
ip link set hole0 up

ok() {
	echo "ok - $1"
}
bad() {
	echo "not ok - $1"
	failed=1
	sed 's/^/    /' "$work/out" "$work/err" | tail -30
}
# check WHAT JQ-LIKE PYTHON EXPRESSION over r, the last result
check() {
	if python3 - "$work/out" "$2" <<-'PY'; then ok "$1"; else bad "$1"; fi
	import json, sys
	rows = [json.loads(l) for l in open(sys.argv[1]) if l.startswith("{")]
	r = rows[-1] if rows else {}
	sys.exit(0 if rows and eval(sys.argv[2]) else 1)
	PY
}
remote() { # OP [key=value...]
	local op=$1
	shift
	"$client" "$op" key="$work/key" ca="$work/ca" agentDir="$work/agent" \
		address=127.0.0.1 user=cb-user "$@" >"$work/out" 2>"$work/err"
}
is() { # WHAT COMMAND...
	local what=$1
	shift
	if "$@" >"$work/out" 2>&1; then ok "$what"; else bad "$what"; fi
}

# vm_up NAME PORT: a root with an sshd on 127.0.0.1:PORT
vm_up() {
	local root=$work/$1
	mkdir -p "$root"
	mount -t tmpfs -o size=64m tmpfs "$root"
	mkdir -p "$root"/{usr,etc,var/lib,var/log,opt,run/sshd,tmp,proc,dev,root,home}
	chmod 1777 "$root/tmp"
	mount --bind /usr "$root/usr"
	mount -o remount,ro,bind "$root/usr"
	for l in bin sbin lib lib32 lib64 libx32; do
		[ -L "/$l" ] && cp -P "/$l" "$root/"
	done
	cp -a /etc/. "$root/etc/"
	rm -f "$root/etc/rc.local" "$root"/etc/{passwd,group,shadow,gshadow}-
	mount -t proc proc "$root/proc"
	mount --bind /dev "$root/dev"
	grep -q '^cb-user:' "$root/etc/passwd" ||
		chroot "$root" useradd -m -s /bin/sh -p '*' cb-user
	chroot "$root" usermod -p '*' cb-user
	rm -f "$root"/etc/{passwd,group,shadow,gshadow}-
	mkdir -p "$root/home/cb-user/.ssh" "$root/etc/sudoers.d"
	cp "$work/key.pub" "$root/home/cb-user/.ssh/authorized_keys"
	chroot "$root" chown -R cb-user /home/cb-user
	echo "cb-user ALL=(ALL) NOPASSWD: ALL" >"$root/etc/sudoers.d/cb"
	chmod 440 "$root/etc/sudoers.d/cb"
	rm -f "$root"/etc/ssh/ssh_host_*
	vm_hostkey "$1"
	cat >"$root/etc/ssh/sshd_config" <<-CONF
	Port $2
	ListenAddress 127.0.0.1
	HostKey /etc/ssh/host
	UsePAM no
	PasswordAuthentication no
	MaxStartups 200
	PidFile /run/sshd.pid
	CONF
	vm_sshd "$1"
}
vm_hostkey() {
	rm -f "$work/$1/etc/ssh/host" "$work/$1/etc/ssh/host.pub"
	ssh-keygen -q -t ed25519 -N '' -f "$work/$1/etc/ssh/host"
}
vm_sshd() {
	chroot "$work/$1" /usr/sbin/sshd
	for _ in $(seq 100); do
		[ -s "$work/$1/run/sshd.pid" ] && return
		sleep 0.05
	done
}
vm_stop() {
	kill "$(cat "$work/$1/run/sshd.pid")"
	while [ -e "$work/$1/run/sshd.pid" ]; do sleep 0.05; done
}
hostkey() {
	cut -d' ' -f1,2 "$work/$1/etc/ssh/host.pub"
}
# Everything on the VM but what sshd, sudo and logins write themselves
tree() {
	(cd "$work/$1" && find . -xdev \( -path ./usr -o -path ./run/sudo -o \
		-path './var/log/*tmp' -o -path ./var/log/lastlog -o \
		-path ./etc/.pwd.lock \) -prune -o -type f \
		-printf '%p %m %u ' -exec sha256sum '{}' ';' -o -printf '%p %m %u\n' | sort)
}
running() {
	chroot "$work/$1" sh -c '
		[ -s /run/milkyway-agent.pid ] &&
		kill -0 "$(cat /run/milkyway-agent.pid)" &&
		pgrep -u milkyway-agent milkyway-agent >/dev/null'
}
until_true() {
	for _ in $(seq 100); do
		"$@" && return
		sleep 0.1
	done
	return 1
}

"$client" keygen "$work/key" || exit 1
"$client" keygen "$work/other"
mkdir agent
cp "${MW_AGENT_DIR:-$build}"/milkyway-{agent,ping} agent/
strip -o agent/milkyway-agent agent/milkyway-agent 2>/dev/null

is "ssh-keygen reads the key" ssh-keygen -y -f "$work/key"
is "and finds the same public half" \
	test "$(ssh-keygen -y -f key)" = "$(cat key.pub)"

vm_up a 2201
tree a >before
remote install port=2201
check "install" 'r["ok"] and r["changed"] and r["user"] == "cb-user"'
check "host key as sshd has it" "r['hostKey'] == '$(hostkey a)'"
is "the agent runs as its own user" until_true running a
is "its directory is its own" test "$(chroot "$work/a" stat -c '%a %U' \
	/var/lib/milkyway-agent)" = "700 milkyway-agent"
is "its key is private" test "$(stat -c %a \
	"$work/a/var/lib/milkyway-agent/key.pem")" = 600
[ $failed = 0 ] || exit 1 # nothing below can work
pid=$(cat "$work/a/run/milkyway-agent.pid")
tree a >installed

remote install port=2201 hostKey="$(hostkey a)"
check "install again changes nothing" 'r["ok"] and not r["changed"]'
tree a >again
# what the agent itself writes while it runs
sed -i '\,var/log/milkyway-agent.log\|milkyway-agent/spool,d' installed again
is "no file differs" diff installed again
is "the agent was not restarted" test "$(cat "$work/a/run/milkyway-agent.pid")" = "$pid"

kill -9 "$pid"
pkill -9 -x milkyway-agent
remote install port=2201
check "an agent that does not run is started" 'r["ok"] and r["changed"]'
is "it runs" until_true running a

printf x >>agent/milkyway-agent
remote install port=2201
check "upgrade when the binary differs" 'r["ok"] and r["changed"]'
is "the new binary is there" cmp agent/milkyway-agent a/opt/milkyway/bin/milkyway-agent
is "it runs again" until_true running a
remote install port=2201 config='{"coordinator":"127.0.0.1","port":7472,"deployment":"test","uri":"mw://test/default/demo/1/1","echoPort":7472}'
check "another configuration is brought" 'r["ok"] and r["changed"]'
is "agent.json has it" grep -q 7472 a/var/lib/milkyway-agent/agent.json

# commands
remote exec port=2201 command='echo "a'"'"'b" $((1+1)); echo e >&2; exit 3'
check "command: output, exit code" \
	'r["ok"] and r["exitCode"] == 3 and r["stdout"] == "a'"'"'b 2\n" and r["stderr"] == "e\n"'
remote exec port=2201 command='yes | head -c 1000000'
check "command: output is capped" \
	'r["ok"] and r["truncated"] and r["stdoutLen"] == 262144 and r["exitCode"] == 0'
remote exec port=2201 command='sleep 987 & sleep 987' timeoutMs=1000
check "command: timeout" 'not r["ok"] and r["timedOut"] and r["reason"] == "timeout"'
gone() { ! pgrep -f "sleep 987" >/dev/null; }
is "and its children are gone" until_true gone
remote exec port=2201 command='sleep 986' cancelMs=1500
check "command: cancel" 'r["canceled"]'
gone() { ! pgrep -f "sleep 986" >/dev/null; }
is "and it is gone" until_true gone
remote exec port=2201 command='kill -9 $$'
check "command: killed by a signal" 'r["ok"] and r["exitCode"] in (-1, 137)'

remote uninstall port=2201
check "uninstall" 'r["ok"]'
tree a >after
is "leaves no file" diff before after
remote uninstall port=2201
check "uninstall again" 'r["ok"]'
printf '#!/bin/sh\necho hi\nexit 0\n' >a/etc/rc.local
chmod 755 a/etc/rc.local
tree a >before
remote install port=2201
check "install beside an rc.local" 'r["ok"]'
is "our block is before its exit" sh -c "sed -n 2p a/etc/rc.local | grep -q 'begin milkyway-agent'"
is "agent runs" until_true running a
remote uninstall port=2201
tree a >after
is "rc.local is as it was" diff before after

# logins
remote install port=2201 probeUsers=1
check "the second user is tried" 'r["ok"] and r["user"] == "cb-user"'
remote install port=2201 key="$work/other" waitMs=3000
"$client" exec key="$work/other" port=2201 user=cb-user waitMs=3000 \
	>out 2>err
check "wrong key" 'not r["ok"] and r["reason"] == "authRefused" and r["step"] == "login"'
remote install port=2299 waitMs=2500
check "refused" 'not r["ok"] and r["reason"] == "refused" and not r["definite"] and r["step"] == "waitSsh"'
"$client" install key=key agentDir=agent address=10.99.0.77 waitMs=2000 \
	user=cb-user >out 2>err
check "black hole ends at its deadline" \
	'not r["ok"] and r["reason"] == "unreachable" and r["atS"] < 13'
remote install port=2201 pinRefuse=1
check "a pin that lost a race" 'not r["ok"] and r["hostKeyChanged"] and r["definite"]'

# a server that comes late
vm_stop a
(sleep 2; vm_sshd a) &
remote install port=2201 force=1
check "sshd that comes late" 'r["ok"] and r["changed"]'
wait

# changed host key: nothing may be sent, not even a login
old=$(hostkey a)
vm_stop a
vm_hostkey a
vm_sshd a
remote install port=2201 hostKey="$old" force=1
check "changed host key" \
	'not r["ok"] and r["definite"] and r["hostKeyChanged"] and r["step"] == "hostKey" and "SHA256:" in r["message"]'
remote exec port=2201 hostKey="$old" command='touch /tmp/pwned'
check "no command after it either" 'not r["ok"] and r["hostKeyChanged"]'
is "nothing ran" test ! -e a/tmp/pwned
remote uninstall port=2201

# full disk, noexec, no sudo
mount -t tmpfs -o size=3m tmpfs a/opt
remote install port=2201
check "not enough space" 'not r["ok"] and r["definite"] and r["reason"] == "noSpace"'
is "nothing is left of it" test -z "$(ls -A a/opt)"
umount a/opt
mount -t tmpfs -o size=64m,noexec tmpfs a/opt
remote install port=2201
check "noexec" 'not r["ok"] and r["definite"] and r["reason"] == "noExec"'
umount a/opt
rm a/etc/sudoers.d/cb
remote install port=2201
check "no sudo" 'not r["ok"] and r["definite"] and r["reason"] == "noSudo"'
echo "cb-user ALL=(ALL) NOPASSWD: ALL" >a/etc/sudoers.d/cb

# tools: a distribution without them, its package manager one that only says
# what it was told to do
cp "$build/milkyway-dblite" agent/
cat >fake-apt-get <<'SH'
#!/bin/sh
echo "$DEBIAN_FRONTEND apt-get $*" >>/var/lib/apt.log
if [ -e /var/lib/apt.broken ]; then
	echo "E: Unable to locate package sysbench" >&2
	exit 100
fi
case "$*" in
*install*) printf "%s\n" sysbench libluajit-5.1-2 mariadb-server-core >>/var/lib/packages ;;
esac
SH
cat >fake-dpkg-query <<'SH'
#!/bin/sh
if [ $# = 4 ]; then
	grep -qx "$4" /var/lib/packages && printf "ii "
	exit 0
fi
sed "s/^/ii  /" /var/lib/packages
SH
cat >fake-dpkg <<'SH'
#!/bin/sh
echo "dpkg $*" >>/var/lib/apt.log
shift
for p in "$@"; do sed -i "/^$p\$/d" /var/lib/packages; done
SH
chmod 755 fake-*
for f in apt-get dpkg-query dpkg; do
	mount --bind fake-$f a/usr/bin/$f
done
for f in bin/sysbench sbin/mariadbd; do
	[ -e a/usr/$f ] && mount --bind /dev/null a/usr/$f
done
printf "%s\n" base-files coreutils >a/var/lib/packages
remote install port=2201
is "the agent runs" until_true running a
pid=$(chroot a pgrep -u milkyway-agent milkyway-agent)
added="libluajit-5.1-2 mariadb-server-core sysbench"
remote tools port=2201
check "tools are installed, and what was added is told" \
	'r["ok"] and r["changed"] and r["packages"] == "milkyway-dblite '"$added"'"'
is "apt-get was told exactly that" test "$(cat a/var/lib/apt.log)" = \
	"noninteractive apt-get -o DPkg::Lock::Timeout=120 install -y --no-install-recommends sysbench mariadb-server-core"
is "milkyway-dblite is there" cmp agent/milkyway-dblite a/opt/milkyway/bin/milkyway-dblite
restarted() { running a && [ "$(chroot a pgrep -u milkyway-agent milkyway-agent)" != "$pid" ]; }
is "the agent looks for them again" until_true restarted
touch a/var/lib/apt.broken
remote tools port=2201
check "a manager that fails is quoted" \
	'not r["ok"] and r["definite"] and r["step"] == "tools" and r["reason"] == "packages" and "E: Unable to locate package sysbench" in r["message"]'
is "after a look for newer lists" test "$(tail -n 1 a/var/lib/apt.log)" = \
	"noninteractive apt-get -o DPkg::Lock::Timeout=120 update"
is "the agent runs on" until_true running a
rm a/var/lib/apt.broken
mount --bind /dev/null a/usr/bin/apt-get
remote tools port=2201
check "no package manager" 'not r["ok"] and r["reason"] == "noManager" and "apt-get" in r["message"]'
umount a/usr/bin/apt-get
mv a/etc/os-release os-release
echo ID=strange >a/etc/os-release
remote tools port=2201
check "an unknown distribution" 'not r["ok"] and r["reason"] == "noPackage" and "strange" in r["message"]'
mv os-release a/etc/os-release
rm a/etc/sudoers.d/cb
remote tools port=2201
check "tools need root" 'not r["ok"] and r["definite"] and r["reason"] == "noSudo"'
echo "cb-user ALL=(ALL) NOPASSWD: ALL" >a/etc/sudoers.d/cb
remote uninstall port=2201
check "an uninstall names the packages that stay" 'r["ok"] and r["packages"] == "'"$added"'"'
is "they do" test "$(wc -l <a/var/lib/packages)" = 5
rm a/var/lib/apt.log
printf "%s\n" base-files coreutils >a/var/lib/packages
remote install port=2201
remote tools port=2201
remote uninstall port=2201 removeTools=1
check "or takes them away" 'r["ok"] and r["packages"] == ""'
is "exactly those" test "$(tail -n 1 a/var/lib/apt.log)" = "dpkg --purge $added"
is "and no other" test "$(cat a/var/lib/packages)" = "$(printf "base-files\ncoreutils")"
umount a/usr/bin/sysbench a/usr/sbin/mariadbd a/usr/bin/{apt-get,dpkg-query,dpkg}
rm a/var/lib/{apt.log,packages} agent/milkyway-dblite
if [ -x /usr/bin/sysbench ] && [ -x /usr/sbin/mariadbd ]; then
	remote tools port=2201
	check "tools that are there stay as they are" 'r["ok"] and not r["changed"] and r["packages"] == ""'
else
	echo "skip - tools that are there stay as they are, there are none here"
fi

# cuts: a proxy that breaks the first connections after so many bytes
cat >proxy.py <<'PY'
import socket, sys, threading
port, target, cuts, mode = int(sys.argv[1]), int(sys.argv[2]), \
    [int(x) for x in sys.argv[3].split(",")], sys.argv[4]
srv = socket.create_server(("127.0.0.1", port))
def pump(a, b, left):
    n = 0
    try:
        while True:
            d = a.recv(16384)
            if not d: break
            n += len(d)
            if left and n > left:
                if mode == "freeze":
                    threading.Event().wait()
                break
            b.sendall(d)
    except OSError: pass
    for s in (a, b):
        try: s.shutdown(socket.SHUT_RDWR)
        except OSError: pass
i = 0
while True:
    c, _ = srv.accept()
    t = socket.create_connection(("127.0.0.1", target))
    left = cuts[i] if i < len(cuts) else 0
    i += 1
    threading.Thread(target=pump, args=(c, t, left), daemon=True).start()
    threading.Thread(target=pump, args=(t, c, 0), daemon=True).start()
PY
remote uninstall port=2201
python3 proxy.py 2301 2201 20,1200,2500,200000 cut &
until_true sh -c 'echo >/dev/tcp/127.0.0.1/2301' 2>/dev/null ||
	until_true bash -c 'echo >/dev/tcp/127.0.0.1/2301' 2>/dev/null
remote install port=2301
check "cut in banner, login, probe and upload" 'r["ok"] and r["changed"]'
is "the agent runs after all" until_true running a
is "no half file is left" test -z "$(ls a/opt/milkyway/bin | grep new)"
python3 proxy.py 2302 2201 20 freeze &
until_true bash -c 'echo >/dev/tcp/127.0.0.1/2302' 2>/dev/null

# many at once
remote exec port=2201 count=100 command='echo hi' kex=32
is "100 at once" test "$(grep -c '"exitCode":0' out)" = 100
sed -n '/worst\|cpu/p' err

# a server that talks without end before its banner
python3 -c '
import socket, threading
s = socket.create_server(("127.0.0.1", 2303))
def talk(c):
    try:
        while True: c.sendall(b"noise\r\n" * 1000)
    except OSError: pass
while True:
    threading.Thread(target=talk, args=(s.accept()[0],), daemon=True).start()' &
until_true bash -c 'echo >/dev/tcp/127.0.0.1/2303' 2>/dev/null
remote install port=2303 waitMs=4000
check "endless banner" 'not r["ok"] and r["atS"] < 24'

remote uninstall port=2201
check "uninstall at the end" 'r["ok"]'
vm_stop a
exit $failed

#!/bin/bash
# Inside the cloud: starts what does not run, waits until it can be used and
# returns; the services go on.
#   start.sh              all
#   start.sh databases    MariaDB and RabbitMQ
#   start.sh keystone     and Keystone; OS_TOKEN__EXPIRATION: seconds of its tokens
set -euo pipefail
export LC_ALL=C.UTF-8 HOME=/stack
conf=/etc/stack
logs=/var/log/stack
begun=$(date -u '+%F %T')

say() { echo "[${SECONDS}s] $*"; }
listens() { (: >"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
answers() { curl -s -m 20 -o /dev/null "http://127.0.0.1:$1/"; }
ask() { mysql -N -S /run/mysqld/mysqld.sock -e "$1" 2>/dev/null; }
wait_for() { # COMMAND...: until it succeeds
	for _ in $(seq 960); do
		"$@" && return
		sleep 0.25
	done
	echo "start.sh: no success: $*" >&2
	exit 1
}
background() { # NAME COMMAND...
	local name=$1
	shift
	setsid "$@" >>"$logs/$name.out" 2>&1 </dev/null &
}

# ---- services -------------------------------------------------------------

mariadb_up() { mysqladmin -S /run/mysqld/mysqld.sock ping >/dev/null 2>&1; }
mariadb() {
	mkdir -p /run/mysqld
	chown mysql:mysql /run/mysqld
	mariadb_up || background mariadb mysqld --user=mysql --datadir=/stack/mysql \
		--socket=/run/mysqld/mysqld.sock --bind-address=127.0.0.1 --max-connections=400 \
		--innodb-flush-log-at-trx-commit=0 --sync-binlog=0
}

# The wrapper in /usr/sbin wants su or systemd: the script behind it does not.
rabbitmq() {
	listens 5672 && return
	mkdir -p /stack/rabbit
	echo '[].' >/stack/rabbit/plugins
	RABBITMQ_NODENAME=rabbit@localhost RABBITMQ_NODE_IP_ADDRESS=127.0.0.1 ERL_EPMD_ADDRESS=127.0.0.1 \
		RABBITMQ_MNESIA_BASE=/stack/rabbit RABBITMQ_LOG_BASE=$logs \
		RABBITMQ_ENABLED_PLUGINS_FILE=/stack/rabbit/plugins \
		background rabbitmq /usr/lib/rabbitmq/bin/rabbitmq-server
}

# uwsgi's simple HTTP closes connections without a word: it says so with each
# answer, or clients that keep them would fail now and then.
web() { # PORT PROGRAM THREADS
	listens "$1" || background "$(basename "$2")" uwsgi --plugin python3 --http-socket "127.0.0.1:$1" \
		--wsgi-file "$2" --processes 1 --threads "$3" --master --die-on-term --lazy-apps \
		--buffer-size 65535 --add-header "Connection: close"
}
keystone() {
	OS_KEYSTONE_CONFIG_FILES=$conf/keystone.conf web 5000 /usr/bin/keystone-wsgi-public 4
}
placement() {
	OS_PLACEMENT_CONFIG_DIR=$conf/ web 8778 /usr/bin/placement-api 2
}

# A module's main(), again whenever it ends: a service that loses its database
# while all start at once gives up.
module() { # NAME MODULE ARGUMENT...
	local name=$1 module=$2
	shift 2
	kill -0 "$(cat "/stack/run-$name" 2>/dev/null)" 2>/dev/null && return
	background "$name" bash -c 'name=$1 module=$2
		shift 2
		while :; do
			python3 -c "import importlib, sys
sys.argv = sys.argv[1:]
importlib.import_module(\"$module\").main()" "$name" "$@"
			echo "$name ended, and starts again"
			sleep 1
		done' bash "$name" "$module" "$@"
	echo $! >"/stack/run-$name"
}

# ---- ready ----------------------------------------------------------------

# What ran before is told to be "up" for a minute: only reports since our start
# count.
reported() {
	[ "$(ask "SELECT COUNT(DISTINCT s.\`binary\`) FROM nova.services s WHERE s.deleted = 0
		AND s.\`binary\` IN ('nova-scheduler', 'nova-conductor', 'nova-compute')
		AND s.last_seen_up > '$begun'")" = 3 ]
}
mapped() {
	[ "$(ask 'SELECT COUNT(*) FROM nova_api.host_mappings')" -ge 1 ]
}

ip link set lo up
mkdir -p $logs
mariadb
rabbitmq
wait_for mariadb_up
wait_for listens 5672
[ "${1:-}" != databases ] || exit 0
keystone
if [ "${1:-}" != keystone ]; then
	placement
	module glance glance.cmd.api --config-file $conf/glance-api.conf
	module neutron neutron.cmd.eventlet.server --config-file $conf/neutron.conf --config-file $conf/ml2.ini
	for name in api_os_compute conductor scheduler compute; do
		module "nova-$name" "nova.cmd.$name" --config-file $conf/nova.conf
	done
fi
wait_for answers 5000
[ "${1:-}" != keystone ] || exit 0
for port in 8778 9292 9696 8774; do wait_for answers $port; done
say "all services answer"
wait_for reported
wait_for mapped
say "all services report: ready"

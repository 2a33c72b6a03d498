#!/bin/bash
# Runs inside the namespaces. Starts every service that does not answer
# yet, waits until the whole cloud is usable, then returns; the services stay in the background.
#   start.sh base    only MariaDB, RabbitMQ and keystone (used by setup.sh)
set -u
export LC_ALL=C.UTF-8 HOME=/stack
L=/var/log/stack
T0_UTC=$(date -u '+%F %T'); T0=$(date +%s); T() { echo "[$(( $(date +%s) - T0 ))s] $*"; }
up() { (echo > "/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
http() { curl -s -m 20 -o /dev/null "http://127.0.0.1:$1/"; }
waitfor() { local i; for i in $(seq 480); do "$@" && return 0; sleep 0.5; done; echo "start.sh: timeout: $*" >&2; exit 1; }

ip link set lo up
mkdir -p $L /run/mysqld; chown mysql:mysql /run/mysqld

if ! mysqladmin -S /run/mysqld/mysqld.sock ping >/dev/null 2>&1; then
    setsid mysqld --user=mysql --datadir=/stack/mysql --socket=/run/mysqld/mysqld.sock --bind-address=127.0.0.1 \
        --max-connections=400 --innodb-flush-log-at-trx-commit=0 --sync-binlog=0 >$L/mysqld.log 2>&1 </dev/null &
fi
if ! up 5672; then
    # the wrapper in /usr/sbin wants su or systemd; call the real script as root
    export RABBITMQ_NODENAME=rabbit@localhost RABBITMQ_MNESIA_BASE=/stack/rabbit RABBITMQ_LOG_BASE=$L \
        RABBITMQ_NODE_IP_ADDRESS=127.0.0.1 RABBITMQ_ENABLED_PLUGINS_FILE=/stack/rabbit/plugins ERL_EPMD_ADDRESS=127.0.0.1
    mkdir -p /stack/rabbit; [ -e /stack/rabbit/plugins ] || echo '[].' > /stack/rabbit/plugins
    setsid /usr/lib/rabbitmq/bin/rabbitmq-server >$L/rabbit.out 2>&1 </dev/null &
fi
waitfor mysqladmin -S /run/mysqld/mysqld.sock ping >/dev/null 2>&1; T mariadb
waitfor up 5672; T rabbitmq

keystone() {
    up 5000 && return
    OS_KEYSTONE_CONFIG_FILES=/etc/stack/keystone.conf setsid uwsgi --plugin python3 --http-socket 127.0.0.1:5000 \
        --wsgi-file /usr/bin/keystone-wsgi-public --processes 1 --threads 4 --master --die-on-term \
        --buffer-size 65535 --lazy-apps --add-header "Connection: close" >$L/keystone-uwsgi.log 2>&1 </dev/null &
    waitfor http 5000; T keystone
}
if [ "${1:-}" = base ]; then [ -e /stack/fernet/0 ] && keystone; exit 0; fi
keystone

if ! up 8778; then
    OS_PLACEMENT_CONFIG_DIR=/etc/stack/ setsid uwsgi --plugin python3 --http-socket 127.0.0.1:8778 \
        --wsgi-file /usr/bin/placement-api --processes 1 --threads 2 --master --die-on-term --lazy-apps \
        --buffer-size 65535 --add-header "Connection: close" >$L/placement-uwsgi.log 2>&1 </dev/null &
fi
py() {  # name module args...: run a console entry point, restart it when it dies
    local name=$1 mod=$2; shift 2
    [ -e "/stack/run-$name" ] && kill -0 "$(cat "/stack/run-$name")" 2>/dev/null && return
    local argv="'$name'" a; for a in "$@"; do argv="$argv,'$a'"; done
    setsid bash -c "while :; do python3 -c \"import sys; sys.argv=[$argv]; from $mod import main; main()\"; echo \"RESTART $name\"; sleep 1; done" \
        >>$L/$name.out 2>&1 </dev/null &
    echo $! > "/stack/run-$name"
}
py glance-api      glance.cmd.api              --config-file /etc/stack/glance-api.conf
py neutron-server  neutron.cmd.eventlet.server --config-file /etc/stack/neutron.conf --config-file /etc/stack/ml2.ini
for s in api_os_compute conductor scheduler compute; do
    py "nova-$s" "nova.cmd.$s" --config-file /etc/stack/nova.conf
done
for p in 8778 9292 9696 8774; do waitfor http $p; T "port $p"; done

# Readiness: scheduler, conductor and compute must have reported after this start. "GET /os-services"
# alone is not enough: it shows services of an earlier run as "up" for 60 s.
ready() { [ "$(mysql -N -S /run/mysqld/mysqld.sock -e "SELECT COUNT(DISTINCT s.\`binary\`) FROM nova.services s
    WHERE s.deleted = 0 AND s.\`binary\` IN ('nova-scheduler','nova-conductor','nova-compute')
    AND s.last_seen_up > '$T0_UTC'" 2>/dev/null)" = 3 ]; }
waitfor ready; T "nova services report"
mapped() { [ "$(mysql -N -S /run/mysqld/mysqld.sock -e 'SELECT COUNT(*) FROM nova_api.host_mappings' 2>/dev/null)" -ge 1 ]; }
waitfor mapped; T "compute host mapped: ready"

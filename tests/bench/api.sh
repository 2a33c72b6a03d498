#!/bin/bash
# The HTTP API: one MCIS of 17 VMs read (a) as fast as 50 connections can, and
# (b) 200 times a second beside 1,000 idle connections.
# Usage, as root: api.sh BUILD_DIR OUT_DIR
cd "$(dirname "$0")/../.."
bin=$(realpath "$1") out=$2 bench=api
. tests/bench/lib.sh
ulimit -n 8192
cat >"$MILKYWAY_DIR/limits.ini" <<'INI'
[api]
rate = 1000000
connections = 4096
per_address = 4096
INI
milkyway up --world bench-data/worlds/deck17.json --config "$MILKYWAY_DIR/limits.ini" >/dev/null
milkyway mcis create -f bench-data/mcis/demo17.json >/dev/null
token=$(cat "$MILKYWAY_DIR/token")
path=/v1/ns/default/mcis/demo17
wrk -t1 -c50 -d10s --latency -H "Authorization: Bearer $token" \
	"http://127.0.0.1:7470$path" >"$out/api-wrk.txt"
python3 - "$out/api-wrk.txt" "$token" "$path" >"$MILKYWAY_DIR/figures" <<'PY'
import http.client, re, socket, sys, threading, time
text, token, path = open(sys.argv[1]).read(), sys.argv[2], sys.argv[3]
unit = {"us": 1e-3, "ms": 1, "s": 1e3}
value, u = re.search(r"99%\s+([\d.]+)(us|ms|s)", text).groups()
bad = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
rate = re.search(r"Requests/sec:\s+([\d.]+)", text).group(1)
idle = []
for _ in range(1000):  # each has asked once, then keeps its connection
    c = socket.create_connection(("127.0.0.1", 7470))
    c.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    c.recv(4096)
    idle.append(c)
took, refused = [], [0]
def reader(seconds, every):
    c = http.client.HTTPConnection("127.0.0.1", 7470, timeout=10)
    due = time.monotonic()
    end = due + seconds
    while due < end:
        time.sleep(max(0, due - time.monotonic()))
        began = time.monotonic()
        c.request("GET", path, headers={"Authorization": "Bearer " + token})
        answer = c.getresponse()
        answer.read()
        took.append(time.monotonic() - began)
        refused[0] += answer.status != 200
        due += every
threads = [threading.Thread(target=reader, args=(15, 0.05)) for _ in range(10)]
[t.start() for t in threads]
[t.join() for t in threads]
took.sort()
open_still = 0
for c in idle:
    c.setblocking(False)
    try:
        open_still += c.recv(1) != b""
    except BlockingIOError:
        open_still += 1
print(rate, float(value) * unit[u], bad.group(1) if bad else 0, len(took) / 15,
      took[len(took) * 99 // 100] * 1000, refused[0], open_still)
PY
read -r rate p99 bad paced slow refused idle <"$MILKYWAY_DIR/figures"
figure api.flood.rate "$rate" req/s ""
figure api.flood.p99 "$p99" ms ""
figure api.flood.refused "$bad" requests 0
figure api.paced.rate "$paced" req/s 200
figure api.paced.p99 "$slow" ms "< 20, beside 1,000 idle connections"
figure api.paced.refused "$refused" requests 0
figure api.idleConnections "$idle" connections 1000

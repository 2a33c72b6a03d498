#!/bin/bash
# How exact the round-trip times are: matrix rounds by UDP echo (default and
# fast), ICMP datagram sockets and TCP_INFO, side by side with fping and ping
# from the same VMs at the same time; without load and with both cores busy.
# The error of a pair is its median (ping: its mean, the only figure it prints
# in microseconds; fping prints three digits, so it is off by up to 500 us over
# 100 ms) minus the truth of the emulated network. That one delivers for a user's
# clock, so kernel stamps read tens of microseconds too little (errorP50).
# Usage, as root: rtt.sh BUILD_DIR OUT_DIR [N]
cd "$(dirname "$0")/../.."
bin=$(realpath "$1") out=$2 bench=rtt n=${3:-100}
. tests/bench/lib.sh
hogs=()
rtt_clean() {
	[ "${#hogs[@]}" -eq 0 ] || kill "${hogs[@]}" 2>/dev/null || true
	bench_clean
}
trap rtt_clean EXIT
for tool in fping ping nsenter; do
	command -v "$tool" >/dev/null || { echo "bench-rtt needs $tool" >&2; exit 6; }
done

bench_up "${world:-bench-data/worlds/global100.json}"
bench_mcis fleet "$n"
milkyway mcis create -f "$MILKYWAY_DIR/fleet.json" >/dev/null
milkyway matrix fleet --run --fast -o csv >/dev/null || true
milkyway matrix fleet --truth "$MILKYWAY_DIR/twin.sock" -o json >"$MILKYWAY_DIR/truth.json"
milkyway mcis show fleet -o json >"$MILKYWAY_DIR/mcis.json"

# Ten VMs to look from, a process in each of them, and all addresses. Other
# twins on this machine have VMs with the same addresses: ours only.
twin=$(curl -s --unix-socket "$MILKYWAY_DIR/twin.sock" http://twin/v1/status |
	python3 -c 'import json,sys; print(json.load(sys.stdin)["pid"])')
python3 - "$MILKYWAY_DIR" "$twin" >"$MILKYWAY_DIR/sources" <<'PY'
import json, os, re, subprocess, sys
d = sys.argv[1]
vms = [v["vmId"] for v in json.load(open(d + "/truth.json"))["vms"]]
addr = {}
def walk(x):
    if isinstance(x, dict):
        if x.get("vmId") and x.get("publicIp"):
            addr[x["vmId"]] = x["publicIp"]
        for v in x.values():
            walk(v)
    elif isinstance(x, list):
        for v in x:
            walk(v)
walk(json.load(open(d + "/mcis.json")))
json.dump([[v, addr[v]] for v in vms], open(d + "/vms.json", "w"))
want = {addr[v]: v for v in vms[::max(1, len(vms) // 10)][:10]}

def ours(p):
    while p not in ("0", "1", sys.argv[2]):
        p = open("/proc/%s/stat" % p).read().rsplit(")", 1)[1].split()[1]
    return p == sys.argv[2]
for p in filter(str.isdigit, os.listdir("/proc")):
    try:
        if open("/proc/%s/comm" % p).read().strip() != "milkyway-agent" or \
           not ours(p):
            continue
    except OSError:
        continue
    text = subprocess.run(["nsenter", "-t", p, "-n", "ip", "-4", "-o", "addr"],
                          capture_output=True, text=True).stdout
    for a in re.findall(r"inet ([0-9.]+)", text):
        if a in want:
            print(p, want.pop(a), a)
if want:
    sys.exit("no agent in %s" % sorted(want.values()))
PY
mapfile -t targets < <(python3 -c 'import json,sys
v = json.load(open(sys.argv[1])); print("\n".join(a for _, a in v[::max(1, len(v) // 20)][:20]))' "$MILKYWAY_DIR/vms.json")
mapfile -t all < <(python3 -c 'import json,sys
print("\n".join(a for _, a in json.load(open(sys.argv[1]))))' "$MILKYWAY_DIR/vms.json")

others() { # PHASE: the tools of everybody, from the ten VMs, at once
	local pid vm own a pids=()
	while read -r pid vm own; do
		nsenter -t "$pid" -n fping -q -C 10 -i 5 -p 800 -t 1500 "${all[@]}" \
			>/dev/null 2>"$MILKYWAY_DIR/fping.$1.$vm" &
		pids+=($!)
		for a in "${targets[@]:0:4}"; do
			[ "$a" = "$own" ] && continue
			nsenter -t "$pid" -n ping -n -q -c 10 -i 0.8 -W 2 "$a" \
				>"$MILKYWAY_DIR/ping.$1.$vm.$a" 2>/dev/null &
			pids+=($!)
		done
	done <"$MILKYWAY_DIR/sources"
	wait "${pids[@]}" || true
}

phase() { # NAME
	local began ended
	# An agent that is not there makes the end "partly": pairs tell how many.
	milkyway matrix fleet --run --k 10 --window 8000 -o json >/dev/null &
	local matrix=$!
	others "$1"
	wait "$matrix" || true
	newest >"$MILKYWAY_DIR/udpEcho.$1"
	began=$(date +%s.%N)
	milkyway matrix fleet --run --fast -o json >/dev/null || true
	ended=$(date +%s.%N)
	newest >"$MILKYWAY_DIR/udpEchoFast.$1"
	figure "rtt.$1.fastRoundTime" "$(echo "$ended - $began" | bc)" s "1.5 of probing, the rest arm and save"
	for m in icmp tcpInfo; do
		milkyway rtt fleet "${targets[@]}" --count 10 --method $m -o json \
			>"$MILKYWAY_DIR/$m.$1" || true
	done
	python3 tests/bench/rtt.py "$MILKYWAY_DIR" "$1" | tee -a "$out/$bench.jsonl"
}

newest() { # the newest round alone, with the truth
	local id
	id=$(milkyway matrix fleet -o json | python3 -c 'import json,sys; print(json.load(sys.stdin)["roundId"])')
	milkyway matrix fleet --round "$id" -o json
}

phase quiet
for _ in 1 2; do
	bash -c 'while :; do :; done' &
	hogs+=($!)
done
phase busy

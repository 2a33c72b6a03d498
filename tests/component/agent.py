#!/usr/bin/env python3
"""Component test of milkyway-agent: enrolment, hello, benchmark job, matrix
round among three agents, rtt job, refusals, kill and replay of the spool.

Runs itself again inside a network namespace that holds a bridge; each agent
has a namespace of its own on it. Everything goes at the end."""
import base64
import hashlib
import json
import os
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time
import zlib

BUILD = sys.argv[1]
TAG = "mwag%d" % os.getpid() if len(sys.argv) == 2 else sys.argv[2]
AGENT = BUILD + "/milkyway-agent"
DEPLOYMENT = "testdep"
PORT = 7471
AGENTS = 3
DEADLINE_S = 60


def run(*argv, **kw):
    return subprocess.run(argv, check=True, capture_output=True, **kw).stdout


def ns(i):
    return "%sn%d" % (TAG, i)


def make_net():
    run("ip", "netns", "add", ns(0))
    inside = ["ip", "-n", ns(0)]
    run(*inside, "link", "set", "lo", "up")
    run(*inside, "link", "add", "br0", "type", "bridge")
    run(*inside, "addr", "add", "10.98.0.1/24", "dev", "br0")
    run(*inside, "link", "set", "br0", "up")
    for i in range(1, AGENTS + 1):
        run("ip", "netns", "add", ns(i))
        run(*inside, "link", "add", "v%d" % i, "type", "veth",
            "peer", "name", "eth0", "netns", ns(i))
        run(*inside, "link", "set", "v%d" % i, "master", "br0", "up")
        run("ip", "-n", ns(i), "addr", "add", ip(i) + "/24", "dev", "eth0")
        run("ip", "-n", ns(i), "link", "set", "lo", "up")
        run("ip", "-n", ns(i), "link", "set", "eth0", "up")


def drop_net():
    for i in range(AGENTS + 1):
        subprocess.run(["ip", "netns", "del", ns(i)], capture_output=True)


def ip(i):
    return "10.98.0.%d" % (10 + i)


class Link:
    """One connection of an agent. Messages wait in a list."""

    def __init__(self, conn):
        self.conn = conn
        self.lock = threading.Lock()
        cert = conn.getpeercert()
        uri = [v for k, v in cert["subjectAltName"] if k == "URI"][0]
        self.slot = int(uri.split("/")[-2])
        self.msgs = []
        self.open = True

    def read(self, n):
        buf = b""
        while len(buf) < n:
            part = self.conn.recv(n - len(buf))
            if not part:
                raise OSError("closed")
            buf += part
        return buf

    def recv(self):
        (n,) = struct.unpack(">I", self.read(4))
        return json.loads(self.read(n))

    def send(self, msg):
        body = json.dumps(msg).encode()
        with self.lock:
            self.conn.sendall(struct.pack(">I", len(body)) + body)


class Coordinator:
    def __init__(self, pki, cert="server"):
        self.ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.ctx.minimum_version = ssl.TLSVersion.TLSv1_3
        self.ctx.verify_mode = ssl.CERT_REQUIRED
        self.ctx.load_verify_locations(pki + "/ca.pem")
        self.ctx.load_cert_chain("%s/%s.pem" % (pki, cert),
                                 "%s/%s.key" % (pki, cert))
        self.handshakes = 0
        self.cond = threading.Condition()
        self.links = {}
        self.ack = True
        self.results = {}  # (slot, boot, seq) -> message
        self.seen = []  # the same, with repetitions
        self.sock = None

    def start(self):
        self.sock = socket.create_server(("10.98.0.1", PORT))
        threading.Thread(target=self.accept, args=(self.sock,),
                         daemon=True).start()

    def stop(self):
        self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()
        with self.cond:
            for link in self.links.values():
                try:
                    link.conn.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
            self.links = {}

    def accept(self, sock):
        while True:
            try:
                conn, _ = sock.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(conn,),
                             daemon=True).start()

    def serve(self, raw):
        try:
            link = Link(self.ctx.wrap_socket(raw, server_side=True))
        except (OSError, ssl.SSLError):
            return
        with self.cond:
            self.handshakes += 1
            self.cond.notify_all()
        try:
            while True:
                self.take(link, link.recv())
        except (OSError, ssl.SSLError, ValueError):
            pass
        with self.cond:
            link.open = False
            self.cond.notify_all()

    def take(self, link, msg):
        if msg["type"] == "hello":
            link.send({"type": "welcome", "agentId": "a-%d" % link.slot,
                       "vmId": "vm-%d" % link.slot, "ttlMs": 500,
                       "notBeforeMs": 10,
                       "serverAt": "2026-01-05T03:00:01.260Z"})
        with self.cond:
            if msg["type"] == "hello":
                self.links[link.slot] = link
            if msg["type"] == "result":
                key = (link.slot, msg["boot"], msg["seq"])
                self.results[key] = msg
                self.seen.append(key)
            link.msgs.append(msg)
            self.cond.notify_all()
        if msg["type"] == "result" and self.ack:
            link.send({"type": "ack", "boot": msg["boot"],
                       "seq": msg["seq"]})

    def wait(self, what, test, seconds=DEADLINE_S):
        end = time.monotonic() + seconds
        with self.cond:
            while True:
                got = test()
                if got:
                    return got
                left = end - time.monotonic()
                if left <= 0:
                    raise AssertionError("no %s within %d s" % (what, seconds))
                self.cond.wait(left)

    def wait_msg(self, slot, what, test, seconds=DEADLINE_S):
        def find():
            link = self.links.get(slot)
            for m in link.msgs if link else []:
                if test(m):
                    return m
            return None
        return self.wait(what, find, seconds)

    def result(self, slot, test):
        for (s, _, _), m in self.results.items():
            if s == slot and test(m):
                return m
        return None


class Lab:
    def __init__(self):
        # Not below /tmp: that may be memory, and file kinds refuse memory.
        self.dir = tempfile.mkdtemp(prefix="mwagent-", dir=os.environ.get("TMPDIR", "/var/tmp"))
        os.chmod(self.dir, 0o755)
        self.agents = {}
        run(BUILD + "/tests/component/agent_ca", "new", self.dir, DEPLOYMENT)

    def agent_dir(self, i):
        return "%s/agent%d" % (self.dir, i)

    def work_dir(self):
        d = self.dir + "/work"
        os.makedirs(d, exist_ok=True)
        shutil.chown(d, "nobody", "nogroup")
        return d

    def enroll(self, i):
        d = self.agent_dir(i)
        os.mkdir(d, 0o700)
        shutil.chown(d, "nobody", "nogroup")
        csr = run(AGENT, "enroll", "--dir", d)
        uri = "mw://%s/default/demo/%d/1" % (DEPLOYMENT, i)
        cert = run(BUILD + "/tests/component/agent_ca", "sign", self.dir, uri,
                   input=csr)
        answer = {"config": {"coordinator": "10.98.0.1", "port": PORT,
                             "deployment": DEPLOYMENT, "uri": uri,
                             "echoPort": 7472},
                  "cert": cert.decode(),
                  "ca": open(self.dir + "/ca.pem").read()}
        run(AGENT, "enroll", "--dir", d, "--accept",
            input=json.dumps(answer).encode())

    def start(self, i):
        log = open("%s/log%d" % (self.dir, i), "ab")
        self.agents[i] = subprocess.Popen(
            ["ip", "netns", "exec", ns(i), AGENT, "run", "--dir",
             self.agent_dir(i), "--user", "nobody"],
            stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def start_as_unit(self, i):
        """As systemd starts it: not root, one ambient capability."""
        log = open("%s/log%d" % (self.dir, i), "ab")
        self.agents[i] = subprocess.Popen(
            ["ip", "netns", "exec", ns(i), "setpriv", "--reuid", "nobody",
             "--regid", "nogroup", "--clear-groups", "--inh-caps",
             "+net_raw", "--ambient-caps", "+net_raw", AGENT, "run", "--dir",
             self.agent_dir(i)],
            stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def kill(self, i, sig=signal.SIGKILL, co=None):
        """With co: waits for the next link, the old one is forgotten."""
        self.agents[i].send_signal(sig)
        status = self.agents.pop(i).wait(20)
        if co:
            link = co.links[i]
            co.wait("closed link", lambda: not link.open)
            co.links.pop(i)
        return status

    def close(self, failed):
        for i in list(self.agents):
            self.kill(i)
        if failed:
            for i in range(1, AGENTS + 1):
                print("---- log of agent %d" % i)
                print(open("%s/log%d" % (self.dir, i)).read()[-4000:])
        shutil.rmtree(self.dir)


def status(pid, key):
    for line in open("/proc/%d/status" % pid):
        if line.startswith(key + ":"):
            return line.split()[1]
    return None


def test_enroll(lab, co):
    for i in range(1, AGENTS + 1):
        lab.enroll(i)
        d = lab.agent_dir(i)
        assert os.stat(d + "/key.pem").st_mode & 0o777 == 0o600
        assert os.stat(d + "/key.pem").st_uid != 0
    bad = subprocess.run(
        [AGENT, "enroll", "--dir", lab.agent_dir(1), "--accept"],
        input=json.dumps({"config": {}, "cert": "x", "ca": "y"}).encode(),
        capture_output=True)
    assert bad.returncode == 2, bad


def test_hello(lab, co):
    for i in range(1, AGENTS + 1):
        lab.start(i)
    for i in range(1, AGENTS + 1):
        m = co.wait_msg(i, "hello", lambda m: m["type"] == "hello")
        assert m["proto"] == 1 and m["echoPort"] == 7472, m
        assert m["vcpus"] >= 1 and m["memoryMiB"] > 0, m
        assert "mrtt" in m["kinds"] and m["emulated"] is None, m
        beat = co.wait_msg(i, "beat", lambda m: m["type"] == "beat")
        assert beat["metrics"]["busy"] is False, beat
        assert beat["spooled"] == 0, beat


def test_unprivileged(lab, co):
    pid = lab.agents[1].pid
    assert status(pid, "Uid") != "0"
    assert int(status(pid, "CapEff"), 16) == 0
    assert int(status(pid, "CapBnd"), 16) == 0
    assert status(pid, "NoNewPrivs") == "1"
    kids = [int(p) for p in
            open("/proc/%d/task/%d/children" % (pid, pid)).read().split()]
    assert len(kids) == 1, kids
    assert status(kids[0], "Uid") != "0"
    assert int(status(kids[0], "CapEff"), 16) == 1 << 13  # CAP_NET_RAW


def test_bench(lab, co):
    job = {"type": "job", "jobId": "j-1", "kind": "bench", "runId": "b-1",
           "kinds": ["cpus", "memR"], "profile": "quick", "seed": 7,
           "deadlineMs": 60000}
    co.links[1].send(job)
    co.wait_msg(1, "end of job", lambda m: m["type"] == "jobState" and
                m["jobId"] == "j-1" and m["state"] == "done")
    states = [m["state"] for m in co.links[1].msgs
              if m["type"] == "jobState" and m["jobId"] == "j-1"]
    assert states[0] == "queued" and states[1] == "running", states
    for kind in ("cpus", "memR"):
        m = co.wait("result", lambda: co.result(
            1, lambda m: m.get("bench", {}).get("kind") == kind))
        b = m["bench"]
        assert b["value"] > 0 and b["runId"] == "b-1", b
        assert b["n"] >= 6 and b["samples"][0]["flags"][0] == "warmup", b
        raw = zlib.decompress(base64.b64decode(b["raw"]["deflate"]))
        assert b["rawRef"] == "sha256:" + hashlib.sha256(raw).hexdigest(), b
        assert len(raw) == b["raw"]["bytes"], b
        assert raw.count(b"==> ") == len(b["samples"]), raw
        assert b["argv"][0] == "sysbench" and b["env"]["kernel"], b
        assert b["convergence"] in ("converged", "unconverged"), b
        for s in b["samples"]:
            assert ("contended" in s["flags"]) == any(
                f in s["flags"] for f in ("share", "tail", "stolen")), s
    # The same job again: told, not run.
    before = len(co.results)
    co.links[1].msgs.clear()
    co.links[1].send(job)
    co.wait_msg(1, "state", lambda m: m["type"] == "jobState" and
                m["state"] == "done")
    assert len(co.results) == before


def test_cancel(lab, co):
    co.links[2].send({"type": "job", "jobId": "j-c", "kind": "bench",
                      "runId": "b-c", "kinds": ["cpus"],
                      "profile": "standard", "seed": 7,
                      "deadlineMs": 600000})
    co.wait_msg(2, "step", lambda m: m["type"] == "jobState" and m["step"])
    co.links[2].send({"type": "cancel", "jobId": "j-c"})
    co.wait_msg(2, "cancel", lambda m: m["type"] == "jobState" and
                m["jobId"] == "j-c" and m["state"] == "canceled")
    assert os.listdir(lab.agent_dir(2) + "/work") == []


def test_deadline(lab, co):
    """What has no value at the deadline says so; the job ends."""
    co.links[2].send({"type": "job", "jobId": "j-d", "kind": "bench",
                      "runId": "b-d", "kinds": ["memW"],
                      "profile": "standard", "seed": 7, "deadlineMs": 700})
    m = co.wait("result", lambda: co.result(
        2, lambda m: m.get("bench", {}).get("runId") == "b-d"))
    assert m["bench"]["value"] is None, m
    assert m["bench"]["substatus"] == "TIMEOUT", m
    co.wait_msg(2, "end", lambda m: m["type"] == "jobState" and
                m["jobId"] == "j-d" and m["state"] == "done")


def test_refusals(lab, co):
    co.links[3].send({"type": "job", "jobId": "j-bad", "kind": "bench",
                      "runId": "b", "kinds": ["cpus; reboot"],
                      "profile": "quick", "seed": 1, "deadlineMs": 1000})
    m = co.wait_msg(3, "refusal", lambda m: m["type"] == "jobState" and
                    m["jobId"] == "j-bad")
    assert m["state"] == "failed" and m["code"] == "INVALID", m
    link = co.links[3]
    link.send({"type": "exec", "command": "reboot"})
    co.wait("closed link", lambda: not link.open)
    co.wait("new link", lambda: co.links.get(3) not in (None, link))


def arm(co, name, k, window):
    members = [[ip(i), 7472] for i in range(1, AGENTS + 1)]
    for i in range(1, AGENTS + 1):
        co.links[i].send({"type": "arm", "roundId": name, "index": i - 1,
                          "key": "0123456789abcdef" * 4, "members": members,
                          "k": k, "windowMs": window, "lateMs": 300,
                          "seed": 99})
    for i in range(1, AGENTS + 1):
        m = co.wait_msg(i, "armed", lambda m: m["type"] == "armed" and
                        m["roundId"] == name)
        assert m["port"] == 7472 and m.get("code") is None, m


def go(co, name):
    for i in range(1, AGENTS + 1):
        co.links[i].send({"type": "go", "roundId": name, "delayMs": 10})


def row(co, i, name):
    m = co.wait("row", lambda: co.result(
        i, lambda m: m.get("row", {}).get("roundId") == name))
    return m["row"]


def test_matrix(lab, co):
    arm(co, "r-1", 5, 500)
    go(co, "r-1")
    for i in range(1, AGENTS + 1):
        r = row(co, i, "r-1")
        assert r["src"] == i - 1 and len(r["cells"]) == AGENTS, r
        for j, c in enumerate(r["cells"]):
            if j == i - 1:
                assert c is None, c
                continue
            n, lost, least, _, p50, p95, _, method, flags, _ = c
            assert (n, lost, method) == (5, 0, "udpEcho"), c
            assert 0 < least <= p50 <= p95 < 1000000, c
            assert flags & 1 == 0, "no kernel transmit stamp"
    for i in range(1, AGENTS + 1):
        co.links[i].send({"type": "disarm", "roundId": "r-1"})


def test_matrix_hole(lab, co):
    """A member that is not there: a hole with a reason, not a number."""
    lab.kill(3, signal.SIGTERM, co)
    members = [[ip(i), 7472] for i in range(1, AGENTS + 1)]
    for i in (1, 2):
        co.links[i].send({"type": "arm", "roundId": "r-2", "index": i - 1,
                          "key": "ab" * 32, "members": members, "k": 2,
                          "windowMs": 200, "lateMs": 200, "seed": 1})
        co.wait_msg(i, "armed", lambda m: m["type"] == "armed" and
                    m["roundId"] == "r-2")
    for i in (1, 2):
        co.links[i].send({"type": "go", "roundId": "r-2", "delayMs": 0})
    text = json.dumps(row(co, 1, "r-2")["cells"])
    assert "refused" in text or "noAnswer" in text, text
    lab.start(3)
    co.wait_msg(3, "hello", lambda m: m["type"] == "hello")


def test_echo_is_silent(lab, co):
    """Without the round's key nobody gets a packet."""
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(0.3)
    head = b"MWE1\x01\x01\0\0" + struct.pack(">II", 1, 0)
    for frame in (b"x", b"x" * 72, head + b"\0" * 56, b"x" * 1500):
        s.sendto(frame, (ip(1), 7472))
    try:
        s.recv(2000)
        raise AssertionError("the responder answered")
    except socket.timeout:
        pass
    s.close()


def test_rtt(lab, co):
    co.links[1].send({
        "type": "job", "jobId": "j-r", "kind": "rtt", "count": 3,
        "gapMs": 50, "timeoutMs": 300, "deadlineMs": 30000,
        "targets": [{"target": "alive", "ip": ip(2)},
                    {"target": "dead", "ip": "10.98.0.200"},
                    {"target": "meta", "ip": "169.254.169.254"}]})
    m = co.wait("rtt", lambda: co.result(
        1, lambda m: m.get("rtt", {}).get("jobId") == "j-r"))
    t = {x["target"]: x for x in m["rtt"]["targets"]}
    assert t["alive"]["n"] == 3 and t["alive"]["p50Ms"] > 0, t
    assert t["dead"]["why"] == "noAnswer" and t["dead"]["minMs"] is None, t
    assert t["meta"]["why"] == "refused" and t["meta"]["n"] == 0, t
    # A new network namespace permits nobody an ICMP datagram socket.
    assert t["alive"]["method"] == "icmpRaw", t


def sysctl(i, name, value):
    run("ip", "netns", "exec", ns(i), "sh", "-c",
        "echo '%s' >/proc/sys/net/ipv4/%s" % (value, name))


class Neighbour:
    """In a VM's network: a UDP port that never answers, as a firewall would
    make it, and an open TCP port."""
    CODE = ("import socket as s,sys;u=s.socket(s.AF_INET,s.SOCK_DGRAM);"
            "u.bind(('',9999));t=s.create_server(('',2222),backlog=64);"
            "print('up',flush=True);sys.stdin.read()")

    def __init__(self, i):
        self.child = subprocess.Popen(
            ["ip", "netns", "exec", ns(i), sys.executable, "-c", self.CODE],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.child.stdout.readline() == b"up\n"

    def close(self):
        self.child.communicate()


def rtt(co, job, **target):
    co.links[1].send({
        "type": "job", "jobId": job, "kind": "rtt", "count": 4, "gapMs": 50,
        "timeoutMs": 300, "deadlineMs": 30000,
        "targets": [dict(target=job, ip=ip(2), **target)]})
    m = co.wait("rtt", lambda: co.result(
        1, lambda m: m.get("rtt", {}).get("jobId") == job))
    return m["rtt"]["targets"][0]


def test_rtt_methods(lab, co):
    """ICMP datagram sockets where the kernel permits them, the TCP handshake
    where ICMP is blocked; never another one than was asked for."""
    sysctl(1, "ping_group_range", "0 2147483647")
    there = Neighbour(2)
    t = rtt(co, "j-dgram", tcpPort=2222)
    assert (t["method"], t["n"], t["flags"]) == ("icmp", 4, 0), t
    t = rtt(co, "j-raw", methods=["icmpRaw"])
    assert (t["method"], t["n"]) == ("icmpRaw", 4), t
    t = rtt(co, "j-tcp", tcpPort=2222, methods=["tcpInfo"])
    assert (t["method"], t["n"], t["flags"]) == ("tcpInfo", 4, 0), t
    sysctl(2, "icmp_echo_ignore_all", 1)
    t = rtt(co, "j-blocked", tcpPort=2222)
    assert (t["method"], t["n"], t["flags"]) == ("tcpInfo", 4, 32), t
    t = rtt(co, "j-only", methods=["icmp"])
    assert (t["n"], t["lost"], t["why"]) == (0, 4, "noAnswer"), t
    t = rtt(co, "j-closed", tcpPort=2223)
    assert (t["n"], t["why"]) == (0, "refused"), t
    sysctl(2, "icmp_echo_ignore_all", 0)
    there.close()


def blocked_cell(co, name, absent=()):
    """A round of agent 1 in which UDP does not reach member 2."""
    members = [[ip(1), 7472], [ip(2), 9999], [ip(3), 7472]]
    for i in (1, 3):
        co.links[i].send({"type": "arm", "roundId": name, "index": i - 1,
                          "key": "cd" * 32, "members": members, "k": 3,
                          "windowMs": 200, "lateMs": 100, "seed": 1,
                          "extraMs": 1500, "sshPorts": [22, 2222, 22]})
        co.wait_msg(i, "armed", lambda m: m["type"] == "armed" and
                    m["roundId"] == name)
    for i in (1, 3):
        co.links[i].send({"type": "go", "roundId": name, "delayMs": 0,
                          "absent": list(absent)})
    cells = row(co, 1, name)["cells"]
    assert cells[2][7] == "udpEcho" and cells[2][8] & 0x70 == 0, cells
    return cells[1]


def test_matrix_blocked(lab, co):
    """A cell says which method it is from, and what was blocked."""
    there = Neighbour(2)
    c = blocked_cell(co, "r-icmp")
    assert (c[0], c[1], c[7]) == (3, 0, "icmp") and c[8] & 0x70 == 0x10, c
    sysctl(1, "ping_group_range", "1 0")
    c = blocked_cell(co, "r-raw")
    assert (c[0], c[7]) == (3, "icmpRaw") and c[8] & 0x70 == 0x10, c
    sysctl(2, "icmp_echo_ignore_all", 1)
    c = blocked_cell(co, "r-tcp")
    assert (c[0], c[7]) == (3, "tcpInfo") and c[8] & 0x70 == 0x30, c
    # Nobody armed there: it may run a benchmark, so nothing speaks for it.
    c = blocked_cell(co, "r-absent", [1])
    assert c["why"] == "noAnswer" and c["lost"] == 3, c
    sysctl(2, "icmp_echo_ignore_all", 0)
    there.close()


def test_replay(lab, co):
    """Results survive a kill -9 and the coordinator's absence."""
    co.ack = False
    co.links[2].send({"type": "job", "jobId": "j-2", "kind": "bench",
                      "runId": "b-2", "kinds": ["cpus"], "profile": "quick",
                      "seed": 1, "deadlineMs": 60000})
    co.wait("unacknowledged result", lambda: co.result(
        2, lambda m: m.get("bench", {}).get("runId") == "b-2"))
    key = [k for k, m in co.results.items()
           if m.get("bench", {}).get("runId") == "b-2"][0]
    co.stop()
    lab.kill(2)
    lab.start(2)
    co.seen.clear()
    co.ack = True
    co.start()
    co.wait("replay", lambda: key in co.seen)
    co.wait_msg(2, "empty spool", lambda m: m["type"] == "beat" and
                m["spooled"] == 0)
    lab.kill(2, signal.SIGKILL, co)
    lab.start(2)
    m = co.wait_msg(2, "hello after", lambda m: m["type"] == "hello" and
                    m["spooled"] == 0)
    assert m["spooled"] == 0
    for i in (1, 3):
        co.wait("reconnect", lambda: i in co.links)


def test_renewal(lab, co):
    """Half of a life of 3600 s + 1 h backdate is over: it asks at once."""
    m = co.wait_msg(3, "certRenew", lambda m: m["type"] == "certRenew")
    uri = "mw://%s/default/demo/3/1" % DEPLOYMENT
    cert = run(BUILD + "/tests/component/agent_ca", "sign", lab.dir, uri,
               input=m["csr"].encode()).decode()
    path = lab.agent_dir(3) + "/cert.pem"
    co.links[3].send({"type": "cert", "cert": cert,
                      "ca": open(lab.dir + "/ca.pem").read()})
    end = time.monotonic() + 10
    while open(path).read() != cert and time.monotonic() < end:
        time.sleep(0.05)
    assert open(path).read() == cert


def test_all_kinds_locally(lab, co):
    """The eight kinds with a real database; nothing is left behind."""
    work = lab.work_dir()
    out = subprocess.run([AGENT, "bench", "all", "--dir", work, "--user",
                          "nobody", "--seed", "5"], capture_output=True)
    results = json.loads(out.stdout)
    assert out.returncode == 0, out
    assert [r["kind"] for r in results] == [
        "cpus", "cpum", "memR", "memW", "fioR", "fioW", "dbR", "dbW"]
    for r in results:
        assert r["value"] > 0 and 6 <= r["n"] <= 8, r
        assert r["nValid"] + r["nContended"] == r["n"], r
        assert r["toolVersion"].startswith("1.0"), r
        print("    %s %.1f %s, %s" % (r["kind"], r["value"], r["unit"],
                                      r["validity"]))
    assert os.listdir(work) == []
    assert subprocess.run(["pgrep", "-f", work + "/"],
                          capture_output=True).returncode == 1


def test_memory_is_no_disk(lab, co):
    mnt = lab.dir + "/tmpfs"
    os.mkdir(mnt)
    run("mount", "-t", "tmpfs", "-o", "mode=1777", "tmpfs", mnt)
    try:
        out = subprocess.run([AGENT, "bench", "fioR", "--dir", mnt, "--user",
                              "nobody"], capture_output=True)
    finally:
        run("umount", mnt)
    (r,) = json.loads(out.stdout)
    assert out.returncode == 12, out
    assert r["value"] is None and r["substatus"] == "REFUSED", r
    assert "tmpfs" in r["detail"], r


def test_missing_tool(lab, co):
    """No value, and the reason; never 0."""
    out = subprocess.run(["ip", "netns", "exec", ns(1), "sh", "-c",
                          "mount --bind /dev/null /usr/bin/sysbench && "
                          "exec \"$@\"", "sh", AGENT, "bench", "cpus",
                          "--dir", lab.work_dir(), "--user", "nobody"],
                         capture_output=True)
    (r,) = json.loads(out.stdout)
    assert r["value"] is None and r["validity"] == "failed", r
    assert r["substatus"] == "TOOL_MISSING", r


def test_started_without_root(lab, co):
    lab.kill(3, signal.SIGTERM, co)
    lab.start_as_unit(3)
    new = lab.agents[3].pid
    co.wait_msg(3, "hello with rtt", lambda m: m["type"] == "hello" and
                "rtt" in m["kinds"])
    for key in ("CapEff", "CapPrm", "CapAmb"):
        assert int(status(new, key), 16) == 0, key
    assert status(new, "NoNewPrivs") == "1"


def test_wrong_coordinator(lab, co):
    """A certificate of the right CA, but another name: not a byte."""
    key = lab.dir + "/imposter.key"
    d = lab.dir + "/imposter"
    os.mkdir(d)
    csr = run(AGENT, "enroll", "--dir", d)
    shutil.copy(d + "/key.pem", key)
    cert = run(BUILD + "/tests/component/agent_ca", "server", lab.dir,
               "mw://%s/default/demo/9/1" % DEPLOYMENT, input=csr)
    with open(lab.dir + "/imposter.pem", "wb") as f:
        f.write(cert)
    co.stop()
    imposter = Coordinator(lab.dir, "imposter")
    imposter.start()
    imposter.wait("handshakes", lambda: imposter.handshakes >= 3)
    assert imposter.links == {} and imposter.seen == []
    imposter.stop()
    co.start()
    for i in range(1, AGENTS + 1):
        co.wait("the right one again", lambda: i in co.links)


def test_replayed_numbers(lab, co):
    """In a replaying VM nothing is measured, and the results say so."""
    work = lab.work_dir()
    fake = lab.dir + "/bin"
    os.mkdir(fake)
    with open(fake + "/sysbench", "w") as f:
        f.write("#!/bin/sh\n"
                "case $* in\n"
                "*--version*) echo sysbench 1.0.20; exit ;;\n"
                "*prepare*) exit ;;\n"
                "esac\n"
                "echo 'read, MiB/s: 1'\n"
                "echo 'transactions: 100'\n"
                "echo 'total time: 10.0000s'\n"
                "echo 'total number of events: 25600'\n")
    os.chmod(fake + "/sysbench", 0o755)
    with open(lab.dir + "/twin.json", "w") as f:
        f.write('{"emulated":"replay"}')
    out = subprocess.run(
        ["ip", "netns", "exec", ns(1), "sh", "-c",
         "mount -t tmpfs tmpfs /run && cp $0 /run/milkyway-twin.json && "
         "exec \"$@\"", lab.dir + "/twin.json", AGENT, "bench",
         "fioR,dbR,fioR.seq",
         "--dir", work, "--user", "nobody"],
        env=dict(os.environ, PATH=fake + ":" + os.environ["PATH"]),
        capture_output=True)
    fio, db, seq = json.loads(out.stdout)
    assert seq["value"] is None and seq["substatus"] == "REFUSED", seq
    assert seq["variant"] == "seq" and out.returncode == 12, seq
    assert fio["value"] == 10 and db["value"] == 10, out
    for r in (fio, db):
        assert r["provenance"] == "replay" and r["validity"] == "ok", r
        assert r["n"] == 6, r


def test_stop(lab, co):
    for i in range(1, AGENTS + 1):
        assert lab.kill(i, signal.SIGTERM) == 0


TESTS = [test_enroll, test_hello, test_unprivileged, test_bench, test_cancel,
         test_deadline, test_refusals, test_matrix, test_matrix_hole,
         test_echo_is_silent, test_rtt, test_rtt_methods,
         test_matrix_blocked, test_renewal, test_replay,
         test_started_without_root, test_wrong_coordinator, test_stop,
         test_all_kinds_locally, test_memory_is_no_disk, test_missing_tool,
         test_replayed_numbers]


def inside():
    lab = Lab()
    co = Coordinator(lab.dir)
    co.start()
    failed = False
    for t in TESTS:
        name = "agent " + t.__name__[5:].replace("_", " ")
        began = time.monotonic()
        try:
            t(lab, co)
            print("ok - %s (%.1f s)" % (name, time.monotonic() - began))
        except Exception as e:  # the next ones depend on it
            print("not ok - %s: %r" % (name, e))
            failed = True
            break
        finally:
            sys.stdout.flush()
    lab.close(failed)
    os._exit(1 if failed else 0)


def main():
    if len(sys.argv) > 2:
        inside()
    make_net()
    try:
        rc = subprocess.run(["ip", "netns", "exec", ns(0), sys.executable,
                             os.path.abspath(__file__), BUILD, TAG]).returncode
    finally:
        drop_net()
    sys.exit(rc)


main()

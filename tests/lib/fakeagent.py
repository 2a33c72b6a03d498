"""An agent that measures nothing: speaks docs/link.md as a test wants it."""
import datetime
import json
import os
import secrets
import select
import socket
import ssl
import struct
import subprocess
import threading

KINDS = ["cpus", "cpum", "memR", "memW", "fioR", "fioW", "dbR", "dbW"]
UNITS = {"cpus": "events/s", "cpum": "events/s", "memR": "MiB/s", "memW": "MiB/s", "fioR": "MiB/s",
         "fioW": "MiB/s", "dbR": "transactions/s", "dbW": "transactions/s"}


def now():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def make_cert(dir, ca_key, ca_cert, uri, name, days="1", server=False, start=None):
    """Key and certificate for a URI, signed by that CA; returns their paths."""
    key, csr, crt, ext = (os.path.join(dir, name + e) for e in (".key", ".csr", ".crt", ".ext"))
    run = lambda *a: subprocess.run(["openssl", *a], check=True, capture_output=True)
    run("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key)
    run("req", "-new", "-key", key, "-subj", "/CN=x", "-out", csr)
    with open(ext, "w") as f:
        f.write("subjectAltName=URI:%s\nextendedKeyUsage=%s\nkeyUsage=digitalSignature\n" %
                (uri, "serverAuth" if server else "clientAuth"))
    run("x509", "-req", "-in", csr, "-CA", ca_cert, "-CAkey", ca_key, "-set_serial", str(secrets.randbits(100)),
        "-days", days, "-extfile", ext, "-out", crt)
    return key, crt


def context(ca_cert, key=None, crt=None, version=ssl.TLSVersion.TLSv1_3):
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    c.check_hostname = False
    c.minimum_version = c.maximum_version = version
    c.load_verify_locations(ca_cert)
    if key:
        c.load_cert_chain(crt, key)
    return c


class Link:
    """One TLS link with frames."""

    def __init__(self, port, ctx, host="127.0.0.1"):
        raw = socket.create_connection((host, port), timeout=10)
        self.sock = ctx.wrap_socket(raw, server_hostname=None)
        # One thread at a time inside TLS: an SSL object is not made for two.
        self.sock.setblocking(False)
        self.lock = threading.Lock()
        self.data = b""

    def send(self, **msg):
        data = json.dumps(msg).encode()
        self.send_raw(struct.pack(">I", len(data)) + data)

    def send_raw(self, data):
        while data:
            try:
                with self.lock:
                    data = data[self.sock.send(data):]
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                select.select([], [self.sock], [], 1)

    def recv(self):
        """The next message, or None at the end."""
        try:
            head = self.exactly(4)
            return json.loads(self.exactly(struct.unpack(">I", head)[0])) if head else None
        except (OSError, ValueError, ssl.SSLError):
            return None

    def exactly(self, n):
        while len(self.data) < n:
            try:
                with self.lock:
                    part = self.sock.recv(65536)
                if not part:
                    return b""
                self.data += part
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                select.select([self.sock], [], [], 1)
        out, self.data = self.data[:n], self.data[n:]
        return out

    def hello(self, **more):
        msg = dict(type="hello", proto=1, agentVersion="0.1.0", bootId="boot", hostname="h", arch="x86_64",
                   kernel="6.1", cpuModel="fake", vcpus=2, cpuQuota=None, memoryMiB=1024, kinds=KINDS,
                   missingTools=[], echoPort=7472, emulated=None, spooled=0, wallAt=now())
        msg.update(more)
        self.send(**msg)

    def close(self):
        try:
            # Another thread reads: without this the peer would not notice.
            self.sock.shutdown(socket.SHUT_RDWR)
            self.sock.close()
        except OSError:
            pass


def result(lane, run, value=100.0):
    kind, _, variant = lane.partition(".")
    return {"kind": kind, "runId": run, "variant": variant or "std", "profile": "quick", "value": value, "valueReason": None,
            "unit": UNITS[kind], "direction": "higher", "n": 1, "nValid": 1, "nContended": 0, "median": value,
            "mean": value, "stddev": 0, "mad": 0, "cv": 0, "madCv": 0, "p05": value, "p95": value, "min": value,
            "max": value, "ciLow": None, "ciHigh": None, "ciLevel": None, "validity": "tooFew", "substatus": None,
            "detail": None, "samples": [], "tool": "fake", "toolVersion": "1", "elapsedS": 0.1,
            "measuredAt": now(), "provenance": "measured"}


class Agent(threading.Thread):
    """Says hello, beats, and does what jobs and rounds ask for."""
    busy_now, busy_most = 0, 0
    busy_lock = threading.Lock()

    def __init__(self, port, ctx, slot, **opts):
        super().__init__(daemon=True)
        self.link = Link(port, ctx)
        self.slot, self.opts = slot, opts
        self.boot, self.seq = secrets.token_hex(8), 0
        self.acked = 0
        self.welcome = threading.Event()
        self.jobs = []
        self.bye = self.disarmed = None
        self.stop = threading.Event()
        self.link.hello()
        self.start()
        if not self.welcome.wait(10):
            raise RuntimeError("no welcome: %r" % self.bye)
        threading.Thread(target=self.beats, daemon=True).start()

    def beats(self):
        while not self.stop.wait(self.ttl / 2):
            if self.opts.get("mute"):
                continue
            try:
                self.link.send(type="beat", metrics={"load1": self.opts.get("load1", 0.1), "cpuPct": 1, "stealPct": 0, "memUsedMiB": 10,
                               "netRxBytes": 1, "netTxBytes": 1, "busy": False}, spooled=0)
            except OSError:
                return

    def run(self):
        while not self.stop.is_set():
            m = self.link.recv()
            if m is None:
                return
            f = getattr(self, "on_" + m["type"], None)
            if f:
                f(m)

    def on_welcome(self, m):
        self.ttl = m["ttlMs"] / 1000
        self.vm = m["vmId"]
        self.welcome.set()

    def on_bye(self, m):
        self.bye = m

    def on_ack(self, m):
        self.acked = max(self.acked, m["seq"])

    def result(self, **what):
        self.seq += 1
        self.link.send(type="result", boot=self.boot, seq=self.seq, **what)

    def on_job(self, m):
        self.jobs.append(m)
        if not self.opts.get("ignore_jobs"):
            threading.Thread(target=self.work, args=(m,), daemon=True).start()

    def work(self, m):
        try:
            self.measure(m)
        except OSError:
            pass  # the coordinator was killed

    def measure(self, m):
        state = lambda s: self.link.send(type="jobState", jobId=m["jobId"], state=s, step=None, code=None,
                                         message=None)
        if m["kind"] == "rtt":
            self.result(rtt={"jobId": m["jobId"], "targets": [
                {"target": t["target"], "n": m["count"], "lost": 0, "minMs": 1.0, "avgMs": 1.5, "p50Ms": 1.4,
                 "p95Ms": 2.0, "jitterMs": 0.1, "method": "icmp", "why": None} for t in m["targets"]]})
            state("done")
            return
        with Agent.busy_lock:
            Agent.busy_now += 1
            Agent.busy_most = max(Agent.busy_most, Agent.busy_now)
        state("running")
        self.stop.wait(self.opts.get("work_s", 0.05))
        with Agent.busy_lock:
            Agent.busy_now -= 1
        if self.stop.is_set():
            return
        for k in m["kinds"]:
            self.result(bench=result(k, m["runId"]))
        state("done")

    def on_arm(self, m):
        self.round = m
        if not self.opts.get("not_armed"):
            self.link.send(type="armed", roundId=m["roundId"], port=7472, code=None, message=None)

    def on_disarm(self, m):
        self.disarmed = m["roundId"]

    def on_go(self, m):
        if self.opts.get("no_row"):
            return
        n, me = len(self.round["members"]), self.round["index"]
        ms = int(datetime.datetime.now().timestamp() * 1000)
        cells = [None if i == me else [10, 0, 1000 * (me + i), 1000 * (me + i) + 10, 1000 * (me + i) + 5,
                 1000 * (me + i) + 50, 7, "udpEcho", 0, ms] for i in range(n)]
        self.result(row={"roundId": m["roundId"], "src": me, "n": n, "cells": cells})

    def close(self):
        self.stop.set()
        self.link.close()

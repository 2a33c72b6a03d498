"""Component test of milkywayd under abuse: a fake cloud, fake agents of which
one is hostile, the real program. Usage: abuse.py BUILD_DIR [CASE...].
Prints "ok - what" or "not ok - what"."""
import base64
import hashlib
import json
import os
import random
import shutil
import signal
import socket
import sqlite3
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import zlib

sys.path.insert(0, os.path.dirname(__file__))
import coordinator as base
from coordinator import check, until, M, Coordinator, Fleet
import fakeagent
import fakecloud


def alive(c):
    return c.proc.poll() is None and c.raw("GET", "/readyz", token=None)[0] == 200


def results(c, run):
    return c.call("GET", M + "/benchmarks/" + run)[1]["results"]


def logs(c):
    return "".join(open(c.dir + "/" + f, errors="replace").read() for f in os.listdir(c.dir) if f.startswith("log"))


def again(c, fleet):
    """Kills the coordinator and starts it; all agents come back."""
    c.kill()
    back(c, fleet)


def back(c, fleet):
    for a in fleet.agents.values():
        a.close()
    c.start()
    for slot in list(fleet.agents):
        old = fleet.agents[slot]
        # the same spool
        fleet.up(slot, **old.opts).boot = old.boot
        fleet.agents[slot].seq = old.seq


def raw_of(text, packed=None, name=None):
    packed = zlib.compress(text) if packed is None else packed
    return {"rawRef": name or "sha256:" + hashlib.sha256(text).hexdigest(),
            "raw": {"bytes": min(max(len(text), 1), 2 << 20), "deflate": base64.b64encode(packed).decode()}}


# What a hostile agent says -----------------------------------------------------

SAMPLE = {"at": fakeagent.now(), "value": 1.0, "wallS": 1.0, "flags": []}
TEXT = b"events per second: 100\n"


def refused_results(run):
    """Whole messages that must not become a result."""
    r = fakeagent.result("cpus", run)
    yield "65 samples", dict(bench=dict(r, samples=[SAMPLE] * 65))
    yield "90,000 samples that are none", dict(bench=dict(r, samples=[0] * 90000))
    yield "a value over all bounds", dict(bench=dict(r, value=1e300))
    yield "a negative one", dict(bench=dict(r, median=-1))
    yield "a count of 10^18", dict(bench=dict(r, n=10**18))
    yield "an unknown field", dict(bench=dict(r, surprise=1))
    yield "an unknown kind", dict(bench=dict(r, kind="cpuz"))
    yield "text for a number", dict(bench=dict(r, value="NaN"))
    yield "a kind that is a list", dict(bench=dict(r, kind=["cpus"]))
    yield "a tool of 60,000 letters", dict(bench=dict(r, tool="x" * 60000))
    yield "of no run", dict(bench=dict(r, runId=None))
    yield "of a run that never was", dict(bench=dict(r, runId="b-999999"))
    yield "of a name that is none", dict(bench=dict(r, runId="b-1' OR 1=1 --"))
    yield "raw output of 100 million bytes", dict(bench=dict(r, raw={"bytes": 10**8, "deflate": "AAAA"}))
    yield "raw output named by a path", dict(bench=dict(r, **raw_of(TEXT, name="../../etc/passwd")))
    yield "two at once", dict(bench=r, row={})
    yield "nothing", dict()
    yield "an RTT result of another's job", dict(rtt={"jobId": run + ".1", "targets": []})
    yield "one with 10,000 targets", dict(rtt={"jobId": run + ".2", "targets": [{}] * 10000})
    for what, row in (("another's row", dict(src=0, n=4, cells=[None] + [{"why": "noAnswer", "lost": 1}] * 3)),
                      ("a row of one too many", dict(src=1, n=5, cells=[{"why": "noAnswer", "lost": 1}, None] +
                                                     [{"why": "noAnswer", "lost": 1}] * 3)),
                      ("a cell of text", dict(src=1, n=4, cells=["x", None, "x", "x"])),
                      ("a cell of huge numbers", dict(src=1, n=4, cells=[[10**18] * 10, None] + [[10**18] * 10] * 2))):
        yield what, dict(row=dict(row, roundId="m-1"))


def kept_results(run):
    """Results whose number stands, while what the tool printed is dropped."""
    r = fakeagent.result("memR", run)
    yield "another text than its hash", dict(r, **raw_of(TEXT, name="sha256:" + "0" * 64))
    yield "no zlib", dict(r, **raw_of(TEXT, packed=b"\xff" * 100))
    yield "no base64", dict(r, rawRef="sha256:" + "1" * 64, raw={"bytes": 5, "deflate": "!!!!"})
    bomb = b"\0" * (60 << 20)
    yield "60 MB of zeros in 60 KB", dict(r, **raw_of(bomb))


def hostile_results(c, fleet):
    fleet.agents[1].opts["ignore_jobs"] = fleet.agents[2].opts["ignore_jobs"] = True
    s, a = c.call("POST", M + "/benchmarks", {"kinds": ["cpus", "memR"]})
    until(lambda: fleet.agents[2].jobs, 20)
    run, n = a["runId"], 0
    before = len(results(c, run))
    for what, msg in refused_results(run):
        n += 1
        if n % 10 == 1:  # a link may be wrong so often in a minute
            evil = fleet.up(2, ignore_jobs=True)
        evil.result(**msg)
        if not until(lambda: evil.acked == evil.seq, 20):
            check("%s is taken off its hands" % what, False, (evil.acked, evil.seq, evil.bye))
    check("%d wrong results are dropped" % n, [r for r in results(c, run) if r["vmId"] == evil.vm] == [],
          results(c, run)[before:])
    evil = fleet.up(2, ignore_jobs=True)
    for i, (what, r) in enumerate(kept_results(run)):
        evil.result(bench=r)
        until(lambda: evil.acked == evil.seq, 20)
        mine = [x for x in results(c, run) if x["vmId"] == evil.vm]
        s, d, _ = c.raw("GET", M.rsplit("/", 1)[0] + "/t1/results/%s/raw" % mine[-1]["resultId"]) if mine else (0, 0, 0)
        check("%s: the number stays, the text does not" % what, len(mine) == i + 1 and s == 404, (len(mine), s, d))
    have = len(results(c, run))
    for _ in range(3):
        evil.link.send(type="result", boot=evil.boot, seq=evil.seq, bench=fakeagent.result("cpus", run, 7.0))
    evil.result(bench=fakeagent.result("cpus", "b-999999"))
    until(lambda: evil.acked == evil.seq, 20)
    check("what comes again changes nothing", len(results(c, run)) == have)
    evil.link.send(type="result", boot=evil.boot, seq=2**63 - 1, bench=fakeagent.result("cpus", "b-999999"))
    check("the last number of all is a number", until(lambda: evil.acked == 2**63 - 1, 20), evil.acked)
    c.call("DELETE", M + "/benchmarks/" + run)
    fleet.agents[1].opts["ignore_jobs"] = False
    check("the others do not notice", alive(c) and until(lambda: [
        x["state"] for x in c.call("GET", "/v1/agents")[1]["items"]] == ["up"] * 4, 10))


def hostile_frames(c, fleet):
    """Each of these ends the link, and nothing else."""
    r = fakeagent.result("cpus", "b-1")
    minute = int(time.time() // 60)
    host = lambda **m: lambda a: a.link.send(type="beat", metrics={}, spooled=0, host=[dict(
        {"minute": minute, "coveredS": 60, "cgroupOf": []}, **m)])
    cases = [
        ("a frame of 1 MiB and one", lambda a: a.link.send_raw(struct.pack(">I", (1 << 20) + 1) + b"{")),
        ("1 MiB that is no JSON", lambda a: a.link.send_raw(struct.pack(">I", 1 << 20) + b"[" * (1 << 20))),
        ("one million zeros", lambda a: a.link.send_raw(struct.pack(">I", 1 << 20) + b'{"type":[' + b"0," * 524276 + b"0]} ")),
        ("the number 0", lambda a: a.link.send(type="result", boot=a.boot, seq=0, bench=r)),
        ("the number 2^63", lambda a: a.link.send(type="result", boot=a.boot, seq=2**63, bench=r)),
        ("a spool of no name", lambda a: a.link.send(type="result", boot="", seq=1, bench=r)),
        ("a spool of another alphabet", lambda a: a.link.send(type="result", boot="../x", seq=1, bench=r)),
        ("a minute in a million years", host(minute=2**40)),
        ("a minute of 61 s", host(coveredS=61)),
        ("a negative share", host(cpuPct=-5)),
        ("steal of 10^300", host(stealPct=1e300)),
        ("a list for a number", host(load1=[1])),
        ("1000 minutes at once", lambda a: a.link.send(type="beat", metrics={}, spooled=0, host=[{}] * 1000)),
        ("a state without a job", lambda a: a.link.send(type="jobState", state="done")),
        ("a port that is none", lambda a: a.link.send(type="armed", roundId="m-1", port=70000, code=None, message=None)),
        ("a request for a certificate of 1 MB", lambda a: a.link.send(type="certRenew", csr="x" * 1000000))]
    for what, send in cases:
        a = fleet.up(2, ignore_jobs=True)
        send(a)
        check("%s ends the link" % what, until(lambda: a.bye or not a.is_alive(), 20) and alive(c))
    a = fleet.up(2)
    a.link.send(type="beat", metrics={"load1": 1e9, "cpuPct": 99999, "memUsedMiB": 10**15, "netRxBytes": 10**18}, spooled=0)
    a.link.send(type="jobState", jobId="b-1.1", state="done", step=None, code=None, message=None)
    a.link.send(type="beat", metrics={}, spooled=0, host=[{"minute": minute + 10**6, "coveredS": 60, "cgroupOf": []},
                                                        {"minute": 0, "coveredS": 60, "cgroupOf": []}])
    s, d, _ = c.raw("GET", "/metrics")
    check("absurd beats harm nobody", s == 200 and alive(c), s)


def hostile_flood(c, fleet):
    """As fast as it can: it is slowed down, the others are not."""
    evil, stop = fleet.up(2, ignore_jobs=True), threading.Event()

    def flood():
        r = fakeagent.result("cpus", "b-999999")
        try:
            while not stop.is_set():
                evil.result(bench=r)
        except OSError:
            pass
    t = threading.Thread(target=flood, daemon=True)
    t.start()
    try:
        worst = 0
        for _ in range(40):
            t0 = time.monotonic()
            c.raw("GET", "/readyz", token=None)
            worst = max(worst, time.monotonic() - t0)
        s, a = c.act("POST", M + "/benchmarks", {"kinds": ["cpus"], "vms": ["a-1", "g-1"]})
        check("a flood does not keep the others from their work", (a["state"], a["outcome"]) == ("done", "ok"), a)
        print("# slowest answer meanwhile: %.0f ms" % (worst * 1000))
    finally:
        stop.set()
        evil.close()
        t.join(10)
    size = len(logs(c))
    check("nor does it fill the log", size < 500000, size)


def hostile(c, fleet):
    hostile_results(c, fleet)
    hostile_frames(c, fleet)
    hostile_flood(c, fleet)
    fleet.up(2)


# A round that is canceled, and one that meets the end of the coordinator --------

def rounds(c, fleet):
    fleet.agents[3].opts["no_row"] = True
    one = fleet.agents[1]
    row = one.seq + 1
    s, a = c.call("POST", M + "/matrix", {"k": 3, "windowMs": 200})
    until(lambda: one.seq >= row, 20)
    # what comes after a row waits for it
    one.result(bench=fakeagent.result("cpus", "b-999999"))
    s, b = c.call("DELETE", "/v1/actions/" + a["actionId"])
    check("a round is canceled when rows are in", s in (200, 202) and until(lambda: c.call(
        "GET", "/v1/actions/" + a["actionId"])[1]["state"] == "canceled", 10), (s, b))
    check("and its rows do not stop what comes after them", until(lambda: one.acked == one.seq, 10), (one.acked, one.seq))
    row = one.seq + 1
    s, a = c.call("POST", M + "/matrix", {"k": 3, "windowMs": 200})
    check("rows of the next round are in", until(lambda: one.seq >= row, 20))
    for _ in range(3):
        one.link.send(type="result", boot=one.boot, seq=row, bench=fakeagent.result("cpus", "b-999999"))
    check("SIGTERM in the middle of a round ends it cleanly", c.stop() == 0, logs(c)[-3000:])
    check("its row was not acknowledged", one.acked < row, (one.acked, row))
    os.rename(c.log, c.log + ".stopped")
    back(c, fleet)
    one = fleet.agents[1]
    state = c.call("GET", "/v1/actions/" + a["actionId"])[1]
    check("it has failed, and says why", state["state"] == "failed" and state["error"], state)
    row = one.seq + 1
    s, a = c.call("POST", M + "/matrix", {"k": 3, "windowMs": 200})
    until(lambda: one.seq >= row, 20)
    fleet.agents[3].opts["no_row"] = False
    again(c, fleet)
    state = c.call("GET", "/v1/actions/" + a["actionId"])[1]
    check("so has one that SIGKILL meets", state["state"] == "failed", state)
    s, a = c.act("POST", M + "/matrix", {"k": 3, "windowMs": 200})
    names = [e["to"] for e in c.call("GET", "/v1/events?type=matrix.round&limit=1000")[1]["items"]]
    check("the next is fine, under a number of its own", a["outcome"] == "ok" and len(names) == len(set(names)), (a, names))


# Killed while results arrive ------------------------------------------------------

class Acks:
    """Results of all agents, and which of them were acknowledged."""

    def __init__(self, c, fleet, raw=0, pace=0.0):
        self.c, self.fleet, self.raw, self.pace = c, fleet, raw, pace
        self.acked = {}

    def pour(self, run, n, until_dead=False):
        threads = [threading.Thread(target=self.one, args=(a, run, n)) for a in self.fleet.agents.values()]
        for t in threads:
            t.start()
        return threads

    def one(self, a, run, n):
        for _ in range(n):
            r = fakeagent.result("cpus", run, float(a.seq + 1))
            if self.raw:
                r.update(raw_of(base64.b64encode(random.randbytes(self.raw))))
            try:
                a.result(bench=r)
            except OSError:
                break
            end = time.monotonic() + 10
            # a window of 60, as the agent keeps it
            while a.seq - a.acked > 60 and a.is_alive() and time.monotonic() < end:
                time.sleep(0.005)
            if not a.is_alive():
                break
        end = time.monotonic() + 10
        while a.acked < a.seq and a.is_alive() and time.monotonic() < end:
            time.sleep(0.01)
        self.acked[a.slot] = (a.boot, a.acked)

    def lost(self):
        """What was acknowledged and is not in the store; and how many were."""
        db = sqlite3.connect(self.c.dir + "/state/milkyway.db")
        have = {(s, b, q) for s, b, q in db.execute("SELECT slot, boot, seq FROM result")}
        first = {slot: min((q for s, b, q in have if (s, b) == (slot, boot)), default=1)
                 for slot, (boot, _) in self.acked.items()}
        db.close()
        lost = [(slot, boot, q) for slot, (boot, top) in self.acked.items()
                for q in range(first[slot], top + 1) if (slot, boot, q) not in have]
        return lost, sum(top - first[slot] + 1 for slot, (_, top) in self.acked.items())


def open_run(c, fleet):
    """A run that stays open, so that results of it are wanted."""
    for a in fleet.agents.values():
        a.opts["ignore_jobs"] = True
        a.boot, a.seq, a.acked = os.urandom(8).hex(), 0, 0
    s, b = c.call("POST", M + "/benchmarks", {"kinds": ["cpus", "memR"]})
    assert s == 202, b
    return b["runId"]


def killed(c, fleet):
    for i in range(3):
        run = open_run(c, fleet)
        acks = Acks(c, fleet)
        threads = acks.pour(run, 200)
        time.sleep(random.uniform(0.1, 1.5))
        c.kill()
        for t in threads:
            t.join(30)
        lost, n = acks.lost()
        check("killed while results come: all that was acknowledged is there", not lost, (n, lost[:5]))
        back(c, fleet)
        check("the run goes on", c.call("GET", M + "/benchmarks/" + run)[1]["state"] in ("pending", "running"))
        c.call("DELETE", M + "/benchmarks/" + run)
    for a in fleet.agents.values():
        a.opts["ignore_jobs"] = False


# Killed while schedules fire -------------------------------------------------------

def fires(c, fleet):
    S = M + "/schedules"
    asked, stuck, lost = 0, [], []
    for i in range(6):
        id, kinds = ("m", ["mrtt"]) if i % 2 else ("b", ["cpus", "memR"])
        c.call("PUT", S + "/" + id, {"kinds": kinds, "everyS": 86400, "jitterPct": 0})
        s, a = c.call("POST", S + "/%s/run" % id, {})
        asked += s == 202
        time.sleep(random.uniform(0, 0.3))
        again(c, fleet)
        b = until(lambda: not (x := c.call("GET", S + "/" + id)[1])["running"] and x, 30)
        if not b or not b["lastOutcome"]:
            stuck.append((id, b or c.call("GET", S + "/" + id)))
        s, x = c.call("GET", "/v1/actions/" + a["actionId"])
        if s != 200 or x["state"] in ("pending", "running"):
            lost.append((s, x))
    check("killed while %d schedules fire: each tells how it ended" % asked, asked == 6 and not stuck, stuck)
    check("so does what they began", not lost, lost)
    for id in ("b", "m"):
        s, a = c.act("POST", S + "/%s/run" % id, {})
        check("%s runs again" % id, a.get("outcome") == "ok" and c.call("GET", S + "/" + id)[1]["lastOutcome"] == "ok", (s, a))
        c.call("DELETE", S + "/" + id)


# A full disk -----------------------------------------------------------------------

def full(c, fleet):
    if os.geteuid() != 0:
        print("skip - a full disk, needs root")
        return
    check("SIGTERM ends it cleanly", c.stop() == 0)
    os.rename(c.log, c.log + ".full")
    state, small = c.dir + "/state", c.dir + "/small"
    os.mkdir(small)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512m,mode=0700", "tmpfs", small], capture_output=True).returncode:
        print("skip - a full disk, no file system can be mounted here")
        return back(c, fleet)
    try:
        for f in os.listdir(state):
            (shutil.copytree if os.path.isdir(state + "/" + f) else shutil.copy2)(state + "/" + f, small + "/" + f)
        os.rename(state, c.dir + "/state.old")
        os.symlink("small", state)
        back(c, fleet)
        acks = Acks(c, fleet, raw=60000)
        run = open_run(c, fleet)
        subprocess.run(["mount", "-o", "remount,size=12m", small], check=True)
        check("it tells that it is nearly so", c.raw("GET", "/readyz", token=None)[0] == 503)
        threads = acks.pour(run, 200)
        try:
            rc = c.proc.wait(60)
        except subprocess.TimeoutExpired:
            rc = "still running"
        for t in threads:
            t.join(60)
        text = logs(c)
        check("a full disk ends it, with 70", rc == 70, rc)
        check("and it says so", "disk is full" in text and "disk error, ending" in text, text[-1000:])
        os.rename(c.log, c.log + ".full2")
        subprocess.run(["mount", "-o", "remount,size=512m", small], check=True)
        back(c, fleet)
        c.call("DELETE", M + "/benchmarks/" + run)
        check("with room it starts again", alive(c))
        c.kill()
        lost, n = acks.lost()
        check("all %d that were acknowledged are there" % n, n > 0 and not lost, lost[:5])
    finally:
        if c.proc.poll() is None:
            c.kill()
        subprocess.run(["umount", "-l", small], check=False)
        if os.path.islink(state):
            os.unlink(state)
            os.rename(c.dir + "/state.old", state)
    back(c, fleet)


# Readers that do not read ------------------------------------------------------------

def readers(c, fleet):
    s, b = c.call("GET", "/v1/version")
    socks = []
    for path in ("/metrics", M + "/results?limit=1000", M + "/matrix/history?src=a-1&dst=g-2"):
        for _ in range(15):
            k = socket.socket()
            k.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
            k.connect(("127.0.0.1", c.port))
            # the same again and again on one connection, and no answer is read
            k.setblocking(False)
            try:
                for _ in range(50):
                    k.send(("GET %s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n\r\n" % (path, c.token)).encode())
            except BlockingIOError:
                pass
            socks.append(k)
    worst = 0
    for _ in range(20):
        t0 = time.monotonic()
        ok = alive(c)
        worst = max(worst, time.monotonic() - t0)
    rss = int(next(x for x in open("/proc/%d/status" % c.proc.pid) if x.startswith("VmRSS")).split()[1]) // 1024
    print("# 45 readers that do not read: the slowest answer to others took %.0f ms, RSS %d MiB" % (worst * 1000, rss))
    check("readers that do not read harm nobody", ok)
    for k in socks:
        k.close()
    s, a = c.act("POST", M + "/matrix", {"k": 3, "windowMs": 200})
    check("and the work goes on", a.get("outcome") == "ok", (s, a))


CASES = {"hostile": hostile, "rounds": rounds, "killed": killed, "fires": fires, "readers": readers, "full": full}


def main():
    dir = tempfile.mkdtemp(prefix="mw-abuse.")
    cloud = fakecloud.Cloud(dir + "/cloud.sock")
    c = Coordinator(dir)
    fleet = None
    try:
        c.start()
        base.test_connections(c, cloud.path)
        base.test_mcis(c, cloud)
        fleet = Fleet(c)
        for slot in range(1, 5):
            fleet.up(slot)
        for name in sys.argv[2:] or CASES:
            t0 = time.monotonic()
            CASES[name](c, fleet)
            print("# %s: %.0f s" % (name, time.monotonic() - t0), flush=True)
        check("SIGTERM ends it cleanly", c.stop() == 0)
        check("no sanitizer has spoken", "Sanitizer" not in logs(c) and "runtime error" not in logs(c))
    except Exception as e:
        check("no surprise", False, repr(e))
        traceback.print_exc()
    finally:
        if fleet:
            fleet.down()
        if c.proc and c.proc.poll() is None:
            c.proc.kill()
            c.proc.wait()
        if base.failed:
            for f in sorted(os.listdir(dir)):
                if f.startswith("log"):
                    print("--- " + f + "\n" + open(os.path.join(dir, f), errors="replace").read()[-6000:])
        cloud.close()
        shutil.rmtree(dir, ignore_errors=True)
    sys.exit(base.failed > 0)


if __name__ == "__main__":
    main()

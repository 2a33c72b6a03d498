"""Kills the coordinator at its system calls, fails its disk, turns its clock,
and compares the clouds with what was wished. See docs/simulator.md.

usage: kill.py BUILD_DIR MODE [N]
  points [STRIDE]   every STRIDE-th system call (1) of each wish and of the start
  random N          N kills at random points, a third of them twice in a row
  disk [N]          each of the first N (all) writes and fsyncs of each wish fails
  clock [N]         N jumps of the wall clock of 10 years, with kills (50)
  full              a disk without room (needs root, for a small tmpfs)
  short             a selection of all that takes some 30 seconds
  mutants [N]       coordinators with one rule switched off: N random kills
                    (200) must show it
environment: MW_LANES (4 per processor), MW_SEED, MW_SECONDS (stop after)"""
import collections
import multiprocessing
import os
import random
import re
import struct
import subprocess
import sys
import tempfile
import time
import traceback

from lane import Lane, Violation

SLACK = 1.15  # no two runs make the same number of system calls
YEARS = 315360000
# What kills alone show, of common/pure/mutant.h: each within 100. The
# other rules guard against clouds that lie: tests/sim has those.
MUTANTS = ("NO_INTENT", "NO_LIST", "CALL_BEFORE_COMMIT", "VERB_FORGOTTEN")
START = "start"


def plan_points(counts, me, lanes, stride):
    """Cycles: which point of which wish is due. Lane `me` has every lanes-th."""
    due = {name: iter(range(1 + me * stride, int(n * SLACK) + 1, stride * lanes)) for name, n in counts.items()}
    while True:
        cycle = {name: next(it, None) for name, it in due.items()}
        if all(n is None for n in cycle.values()):
            return
        yield cycle


def plan_random(lane, counts, n):
    names = [k for k in counts if k != START]
    done = 0
    while done < n:
        cycle = {k: lane.rng.randint(1, counts[k]) for k in names if lane.rng.random() < 0.9}
        cycle[START] = lane.rng.randint(1, counts[START]) if lane.rng.random() < 0.9 else None
        yield cycle
        done += len(cycle)


class Tally(collections.Counter):
    """What a lane did; the sum of all is printed."""


def count(lane):
    """System calls of each wish and of a start."""
    counts = {}
    for name, wish in lane.wishes():
        counts[name] = lane.step(wish, lambda life: life.tell("kill 0"))[1]
    lane.life.end()
    assert lane.start("kill 0")
    counts[START] = lane.life.count()
    return counts


def kill_cycle(lane, cycle, tally):
    """One cycle of wishes with kills. A kill while it starts comes with the
    restart after one of the others, mostly."""
    at_start = cycle.get(START)
    names = [k for k in cycle if k != START and cycle[k]]
    carrier = lane.rng.choice(names) if names else None
    if set(names) <= {"replace"} and not lane.want:
        for _, wish in lane.replacing():
            lane.step(wish)
    for name, wish in lane.replacing() if set(names) <= {"replace"} else lane.wishes():
        n = cycle.get(name)
        restart = "kill %d" % at_start if at_start and name == carrier else None
        died, counted, acknowledged = lane.step(wish, (lambda life: life.tell("kill %d" % n)) if n else None, restart)
        if died and died[0] != "killed":
            raise Violation("%s: it ended by itself, %s" % (name, died))
        if died:
            tally["kills"] += 1
            tally["kills:" + name] += 1
            tally["unacknowledged"] += not acknowledged
        elif n:
            tally["beyond:" + name] += 1
        if died and restart:
            note_start(lane, tally)
    if at_start and not carrier:
        lane.life.end()
        lane.restart("kill %d" % at_start)
        note_start(lane, tally)


def note_start(lane, tally):
    if lane.start_end and lane.start_end[0] != "killed":
        raise Violation("a start ended with %s" % (lane.start_end,))
    tally["kills"] += bool(lane.start_end)
    tally["kills:" + START] += bool(lane.start_end)


def run_kills(lane, plan, tally, stop, enough):
    for cycle in plan:
        if time.monotonic() > stop or enough.is_set():
            tally["cut short"] += 1
            return
        kill_cycle(lane, cycle, tally)
        tally["cycles"] += 1


def disk_cycle(lane, k, tally):
    """The k-th write or sync of every wish fails, once or from then on."""
    hit = 0
    for name, wish in lane.wishes():
        kind, error = lane.rng.choice((("write", "eio"), ("write", "enospc"), ("sync", "eio"), ("sync", "enospc")))
        times = lane.rng.randint(0, 1)
        restart = None
        if lane.rng.random() < 0.3:
            restart = "fail %s %d %s 1" % (kind, lane.rng.randint(1, 12), error)
        died, _, acknowledged = lane.step(wish, lambda life: life.tell("fail %s %d %s %d" % (kind, k, error, times)),
                                          restart)
        if died and died != ("ended", 70):
            raise Violation("%s: after %s %s it ends with %s, not 70" % (name, error, kind, died))
        if died:
            hit += 1
            tally["disk faults"] += 1
            tally["disk:%s:%s" % (kind, error)] += 1
            tally["unacknowledged"] += not acknowledged
            if restart and lane.start_end:
                tally["disk faults at start"] += 1
                tally["start ended with %s" % lane.start_end[1]] += 1
    return hit


def run_disk(lane, me, lanes, most, tally, stop):
    k = 1 + me
    while k <= most and time.monotonic() < stop:
        if not disk_cycle(lane, k, tally):
            return
        k += lanes


def set_clock(lane, seconds):
    with open(lane.env["MW_WALL_FILE"], "r+b") as f:
        f.write(struct.pack("=q", seconds))


def clock_cycle(lane, tally, counts):
    for name, wish in lane.wishes():
        jump = lane.rng.choice((-YEARS, YEARS, -3600, 3600, 0))
        kill = lane.rng.randint(1, counts[name]) if lane.rng.random() < 0.5 else 0

        def disturb(life):
            if kill:
                life.tell("kill %d" % kill)
            set_clock(lane, jump)

        died, _, _ = lane.step(wish, disturb)
        set_clock(lane, lane.rng.choice((0, YEARS, -YEARS)))
        tally["clock jumps"] += 2
        tally["kills"] += bool(died)


def clock_file():
    f = tempfile.NamedTemporaryFile(prefix="mwk.clock.", delete=False)
    f.write(struct.pack("=q", 0))
    f.close()
    return f.name


def run_full(build, tally):
    """A state directory with less than 64 MiB of room."""
    mount = tempfile.mkdtemp(prefix="mwk.full.")
    if subprocess.call(["mount", "-t", "tmpfs", "-o", "size=160m", "mwk", mount], stderr=subprocess.DEVNULL):
        os.rmdir(mount)
        raise PermissionError("a tmpfs cannot be mounted here")
    lane = None
    try:
        lane = Lane(build, base=mount)
        lane.begin()
        steps = dict(lane.wishes())
        lane.step(steps["create"])
        with open(lane.dir + "/ballast", "wb") as f:
            f.write(b"\0" * (110 << 20))
        status, j = lane.send(steps["scaleOut"])
        if status != 507 or j["code"] != "FULL":
            raise Violation("without room a wish is answered %s %s" % (status, j))
        lane.rest((lane.want, lane.power))
        tally["refused for room"] += 1
        lane.step(steps["suspend"])  # what saves money goes on
        os.unlink(lane.dir + "/ballast")
        for name in ("resume", "scaleOut", "replace", "scaleIn", "delete"):
            lane.step(steps[name])
    finally:
        if lane:
            lane.close()
        subprocess.call(["umount", "-l", mount])
        os.rmdir(mount)


def work(opts, me, tally, stop, enough):
    mode, n = opts["mode"], opts["n"]
    lanes = opts["lanes"]
    if mode == "full":
        run_full(opts["build"], tally)
        return
    env = dict(opts["env"])
    if mode == "clock":
        env = {"MW_WALL_FILE": clock_file(), "LD_PRELOAD": opts["build"] + "/tests/kill/wallclock.so"}
    lane = Lane(opts["build"], opts["daemon"], seed=opts["seed"] + me, env=env)
    keep = False
    try:
        lane.begin()
        if mode == "disk":
            run_disk(lane, me, lanes, n or 1000, tally, stop)
            return
        counts = count(lane)
        for name, k in counts.items():
            tally["calls:" + name] = k if me == 0 else 0
        if mode == "points":
            run_kills(lane, plan_points(counts, me, lanes, n or 1), tally, stop, enough)
        elif mode == "random":
            run_kills(lane, plan_random(lane, counts, (n - 1) // lanes + 1), tally, stop, enough)
        elif mode == "clock":
            while tally["clock jumps"] * lanes < (n or 50) and time.monotonic() < stop:
                clock_cycle(lane, tally, counts)
    except Violation:
        keep = bool(os.environ.get("MW_KEEP"))
        if not opts["env"]:
            print(lane.tail(), flush=True)
        raise
    finally:
        lane.close(keep)
        if keep:
            print("kept: " + lane.dir, flush=True)
        if mode == "clock":
            os.unlink(env["MW_WALL_FILE"])


def one(opts, me, queue, enough):
    tally = Tally()
    try:
        work(opts, me, tally, time.monotonic() + opts["seconds"], enough)
    except Violation as e:
        tally["violations"] += 1
        tally["doubled"] += "two VMs" in str(e)
        tally["lost"] += "not at rest" in str(e)
        if opts["env"]:
            enough.set()
        print("violation in lane %d, seed %d: %s" % (me, opts["seed"] + me, e), flush=True)
    except PermissionError as e:
        tally["denied: %s" % e] += 1
    except Exception:
        tally["violations"] += 1
        traceback.print_exc()
    queue.put(dict(tally))


def run(build, mode, n=0, lanes=0, seconds=0, daemon=None, env=None):
    """The tally of one mode, of all lanes."""
    lanes = lanes or int(os.environ.get("MW_LANES", 0)) or 4 * (os.cpu_count() or 1)
    opts = dict(build=os.path.realpath(build), daemon=daemon, env=env or {}, mode=mode, n=n, lanes=1 if mode == "full" else lanes,
                seed=int(os.environ.get("MW_SEED", 0)) or random.randrange(1, 1000000),
                seconds=seconds or float(os.environ.get("MW_SECONDS", 86400)))
    queue, enough = multiprocessing.Queue(), multiprocessing.Event()
    began = time.monotonic()
    ps = [multiprocessing.Process(target=one, args=(opts, i, queue, enough)) for i in range(opts["lanes"])]
    for p in ps:
        p.start()
    total = Tally()
    for p in ps:
        total.update(queue.get())
    for p in ps:
        p.join()
    total["seed"] = opts["seed"]
    total["seconds"] = round(time.monotonic() - began, 1)
    return total


def show(mode, t):
    n = t["kills"] + t["disk faults"]
    print("%s: %d kills, %d disk faults, %.1f/s, %d unacknowledged, lost or stuck %d, doubled %d, violations %d "
          "(seed %d, %s s)" % (mode, t["kills"], t["disk faults"] + t["disk faults at start"], n / max(t["seconds"], 0.1),
                               t["unacknowledged"], t["lost"], t["doubled"], t["violations"], t["seed"], t["seconds"]))
    for k in sorted(t):
        if ":" in k or k.startswith("start ") or k in ("cut short", "clock jumps", "refused for room"):
            print("  %s %d" % (k, t[k]))
    sys.stdout.flush()


def mutants(build, n):
    """Each rule that is switched off must be missed."""
    with open(os.path.join(os.path.dirname(__file__), "..", "..", "common", "pure", "mutant.h")) as f:
        names = re.findall(r"^\tMUT_(\w+)", f.read(), re.M)
    bad = 0
    for name in MUTANTS:
        t = run(build, "random", n, daemon=os.path.realpath(build) + "/tests/kill/milkywayd",
                env={"MW_MUTANT": str(names.index(name))})
        bad += not t["violations"]
        print("%s: %s after %d kills, %.0f s" % (name, "found" if t["violations"] else "NOT FOUND", t["kills"], t["seconds"]),
              flush=True)
    return 1 if bad else 0


def short(build):
    """For component tests: a line per case."""
    cases = (("points", 120, "kills spread over all wishes and the start", "kills"),
             ("random", 32, "kills at random points", "kills"),
             ("disk", 2, "disk faults end it with 70 and lose nothing", "disk faults"),
             ("clock", 14, "the wall clock jumps by 10 years", "clock jumps"),
             ("full", 0, "a full disk refuses wishes and keeps what there is", "refused for room"))
    bad = 0
    for mode, n, what, unit in cases:
        t = run(build, mode, n)
        refused = [k for k in t if k.startswith("denied")]
        if refused:
            print("skip - %s, %s" % (what, refused[0][8:]), flush=True)
            continue
        ok = not t["violations"] and t[unit] > 0
        bad += not ok
        print("%s - %s (%d, seed %d, %.0f s)" % ("ok" if ok else "not ok", what, t[unit], t["seed"], t["seconds"]),
              flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    if sys.argv[2] == "short":
        sys.exit(short(sys.argv[1]))
    if sys.argv[2] == "mutants":
        sys.exit(mutants(sys.argv[1], int(sys.argv[3]) if len(sys.argv) > 3 else 200))
    result = run(sys.argv[1], sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 0)
    show(sys.argv[2], result)
    sys.exit(1 if result["violations"] or any(k.startswith("denied") for k in result) else 0)

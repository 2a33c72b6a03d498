"""Component test of schedules: a fake cloud, fake agents, the real milkywayd.
Usage: schedule.py BUILD_DIR. Prints "ok - what" or "not ok - what"."""
import json
import os
import shutil
import sqlite3
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(__file__))
import coordinator as base
from coordinator import check, until, M, MCIS, Coordinator, Fleet
import fakeagent
import fakecloud

S = M + "/schedules"
HOUR = 3600 * 10**9


def show(c, id):
    return c.call("GET", S + "/" + id)[1]


def runs(c):
    return c.call("GET", M + "/benchmarks")[1]["items"]


def edit(c, sql, *args):
    """Changes the store of a coordinator that is down."""
    db = sqlite3.connect(c.dir + "/state/milkyway.db")
    db.execute(sql, args)
    db.commit()
    db.close()


def again(c, fleet, sql=None, *args):
    """Kills the coordinator, changes its store, starts it."""
    c.kill()
    for a in fleet.agents.values():
        a.close()
    if sql:
        edit(c, sql, *args)
    c.start()
    for slot in list(fleet.agents):
        fleet.up(slot)


def test_bad(c):
    ok = {"kinds": ["cpus"], "everyS": 3600}
    dark = [{"from": "08:00", "to": "18:00"}]
    bad = [("/kinds/0", dict(ok, kinds=["cpuz"])), ("/kinds", dict(ok, kinds=[])), ("/kinds", dict(ok, kinds=["rtt"])),
           ("/kinds", dict(ok, kinds=["mrtt", "cpus"])), ("/profile", dict(ok, profile="huge")),
           ("/everyS", dict(ok, everyS=59)), ("/everyS", dict(ok, everyS=10**12)), ("/everyS", dict(ok, kinds=["mrtt"], everyS=9)),
           ("/cron", {"kinds": ["cpus"]}), ("/cron", dict(ok, cron="0 3 * * *")), ("/cron", {"kinds": ["cpus"], "cron": "0 0 30 2 *"}),
           ("/cron", {"kinds": ["cpus"], "cron": "61 * * * *"}), ("/tz", dict(ok, tz="Asia/Seoul")), ("/tz", dict(ok, tz="+15:00")),
           ("/jitterPct", dict(ok, jitterPct=51)), ("/maxRunS", dict(ok, maxRunS=5)), ("/maxRunS", dict(ok, maxRunS=10**9)),
           ("/blackout", {"kinds": ["cpus"], "cron": "0 9 * * *", "blackout": dark}),
           ("/blackout/0/to", dict(ok, blackout=[{"from": "08:00", "to": "08:00"}])),
           ("/blackout/0/from", dict(ok, blackout=[{"from": "8", "to": "09:00"}])),
           ("/blackout/0/days/0", dict(ok, blackout=[dict(dark[0], days=["someday"])])),
           ("/k", dict(ok, k=3)), ("/id", dict(ok, id="other")), ("/what", dict(ok, what=1))]
    for pointer, body in bad:
        s, b = c.call("PUT", S + "/x", body)
        check("refused: %s of %s" % (pointer, json.dumps(body)), s == 400 and b["errors"][0]["pointer"] == pointer and
              b["detail"], (s, b))
    check("a name that is none is refused", c.call("PUT", S + "/X!", ok)[0] == 400)
    check("an unknown MCIS is not found", c.call("PUT", S.replace("t1", "t9") + "/x", ok)[0] == 404)
    check("and nothing was made", c.call("GET", S)[1]["items"] == [])


def test_put(c):
    body = {"kinds": ["cpus", "memR"], "cron": "0 3 * * mon-fri", "tz": "+09:00", "jitterPct": 0}
    s, b = c.call("PUT", S + "/nightly", body)
    check("a schedule is made and tells its next run", s == 201 and b["nextAt"][10:19] == "T18:00:00" and b["changed"] and
          b["lastOutcome"] is None, (s, b))
    s, b = c.call("PUT", S + "/nightly", body)
    check("the same again changes nothing", s == 200 and b["changed"] is False, (s, b))
    for verb, next in (("pause", None), ("pause", None), ("resume", "T18:00:00"), ("resume", "T18:00:00")):
        s, b = c.call("POST", S + "/nightly/" + verb, {})
        check(verb + " answers with what is so", s == 200 and (b["nextAt"] and b["nextAt"][10:19]) == next and
              b["nextReason"] == (None if next else "paused"), (s, b))
    s, b = c.call("POST", S, {"defaults": True})
    check("defaults are made beside it", s == 200 and [x["id"] for x in b["items"]] ==
          ["cpu-mem", "fio-db", "matrix", "nightly"], b)
    for i in range(28):
        c.call("PUT", S + "/n%d" % i, body)
    s, b = c.call("PUT", S + "/more", body)
    check("there is a limit", s == 429 and len(c.call("GET", S)[1]["items"]) == 32, (s, b))
    for x in c.call("GET", S)[1]["items"]:
        s, b = c.call("DELETE", S + "/" + x["id"])
    check("all can be deleted", s == 200 and c.call("GET", S)[1]["items"] == [] and
          c.call("DELETE", S + "/nightly")[0] == 404)


def test_fires(c):
    c.call("PUT", S + "/often", {"kinds": ["mrtt"], "everyS": 10, "jitterPct": 0})
    b = until(lambda: (x := show(c, "often"))["lastOutcome"] and x, 40)
    check("a round starts by itself", b["lastOutcome"] == "ok" and b["lastRunId"].startswith("m-") and b["runs"] == 1 and
          b["lastMissed"] == 0, b)
    s, e = c.call("GET", "/v1/events?type=schedule.run")
    check("an event tells it", s == 200 and e["items"] and e["items"][-1]["detail"]["scheduleId"] == "often", e)
    c.call("DELETE", S + "/often")


def test_now(c, fleet):
    for a in fleet.agents.values():
        a.opts["ignore_jobs"] = True
    c.call("PUT", S + "/b", {"kinds": ["cpus"], "everyS": 86400})
    n = len(runs(c))
    s, one = c.call("POST", S + "/b/run", {})
    s2, two = c.call("POST", S + "/b/run", {})
    check("a run now is joined, not doubled", s == 202 and s2 == 202 and one["actionId"] == two["actionId"] and
          one["runId"] == two["runId"] and len(runs(c)) == n + 1, (one, two))
    b = show(c, "b")
    check("it shows that it runs", b["running"] and b["lastRunId"] == one["runId"], b)
    c.call("DELETE", "/v1/actions/" + one["actionId"])
    b = until(lambda: (x := show(c, "b"))["lastOutcome"] and x)
    check("and how it ended", b["lastOutcome"] == "canceled" and not b["running"], b)


def test_missed(c, fleet):
    """Three hours down, and killed in the middle of the run that makes up."""
    c.call("PUT", S + "/b", {"kinds": ["cpus"], "everyS": 600, "jitterPct": 0})
    n = len(runs(c))
    again(c, fleet, "UPDATE schedule SET anchor = anchor - ?1, due = due - ?1, next = next - ?1 WHERE id = 'b'", 3 * HOUR)
    for a in fleet.agents.values():
        a.opts["ignore_jobs"] = True
    b = until(lambda: (x := show(c, "b"))["running"] and x)
    check("what was missed in downtime is one run", b["running"] and b["lastMissed"] == 17 and b["missed"] == 17, b)
    run = b["lastRunId"]
    until(lambda: any(a.jobs for a in fleet.agents.values()))
    again(c, fleet)
    b = show(c, "b")
    check("after a kill it is the same run", b["running"] and b["lastRunId"] == run and len(runs(c)) == n + 1, b)
    # As if it had been killed between the start and the note of it.
    again(c, fleet, "UPDATE schedule SET due = ?1, next = ?1, last = NULL, last_action = NULL, last_run = NULL, runs = 1 "
          "WHERE id = 'b'", time.time_ns() - HOUR)
    b = until(lambda: (x := show(c, "b"))["running"] and x)
    check("a run that it does not remember is joined", b["lastRunId"] == run and len(runs(c)) == n + 1, b)
    b = until(lambda: (x := show(c, "b"))["lastOutcome"] and x, 60)
    check("it ends once", b["lastOutcome"] == "ok" and len(runs(c)) == n + 1 and b["nextAt"], b)
    e = c.call("GET", "/v1/events?type=schedule.missed")[1]["items"]
    check("an event counts them", e and e[0]["detail"]["missed"] == 17, e)


def test_busy(c, fleet):
    n = len(runs(c))
    again(c, fleet, "UPDATE schedule SET due = ?1, next = ?1 WHERE id = 'b'", time.time_ns() + 6 * 10**9)
    for a in fleet.agents.values():
        a.opts["load1"] = 4.0
    b = until(lambda: (x := show(c, "b"))["nextReason"] and x, 20)
    check("a busy VM puts it off, with the reason", "is busy: load 2.00 per CPU" in (b["nextReason"] or "") and
          not b["running"] and len(runs(c)) == n, b)
    for a in fleet.agents.values():
        a.opts["load1"] = 0.1
    c.call("DELETE", S + "/b")


def test_jit(c, fleet):
    for a in fleet.agents.values():
        a.opts.update(ignore_jobs=False, work_s=0.1)
    s, b = c.call("POST", M + "/benchmarks?wait=1", {"kinds": ["cpus"]})
    check("one call comes back with results", s == 200 and b["state"] == "done" and len(b["results"]) == 4 and
          b["reused"] == 0 and b["runId"], (s, b))
    n = len(runs(c))
    s, b = c.call("POST", M + "/benchmarks", {"kinds": ["cpus"], "maxAgeS": 3600})
    check("what is young is not measured again", s == 200 and b["runId"] is None and b["reused"] == 4 and
          len(b["results"]) == 4 and len(runs(c)) == n, (s, b))
    jobs = {slot: len(a.jobs) for slot, a in fleet.agents.items()}
    s, b = c.call("POST", M + "/benchmarks?waitS=25", {"kinds": ["cpus", "memW"], "maxAgeS": 3600})
    asked = [a.jobs[-1]["kinds"] for slot, a in fleet.agents.items() if len(a.jobs) > jobs[slot]]
    check("only what is missing is", s == 200 and asked == [["memW"]] * 4 and b["reused"] == 4 and
          sorted(r["kind"] for r in b["results"]) == ["cpus"] * 4 + ["memW"] * 4, (s, asked, b))
    for a in fleet.agents.values():
        a.opts["ignore_jobs"] = True
    s, one = c.call("POST", M + "/benchmarks", {"kinds": ["cpus", "cpum"]})
    s, b = c.call("POST", M + "/benchmarks?waitS=1", {"kinds": ["cpum"]})
    check("an equal run is joined; no end in time is 202", s == 202 and b["joined"] and b["runId"] == one["runId"] and
          b["actionId"] == one["actionId"] and b["state"] == "running", (s, b))
    s, b = c.call("POST", M + "/benchmarks?waitS=1", {"kinds": ["cpum"], "profile": "standard"})
    check("another profile is another run", s == 202 and not b["joined"], (s, b))
    for x in (one, b):
        c.call("DELETE", "/v1/actions/" + x["actionId"])
    s, b = c.call("POST", M + "/benchmarks?wait=1", {"kinds": ["cpus"], "maxAgeS": 0})
    check("an age of nothing is refused", s == 400 and b["errors"][0]["pointer"] == "/maxAgeS", (s, b))
    check("so is an unknown VM", c.call("POST", M + "/benchmarks?wait=1", {"vms": ["x-1"], "maxAgeS": 60})[0] == 400)


def test_end(c):
    c.call("PUT", S + "/b", {"kinds": ["cpus"], "everyS": 600})
    s, b = c.call("GET", "/v1/doctor")
    check("the doctor looks at schedules", [x["level"] for x in b["items"] if x["check"] == "schedules"] == ["ok"], b)
    s, b = c.act("DELETE", M)
    gone = until(lambda: c.call("GET", M)[0] == 404)
    s, b = c.call("PUT", M, MCIS)
    check("schedules end with their MCIS", gone and c.call("GET", S)[1]["items"] == [], b)
    check("and the new one runs", until(lambda: [v["status"] for v in c.call("GET", M)[1]["vms"]] == ["Running"] * 4))


def main():
    dir = tempfile.mkdtemp(prefix="mw-sched.")
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
        test_bad(c)
        test_put(c)
        test_fires(c)
        test_now(c, fleet)
        test_missed(c, fleet)
        test_busy(c, fleet)
        test_jit(c, fleet)
        test_end(c)
        check("SIGTERM ends it cleanly", c.stop() == 0)
    except Exception as e:
        check("no surprise", False, repr(e))
        import traceback
        traceback.print_exc()
    finally:
        if fleet:
            for a in fleet.agents.values():
                a.close()
        if c.proc and c.proc.poll() is None:
            c.proc.kill()
            c.proc.wait()
        if base.failed:
            for f in sorted(os.listdir(dir)):
                if f.startswith("log"):
                    print("--- " + f + "\n" + open(os.path.join(dir, f)).read()[-4000:])
        cloud.close()
        shutil.rmtree(dir, ignore_errors=True)
    sys.exit(base.failed > 0)


if __name__ == "__main__":
    main()

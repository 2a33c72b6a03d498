#!/usr/bin/env python3
"""Validity of benchmark results under contention; see validity.sh.

Rounds alternate between three conditions, so that a slow drift of the machine
hits all alike:
  clean   nothing of ours beside the benchmark
  loaded  two busy loops, all the time
  bursts  two busy loops, 4 s on and 4 s off
Each figure is one JSON object per line, on the screen and in
OUT_DIR/validity.jsonl; the results themselves are in OUT_DIR/validity-raw.jsonl.
"""
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

LOOPS = 2
BURST_S = 4
TOLERANCE = 0.05
VALID_MIN = 6  # repetitions that a median needs to be called one


class Load:
    """Busy loops of ours; gone at the end, whatever happens."""

    def __init__(self, bursts):
        self.bursts = bursts
        self.procs = []
        self.over = threading.Event()
        self.thread = None

    def __enter__(self):
        for _ in range(LOOPS):
            self.procs.append(subprocess.Popen(
                [sys.executable, "-c",
                 "import os\np = os.getppid()\nn = 0\n"
                 "while True:\n n += 1\n"
                 " if n % 1000000 == 0 and os.getppid() != p: break"]))
        if self.bursts:
            self.thread = threading.Thread(target=self.alternate)
            self.thread.start()
        return self

    def alternate(self):
        on = True
        while not self.over.wait(BURST_S):
            on = not on
            for p in self.procs:
                p.send_signal(signal.SIGCONT if on else signal.SIGSTOP)

    def __exit__(self, *_):
        self.over.set()
        if self.thread:
            self.thread.join()
        for p in self.procs:
            p.kill()
            p.wait()


def measure(agent, kinds, seed):
    """The results of one run of the agent; a failed kind is an error."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as work:
        os.chmod(work, 0o777)
        run = subprocess.run([agent, "bench", kinds, "--profile", "short",
                              "--user", "nobody", "--dir", work, "--seed",
                              str(seed)], stdout=subprocess.PIPE, text=True,
                             timeout=600, check=False)
    if run.returncode:
        sys.exit("the agent ended with %d" % run.returncode)
    return json.loads(run.stdout)


def samples(results, kind):
    return [s for r in results if r["kind"] == kind for s in r["samples"]
            if "warmup" not in s["flags"]]


def flagged(of):
    return sum("contended" in s["flags"] for s in of) / len(of) if of else None


def accepted(of):
    v = [s["value"] for s in of if "contended" not in s["flags"]]
    return (statistics.median(v) if len(v) >= VALID_MIN else None), len(v)


def ratio(a, b):
    return a / b if a is not None and b else None


def naive(of):
    """What one gets who averages all that was measured."""
    return statistics.fmean(s["value"] for s in of) if of else None


def own(results, kind):
    """Work per second of own CPU time: what contention takes least from."""
    v = [r["perOwnCpuS"] for r in results
         if r["kind"] == kind and r["perOwnCpuS"]]
    return statistics.median(v) if v else None


def main():
    bindir, out, rounds, kinds = sys.argv[1:5]
    agent = bindir + "/milkyway-agent"
    got = {"clean": [], "loaded": [], "bursts": []}
    raw = open(out + "/validity-raw.jsonl", "a")
    lines = open(out + "/validity.jsonl", "a")

    def figure(name, value, unit, target):
        text = json.dumps({"name": name, "value": value if value is None else
                           round(value, 4), "unit": unit, "target": target})
        print(text, flush=True)
        lines.write(text + "\n")

    for i in range(int(rounds)):
        for condition, results in got.items():
            if condition == "clean":
                new = measure(agent, kinds, i + 1)
            else:
                with Load(condition == "bursts"):
                    new = measure(agent, kinds, i + 1)
            results.extend(new)
            for r in new:
                raw.write(json.dumps({"condition": condition, "round": i,
                                      "result": r}) + "\n")
    load = open("/proc/loadavg").read().split()[0]
    figure("validity.load1", float(load), "", "loops that ran included")
    for kind in kinds.split(","):
        of = {c: samples(r, kind) for c, r in got.items()}
        clean, _ = accepted(of["clean"])
        figure("validity.%s.clean.flagged" % kind, flagged(of["clean"]),
               "share", "< 0.1")
        figure("validity.%s.clean.accepted" % kind, clean, "value", "")
        for c in ("loaded", "bursts"):
            median, n = accepted(of[c])
            name = "validity.%s.%s." % (kind, c)
            figure(name + "flagged", flagged(of[c]), "share",
                   "> 0.9" if c == "loaded" else "about half")
            figure(name + "acceptedCount", n, "repetitions",
                   ">= %d, else no ratio" % VALID_MIN)
            figure(name + "acceptedRatio", ratio(median, clean),
                   "of clean; null: too few were accepted",
                   "%.2f..%.2f" % (1 - TOLERANCE, 1 + TOLERANCE))
            figure(name + "perOwnCpuRatio",
                   ratio(own(got[c], kind), own(got["clean"], kind)),
                   "of clean", "beside the value, never instead of it")
            figure(name + "naiveRatio", ratio(naive(of[c]), clean),
                   "of clean", "what an average of all would say")
    raw.close()
    lines.close()


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Component test of `milkyway-agent --facade`: every route as CB-Tumblebug calls
it (GET with a JSON body on a connection that is kept), errors in the original's
shape, injection attempts, the allow list, the queue, a clean end.

Runs in a network namespace of its own, made by facade.sh: 198.51.100.0/24 is a
veth pair into a second one, so that there is an address to probe that is not
loopback, and a peer that is not on the allow list."""
import glob
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from product import check, until  # noqa: E402
import product  # noqa: E402

AGENT = sys.argv[1] + "/milkyway-agent"
HERE, THERE = "198.51.100.1", "198.51.100.2"
NETNS = "mwfacade%d" % os.getpid()
FIELDS = {"result", "unit", "desc", "elapsed", "specid"}
NUMBER = re.compile(r"^[0-9]+(\.[0-9]+)?$")
ERROR = "Error in excuting the benchmark: "
HAS_DB = any(shutil.which(p) or os.path.exists("/usr/sbin/" + p)
             for p in ("mariadbd", "mysqld"))


def run(*argv):
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


class Facade:
    """One process; its log gives the port."""

    def __init__(self, *options, argv0=None, env=None, dir=None):
        self.dir = dir or tempfile.mkdtemp(prefix="mwfacade")
        os.chmod(self.dir, 0o777)
        self.log = open(self.dir + ".log", "w+")
        argv = [argv0 or AGENT, *options]
        if options:
            argv += ["--dir", self.dir]
        self.p = subprocess.Popen(argv, stderr=self.log, stdout=self.log,
                                  env=dict(os.environ, **(env or {})))
        self.port = until(self.find_port)

    def text(self):
        return open(self.dir + ".log").read()

    def find_port(self):
        m = re.search(r"address=(\S+) port=(\d+)", self.text())
        if m:
            self.address = m.group(1)
            return int(m.group(2))
        return None if self.p.poll() is None else 0

    def connect(self, address="127.0.0.1"):
        return http.client.HTTPConnection(address, self.port, timeout=120)

    def children(self):
        return subprocess.run(["pgrep", "-P", str(self.p.pid)],
                              capture_output=True, text=True).stdout.split()

    def sysbenches(self):
        """Those of its children that are sysbench by now."""
        found = []
        for pid in self.children():
            try:
                found += [int(pid)] if "sysbench" in open("/proc/%s/comm" % pid).read() else []
            except OSError:
                pass
        return found

    def close(self):
        if self.p.poll() is None:
            self.p.send_signal(signal.SIGTERM)
        try:
            status = self.p.wait(20)
        except subprocess.TimeoutExpired:
            self.p.kill()
            status = self.p.wait()
        self.log.close()
        left = os.listdir(self.dir) if os.path.isdir(self.dir) else []
        shutil.rmtree(self.dir, ignore_errors=True)
        os.unlink(self.dir + ".log")
        return status, left


def ask(conn, path, body=b"", method="GET", headers=None):
    """(status, parsed answer) as Go's client asks: Content-Length always."""
    if not isinstance(body, bytes):
        body = json.dumps(body, indent=2).encode()
    h = {"Content-Type": "application/json", "Content-Length": str(len(body))}
    h.update(headers or {})
    conn.request(method, path, body, h)
    r = conn.getresponse()
    data = r.read()
    try:
        return r.status, json.loads(data), r
    except ValueError:
        return r.status, data.decode(), r


def message(answer):
    return answer.get("message", "") if isinstance(answer, dict) and set(answer) == {"message"} else None


def is_answer(a, unit, desc, result=NUMBER):
    """All strings, all present, the texts to the letter."""
    return (isinstance(a, dict) and set(a) == FIELDS
            and all(isinstance(v, str) for v in a.values())
            and a["unit"] == unit and a["desc"] == desc
            and re.match(result, a["result"])
            and re.match(r"^\d+\.\d{6}$", a["elapsed"]))


def kinds(cpus):
    prime = "Repeat the calculation (excution) for prime numbers in 100000 using %dcores"
    memory = "Allocate 10G memory buffer and %s"
    files = "Check %s throughput by excuting random %s for files in 50MiB for 1s"
    db = "%s transactions by simulating transaction loads (OLTP) in DB for 100000 records"
    return {
        "cpus": ("Executions/sec", prime % 1),
        "cpum": ("Executions/sec", prime % cpus),
        "memR": ("MiB/sec", memory % "read (repeat reading a pointer)"),
        "memW": ("MiB/sec", memory % "write (repeat writing a pointer)"),
        "fioR": ("MiB/sec", files % ("read", "reads")),
        "fioW": ("MiB/sec", files % ("write", "writes")),
        "dbR": ("Transactions/s", db % "Read"),
        "dbW": ("Transactions/s", db % "Write"),
    }


def test_routes(f):
    c = f.connect()
    status, text, r = ask(c, "/", {"host": ""})
    sock = c.sock
    check("GET / greets as the original", status == 200
          and text == "Hello, World! This is cb-tumblebug Agent"
          and r.headers["Access-Control-Allow-Origin"] == "*", (status, text))
    status, a, _ = ask(c, "/milkyway/fioR", {"host": "localhost"})
    check("fioR before init is an error in the original's words",
          status == 404 and message(a) == ERROR + "FIOR", a)
    status, a, _ = ask(c, "/milkyway/install", {"host": "localhost"})
    if HAS_DB:
        check("install finds the tools", status == 200 and is_answer(
            a, "", "", "^The installation is complete$"), a)
    else:
        check("install names what is missing", status == 404
              and "apt-get install mariadb" in message(a), a)
    status, a, _ = ask(c, "/milkyway/init", {"host": "localhost"})
    created = "128 files, 400Kb each, 50Mb total, 100000 records into 'sbtest1 are created"
    if HAS_DB:
        check("init makes files and a table",
              status == 200 and is_answer(a, "", created, "^The init is complete$"), a)
        status, a, _ = ask(c, "/milkyway/init", {"host": "localhost"})
        check("a second init begins again", status == 200 and a["desc"] == created, a)
    else:
        check("init names the database", status == 404
              and message(a).startswith(ERROR + "Init DB "), a)
    for name, (unit, desc) in kinds(len(os.sched_getaffinity(0))).items():
        if name.startswith("db") and not HAS_DB:
            print("skip - %s, no mariadbd" % name)
            continue
        status, a, _ = ask(c, "/milkyway/" + name, {"host": "localhost"})
        check("%s: all strings, all present" % name,
              status == 200 and is_answer(a, unit, desc), (status, a))
    work = glob.glob(f.dir + "/milkyway-facade-*/work/test_file.*")
    status, a, _ = ask(c, "/milkyway/clean", {"host": "localhost"})
    check("clean removes files and database", status == 200 and is_answer(
        a, "", "The benchmark files and tables are removed", "^The cleaning is complete$")
        and len(work) == 128 and not glob.glob(f.dir + "/*/work/*"), (a, len(work)))
    status, a, _ = ask(c, "/milkyway/dbW", {"host": "localhost"})
    check("dbW after clean is an error", status == 404 and message(a) == ERROR + "DBW", a)
    check("all of it went over one connection", c.sock is sock)
    c.close()


def test_errors(f):
    c = f.connect()
    for path in ("/milkyway", "/milkyway/", "/milkyway/cpu", "/milkyway/cpus/", "/x"):
        status, a, r = ask(c, path, {"host": "x"})
        check("unknown route %s" % path, status == 404 and a == {"message": "Not Found"}
              and r.headers["Content-Type"].startswith("application/json"), (status, a))
    for method in ("POST", "PUT", "DELETE"):
        status, a, _ = ask(c, "/milkyway/cpus", {"host": "x"}, method)
        check("%s is not allowed" % method,
              status == 405 and a == {"message": "Method Not Allowed"}, (status, a))
    status, a, _ = ask(c, "/milkyway/cpus", b"", "HEAD")
    check("HEAD starts nothing", status == 405, (status, a))
    status, a, r = ask(c, "/milkyway/rtt", b"", "OPTIONS")
    check("OPTIONS says who may ask", status == 204
          and r.headers["Access-Control-Allow-Methods"] == "GET,PUT,POST,DELETE", (status, a))
    for body in (b"", b"{", b"[]", b'{"host":7}', b'{"host":null}', b'{"host":["x"]}',
                 b'{}', b'{"host":"a","host":"b"}', b'\xff\xfe'):
        status, a, _ = ask(c, "/milkyway/rtt", body)
        check("rtt with body %r" % body, status == 404
              and (message(a) or "").startswith("Error in request binding "), (status, a))
    status, a, _ = ask(c, "/milkyway/mrtt", b'{"multihost":[{"host":1}]}')
    check("mrtt with a number for a host", status == 404
          and message(a).startswith("Error in request binding "), (status, a))
    status, a, _ = ask(c, "/milkyway/rtt", {"host": "x"}, headers={"Content-Type": "text/plain"})
    check("a body of another type", status == 404
          and message(a).startswith("Error in request binding "), (status, a))
    status, a, _ = ask(c, "/milkyway/rtt", b'{"host":"' + b"a" * 70000 + b'"}')
    check("a body over 64 KiB", status == 413 and message(a), (status, str(a)[:80]))
    c.close()
    c = f.connect()
    c.putrequest("GET", "/milkyway/cpus")
    c.putheader("X-Long", "a" * 40000)
    c.endheaders()
    status = c.getresponse().status
    check("a head over 16 KiB", status == 431, status)
    c.close()


def test_injection(f):
    c = f.connect()
    bad = tempfile.mktemp(prefix="mwfacade-injected")
    hosts = ["127.0.0.1; touch " + bad, "$(touch %s)" % bad, "`touch %s`" % bad,
             "-c1", "-f 127.0.0.1", "--help", "a b", "x\ny", "x\u0000", "", ".", "a..b",
             "a" * 64, ".".join(["a" * 60] * 5), "x|touch " + bad, "é.example", "::1",
             "/etc/passwd", "x' -- '"]
    for h in hosts:
        status, a, _ = ask(c, "/milkyway/rtt", {"host": h})
        check("rtt to %r is refused" % h[:40], status == 404 and message(a)
              and not message(a).startswith(ERROR + "Ping no answer"), (status, a))
    refused = ["127.0.0.1", "localhost", "169.254.169.254", "0.0.0.0", "224.0.0.1",
               "255.255.255.255", "127.1", "0x7f000001", "2130706433"]
    for h in refused:
        status, a, _ = ask(c, "/milkyway/rtt", {"host": h})
        check("rtt to %s is not probed" % h, status == 404
              and re.match(ERROR + "Ping (loopback|the host)", message(a) or ""), (status, a))
    ok = [h for h in hosts if "\u0000" not in h]
    status, a, _ = ask(c, "/milkyway/mrtt", {"multihost": [{"host": h, "spec": "s"} for h in ok]})
    got = a.get("resultarray") if status == 200 else None
    check("mrtt keeps bad hosts as results without a value", isinstance(got, list)
          and len(got) == len(ok) and all(g["result"] == "" and g["specid"] == "s" for g in got), (status, a))
    check("no command was run", not os.path.exists(bad))
    c.close()


def test_rtt(f):
    c = f.connect()
    status, a, _ = ask(c, "/milkyway/mrtt", {"multihost": []})
    check("mrtt of nobody is null", status == 200 and a == {"resultarray": None}, a)
    status, a, _ = ask(c, "/milkyway/mrtt", {"multihost": None})
    check("mrtt of null is null", status == 200 and a == {"resultarray": None}, a)
    status, a, _ = ask(c, "/milkyway/rtt", {"host": THERE})
    check("rtt: mean in ms with 3 decimals", status == 200 and is_answer(
        a, "ms", "Average RTT to " + THERE, r"^\d+\.\d{3}$"), (status, a))
    hosts = [{"host": HERE, "spec": "aws+a+b"}, {"host": THERE, "spec": "gcp+c+d"},
             {"host": "198.51.100.99", "spec": "x"}, {"host": "no.such.host.invalid", "spec": ""}]
    status, a, _ = ask(c, "/milkyway/mrtt", {"multihost": hosts})
    got = {r["desc"].split()[-1]: r for r in a["resultarray"]} if status == 200 else {}
    check("mrtt: every host has its entry, with its spec", len(got) == 4 and all(
        set(got[h["host"]]) == FIELDS and got[h["host"]]["specid"] == h["spec"]
        for h in hosts), (status, a))
    check("mrtt: those that answer have a mean, the node itself too", len(got) == 4 and all(
        re.match(r"^\d+\.\d{3}$", got[h]["result"]) for h in (HERE, THERE)), a)
    check("mrtt: those that do not are empty inside 200", len(got) == 4
          and got["198.51.100.99"]["result"] == got["no.such.host.invalid"]["result"] == "", a)
    c.close()


def test_queue(f):
    """20 at once: one runs, 16 wait, 3 are told so; clients that leave free
    their places."""
    conns, answers = [], []

    def one(c):
        try:
            answers.append(ask(c, "/milkyway/memR", {"host": ""})[:2])
        except OSError as e:
            answers.append((0, str(e)))

    threads = []
    for n in range(20):
        c = f.connect()
        conns.append(c)
        threads.append(threading.Thread(target=one, args=(c,)))
        threads[-1].start()
        if n == 0:
            # it does not end before the others are there, however slow they are
            running = until(f.sysbenches)
            os.kill(running[0], signal.SIGSTOP)
    until(lambda: len(answers) >= 3, 30)
    os.kill(running[0], signal.SIGCONT)
    refused = [a for a in answers if a[0] == 404]
    check("a full queue says so", len(refused) == 3 and all(
        message(a[1]) == ERROR + "MEMR 16 requests are waiting already" for a in refused), answers)
    seen = set()
    until(lambda: seen.add(len(f.sysbenches())) or len([a for a in answers if a[0] == 200]) >= 2, 30)
    check("one benchmark at a time", seen and max(seen) == 1, seen)
    done = [a for a in answers if a[0] == 200]
    check("what waited is served", len(done) >= 2 and all(
        is_answer(a[1], *kinds(1)["memR"]) for a in done), answers)
    for c in conns:
        if c.sock is not None:
            try:
                c.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
    for t in threads:
        t.join(60)
    before = time.monotonic()
    c = f.connect()
    status, a, _ = ask(c, "/milkyway/memW", {"host": ""})
    check("requests of clients that left are not run", status == 200
          and time.monotonic() - before < 12, (status, a, time.monotonic() - before))
    c.close()


def test_allow():
    f = Facade("--facade", "0", "--facade-allow", HERE + "/32," + "127.0.0.1", "--facade-address", "0.0.0.0")
    c = f.connect()
    check("an allowed peer is served", ask(c, "/")[0] == 200)
    probe = ("import socket,sys\n"
             "s=socket.create_connection((%r,%d),5)\n"
             "s.sendall(b'GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n')\n"
             "try: print(len(s.recv(100)))\n"
             "except ConnectionError: print(0)\n" % (HERE, f.port))
    out = run("ip", "netns", "exec", NETNS, sys.executable, "-c", probe).strip()
    check("a peer that is not on the list gets no byte", out == "0", out)
    c.close()
    check("SIGTERM ends with status 0 and no file", f.close() == (0, []))
    f = Facade("--facade", "0")
    check("without a list only loopback is served, and said", f.port and f.address == "127.0.0.1"
          and "--facade-allow" in f.text(), f.text())
    f.close()
    for bad in ("", "x", "0.0.0.0/0", "10.0.0.0/33", "10.0.0.0/8;ls", "::1"):
        p = subprocess.run([AGENT, "--facade", "0", "--facade-allow", bad], capture_output=True, text=True, timeout=20)
        check("allow list %r is refused" % bad, p.returncode == 2 and "allow list" in p.stderr
              or "Internet" in p.stderr, p)


def listeners(pid):
    out = run("ss", "-Hltnp")
    return [line for line in out.splitlines() if "pid=%d," % pid in line]


def test_name():
    """~/milkyway, without arguments: port 1324, the list from a file beside."""
    home = tempfile.mkdtemp(prefix="mwfacade-home")
    os.chmod(home, 0o755)
    os.symlink(AGENT, home + "/milkyway")
    with open(home + "/milkyway.allow", "w") as out:
        out.write("# the CB-Tumblebug server\n%s/32\n" % HERE)
    f = Facade(argv0=home + "/milkyway")
    check("named milkyway: port 1324, all addresses", f.port == 1324 and f.address == "0.0.0.0", f.text())
    check("named milkyway: the file beside it counts", ask(f.connect(HERE), "/")[0] == 200)
    try:
        status = ask(f.connect("127.0.0.1"), "/")[0]
    except (OSError, http.client.HTTPException):
        status = None
    check("named milkyway: nobody else", status is None, status)
    f.close()
    check("named milkyway: its folder is gone", not glob.glob("/var/tmp/milkyway-facade-*-1324"))
    os.chmod(home + "/milkyway.allow", 0o666)
    p = subprocess.run([home + "/milkyway"], capture_output=True, text=True, timeout=20)
    check("a file that others may write is refused", p.returncode != 0 and "others may write" in p.stderr, p)
    os.unlink(home + "/milkyway.allow")
    f = Facade(argv0=home + "/milkyway", env={"MILKYWAY_FACADE_ALLOW": "127.0.0.0/8"})
    check("named milkyway: the environment counts", f.port == 1324 and f.address == "127.0.0.1", f.text())
    f.close()
    p = subprocess.run([home + "/milkyway", "version"], capture_output=True, text=True, timeout=20)
    check("with arguments it is the agent", p.stdout.startswith("milkyway-agent "), p)
    p = subprocess.run([AGENT], capture_output=True, text=True, timeout=20)
    check("milkyway-agent without arguments serves nothing", p.returncode == 2, p)
    shutil.rmtree(home)


def test_killed():
    f = Facade("--facade", "0", "--facade-seconds", "1")
    port, folder = f.port, f.dir
    ask(f.connect(), "/milkyway/init", {"host": ""})
    children = f.children()
    f.p.kill()
    f.p.wait()
    check("its children die with it", until(lambda: not any(
        os.path.exists("/proc/" + p) for p in children)), children)
    g = Facade("--facade", str(port), dir=folder)
    left = glob.glob(folder + "/*/work/*")
    check("what a killed process left goes at the next start", not left, left)
    h = Facade("--facade", str(port), "--facade-address", HERE)
    check("another address has a folder of its own", h.port == port, h.text())
    h.close()
    again = subprocess.run([AGENT, "--facade", str(port), "--facade-address", HERE, "--dir", folder],
                           capture_output=True, text=True, timeout=20)
    check("a folder in use is refused", again.returncode != 0
          and "another facade works in" in again.stderr, again)
    check("the end leaves nothing", g.close() == (0, []))


def test_end_while_busy():
    f = Facade("--facade", "0", "--facade-seconds", "60")
    c = f.connect()
    c.request("GET", "/milkyway/cpus", b"{}", {"Content-Type": "application/json"})
    until(f.sysbenches)
    children = f.children()
    begin = time.monotonic()
    end = f.close()
    check("SIGTERM during a benchmark leaves no process and no file", children and end == (0, [])
          and time.monotonic() - begin < 15
          and not any(os.path.exists("/proc/" + p) for p in children), (end, children))
    c.close()


def test_off():
    """Nothing listens without --facade."""
    work = tempfile.mkdtemp(prefix="mwfacade")
    os.chmod(work, 0o777)
    p = subprocess.Popen([AGENT, "bench", "cpus", "--dir", work], stdout=subprocess.DEVNULL,
                         stderr=subprocess.DEVNULL)
    until(lambda: subprocess.run(["pgrep", "-P", str(p.pid)], capture_output=True).stdout)
    check("without --facade no TCP port is open", p.poll() is None and listeners(p.pid) == [], listeners(p.pid))
    p.terminate()
    p.wait(30)
    shutil.rmtree(work)


def main():
    run("ip", "link", "set", "lo", "up")
    run("ip", "netns", "add", NETNS)
    try:
        run("ip", "link", "add", "f0", "type", "veth", "peer", "name", "f1", "netns", NETNS)
        run("ip", "addr", "add", HERE + "/24", "dev", "f0")
        run("ip", "link", "set", "f0", "up")
        run("ip", "-n", NETNS, "addr", "add", THERE + "/24", "dev", "f1")
        run("ip", "-n", NETNS, "link", "set", "f1", "up")
        f = Facade("--facade", "0", "--facade-allow", "127.0.0.0/8", "--facade-seconds", "1")
        if not check("the facade starts", f.port, f.text()):
            return 1
        check("it listens where it says", len(listeners(f.p.pid)) == 1, listeners(f.p.pid))
        for test in (test_routes, test_errors, test_injection, test_rtt, test_queue):
            test(f)
        if product.failures:
            print(f.text()[-2000:])
        check("SIGTERM: status 0, no file", f.close() == (0, []))
        for test in (test_allow, test_name, test_killed, test_end_while_busy, test_off):
            test()
    finally:
        run("ip", "netns", "del", NETNS)
    return 0


sys.exit(main())

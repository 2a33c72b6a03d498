#!/usr/bin/env python3
"""An HTTP proxy in front of one target on this machine that breaks things by
rules, and writes down each request as one line of JSON: what was sent how
often, with which token, signed when.

  faultproxy.py --listen 127.0.0.1:5556 --target 127.0.0.1:5555 [--log FILE]
                [--dialect ec2|twin|raw] [--idempotent]

Both may be paths of unix sockets. The dialect says how errors and lists look;
"raw" knows no HTTP: each connection is a request, what the target greets with
is its answer.

A rule is an object. Which requests: method, path (regular expression), action
(the form field Action of EC2), body (regular expression), reused (true: only
on a connection that had a request before); skip: so many matches go through
first; count: then so many are broken (1; 0: all); forS: all for so many seconds
from the first one on; probability with seed. What happens: "kind" is one of
KINDS below. Rules are set in the same process with add() and clear(), or with
POST and DELETE /_proxy/rules; GET /_proxy/log tells the log. In raw, and with
--control, that is on a port of its own.

--idempotent keeps the promise of ClientToken that a target may lack: the same
RunInstances is answered as before, with other parameters it is refused.

The target sees the request unchanged, Host included: signatures stay valid."""
import argparse
import calendar
import email.utils
import http.client
import json
import random
import os
import re
import socket
import socketserver
import ssl
import struct
import subprocess
import sys
import threading
import time
import urllib.parse
import uuid

CACHE_MAX = 500
HOP = ("connection", "keep-alive", "transfer-encoding", "content-length")
EC2_ERROR = ("<?xml version='1.0' encoding='UTF-8'?><Response><Errors><Error><Code>%s</Code><Message>%s</Message>"
             "</Error></Errors><RequestID>%s</RequestID></Response>")


class Request:
    def __init__(self, method, path, headers, body):
        self.method, self.path, self.headers, self.body = method, path, headers, body
        form = headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
        self.form = dict(urllib.parse.parse_qsl(body.decode("latin-1"))) if form else {}
        self.query = dict(urllib.parse.parse_qsl(path.partition("?")[2]))
        self.action = self.form.get("Action", "")
        self.reused = False

    def token(self):
        if "ClientToken" in self.form:
            return self.form["ClientToken"]
        try:
            return json.loads(self.body).get("token") if self.body[:1] == b"{" else None
        except ValueError:
            return None


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body


class Ec2:
    """Form in, XML out."""
    cursor = "NextToken"

    @staticmethod
    def error(status, code, message):
        rid = str(uuid.uuid4())
        return Answer(status, [("Content-Type", "text/xml"), ("x-amzn-RequestId", rid)],
                      (EC2_ERROR % (code, message, rid)).encode())

    @staticmethod
    def items(body):
        """The items of a list of reservations; the text around them."""
        m = re.search(rb"(.*?<reservationSet>)(.*)(</reservationSet>.*)", body, re.S)
        if not m:
            return [], (body, b"")
        found, depth, at = [], 0, 0
        for t in re.finditer(rb"<(/?)item>", m[2]):
            if not t[1] and depth == 0:
                at = t.start()
            depth += -1 if t[1] else 1
            if depth == 0:
                found.append(m[2][at:t.end()])
        return found, (m[1], m[3])

    @staticmethod
    def join(items, around, cursor=None):
        tail = around[1]
        if cursor:
            tail = tail.replace(b"</reservationSet>", b"</reservationSet><nextToken>%s</nextToken>" % cursor.encode())
        return Answer(200, [("Content-Type", "text/xml")], around[0] + b"".join(items) + tail)


class Twin:
    """JSON in and out."""
    cursor = "marker"

    @staticmethod
    def error(status, code, message):
        body = {"error": {"code": code, "message": message, "nativeCode": code, "httpStatus": status}}
        return Answer(status, [("Content-Type", "application/json"), ("x-request-id", str(uuid.uuid4()))],
                      json.dumps(body).encode())

    @staticmethod
    def items(body):
        return json.loads(body).get("items", []), None

    @staticmethod
    def join(items, around, cursor=None):
        return Answer(200, [("Content-Type", "application/json")],
                      json.dumps({"items": items, "next": cursor}).encode())


def given(p, rule):
    """The answer that a rule names instead of the target's."""
    headers = list(rule.get("headers", {}).items())
    if "retryAfterDateS" in rule:
        headers.append(("Retry-After", email.utils.formatdate(time.time() + rule["retryAfterDateS"], usegmt=True)))
    if "code" in rule:
        a = p.dialect.error(rule.get("status", 400), rule["code"], rule.get("message", "by rule"))
        return Answer(a.status, a.headers + headers, a.body)
    body = rule.get("body_is", "")
    if "bytes" in rule:
        body = (body or "x") * (rule["bytes"] // len(body or "x") + 1)
        body = body[:rule["bytes"]]
    return Answer(rule.get("status", 200), headers, body if isinstance(body, bytes) else body.encode("latin-1"))


class Dropped(Exception):
    """The connection ends with a reset."""


# Kinds. Each takes the proxy, its rule, the request, and returns an answer.

def k_answer(p, rule, req):
    return given(p, rule)


def k_after(p, rule, req):
    """It is done, and something else is said."""
    p.forward(req)
    return given(p, rule)


def k_delay(p, rule, req):
    time.sleep(rule["seconds"])
    return p.forward(req)


def k_delay_answer(p, rule, req):
    a = p.forward(req)
    time.sleep(rule["seconds"])
    return a


def k_drop_before(p, rule, req):
    raise Dropped


def k_drop_after(p, rule, req):
    p.forward(req)
    raise Dropped


def k_cut(p, rule, req):
    a = p.forward(req)
    a.cut = rule.get("at", len(a.body) // 2)
    return a


def k_truncate(p, rule, req):
    """A whole answer by its length, half of it by its content."""
    a = p.forward(req)
    a.body = a.body[:rule.get("at", len(a.body) // 2)]
    return a


def k_replace(p, rule, req):
    """Text of the answer by other text."""
    a = p.forward(req)
    a.body = re.sub(rule["pattern"].encode(), rule["by"].encode(), a.body, count=rule.get("times", 0), flags=re.S)
    return a


def k_stale(p, rule, req):
    """What was answered to the same question before the rule was set."""
    old = p.before.get((req.path, req.body))
    p.forward(req)
    return Answer(*old) if old else given(p, dict(rule, status=rule.get("status", 200)))


def k_double(p, rule, req):
    """The request arrives twice; at once, if "at" says so."""
    if rule.get("at") == "once":
        t = threading.Thread(target=p.forward, args=(req,))
        t.start()
        a = p.forward(req)
        t.join()
        return a
    p.forward(req)
    return p.forward(req)


def k_hang(p, rule, req):
    """Never an answer; for so many seconds at most."""
    time.sleep(rule.get("seconds", 30))
    raise Dropped


def k_skew(p, rule, req):
    """A cloud whose clock is ahead of ours by so many seconds, and which takes
    signatures for five minutes."""
    now = time.time() + rule["seconds"]
    date = ("Date", email.utils.formatdate(now, usegmt=True))
    signed = req.headers.get("x-amz-date", "19700101T000000Z")
    off = calendar.timegm(time.strptime(signed, "%Y%m%dT%H%M%SZ")) - now
    if abs(off) > 300:
        a = p.dialect.error(rule.get("status", 400), rule.get("code", "RequestExpired"), "Request has expired.")
    else:
        a = p.forward(req)
    a.headers = [h for h in a.headers if h[0].lower() != "date"] + [date]
    return a


def k_trickle(p, rule, req):
    a = p.forward(req)
    a.bytes_per_s = rule.get("bytesPerS", 1)
    return a


def k_reorder(p, rule, req):
    v, around = p.dialect.items(p.forward(req).body)
    return p.dialect.join(v[::-1], around)


def k_repeat(p, rule, req):
    """Each item twice."""
    v, around = p.dialect.items(p.forward(req).body)
    return p.dialect.join(v + v, around)


def k_pages(p, rule, req):
    """Pages of "size" items; the cursors are ours. lose: so many cursors are
    answered with a 500; refuse: so many are no longer valid."""
    cursor = req.form.get(p.dialect.cursor) or req.query.get(p.dialect.cursor, "")
    if cursor and rule.setdefault("refused", 0) < rule.get("refuse", 0):
        rule["refused"] += 1
        return p.dialect.error(400, "InvalidNextToken" if p.dialect is Ec2 else "invalid", "this cursor is old")
    if cursor and rule.get("lose"):
        return p.dialect.error(500, "InternalError", "this page is lost")
    at = int(cursor.split("-")[1]) if cursor else 0
    if not cursor:
        rule["all"] = p.dialect.items(p.forward(req).body)
    v, around = rule["all"]
    part = v[at:at + rule["size"]]
    more = at + rule["size"] < len(v)
    if rule.get("overlap") and at:
        part = v[at - 1:at] + part
    return p.dialect.join(part, around, "p-%d" % (at + rule["size"]) if more else None)


KINDS = {"answer": k_answer, "after": k_after, "delay": k_delay, "delayAnswer": k_delay_answer,
         "dropBefore": k_drop_before, "dropAfter": k_drop_after, "cut": k_cut, "truncate": k_truncate,
         "replace": k_replace, "stale": k_stale, "double": k_double, "trickle": k_trickle, "reorder": k_reorder,
         "repeat": k_repeat, "pages": k_pages, "hang": k_hang, "skew": k_skew}
DIALECTS = {"ec2": Ec2, "twin": Twin, "raw": None}


class UnixHTTP(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.unix = path

    def connect(self):
        self.sock = reach(self.unix, self.timeout)


def reach(address, timeout):
    """A connection to a path, or to (host, port)."""
    if not isinstance(address, str):
        return socket.create_connection(address, timeout)
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(timeout)
    s.connect(address)
    return s


class TCPServer(socketserver.ThreadingTCPServer):
    daemon_threads, allow_reuse_address, request_queue_size = True, True, 128


class UnixServer(socketserver.ThreadingUnixStreamServer):
    daemon_threads, request_queue_size = True, 128


def server(address, handler):
    if isinstance(address, str):
        return UnixServer(address, handler)
    return TCPServer(address, handler)


class Proxy:
    """tls: an SSLContext, if clients are to speak TLS. control: where to
    listen for rules, if not among the requests."""

    def __init__(self, listen, target, log=None, idempotent=False, dialect="ec2", tls=None, control=None):
        self.target, self.idempotent, self.tls = target, idempotent, tls
        self.dialect, self.raw = DIALECTS[dialect], dialect == "raw"
        self.lock = threading.Lock()
        self.rules, self.lines, self.n = [], [], 0
        self.cache, self.before, self.tokens = {}, {}, {}
        self.file = open(log, "a") if log else None
        proxy = self

        class Handler(socketserver.StreamRequestHandler):
            def setup(self):
                self.request.settimeout(120)
                if proxy.tls:
                    self.request = proxy.tls.wrap_socket(self.request, server_side=True)
                super().setup()

            def handle(self):
                try:
                    n = 0
                    while proxy.greet(self) if proxy.raw else proxy.one(self, n):
                        n += 1
                except (Dropped, ConnectionError, socket.timeout, ValueError):
                    # with a reset, not with an orderly end
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    self.connection.close()

            def finish(self):
                try:
                    super().finish()
                except OSError:
                    pass

        class Control(socketserver.StreamRequestHandler):
            def handle(self):
                proxy.reply(self, proxy.control(proxy.read(self)))

        # a client that hangs up in its handshake is no news
        for kind in (TCPServer, UnixServer):
            kind.handle_error = lambda *_: None
        self.servers = [server(listen, Handler)]
        if control or self.raw:
            self.servers.append(server(control or ("127.0.0.1", 0), Control))
        self.port = self.servers[0].server_address[1] if not isinstance(listen, str) else listen
        self.control_port = self.servers[-1].server_address[1] if len(self.servers) > 1 else self.port

    def start(self):
        for x in self.servers:
            threading.Thread(target=x.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def stop(self):
        for x in self.servers:
            x.shutdown()
            x.server_close()
            if isinstance(x.server_address, str) and os.path.exists(x.server_address):
                os.unlink(x.server_address)

    # Rules

    def add(self, kind, **rule):
        if kind not in KINDS:
            raise ValueError("no kind " + kind)
        rule = dict(rule, kind=kind, hits=0, seen=0, random=random.Random(rule.get("seed", 1)))
        with self.lock:
            self.before = dict(self.cache)
            self.rules.append(rule)
        return rule

    def clear(self):
        with self.lock:
            self.rules = []

    def log(self, action=None, since=0):
        with self.lock:
            return [x for x in self.lines[since:] if not action or x["action"] == action]

    def rule_for(self, req):
        with self.lock:
            for r in self.rules:
                if r.get("method", req.method) != req.method or r.get("action", req.action) != req.action or \
                        not re.search(r.get("path", ""), req.path) or \
                        not re.search(r.get("body", "").encode(), req.body) or \
                        r.get("reused", False) > req.reused:
                    continue
                r["seen"] += 1
                if r["seen"] <= r.get("skip", 0) or r["random"].random() >= r.get("probability", 1):
                    continue
                if "forS" in r:
                    r.setdefault("until", time.monotonic() + r["forS"])
                    if time.monotonic() > r["until"]:
                        continue
                elif r.get("count", 1) and r["hits"] >= r.get("count", 1):
                    continue
                r["hits"] += 1
                return r
        return None

    # Requests

    def read(self, h):
        line = h.rfile.readline(65536).decode("latin-1").split()
        if len(line) != 3:
            return None
        headers = {}
        while True:
            s = h.rfile.readline(65536).decode("latin-1").strip()
            if not s:
                break
            k, v = s.split(":", 1)
            headers[k.strip().lower()] = v.strip()
        body = h.rfile.read(int(headers.get("content-length", "0")))
        return Request(line[0], line[1], headers, body)

    def forward(self, req):
        if self.raw:
            return self.greeting()
        token = req.form.get("ClientToken") if self.idempotent and req.action == "RunInstances" else None
        if not token:
            return self.send(req)
        with self.lock:
            slot = self.tokens.setdefault(token, {"lock": threading.Lock(), "answer": None})
        with slot["lock"]:
            if slot["answer"]:
                return Answer(*slot["answer"]) if slot["body"] == req.body else \
                    Ec2.error(400, "IdempotentParameterMismatch", "the token was used with other parameters")
            a = self.send(req)
            if a.status == 200:
                slot["answer"], slot["body"] = (a.status, a.headers, a.body), req.body
            return a

    def send(self, req):
        c = UnixHTTP(self.target, 60) if isinstance(self.target, str) else \
            http.client.HTTPConnection(*self.target, timeout=60)
        try:
            c.putrequest(req.method, req.path, skip_host=True, skip_accept_encoding=True)
            for k, v in req.headers.items():
                if k not in ("connection", "content-length"):
                    c.putheader(k, v)
            if req.body or "content-length" in req.headers:
                c.putheader("Content-Length", str(len(req.body)))
            c.endheaders(req.body or None)
            r = c.getresponse()
            a = Answer(r.status, [(k, v) for k, v in r.getheaders() if k.lower() not in HOP], r.read())
        finally:
            c.close()
        with self.lock:
            if len(self.cache) > CACHE_MAX:
                self.cache.clear()
            self.cache[(req.path, req.body)] = (a.status, a.headers, a.body)
        return a

    def greeting(self):
        """What the target of a raw proxy says first."""
        with reach(self.target, 10) as s:
            return Answer(200, [], s.recv(65536))

    def greet(self, h):
        """One raw connection."""
        req = Request("CONNECT", "", {}, b"")
        rule = self.rule_for(req)
        line = self.arrived(req, rule)
        a = KINDS[rule["kind"]](self, rule, req) if rule else self.forward(req)
        self.ended(line, a.status)
        self.write(h, a)
        h.rfile.read(1)
        return False

    def arrived(self, req, rule):
        with self.lock:
            self.n += 1
            line = {"n": self.n, "at": round(time.time(), 3), "method": req.method, "path": req.path,
                    "action": req.action, "token": req.token(), "reused": req.reused,
                    "date": req.headers.get("x-amz-date"), "signature": req.headers.get("authorization", "")[-64:],
                    "fault": rule["kind"] if rule else None, "status": None, "body": req.body.decode("latin-1")}
            self.lines.append(line)
        return line

    def ended(self, line, status):
        with self.lock:
            line["status"] = status
            if self.file:
                self.file.write(json.dumps(line) + "\n")
                self.file.flush()

    def control(self, req):
        if req.method == "POST":
            for r in json.loads(req.body) if req.body[:1] == b"[" else [json.loads(req.body)]:
                self.add(**r)
        elif req.method == "DELETE":
            self.clear()
        elif not req.path.endswith("/log"):
            return Answer(404, [], b"")
        return Answer(200, [("Content-Type", "application/json")],
                      json.dumps(self.log()).encode() if req.method == "GET" else b"{}")

    def one(self, h, n):
        """Request n of a connection. False: it ends."""
        req = self.read(h)
        if not req:
            return False
        req.reused = n > 0
        if req.path.startswith("/_proxy/"):
            self.reply(h, self.control(req))
            return False
        rule = self.rule_for(req)
        line = self.arrived(req, rule)
        try:
            a = KINDS[rule["kind"]](self, rule, req) if rule else self.forward(req)
        except (Dropped, OSError, http.client.HTTPException):
            self.ended(line, 0)
            raise Dropped
        self.ended(line, a.status)
        return self.reply(h, a)

    @staticmethod
    def reply(h, a):
        head = "HTTP/1.1 %d X\r\n" % a.status
        for k, v in a.headers:
            head += "%s: %s\r\n" % (k, v)
        h.wfile.write((head + "Content-Length: %d\r\n\r\n" % len(a.body)).encode("latin-1"))
        return Proxy.write(h, a)

    @staticmethod
    def write(h, a):
        """The body; False: not all of it."""
        body = a.body[:getattr(a, "cut", len(a.body))]
        slow = getattr(a, "bytes_per_s", 0)
        if not slow:
            h.wfile.write(body)
        for i in range(len(body) if slow else 0):
            h.wfile.write(body[i:i + 1])
            h.wfile.flush()
            time.sleep(1 / slow)
        h.wfile.flush()
        return len(body) == len(a.body)


def certificates(dir, *names):
    """A CA in dir/ca.pem, and for each name (an address or a host's) a pair
    dir/NAME.pem of key and certificate, made with openssl."""
    def openssl(*argv):
        subprocess.run(["openssl"] + list(argv), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    new = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    openssl(*new, "-subj", "/CN=a private CA", "-keyout", dir + "/ca.key", "-out", dir + "/ca.pem")
    for name in names:
        pem, kind = "%s/%s.pem" % (dir, name), "IP" if re.fullmatch(r"[\d.]+", name) else "DNS"
        openssl(*new, "-subj", "/CN=" + name, "-addext", "subjectAltName=%s:%s" % (kind, name), "-CA", dir + "/ca.pem",
                "-CAkey", dir + "/ca.key", "-keyout", pem + ".key", "-out", pem + ".crt")
        with open(pem, "w") as f:
            f.write(open(pem + ".key").read() + open(pem + ".crt").read())


def serving(pem):
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(pem)
    return tls


def address(s):
    if s.startswith("/"):
        return s
    host, port = s.rsplit(":", 1)
    return host, int(port)


def main():
    ap = argparse.ArgumentParser(description="an HTTP proxy that breaks things by rules")
    ap.add_argument("--listen", type=address, required=True)
    ap.add_argument("--target", type=address, required=True)
    ap.add_argument("--dialect", choices=DIALECTS, default="ec2")
    ap.add_argument("--control", type=address)
    ap.add_argument("--log")
    ap.add_argument("--idempotent", action="store_true")
    o = ap.parse_args()
    p = Proxy(o.listen, o.target, o.log, o.idempotent, o.dialect, control=o.control).start()
    print(p.control_port, flush=True)
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        p.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""An HTTP proxy in front of one target on this machine that breaks things by
rules, and writes down each request as one line of JSON: what was sent how
often, with which token, signed when.

  faultproxy.py --listen 127.0.0.1:5556 --target 127.0.0.1:5555 [--log FILE]
                [--idempotent]

A rule is an object. Which requests: method, path (regular expression), action
(the form field Action of EC2), body (regular expression); skip: so many
matches go through first; count: then so many are broken (1; 0: all); forS: all
for so many seconds from the first one on; probability with seed. What happens:
"kind" is one of KINDS below. Rules are set in the same process with add() and
clear(), or with POST and DELETE /_proxy/rules; GET /_proxy/log tells the log.

--idempotent keeps the promise of ClientToken that a target may lack: the same
RunInstances is answered as before, with other parameters it is refused.

The target sees the request unchanged, Host included: signatures stay valid."""
import argparse
import http.client
import json
import random
import re
import socket
import socketserver
import struct
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
        self.action = self.form.get("Action", "")


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body


def ec2_error(status, code, message):
    rid = str(uuid.uuid4())
    return Answer(status, [("Content-Type", "text/xml"), ("x-amzn-RequestId", rid)],
                  (EC2_ERROR % (code, message, rid)).encode())


def given(rule):
    """The answer that a rule names instead of the target's."""
    headers = list(rule.get("headers", {}).items())
    if "code" in rule:
        a = ec2_error(rule.get("status", 400), rule["code"], rule.get("message", "by rule"))
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
    return given(rule)


def k_after(p, rule, req):
    """It is done, and something else is said."""
    p.forward(req)
    return given(rule)


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
    return Answer(*old) if old else given(dict(rule, status=rule.get("status", 200)))


def k_double(p, rule, req):
    """The request arrives twice."""
    p.forward(req)
    return p.forward(req)


def k_trickle(p, rule, req):
    a = p.forward(req)
    a.bytes_per_s = rule.get("bytesPerS", 1)
    return a


def items(body):
    """Head, items and tail of a list of reservations."""
    m = re.search(rb"(.*?<reservationSet>)(.*)(</reservationSet>.*)", body, re.S)
    if not m:
        return body, [], b""
    found, depth, at = [], 0, 0
    for t in re.finditer(rb"<(/?)item>", m[2]):
        if not t[1] and depth == 0:
            at = t.start()
        depth += -1 if t[1] else 1
        if depth == 0:
            found.append(m[2][at:t.end()])
    return m[1], found, m[3]


def k_reorder(p, rule, req):
    a = p.forward(req)
    head, v, tail = items(a.body)
    a.body = head + b"".join(reversed(v)) + tail
    return a


def k_repeat(p, rule, req):
    """Each item twice."""
    a = p.forward(req)
    head, v, tail = items(a.body)
    a.body = head + b"".join(v + v) + tail
    return a


def k_pages(p, rule, req):
    """Pages of "size" items; the cursors are ours. lose: so many cursors are
    answered with a 500; refuse: so many are no longer valid."""
    cursor = req.form.get("NextToken", "")
    if cursor and rule.setdefault("refused", 0) < rule.get("refuse", 0):
        rule["refused"] += 1
        return ec2_error(400, "InvalidNextToken", "this cursor is old")
    if cursor and rule.get("lose"):
        return ec2_error(500, "InternalError", "this page is lost")
    at = int(cursor.split("-")[1]) if cursor else 0
    if not cursor:
        rule["all"] = items(p.forward(req).body)
    head, v, tail = rule["all"]
    part = v[at:at + rule["size"]]
    more = at + rule["size"] < len(v)
    if rule.get("overlap") and at:
        part = v[at - 1:at] + part
    if rule.get("endless"):
        more, at = True, -rule["size"]
    if more:
        tail = tail.replace(b"</reservationSet>", b"</reservationSet><nextToken>p-%d</nextToken>" % (at + rule["size"]))
    return Answer(200, [("Content-Type", "text/xml")], head + b"".join(part) + tail)


KINDS = {"answer": k_answer, "after": k_after, "delay": k_delay, "delayAnswer": k_delay_answer,
         "dropBefore": k_drop_before, "dropAfter": k_drop_after, "cut": k_cut, "truncate": k_truncate,
         "replace": k_replace, "stale": k_stale, "double": k_double, "trickle": k_trickle, "reorder": k_reorder,
         "repeat": k_repeat, "pages": k_pages}


class Proxy:
    def __init__(self, listen, target, log=None, idempotent=False):
        self.target, self.idempotent = target, idempotent
        self.lock = threading.Lock()
        self.rules, self.lines, self.n = [], [], 0
        self.cache, self.before, self.tokens = {}, {}, {}
        self.file = open(log, "a") if log else None
        proxy = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                self.connection.settimeout(120)
                try:
                    while proxy.one(self):
                        pass
                except (Dropped, ConnectionError, socket.timeout, ValueError):
                    # with a reset, not with an orderly end
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    self.connection.close()

            def finish(self):
                try:
                    super().finish()
                except OSError:
                    pass

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads, allow_reuse_address, request_queue_size = True, True, 128

        self.server = Server(listen, Handler)
        self.port = self.server.server_address[1]

    def start(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

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
                        not re.search(r.get("body", "").encode(), req.body):
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
        token = req.form.get("ClientToken") if self.idempotent and req.action == "RunInstances" else None
        if not token:
            return self.send(req)
        with self.lock:
            slot = self.tokens.setdefault(token, {"lock": threading.Lock(), "answer": None})
        with slot["lock"]:
            if slot["answer"]:
                return Answer(*slot["answer"]) if slot["body"] == req.body else \
                    ec2_error(400, "IdempotentParameterMismatch", "the token was used with other parameters")
            a = self.send(req)
            if a.status == 200:
                slot["answer"], slot["body"] = (a.status, a.headers, a.body), req.body
            return a

    def send(self, req):
        c = http.client.HTTPConnection(*self.target, timeout=60)
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

    def arrived(self, req, rule):
        with self.lock:
            self.n += 1
            line = {"n": self.n, "at": round(time.time(), 3), "method": req.method, "path": req.path,
                    "action": req.action, "token": req.form.get("ClientToken"),
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

    def one(self, h):
        """One request of a connection. False: it ends."""
        req = self.read(h)
        if not req:
            return False
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
        body = a.body[:getattr(a, "cut", len(a.body))]
        h.wfile.write((head + "Content-Length: %d\r\n\r\n" % len(a.body)).encode("latin-1"))
        slow = getattr(a, "bytes_per_s", 0)
        if not slow:
            h.wfile.write(body)
        for i in range(len(body) if slow else 0):
            h.wfile.write(body[i:i + 1])
            h.wfile.flush()
            time.sleep(1 / slow)
        h.wfile.flush()
        return len(body) == len(a.body)


def address(s):
    host, port = s.rsplit(":", 1)
    return host, int(port)


def main():
    ap = argparse.ArgumentParser(description="an HTTP proxy that breaks things by rules")
    ap.add_argument("--listen", type=address, required=True)
    ap.add_argument("--target", type=address, required=True)
    ap.add_argument("--log")
    ap.add_argument("--idempotent", action="store_true")
    o = ap.parse_args()
    p = Proxy(o.listen, o.target, o.log, o.idempotent)
    print(p.port, flush=True)
    try:
        p.server.serve_forever()
    except KeyboardInterrupt:
        return 0


if __name__ == "__main__":
    sys.exit(main())

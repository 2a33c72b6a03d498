"""Asks the coordinator many placement questions at once.

Usage: place_api.py TOKEN_FILE CONNECTIONS QUESTIONS
Prints "name value unit target" per line. Each connection asks one question
after the other; a question is one of 70 kinds.
"""
import json, os, selectors, socket, sys, time

token = open(sys.argv[1]).read().strip()
conns, total = int(sys.argv[2]), int(sys.argv[3])


def question(i):
    q = {"from": {"mcis": ["world"]}, "topK": 5,
         "groups": [{"name": "vm", "count": 2 + i % 7}],
         "constraints": {"maxPerSite": 1 + i % 2,
                         "maxRttMs": [20, 40, 80, 120, 200][i % 5]},
         "objective": {"mode": "weighted",
                       "terms": [{"term": "price", "weight": 1}]}}
    if i % 3 == 0:
        q["groups"].append({"name": "db", "count": 1,
                            "filter": {"vcpu": {"min": 2}}})
    body = json.dumps(q).encode()
    return (b"POST /v1/placements HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            b"Authorization: Bearer %s\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n" % (token.encode(), len(body))) + body


class Client:
    def __init__(self, sel):
        self.sock = socket.create_connection(("127.0.0.1", 7470))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sel.register(self.sock, selectors.EVENT_READ, self)

    def ask(self, request):
        self.began, self.got = time.monotonic(), b""
        self.sock.sendall(request)

    def read(self):
        """True once the whole answer is there."""
        part = self.sock.recv(1 << 16)
        if not part:
            sys.exit("a connection was closed: %r" % self.got[:200])
        self.got += part
        head, sep, body = self.got.partition(b"\r\n\r\n")
        if not sep:
            return False
        for line in head.split(b"\r\n")[1:]:
            if line.lower().startswith(b"content-length:"):
                return len(body) >= int(line.split(b":")[1])
        sys.exit("no length: %r" % head)


sel = selectors.DefaultSelector()
clients = [Client(sel) for _ in range(conns)]
requests = [question(i) for i in range(total)]
took, codes, kinds, asked = [], {}, {}, 0
began = time.monotonic()
for c in clients:
    c.ask(requests[asked])
    asked += 1
while len(took) < total:
    ready = sel.select(120)
    if not ready:
        sys.exit("no answer in two minutes, %d of %d" % (len(took), total))
    for key, _ in ready:
        c = key.data
        if not c.read():
            continue
        took.append(time.monotonic() - c.began)
        code = int(c.got.split(b" ", 2)[1])
        codes[code] = codes.get(code, 0) + 1
        body = json.loads(c.got.partition(b"\r\n\r\n")[2])
        kind = body.get("status", body.get("code", "?"))
        kinds[kind] = kinds.get(kind, 0) + 1
        if asked < total:
            c.ask(requests[asked])
            asked += 1
seconds = time.monotonic() - began
took.sort()
print("%s %s" % (codes, kinds), file=sys.stderr)
print("rate %.1f 1/s -" % (total / seconds))
print("p50 %.1f ms -" % (took[total // 2] * 1000))
print("p99 %.1f ms <100" % (took[total * 99 // 100 - 1] * 1000))
print("max %.1f ms -" % (took[-1] * 1000))
print("refused %d 1 0" % (total - codes.get(200, 0)))

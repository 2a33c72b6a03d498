"""A proxy in front of the OpenStack of these tests: it rewrites the catalogue
so that all services lie behind it, notes every exchange (secrets replaced),
and can misbehave: refuse tokens, make pages small, lose an answer."""
import http.client
import http.server
import json
import re
import threading

PORT = 5999
SERVICES = {"identity": 5000, "compute": 8774, "network": 9696, "image": 9292}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, headers, body):
        self.send_response(status)
        for k, v in headers:
            if k.lower() not in ("content-length", "connection", "transfer-encoding", "date", "server"):
                self.send_header(k, v)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def go(self):
        proxy = self.server.proxy
        _, service, rest = self.path.split("/", 2)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = "/" + rest
        verdict = proxy.judge(self.command, path)
        if verdict == "refuse":
            self.answer(401, [], b'{"error": {"code": 401, "message": "refused"}}')
            return
        if proxy.page and "/servers/detail" in path:
            path = re.sub(r"limit=\d+", "limit=%d" % proxy.page, path)
        headers = {k: v for k, v in self.headers.items() if k.lower() not in ("host", "connection")}
        c = http.client.HTTPConnection("127.0.0.1", SERVICES[service], timeout=90)
        c.request(self.command, path, body or None, headers)
        r = c.getresponse()
        data = r.read()
        c.close()
        if service == "identity":
            for name, port in SERVICES.items():
                data = data.replace(b"http://127.0.0.1:%d" % port, b"http://127.0.0.1:%d/%s" % (PORT, name.encode()))
        proxy.note(self.command, self.path, body, r, data)
        if verdict == "lose":
            self.close_connection = True
            self.connection.shutdown(2)
            return
        self.answer(r.status, r.getheaders(), data)

    do_GET = do_POST = do_PUT = do_DELETE = go


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, *_):
        pass  # a client that hung up


class Proxy:
    def __init__(self):
        self.url = "http://127.0.0.1:%d/identity/v3" % PORT
        self.lock = threading.Lock()
        self.exchanges, self.page, self.refusals, self.lost = [], 0, 0, None

    def __enter__(self):
        self.server = Server(("127.0.0.1", PORT), Handler)
        self.server.proxy = self
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def refuse(self, n):
        """The next n requests to services are refused for their token."""
        self.refusals = n

    def lose(self, method, end, n):
        """The answers of the next n such requests get lost."""
        self.lost = [method, end, n]

    def judge(self, method, path):
        with self.lock:
            if self.refusals and "/auth/" not in path:
                self.refusals -= 1
                return "refuse"
            if self.lost and self.lost[2] and method == self.lost[0] and path.endswith(self.lost[1]):
                self.lost[2] -= 1
                return "lose"
        return None

    def count(self, method, end):
        with self.lock:
            return sum(e["method"] == method and e["path"].endswith(end) for e in self.exchanges)

    def note(self, method, path, body, r, data):
        kept = {}
        for k, v in r.getheaders():
            if k.lower() in ("content-type", "x-openstack-request-id", "x-compute-request-id", "retry-after"):
                kept[k] = v
            elif k.lower() == "x-subject-token":
                kept[k] = "TOKEN"

        def text(b):
            try:
                return json.loads(b) if b else None
            except ValueError:
                return b.decode(errors="replace")

        asked = "SECRET" if "/auth/tokens" in path else text(body)
        with self.lock:
            self.exchanges.append(dict(method=method, path=path, body=asked, status=r.status, headers=kept,
                                       answer=text(data)))

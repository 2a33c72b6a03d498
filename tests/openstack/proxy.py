"""A proxy in front of the OpenStack of these tests: it rewrites the catalogue
so that all services lie behind it, notes every exchange (secrets replaced),
speaks TLS if it has a certificate, and can misbehave: refuse tokens, fail,
make pages small, lose an answer."""
import http.client
import http.server
import json
import re
import ssl
import threading

PORT = 5999
SERVICES = {"identity": 5000, "compute": 8774, "network": 9696, "image": 9292}
TWO = "two-"  # before a service: as the second region tells it, under another name of this machine


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
        # a connection that is kept would lead past the proxy of the next case
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def go(self):
        proxy = self.server.proxy
        _, service, rest = self.path.split("/", 2)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path, verdict = "/" + rest, proxy.judge(self.command, "/" + rest)
        if verdict in (401, 503):
            self.answer(verdict, [], b'{"error": {"code": %d, "message": "not now"}}' % verdict)
            return
        if proxy.page and "/servers/detail" in path:
            path = re.sub(r"limit=\d+", "limit=%d" % proxy.page, path)
        headers = {k: v for k, v in self.headers.items() if k.lower() not in ("host", "connection")}
        c = http.client.HTTPConnection("127.0.0.1", SERVICES[service.removeprefix(TWO)], timeout=90)
        c.request(self.command, path, body or None, headers)
        r = c.getresponse()
        data = r.read()
        c.close()
        if service == "identity":
            for name, port in SERVICES.items():
                for host, prefix in (("127.0.0.1", ""), ("localhost", TWO)):
                    data = data.replace(b"http://%s:%d" % (host.encode(), port),
                                        ("%s/%s%s" % (proxy.base, prefix, name)).encode())
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
    def __init__(self, host="127.0.0.1", tls=None):
        """tls: files of a certificate and its key"""
        self.base = "%s://%s:%d" % ("https" if tls else "http", host, PORT)
        self.url = self.base + "/identity/v3"
        self.lock, self.tls = threading.Lock(), tls
        self.exchanges, self.page, self.refusals, self.failing, self.lost = [], 0, 0, 0, None

    def __enter__(self):
        self.server = Server(("127.0.0.1", PORT), Handler)
        self.server.proxy = self
        if self.tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*self.tls)
            # the handshake is the handler's: one that hangs holds up nobody else
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True,
                                                     do_handshake_on_connect=False)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def refuse(self, n):
        """The next n requests to services are refused for their token."""
        self.refusals = n

    def fail(self, n):
        """Keystone fails the next n times it is asked for a token."""
        self.failing = n

    def lose(self, method, end, n):
        """The answers of the next n such requests get lost."""
        self.lost = [method, end, n]

    def judge(self, method, path):
        with self.lock:
            if self.refusals and "/auth/" not in path:
                self.refusals -= 1
                return 401
            if self.failing and path.endswith("/auth/tokens"):
                self.failing -= 1
                return 503
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

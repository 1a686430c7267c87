"""A ledger node that is none: it serves the chain that it is given, and misbehaves where the test says so.

    with ScriptedPeer(forge, chain, status=redirect) as peer: ...

A fault is a function of the request's handler that answers in the place of the call of its name: status, headers, blocks, pool, sketches,
documents. Every path that is asked for is in peer.paths.
"""

import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from forge import leaf
from harness import now_ms
from network import canonical


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *_):
        """A node that breaks an answer off is what the tests are about."""


def give(handler, document, status=200, headers=()):
    raw = document if isinstance(document, bytes) else canonical(document)
    handler.send_response(status)
    for name, value in [("Content-Type", "application/json"), ("Content-Length", str(len(raw))), *headers]:
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(raw)


class ScriptedPeer:
    def __init__(self, forge, chain, sketches=False, page=64, **faults):
        self.forge, self.blocks, self.page = forge, list(chain), page
        self.faults = faults
        self.knows_sketches = sketches
        self.paths = []
        self.posted = []
        self.stopping = threading.Event()
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                owner.get(self)

            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                owner.posted.append(self.path)
                give(self, {"result": "known"} if self.path != "/v1/statements" else {"accepted": 0, "known": 0, "rejected": []})

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = "http://127.0.0.1:%d" % self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.stopping.set()
        self.server.shutdown()
        self.server.server_close()

    def asked(self, begin):
        """How often a path that begins so was asked for."""
        return sum(path.startswith(begin) for path in list(self.paths))

    def get(self, handler):
        self.paths.append(handler.path)
        path, _, query = handler.path.partition("?")
        args = {k: v[0] for k, v in urllib.parse.parse_qs(query).items()}
        name = "documents" if path.endswith("/documents") else path.rsplit("/", 1)[-1]
        if name in self.faults:
            self.faults[name](handler)
        elif name == "status":
            give(handler, self.status())
        elif name in ("headers", "blocks") or (name == "sketches" and self.knows_sketches):
            give(handler, self.list(name, int(args["from"]), int(args["limit"])))
        elif name == "documents" and self.knows_sketches:
            give(handler, self.documents(path.split("/")[3], [int(i) for i in args["leaves"].split(",")]))
        elif name == "pool":
            give(handler, {"bodies": [], "statements": []})
        else:
            give(handler, {"code": "not_found", "status": 404}, 404)

    def status(self):
        tip = self.blocks[-1] if self.blocks else None
        return {
            "chain": self.forge.chain,
            "height": len(self.blocks),
            "slot": tip["header"]["slot"] if tip else self.forge.first - 1,
            "time": now_ms(),
            "tip": self.forge.hash(tip) if tip else self.forge.chain,
        }

    def element(self, name, block):
        found = self.forge.hash(block)
        if name == "blocks":
            return {"block": block, "hash": found}
        if name == "headers":
            return {"hash": found, "header": block["header"], "sig": block["sig"]}
        leaves = {kind: [leaf(d).hex() for d in block[kind]] for kind in ("bodies", "statements")}
        return {"hash": found, "sketch": dict(leaves, header=block["header"], sig=block["sig"], v=1)}

    def list(self, name, first, limit):
        end = first + min(limit, self.page if name == "blocks" else limit) - 1
        answer = {name: [self.element(name, b) for b in self.blocks[first - 1 : end]]}
        if end < len(self.blocks):
            answer["next"] = end + 1
        return answer

    def documents(self, found, index):
        block = next(b for b in self.blocks if self.forge.hash(b) == found)
        n = len(block["statements"])
        return {
            "bodies": [block["bodies"][i - n] for i in index if i >= n],
            "statements": [block["statements"][i] for i in index if i < n],
        }


# ---- faults ----


def refuse(code):
    return lambda handler: give(handler, {"code": "not_found", "status": code}, code)


def redirect(where):
    return lambda handler: give(handler, b"", 302, [("Location", where)])


def gzip_bomb(handler):
    import gzip

    give(handler, gzip.compress(b" " * (1 << 24)), 200, [("Content-Encoding", "gzip")])


def longer_than_it_says(handler):
    handler.send_response(200)
    handler.send_header("Content-Length", "10")
    handler.end_headers()
    try:
        for _ in range(64):
            handler.wfile.write(b" " * (1 << 20))
    except OSError:
        handler.close_connection = True


def endless(peer, length=None, piece=b" " * 65536, pause_s=0.0):
    """A body that is said to have this length (None: chunks) and comes in pieces, a pause after each, for ever."""

    def answer(handler):
        handler.send_response(200)
        handler.send_header(*(("Content-Length", str(length)) if length else ("Transfer-Encoding", "chunked")))
        handler.end_headers()
        try:
            while not peer.stopping.wait(pause_s):
                handler.wfile.write(piece if length else b"%x\r\n%s\r\n" % (len(piece), piece))
        except OSError:
            pass
        handler.close_connection = True

    return answer



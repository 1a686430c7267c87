"""A ledger node that only remembers, and misbehaves when told to: what a gateway's witness part is tested against.

It holds every statement that it is offered and says what the test wants of it; it judges nothing but the order of numbers.
"""

import hashlib
import json
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from harness import virtual_ms


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def canonical(document):
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def leaf(document):
    return sha256(b"\0" + canonical(document))


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        """A gateway that was killed or gave up waiting is what the tests are about."""


class FakeLedger:
    """The attributes that are set after genesis and chain say how it behaves."""

    def __init__(self, genesis_path, env):
        with open(genesis_path, "rb") as f:
            self.genesis = f.read().rstrip(b"\n")
        self.chain = sha256(b"gridwitness/genesis/v1\n" + self.genesis)
        self.env = env
        self.lock = threading.Lock()
        self.statements = {}  # leaf -> document
        self.order = []  # every statement ever offered: (virtual ms, leaf, document), again and again
        self.bodies = {}
        self.requests = []
        self.states = {}  # leaf -> "mined", ... ; default self.state
        self.state = "mined"
        self.ready = True
        self.down = False  # closes every connection without an answer
        self.hang = None  # an Event that answers wait for
        self.offset_ms = 0  # of the clock that it shows
        self.claim = None  # a greater incarnation that it claims to know
        self.claim_slot = None  # a greater slot
        self.refuse = None  # function(document) -> code or None
        self.offer_status = 200
        self.tells_minutes = True
        self.page = 2
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                owner.handle(self, None)

            def do_POST(self):
                owner.handle(self, self.rfile.read(int(self.headers["Content-Length"])))

        self.server = Server(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.hang:
            self.hang.set()
        self.server.shutdown()
        self.server.server_close()

    @property
    def url(self):
        return "http://127.0.0.1:%d" % self.server.server_address[1]

    # ---- answers ----

    def handle(self, request, body):
        if self.hang:
            self.hang.wait(60)
        if self.down:
            request.close_connection = True
            return
        path = request.path
        with self.lock:
            self.requests.append(path)
            status, document = self.answer(path, body)
        data = json.dumps(document).encode()
        request.send_response(status)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        request.wfile.write(data)

    def answer(self, path, body):
        if body is not None:
            return self.offer(json.loads(body))
        if path == "/v1/status":
            time = virtual_ms(self.env) + self.offset_ms
            return 200, {"chain": self.chain, "height": 0, "slot": 0, "time": time, "tip": self.chain}
        if path == "/readyz":
            return (200, {}) if self.ready else (503, {"code": "not_ready", "detail": "the test says so"})
        if path.startswith("/v1/gateways/"):
            return 200, self.gateway(path.rsplit("/", 1)[1])
        if path.startswith("/v1/statements/"):
            found = path.rsplit("/", 1)[1]
            if found not in self.statements:
                return 404, {"code": "not_found"}
            place = self.states.get(found, self.state)
            answer = {"state": place, "statement": self.statements[found]}
            if place in ("mined", "confirmed"):
                answer.update(height=1, block=self.chain, confirmations=1)
            return 200, answer
        if path.startswith("/v1/minutes?"):
            return self.minutes(urllib.parse.parse_qs(path.partition("?")[2]))
        return 404, {"code": "not_found"}

    def minutes(self, query):
        """What is read, by whom; a page holds self.page minutes."""
        if not self.tells_minutes:
            return 503, {"code": "not_ready"}
        relay, first, last = query["relay"][0], int(query["from"][0]), int(query["to"][0])
        found = {}
        for k, s in self.statements.items():
            for name, minute, digest, live in s["reads"]:
                if name == relay and first <= minute <= last:
                    one = found.setdefault(minute, (digest, [], self.states.get(k, self.state)))
                    one[1].append({"gw": s["gw"], "live": live})
        page = [
            {"attested": by, "body": self.bodies.get(digest, {"min": m}), "digest": digest, "state": state}
            for m, (digest, by, state) in sorted(found.items())
        ]
        answer = {"minutes": page[: self.page]}
        if len(page) > self.page:
            answer["next"] = page[self.page]["body"]["min"]
        return 200, answer

    def gateway(self, kid):
        held = [(s["inc"], s["seq"], s["slot"], k) for k, s in self.statements.items() if s["gw"] == kid]
        answer = {"greatest_inc": 0, "greatest_slot": 0}
        if held:
            inc, seq, slot, found = max(held)
            answer = {"greatest_inc": inc, "greatest_slot": max(h[2] for h in held)}
            answer["chain" if self.state != "pooled" else "pool"] = {"inc": inc, "seq": seq, "slot": slot, "leaf": found}
        if self.claim:
            answer["greatest_inc"] = self.claim
            answer["pool"] = {"inc": self.claim, "seq": 1, "slot": 1, "leaf": "11" * 32}
        if self.claim_slot:
            answer["greatest_inc"] = answer["greatest_inc"] or 1
            answer["greatest_slot"] = self.claim_slot
        return answer

    def offer(self, request):
        accepted = known = 0
        rejected = []
        if self.offer_status != 200:
            return self.offer_status, {"code": "overloaded"}
        for body in request["bodies"]:
            self.bodies[leaf(body)] = body
        for index, statement in enumerate(request["statements"]):
            found = leaf(statement)
            self.order.append((virtual_ms(self.env), found, statement))
            code = self.refuse(statement) if self.refuse else None
            if code:
                rejected.append({"code": code, "index": index})
            elif found in self.statements:
                known += 1
            else:
                self.statements[found] = statement
                accepted += 1
        return 200, {"accepted": accepted, "known": known, "rejected": rejected}

    # ---- what the tests ask ----

    def all(self):
        """Statements held, by (inc, seq)."""
        with self.lock:
            return sorted(self.statements.values(), key=lambda s: (s["inc"], s["seq"]))

    def reads(self):
        """(relay, minute) -> set of digests named in statements held."""
        named = {}
        for statement in self.all():
            for relay, minute, digest, _ in statement["reads"]:
                named.setdefault((relay, minute), set()).add(digest)
        return named

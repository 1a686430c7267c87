"""A whole network for tests: one relay emulator and any number of gateway nodes, real binaries on free ports of the
loopback, on one virtual clock, in a temporary folder.

    with Network(gateways=4) as net:
        net.start_relay()
        net.start_all()
        net.wait_height(2)
"""

import json
import os
import urllib.error
import urllib.request

from harness import WAITS, Folder, Program, bin_path, clock_env, end_all, free_port, patience, real_seconds_until, run, virtual_ms, wait_until

SUBSTATION = "Bogotá Electrical Substation - U.D."
SPEED = int(os.environ.get("GRIDWITNESS_TEST_SPEED", "20"))


def call(request, timeout_s):
    try:
        with urllib.request.urlopen(request, timeout=patience(timeout_s * WAITS)) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()
    except OSError:
        return 0, b""


def get(url, accept="application/json", timeout_s=10):
    """(status, body as bytes) of a GET; status 0 when nobody answers."""
    request = urllib.request.Request(url, headers={"Accept": accept})
    return call(request, timeout_s)


def post(url, document, timeout_s=10):
    """(status, body as bytes) of a POST of JSON bytes; status 0 when nobody answers."""
    request = urllib.request.Request(url, data=document, headers={"Content-Type": "application/json"})
    return call(request, timeout_s)


def canonical(document):
    """C0 bytes of a Python value made of dicts, lists, strings and integers."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


class Network:
    def __init__(self, gateways=4, speed=SPEED, bits=8, collect_ms=10000, stagger_ms=3000, confirm_depth=6, named=None):
        """named: how many of the keys of the genesis exist (default: as many as gateways)."""
        self.folder = Folder("gridwitness-test-")
        self.dir = self.folder.path
        self.env = clock_env(speed=speed)
        self.speed = speed
        self.n = gateways
        self.ports = [free_port() for _ in range(gateways)]
        self.relay_port = free_port()
        self.relay = None
        self.nodes = [None] * gateways
        self.policy = {"collect_ms": collect_ms, "stagger_ms": stagger_ms, "max_future_ms": 60000, "confirm_depth": confirm_depth}
        self._make_genesis(named or gateways, bits)

    def __enter__(self):
        return self

    def __exit__(self, failure=None, *_):
        """All programs end, and must end well; as a cleanup it is called without an argument."""
        try:
            end_all([*self.nodes, self.relay], failure)
        except AssertionError:
            failure = AssertionError
            raise
        finally:
            self.folder.close(failure)

    # ---- files ----

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    @property
    def genesis(self):
        return self.path("genesis.json")

    def key(self, i):
        return self.path("key-%d.pem" % i)

    def _make_genesis(self, named, bits):
        for i in range(named):
            code, _, errors = run([bin_path("ledger"), "keygen", self.key(i)])
            assert code == 0, errors
        plan = {
            "name": "test",
            "demo": True,
            "bits": bits,
            "utc_offset_min": -300,
            "time_ms": virtual_ms(self.env) - 1000,
            "policy": self.policy,
            "gateways": [{"name": "Red_BKC_NODO_%d" % (5004 + i), "key": self.key(i)} for i in range(named)],
            "relays": [{"id": "relay-1", "device": "Relay 1", "equipment": "Rele_1", "substation": SUBSTATION}],
        }
        with open(self.path("plan.json"), "w", encoding="utf-8") as f:
            json.dump(plan, f)
        code, _, errors = run([bin_path("ledger"), "init", "--from", self.path("plan.json"), "--out", self.genesis])
        assert code == 0, errors

    def write_config(self, i, **changes):
        """Configuration of gateway i, with keys replaced or (None) left out."""
        config = {
            "genesis": self.genesis,
            "key": self.key(i),
            "data": self.path("data-%d" % i),
            "node": {"bind": "127.0.0.1", "port": self.ports[i], "peers": [self.url(k) for k in range(self.n) if k != i]},
            "relays": [{"id": "relay-1", "host": "127.0.0.1", "port": self.relay_port}],
        }
        config.update(changes)
        path = self.path("gateway-%d.json" % i)
        with open(path, "w", encoding="utf-8") as f:
            json.dump({k: v for k, v in config.items() if v is not None}, f)
        return path

    # ---- programs ----

    def start_relay(self, *options):
        self.relay = Program(
            [bin_path("relay-emulator"), "--bind", "127.0.0.1", "--port", str(self.relay_port), "--seed", "7", *options], env=self.env
        )
        self.relay.listening()
        return self.relay

    def start_gateway(self, i, **changes):
        config = self.write_config(i, **changes)
        self.nodes[i] = Program([bin_path("gateway"), "--config", config], env=self.env)
        return self.nodes[i]

    def start_all(self):
        for i in range(self.n):
            self.start_gateway(i)
        self.wait_up(range(self.n))

    def wait_up(self, which, deadline_s=30):
        for i in which:
            wait_until(lambda i=i: self.status(i), deadline_s, "gateway %d answers: %s" % (i, self.nodes[i].errors[-5:]))

    # ---- questions ----

    def url(self, i):
        return "http://127.0.0.1:%d" % self.ports[i]

    def json(self, i, path):
        """The document that node i answers with 200, else None."""
        status, body = get(self.url(i) + path)
        return json.loads(body) if status == 200 else None

    def status(self, i):
        return self.json(i, "/v1/status")

    def height(self, i):
        status = self.status(i)
        return status["height"] if status else -1

    def minute(self, i, minute):
        return self.json(i, "/v1/minutes/relay-1/%d" % minute)

    def minutes(self, i, limit=1000):
        answer = self.json(i, "/v1/minutes?relay=relay-1&order=asc&limit=%d" % limit)
        return answer["minutes"] if answer else []

    def now_ms(self):
        return virtual_ms(self.env)

    def now_minute(self):
        return self.now_ms() // 60000

    def wait_clock(self, when_ms):
        """Until the virtual clock shows when_ms."""
        wait_until(lambda: self.now_ms() >= when_ms, real_seconds_until(self.env, when_ms) + 5, "virtual clock")

    def wait_height(self, height, which=None, deadline_s=60):
        for i in which if which is not None else range(self.n):
            wait_until(lambda i=i: self.height(i) >= height, deadline_s, "height %d on node %d: %s" % (height, i, self.status(i)))

    def wait_one_tip(self, which=None, deadline_s=30):
        """Until the nodes report one tip; its status."""
        chosen = list(which if which is not None else range(self.n))

        def same():
            seen = [self.status(i) for i in chosen]
            return seen[0] if all(seen) and len({s["tip"] for s in seen}) == 1 else None

        return wait_until(same, deadline_s, "one tip on all of %s" % chosen)

    def verify(self, i):
        """`ledger verify` over the folder of gateway i: (exit code, output)."""
        folder = self.path("data-%d" % i)
        code, out, errors = run(
            [bin_path("ledger"), "verify", "--genesis", self.genesis, "--data", folder], env=self.env, deadline_s=60
        )
        return code, out + errors

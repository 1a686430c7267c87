"""An independent maker of documents: genesis, bodies, statements, blocks, right or wrong as a test wants, signed with the keys of a
network through libcrypto, mined in Python. Nothing of the programs under test is used but `ledger keygen` and `ledger init`.
"""

import base64
import ctypes
import hashlib
import itertools
import json
import math
import os

from harness import Folder, Program, bin_path, end_all, now_ms, run, wait_until
from network import canonical, get, post

CRYPTO = ctypes.CDLL("libcrypto.so.3")
for _name in ("EVP_PKEY_new_raw_private_key", "EVP_MD_CTX_new"):
    getattr(CRYPTO, _name).restype = ctypes.c_void_p
ED25519 = 1087
L = 2**252 + 27742317777372353535851937790883648493
VALID = 0x8000
INCOMPLETE = 0x0800


def leaf(document):
    return hashlib.sha256(b"\0" + canonical(document)).digest()


def tagged(tag, document):
    return tag.encode() + b"\n" + canonical(document)


def b64(raw):
    return base64.b64encode(raw).decode()


class Key:
    def __init__(self, path):
        code, line, errors = run([bin_path("ledger"), "keygen", path])
        assert code == 0, errors
        self.kid, self.public = line.split()[:2]
        self.path = path
        with open(path, encoding="ascii") as f:
            der = base64.b64decode("".join(f.read().split("\n")[1:-2]))
        self._key = ctypes.c_void_p(CRYPTO.EVP_PKEY_new_raw_private_key(ED25519, None, der[-32:], ctypes.c_size_t(32)))

    def sign(self, message):
        context = ctypes.c_void_p(CRYPTO.EVP_MD_CTX_new())
        sig, size = ctypes.create_string_buffer(64), ctypes.c_size_t(64)
        assert CRYPTO.EVP_DigestSignInit(context, None, None, None, self._key) == 1
        assert CRYPTO.EVP_DigestSign(context, sig, ctypes.byref(size), message, ctypes.c_size_t(len(message))) == 1
        CRYPTO.EVP_MD_CTX_free(context)
        return sig.raw


def aggregate(kind, values, of):
    """[n, min, mid, max] as the contract computes it."""
    n = len(values)
    if n == 0:
        return [0, 0, 0, 0]
    if kind == "rms":
        mid = (math.isqrt(4 * sum(x * x for x in values) // n) + 1) // 2
    elif kind == "mean":
        total = sum(values)
        mid = (2 * abs(total) + n) // (2 * n) * (1 if total >= 0 else -1)
    elif kind == "last":
        mid = values[-1]
    else:
        p, q = sum(of[0]), sum(of[1])
        mid = (math.isqrt((2000 * p) ** 2 // (p * p + q * q)) + 1) // 2 * (1 if p >= 0 else -1) if p or q else 0
    return [n, min(values), mid, max(values)]


def merkle(leaves):
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\1" + merkle(leaves[:split]) + merkle(leaves[split:])).digest()


class Forge:
    """Four gateways (all readers of relay-1; relay-2 is the first one's alone), a chain that began an hour ago, and one observer node."""

    def __init__(self, bits=4, minutes=60, **policy):
        """minutes: how long ago the chain began."""
        self.folder = Folder("gridwitness-forge-")
        self.dir = self.folder.path
        self.keys = sorted((Key(self.path("key-%d.pem" % i)) for i in range(5)), key=lambda k: k.kid)
        self.stranger = self.keys.pop(2)
        relay = {"device": "Relay 1", "equipment": "Rele_1", "substation": "S"}
        self.plan = {
            "name": "forge",
            "demo": True,
            "bits": bits,
            "time_ms": (now_ms() // 60000 - minutes) * 60000,
            "policy": dict({"max_future_ms": 1000, "max_block_bytes": 131072}, **policy),
            "gateways": [{"name": "g%d" % i, "key": k.public, "mine": i < 3} for i, k in enumerate(self.keys)],
            "relays": [dict(relay, id="relay-1"), dict(relay, id="relay-2", readers=["g0"])],
        }
        with open(self.path("plan.json"), "w", encoding="utf-8") as f:
            json.dump(self.plan, f)
        code, words, errors = run([bin_path("ledger"), "init", "--from", self.path("plan.json"), "--out", self.path("genesis.json")])
        assert code == 0, errors
        self.chain = words.split()[0]
        with open(self.path("genesis.json"), encoding="utf-8") as f:
            self.genesis = json.load(f)
        self.points = self.genesis["profiles"][0]["points"]
        self.first = self.genesis["time"] // 60000
        self.node = None

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def close(self):
        """The node ends, and must end well."""
        failure = AssertionError
        try:
            end_all([self.node])
            failure = None
        finally:
            self.folder.close(failure)

    # ---- the node under test ----

    def start(self, env=None, **changes):
        config = dict({"genesis": "genesis.json", "data": "data", "port": 0, "log": "warn"}, **changes)
        with open(self.path("node.json"), "w", encoding="utf-8") as f:
            json.dump(config, f)
        self.node = Program([bin_path("ledger"), "node", "--config", self.path("node.json")], env=env)
        self.address = self.node.listening()
        self.url = "http://%s:%d" % self.address

    def status(self):
        code, body = get(self.url + "/v1/status")
        return json.loads(body) if code == 200 else None

    def offer_block(self, block):
        """(status, result or code)"""
        raw = block if isinstance(block, bytes) else canonical(block)
        code, body = post(self.url + "/v1/blocks", raw)
        answer = json.loads(body) if body else {}
        return code, answer.get("result") or answer.get("code")

    def offer(self, statements, bodies=()):
        """(status, code) of a refused whole, or (200, "accepted" or "known" or the code of the first rejection)"""
        code, body = post(self.url + "/v1/statements", canonical({"bodies": list(bodies), "statements": list(statements)}))
        answer = json.loads(body) if body else {}
        if code != 200:
            return code, answer.get("code")
        if answer["rejected"]:
            return code, answer["rejected"][0]["code"]
        return code, "accepted" if answer["accepted"] else "known"

    def wait_tip(self, block, deadline_s=20):
        wait_until(lambda: self.status()["tip"] == self.hash(block), deadline_s, "the tip is %s: %s" % (self.hash(block), self.status()))

    def verify(self):
        return run([bin_path("ledger"), "verify", "--genesis", self.path("genesis.json"), "--data", self.path("data")])

    # ---- documents ----

    def branch(self, n, gws, parent=None, slot=None, inc=0, bodies=False, miner=0):
        """n blocks, each with a statement of each of these gateways in a new incarnation, that names the block before; a body each if wanted."""
        blocks, said = [], dict.fromkeys(gws)
        for i in range(n):
            now = (self.first if slot is None else slot) + i
            read = [self.body(now, seed=inc + i)] if bodies else []
            tip = self.hash(parent) if parent else None
            more = {"inc": self.genesis["time"] + 1 + inc}
            for gw in gws:
                said[gw] = self.statement(gw, now, read, after=said[gw], tip=tip, **(more if said[gw] is None else {}))
            blocks.append(self.block(parent, now, [said[gw] for gw in gws], read, miner=miner))
            parent = blocks[-1]
        return blocks

    def body(self, minute, relay="relay-1", seed=1, samples=None):
        if samples is None:
            samples = [[10000 * i, VALID, 1023, *[1000 + 7 * k + 13 * i + seed for k in range(10)]] for i in range(6)]
        columns = {p["name"]: [s[3 + k] for s in samples if s[2] >> k & 1] for k, p in enumerate(self.points)}
        agg = {}
        for point in self.points:
            of = [columns[name] for name in point["of"]]
            agg[point["name"]] = aggregate(point["agg"], columns[point["name"]], of)
        quality = INCOMPLETE if len(samples) < 6 else 0
        for sample in samples:
            quality |= sample[1]
        return {"agg": agg, "events": [], "min": minute, "openings": 0, "quality": quality, "relay": relay, "samples": samples, "v": 1}

    def sign_statement(self, statement, key, raw=None):
        bare = {k: v for k, v in statement.items() if k != "sig"}
        return dict(bare, sig=b64(raw or key.sign(tagged("gridwitness/statement/v1", bare))))

    def statement(self, gw, slot, bodies=(), after=None, tip=None, live=6, key=None, **changes):
        key = key or self.keys[gw]
        reads = sorted([b["relay"], b["min"], leaf(b).hex(), live] for b in bodies)
        s = {
            "gaps": [],
            "gw": key.kid,
            "inc": after["inc"] if after else self.genesis["time"] + 1,
            "prev": leaf(after).hex() if after else self.chain,
            "reads": reads,
            "seq": after["seq"] + 1 if after else 1,
            "slot": slot,
            "tip": tip or self.chain,
            "ts": (slot + 1) * 60000,
            "v": 1,
        }
        s.update(changes)
        return self.sign_statement(s, key)

    def header_hash(self, header):
        return hashlib.sha256(tagged("gridwitness/block/v1", header)).hexdigest()

    def hash(self, block):
        return self.header_hash(block["header"])

    def seal(self, block, miner=0, mine=True, key=None):
        """Search a nonce and sign."""
        header = dict(block["header"])
        target = 1 << 256 - self.genesis["bits"]
        for nonce in itertools.count(100):  # three digits, so that the size of a block does not depend on luck
            header["nonce"] = nonce
            if (int(self.header_hash(header), 16) < target) is mine:
                break
        sig = (key or self.keys[miner]).sign(tagged("gridwitness/block/v1", header))
        return dict(block, header=header, sig=b64(sig))

    def block(self, parent, slot, statements, bodies=(), miner=0, weight=None, mine=True, key=None, sealed=True, **changes):
        statements = sorted(statements, key=lambda s: (s["gw"], s["inc"], s["seq"]))
        bodies = sorted(bodies, key=lambda b: (b["relay"], b["min"], leaf(b)))
        leaves = [leaf(d) for d in [*statements, *bodies]]
        header = {
            "bits": self.genesis["bits"],
            "chain": self.chain,
            "height": parent["header"]["height"] + 1 if parent else 1,
            "leaves": len(leaves),
            "miner": (key or self.keys[miner]).kid,
            "nonce": 0,
            "prev": self.hash(parent) if parent else self.chain,
            "root": merkle(leaves).hex() if leaves else hashlib.sha256().hexdigest(),
            "slot": slot,
            "time": (slot + 1) * 60000 + 2000,
            "v": 1,
            "weight": len({s["gw"] for s in statements}) if weight is None else weight,
        }
        header.update(changes)
        block = {"bodies": bodies, "header": dict(header, nonce=100), "operations": [], "sig": "A" * 86 + "==", "statements": statements}
        if not sealed:
            return block
        return self.seal(block, miner, mine, key)

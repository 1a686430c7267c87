"""Blocks and statements that must do no harm, offered over HTTP to a running node: each gets its status and code, other clients are
not delayed, and afterwards the chain verifies. The codes P… are those of the list of inputs.
"""

import copy
import http.client
import json
import threading
import time
import unittest

from harness import limit, now_ms, wait_until
from forge import INCOMPLETE, L, VALID, Forge, b64, tagged
from network import canonical, get, post


def setUpModule():
    global F, CHAIN, SAID, S0
    F = Forge()
    unittest.addModuleCleanup(F.close)
    F.start()
    S0 = F.first
    CHAIN, SAID = [], None
    for i in range(3):  # three valid blocks: gateway 0 reads relay-1 each minute
        body = F.body(S0 + i, seed=i)
        SAID = F.statement(0, S0 + i, [body], after=SAID, tip=F.hash(CHAIN[-1]) if CHAIN else None)
        CHAIN.append(F.block(CHAIN[-1] if CHAIN else None, S0 + i, [SAID], [body]))
        assert F.offer_block(CHAIN[-1]) == (200, "accepted"), F.offer_block(CHAIN[-1])


class Watch:
    """Another client that asks for the status all the while; the slowest answer in seconds."""

    def __enter__(self):
        self.slowest, self.failed, self._stop = 0.0, 0, threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        return self

    def _run(self):
        while not self._stop.wait(0.02):
            begin = time.monotonic()
            self.failed += get(F.url + "/v1/status")[0] != 200
            self.slowest = max(self.slowest, time.monotonic() - begin)

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()


class Bad(unittest.TestCase):
    LIMIT_S = 3.0

    def setUp(self):
        self.tip = F.status()["tip"]
        self.watch = Watch()
        self.watch.__enter__()

    def tearDown(self):
        self.watch.__exit__()
        self.assertEqual(self.watch.failed, 0)
        self.assertLess(self.watch.slowest, limit(self.LIMIT_S))
        code, out, errors = F.verify()
        self.assertEqual(code, 0, out + errors)

    def refused(self, name, got, want):
        with self.subTest(case=name):
            self.assertEqual(got, want)

    def next_block(self, **changes):
        """A block that would be valid on the tip, but for the changes."""
        return F.block(CHAIN[-1], S0 + 10, [self.vote()], **changes)

    def vote(self, gw=1, slot=None, **more):
        return F.statement(gw, S0 + 10 if slot is None else slot, tip=F.hash(CHAIN[-1]), **more)


class Headers(Bad):
    def test_p1_p2_times(self):
        far = {"2h": now_ms() + 7200000, "2038": 2**31 * 1000, "2106": 2**32 * 1000, "6s": now_ms() + 6000}
        for name, ms in far.items():
            self.refused("P1 " + name, F.offer_block(self.next_block(time=ms)), (422, "future"))
        for ms in (2**53 - 1, -1):
            self.refused("P1 %d" % ms, F.offer_block(self.next_block(time=ms)), (422, "shape"))
        for ms in (CHAIN[-1]["header"]["time"], CHAIN[-1]["header"]["time"] - 1):
            self.refused("P2", F.offer_block(self.next_block(time=ms)), (422, "time"))
        self.assertEqual(F.status()["tip"], self.tip)

    def test_p4_heights(self):
        for height, code in ((0, "height"), (2, "height"), (6, "height"), (2**31, "height"), (-1, "shape")):
            self.refused("P4 %s" % height, F.offer_block(self.next_block(height=height)), (422, code))
        raw = canonical(self.next_block())
        for text in ("9007199254740992", "4.0", "4e0", "04", "+4", "-0"):
            bad = raw.replace(b'"height":4', b'"height":' + text.encode())
            self.refused("P4 " + text, F.offer_block(bad), (422, "canonical"))
        self.refused("P4 text", F.offer_block(raw.replace(b'"height":4', b'"height":"4"')), (422, "shape"))

    def test_p5_parents(self):
        self.refused("P5 unknown", F.offer_block(self.next_block(prev="ab" * 32)), (200, "orphan"))
        self.refused("P5 not a hash", F.offer_block(self.next_block(prev="ab")), (422, "shape"))
        self.refused("P5 chain id", F.offer_block(self.next_block(prev=F.chain)), (422, "height"))
        self.refused("P43", F.offer_block(self.next_block(chain="cd" * 32)), (422, "chain"))

    def test_p6_work_and_bits(self):
        self.refused("P6 work", F.offer_block(self.next_block(mine=False)), (422, "work"))
        for bits in (0, 3, 5, 40, 41, 255, 256):
            self.refused("P6 bits %d" % bits, F.offer_block(self.next_block(bits=bits)), (422, "bits"))
        self.refused("P6 bits -1", F.offer_block(self.next_block(bits=-1)), (422, "shape"))

    def test_miners_signatures_and_the_rest_of_the_header(self):
        self.refused("P15 miner", F.offer_block(self.next_block(key=F.stranger)), (422, "miner"))
        self.refused("mine 0", F.offer_block(self.next_block(miner=3)), (422, "miner"))
        self.refused("miner text", F.offer_block(self.next_block(miner_name=1)), (422, "shape"))
        block = self.next_block()
        forged = dict(block, sig=b64(F.keys[1].sign(tagged("gridwitness/block/v1", block["header"]))))
        self.refused("signed by another", F.offer_block(forged), (422, "signature"))
        self.refused("slot of the parent", F.offer_block(F.block(CHAIN[-1], S0 + 2, [self.vote()], time=now_ms())), (422, "slot"))
        self.refused("weight", F.offer_block(self.next_block(weight=4)), (422, "weight"))
        self.refused("leaves", F.offer_block(self.next_block(leaves=2)), (422, "root"))
        self.assertEqual(F.status()["tip"], self.tip)


class Signatures(Bad):
    def test_p23_ed25519(self):
        block = self.next_block()
        raw = F.keys[0].sign(tagged("gridwitness/block/v1", block["header"]))
        scalar = int.from_bytes(raw[32:], "little") + L
        for name, sig in (
            ("S+L", raw[:32] + scalar.to_bytes(32, "little")),
            ("zeros", bytes(64)),
            ("small order", b"\1" + bytes(63)),
            ("R flipped", bytes([raw[0] ^ 1]) + raw[1:]),
        ):
            self.refused("P23 block " + name, F.offer_block(dict(block, sig=b64(sig))), (422, "signature"))
        vote = self.vote(gw=2)
        bare = {k: v for k, v in vote.items() if k != "sig"}
        raw = F.keys[2].sign(tagged("gridwitness/statement/v1", bare))
        scalar = int.from_bytes(raw[32:], "little") + L
        for name, sig in (("S+L", raw[:32] + scalar.to_bytes(32, "little")), ("zeros", bytes(64)), ("small order", b"\1" + bytes(63))):
            forged = F.sign_statement(bare, None, raw=sig)
            self.refused("P23 statement " + name, F.offer([forged]), (200, "statement_signature"))

    def test_p18b_other_spellings_of_a_signature(self):
        vote = self.vote(gw=2)
        alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
        last = vote["sig"][85]
        unused = vote["sig"][:85] + alphabet[alphabet.index(last) ^ 1] + "=="
        for name, sig in (("unused bits", unused), ("no padding", vote["sig"][:-2]), ("url", "-" + vote["sig"][1:]), ("newline", vote["sig"] + " ")):
            self.refused("P18b " + name, F.offer([dict(vote, sig=sig)]), (200, "shape"))


class Blocks(Bad):
    def test_p8_p9_longer_branch_with_a_fault(self):
        """A longer branch than ours whose first, middle or last block is bad: its sound part may be kept, the tip stays valid."""
        for where in range(3):
            for fault in ("signature", "root", "aggregate", "duplicate_body"):
                with self.subTest(where=where, fault=fault):
                    self.offer_branch(where, fault)

    def offer_branch(self, where, fault):
        parent, said, bodies = CHAIN[0], None, []
        key = 1 + ("signature", "root", "aggregate", "duplicate_body").index(fault) % 3
        for i in range(3):
            slot = S0 + 12 + i
            body = F.body(slot, seed=100 * where + 10 * i + key)
            if i == where and fault == "aggregate":
                body["agg"]["f"][2] += 1
            if i == where and fault == "duplicate_body":
                body = CHAIN[0]["bodies"][0]
            bodies = [body]
            said = F.statement(key, slot, bodies, after=said, tip=F.hash(parent))
            changes = {"root": "ee" * 32} if i == where and fault == "root" else {}
            block = F.block(parent, slot, [said], bodies, weight=1, **changes)
            if i == where and fault == "signature":
                block["sig"] = CHAIN[0]["sig"]
            got = F.offer_block(block)
            if i < where:
                self.assertIn(got, ((200, "accepted"), (200, "known")))
            elif i == where:
                self.assertEqual(got, (422, fault))
            else:
                # a bad signature, or leaves of another root, are the fault of one copy; with another fault the header is bad for good
                copy_only = fault in ("signature", "root")
                self.assertEqual(got, (200, "orphan") if copy_only else (422, "prev"), "child of a refused block")
            parent = block

    def test_p24_p26_leaves(self):
        vote = self.vote()
        block = self.next_block()
        doubled = copy.deepcopy(block)
        doubled["statements"] *= 2
        self.refused("P24", F.offer_block(doubled), (422, "order"))
        self.refused("P26 empty", F.offer_block(F.block(CHAIN[-1], S0 + 10, [], weight=0)), (422, "empty"))
        unread = F.body(S0 + 9, seed=77)
        self.refused("unread", F.offer_block(F.block(CHAIN[-1], S0 + 10, [vote], [unread])), (422, "unread_body"))
        missing = F.statement(1, S0 + 10, [unread], tip=F.hash(CHAIN[-1]))
        self.refused("missing", F.offer_block(F.block(CHAIN[-1], S0 + 10, [missing])), (422, "missing_body"))
        self.refused("operations", F.offer_block(dict(block, operations=[1])), (422, "shape"))

    def sized(self, size):
        """A valid block of exactly so many bytes: bodies by the dozen, then longer values, then longer counts of openings."""
        slot, each = S0 + 57, [[], [], []]

        def build(sealed):
            votes = [F.statement(g + 1, slot, bodies, tip="ab" * 32, inc=F.genesis["time"] + 9) for g, bodies in enumerate(each)]
            return F.block(CHAIN[-1], slot, votes, [b for bodies in each for b in bodies], sealed=sealed, weight=0)

        def missing():
            return size - len(canonical(build(False)))

        for i in range(168):
            each[i % 3].append(F.body(S0 + 1 + i // 3, seed=100 + 1000 * (i % 3)))
            if i > 140 and missing() < 3200:
                break
        for bodies in each:  # a digit more in each of the 60 values, and in what is computed of them
            while missing() > 700:
                before = bodies[0]
                bodies[0] = F.body(before["min"], seed=before["samples"][0][3] * 10)
                if bodies[0]["samples"][0][3] > 10**11:
                    break
        for body in (b for bodies in each for b in bodies):
            digits = min(missing(), 8)
            if digits > 0:
                body["openings"] = 10**digits
        return build(True)

    def test_p26_block_of_the_greatest_size_and_one_more(self):
        for size, want in ((131071, (200, "accepted")), (131072, (200, "accepted")), (131073, (422, "size"))):
            block = self.sized(size)
            self.assertEqual(len(canonical(block)), size)
            self.refused("P26 %d" % size, F.offer_block(block), want)

    def test_p26_65537_leaves_and_bodies_above_the_cap(self):
        block = self.next_block()
        raw = canonical(block).replace(b'"leaves":1', b'"leaves":65537')
        self.refused("P26 leaves", F.offer_block(raw), (422, "shape"))
        self.refused("P26 above the cap of the route", F.offer_block(b"{" + b" " * 250000)[0], 413)
        self.refused("P26 not canonical", F.offer_block(b"{" + b" " * 131073), (422, "canonical"))

    def test_p27_same_block_again_and_again(self):
        raw = canonical(CHAIN[-1])
        line = http.client.HTTPConnection(*F.address, timeout=20)
        for _ in range(3000):
            line.request("POST", "/v1/blocks", raw, {"Content-Type": "application/json"})
            answer = line.getresponse()
            self.assertEqual((answer.status, answer.read()), (200, b'{"result":"known"}'))
        line.close()

    def test_p28_orphans(self):
        line = http.client.HTTPConnection(*F.address, timeout=20)
        vote = self.vote()
        for i in range(1500):
            block = F.block(CHAIN[-1], S0 + 10, [vote], prev="%064x" % (i + 1))
            line.request("POST", "/v1/blocks", canonical(block), {"Content-Type": "application/json"})
            answer = line.getresponse()
            self.assertEqual((answer.status, answer.read()), (200, b'{"result":"orphan"}'))
        line.close()
        self.assertEqual(F.status()["tip"], self.tip)


class Statements(Bad):
    def say(self, gw, slot, bodies=(), **more):
        """The first statement of an incarnation that no other test uses."""
        return F.statement(gw, slot, bodies, **dict({"inc": F.genesis["time"] + 77}, **more))

    def test_p14_p15_readers_and_keys(self):
        body = F.body(S0 + 9, relay="relay-2")
        self.refused("P14", F.offer([self.say(1, S0 + 9, [body])], [body]), (200, "reader"))
        self.refused("P15", F.offer([self.say(0, S0 + 9, key=F.stranger)]), (200, "unknown_gateway"))
        nowhere = F.body(S0 + 9, relay="relay-9")
        self.refused("relay", F.offer([self.say(1, S0 + 9, [nowhere])], [nowhere]), (200, "relay"))

    def test_p17_p18_again_and_twice(self):
        first = self.say(3, S0 + 4)
        self.refused("new", F.offer([first]), (200, "accepted"))
        self.refused("P17", F.offer([first]), (200, "known"))
        self.refused("P18", F.offer([self.say(3, S0 + 5)]), (200, "conflict"))
        self.refused("P18 third", F.offer([self.say(3, S0 + 6)]), (200, "conflict"))
        evidence = json.loads(get(F.url + "/v1/evidence")[1])
        text = json.dumps(evidence)
        self.assertIn(F.keys[3].kid, text)
        self.assertIn('"inc": %d' % first["inc"], text)
        self.refused("gap", F.offer([self.say(3, S0 + 8, seq=9, prev="ab" * 32)]), (200, "gap"))

    def test_p18c_of_another_chain(self):
        self.refused("P18c", F.offer([self.say(2, S0 + 9, prev="ab" * 32)]), (200, "statement_chain"))

    def test_p19_p20_minutes(self):
        now = now_ms() // 60000
        body = F.body(S0 + 10)
        self.refused("P19 read", F.offer([self.say(2, S0 + 9, [body])], [body]), (200, "minute"))
        self.refused("P19 slot", F.offer([self.say(2, now + 1)]), (200, "future"))
        self.refused("ts before the end of the slot", F.offer([self.say(2, S0 + 9, ts=(S0 + 10) * 60000 - 1)]), (200, "statement_slot"))
        self.refused("inc after ts", F.offer([self.say(2, S0 + 9, inc=now_ms())]), (200, "statement_slot"))
        old = F.body(S0 - 1)
        self.refused("P20", F.offer([self.say(2, S0 + 9, [old])], [old]), (200, "minute"))
        gap = self.say(2, S0 + 9, gaps=[["relay-1", S0 + 9 - 1440, S0, "stopped"]])
        self.refused("P20 gap", F.offer([gap]), (200, "minute"))

    def test_p22_bodies(self):
        good = F.body(S0 + 9)["samples"]

        def offered(samples=None, **changes):
            body = dict(F.body(S0 + 9, samples=samples or good), **changes)
            return F.offer([self.say(2, S0 + 9, [body])], [body])

        none = dict(F.body(S0 + 9), samples=[])
        self.refused("P22 none", F.offer([self.say(2, S0 + 9, [none])], [none]), (200, "shape"))
        many = [[i * 900, VALID, 0, *[0] * 10] for i in range(61)]
        self.refused("P22 61", offered(samples=many), (200, "shape"))
        seven = [[i * 8000, VALID, 0, *[0] * 10] for i in range(7)]
        self.refused("P22 seven", offered(samples=seven), (200, "body"))
        self.refused("P22 unsorted", offered(samples=[good[1], good[0], *good[2:]]), (200, "body"))
        self.refused("P22 outside", offered(samples=[*good[:5], [60000, *good[5][1:]]]), (200, "body"))
        self.refused("not valid", offered(samples=[[0, 0, *good[0][2:]]]), (200, "body"))
        self.refused("beyond", offered(samples=[[0, VALID, 1023, *[2**40 + 1] * 10]]), (200, "body"))
        self.refused("quality", offered(quality=VALID | INCOMPLETE), (200, "aggregate"))
        self.refused("openings", offered(openings=2**32), (200, "shape"))

    def test_whole_offers_that_are_none(self):
        for raw, want in ((b"", None), (b"[]", (422, "shape")), (b'{"bodies":[]}', (422, "shape")), (b'{"bodies":[],"more":1,"statements":[]}', (422, "shape"))):
            code, body = post(F.url + "/v1/statements", raw)
            with self.subTest(raw=raw):
                self.assertIn(code, (400, 422))
                if want:
                    self.assertEqual((code, json.loads(body)["code"]), want)


class Late(Bad):
    """What was early and is due becomes good: last, for it moves the tip."""

    def test_z_p1_future_now_and_good_later(self):
        when = now_ms() + 4000
        block = self.next_block(time=when)
        self.assertEqual(F.offer_block(block), (422, "future"))
        self.assertEqual(F.status()["tip"], self.tip)

        def offered():
            got = F.offer_block(block)
            self.assertIn(got, ((422, "future"), (200, "accepted"), (200, "known")))
            return got[0] == 200

        wait_until(offered, 10, "the block is taken when it is early by a second at most")
        self.assertGreaterEqual(now_ms() + 1100, when)
        F.wait_tip(block)
        self.assertGreaterEqual(now_ms(), when)


if __name__ == "__main__":
    unittest.main()

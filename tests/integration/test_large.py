"""Sixteen gateways and their relay, each in a network namespace of its own: what a bad network and power failures do to them.

Two cores carry sixteen nodes at twenty times the speed with a third of one core; under the thread sanitizer, ten times as slow,
they carry six. One network on a virtual clock serves all tests. Each test leaves it whole: after the disturbance every node must come to one
tip, every chain must verify, and nothing that any node had shown as held may be missing (whole()). Needs root; else skipped.

Environment:
    GRIDWITNESS_LARGE_KILLS   kill -9 of this many processes (default 12)
    GRIDWITNESS_SEED          of what is chosen at random (default: the time; printed)
"""

import os
import random
import shutil
import time
import unittest

from harness import wait_until
from held import leaf, shown
from netns import BridgedNetwork

KILLS = int(os.environ.get("GRIDWITNESS_LARGE_KILLS", "12"))
SEED = int(os.environ.get("GRIDWITNESS_SEED", "0")) or time.time_ns() % 1000000
NODES = 6 if "san-thread" in os.environ.get("GRIDWITNESS_BUILD", "") else 16
SLOT_MS = 60000
PATIENCE_S = 60  # real; a slot is 3 s


def pairs(statement):
    """What a statement says to have seen, as (gateway, relay, minute, digest)."""
    return {(statement["gw"], relay, minute, digest) for relay, minute, digest, _ in statement["reads"]}


class Held:
    """What each node has shown as held: it was on its disk then, so it must never be missing."""

    def __init__(self, nodes):
        self.statements = [{} for _ in range(nodes)]  # by node: leaf -> document
        self.bodies = [set() for _ in range(nodes)]
        self.signed = {}  # (gw, inc, seq) -> leaves

    def note(self, net, i):
        statements, bodies = shown(net, i)
        self.bodies[i].update(leaf(b) for b in bodies)
        for s in statements:
            self._add(i, leaf(s), s)

    def _add(self, i, digest, statement):
        self.statements[i][digest] = statement
        self.signed.setdefault((statement["gw"], statement["inc"], statement["seq"]), set()).add(digest)

    def forget(self, i):
        """The disk of node i is gone."""
        self.statements[i].clear()
        self.bodies[i].clear()

    def signed_twice(self):
        """(gw, inc, seq) of which two different statements were ever seen."""
        return [key for key, leaves in self.signed.items() if len(leaves) > 1]


class Chain:
    """What node i serves as the best branch."""

    def __init__(self, net, i):
        self.statements, self.bodies, self.pairs = {}, set(), set()
        self.headers = []
        start = 1
        while start:
            page = net.json(i, "/v1/blocks?from=%d&limit=100" % start)
            for entry in page["blocks"]:
                self._add(entry["block"])
            start = page.get("next")

    def _add(self, block):
        self.headers.append(block["header"])
        self.bodies.update(leaf(b) for b in block["bodies"])
        for s in block["statements"]:
            self.statements[leaf(s)] = s
            self.pairs |= pairs(s)


class Large(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        print("seed %d" % SEED, flush=True)
        cls.random = random.Random(SEED)
        # Two blocks deep is confirmed: reorganisations here go deeper, past what the pool has already let go.
        cls.net = net = BridgedNetwork(gateways=NODES, confirm_depth=2)
        cls.addClassCleanup(net.__exit__, None, None, None)
        cls.held = Held(NODES)
        cls.forgetful = set()  # gateways that have lost their disk
        net.start_relay()
        net.start_all()
        net.wait_height(1, which=[0], deadline_s=PATIENCE_S)
        names = {g["name"]: g["id"] for g in net.json(0, "/v1/gateways")["gateways"]}
        cls.kids = [names["Red_BKC_NODO_%d" % (5004 + i)] for i in range(NODES)]

    def setUp(self):
        self.addCleanup(self.undisturbed)

    def undisturbed(self):
        """For the next test, also after a failure: all run, all are reached."""
        net = self.net
        net.heal()
        net.rate(0)
        for i in range(NODES):
            net.connect(i)
            if net.nodes[i].process.poll() is not None:
                net.restart(i)
            net.resume(i)

    # ---- what the tests are made of ----

    def slots(self, count):
        """Let so many slots pass and note, in the middle of each, what every node holds."""
        for _ in range(count):
            self.net.wait_clock(self.net.now_ms() + SLOT_MS)
            for i in range(NODES):
                self.held.note(self.net, i)

    def attesting(self, kid, since, live=6):
        """A minute >= since that kid is on the chain with, all its samples seen live; None when there is none yet."""
        found = self.net.json(0, "/v1/minutes?relay=relay-1&from=%d&order=asc&limit=1000" % since)
        for minute in found["minutes"] if found else []:
            if minute["state"] != "pooled" and {"gw": kid, "live": live} in minute["attested"]:
                return minute["body"]["min"]
        return None

    def missing(self):
        """What a node showed as held and neither the chain nor the node itself has now."""
        chain = Chain(self.net, 0)
        gone = []
        for i in range(NODES):
            for kind, held, mined in (
                ("statements", self.held.statements[i], chain.statements),
                ("bodies", self.held.bodies[i], chain.bodies),
            ):
                gone += [(i, kind, d) for d in held if d not in mined and not self.net.json(i, "/v1/%s/%s" % (kind, d))]
        return gone

    def unstated(self):
        """Pairs that some gateway has signed, and has not forgotten, and that no statement of its own on the chain carries."""
        stated = set().union(*(pairs(s) for held in self.held.statements for s in held.values()))
        return {p for p in stated - Chain(self.net, 0).pairs if p[0] not in self.forgetful}

    def all_run(self):
        """No process has ended that no test has killed."""
        for program in [*self.net.nodes, self.net.relay]:
            self.assertIsNone(program.process.poll(), program.last_words())

    def whole(self):
        """The end of every test: one tip, nothing lost, nothing signed twice, every chain valid."""
        net = self.net
        self.all_run()
        net.wait_one_tip(deadline_s=PATIENCE_S)
        for i in range(NODES):
            self.held.note(net, i)
        wait_until(lambda: not self.unstated(), PATIENCE_S, "all pairs are on the chain", poll_s=0.5)
        net.wait_one_tip(deadline_s=PATIENCE_S)
        self.assertGreater(min(len(held) for held in self.held.statements), 0)
        self.assertEqual(self.missing(), [])
        self.assertEqual(self.held.signed_twice(), [])
        for i in range(NODES):
            code, words = net.verify(i)
            self.assertEqual(code, 0, "node %d: %s" % (i, words))
        self.all_run()

    # ---- the tests ----

    # Undisturbed, all nodes attest the same minutes, each with all samples live, on one chain.
    def test_a_undisturbed_minute_is_attested_by_all(self):
        net = self.net
        minute = net.now_minute() + 1
        for i in range(NODES):
            wait_until(lambda i=i: self.attesting(self.kids[i], minute), PATIENCE_S, "gateway %d attests" % i)
        answer = next(m for m in net.minutes(0) if m["body"]["min"] == minute)
        self.assertEqual((len(answer["attested"]), answer["of"], answer["conflict"]), (NODES, NODES, 0))
        self.whole()

    # A process that dies at any moment takes nothing with it that it had shown as held.
    def test_b_processes_killed_lose_nothing(self):
        net = self.net
        for _ in range(KILLS):
            victim = self.random.randrange(NODES)
            net.wait_clock(net.now_ms() + self.random.randrange(SLOT_MS // 4))
            for i in {victim, *self.random.sample(range(NODES), 4)}:
                self.held.note(net, i)
            net.kill(victim)
            net.wait_clock(net.now_ms() + self.random.randrange(SLOT_MS // 4))
            net.restart(victim)
        since = net.now_minute() + 1
        wait_until(lambda: self.attesting(self.kids[victim], since), PATIENCE_S, "the last victim %d attests" % victim)
        self.whole()

    # Two halves that cannot hear each other each go on, and come to one branch without losing what either has said.
    def test_c_halves_heal_to_one_branch(self):
        net = self.net
        chosen = self.random.sample(range(NODES), NODES)
        halves = [chosen[: NODES // 2], chosen[NODES // 2 :]]
        net.partition(halves)
        first = net.status(0)["height"]
        self.slots(3)
        tips = [net.wait_one_tip(half, PATIENCE_S) for half in halves]
        self.assertNotEqual(tips[0]["tip"], tips[1]["tip"])
        for tip in tips:
            self.assertGreater(tip["height"], first)
        self.assertGreater(net.heal(), 0)
        self.whole()

    # A quarter that was cut off gives its branch up for that of the other three, which carries more votes.
    def test_d_minority_heals_onto_the_branch_of_the_majority(self):
        net = self.net
        chosen = self.random.sample(range(NODES), NODES)
        few, many = chosen[: NODES // 4], chosen[NODES // 4 :]
        net.partition([few, many])
        self.slots(3)
        kept = net.wait_one_tip(many, PATIENCE_S)
        dropped = net.wait_one_tip(few, PATIENCE_S)
        self.assertNotEqual(kept["tip"], dropped["tip"])
        # The newest block may be replaced in its own slot, by one that holds the votes of the minority as well.
        below = net.json(many[0], "/v1/blocks/" + kept["tip"])["block"]["header"]
        self.assertGreater(net.heal(), 0)
        self.whole()
        for i in range(NODES):
            self.assertEqual(net.json(i, "/v1/blocks/%d" % (below["height"] - 1))["hash"], below["prev"])

    # A node to which nobody can open a connection pulls blocks, pushes its statements, and is heard.
    def test_e_node_that_nobody_reaches_attests(self):
        net = self.net
        hidden = self.random.randrange(1, NODES)
        net.kill(hidden)  # no connection from before
        net.hide([hidden])
        net.restart(hidden)
        since = net.now_minute() + 1
        minute = wait_until(lambda: self.attesting(self.kids[hidden], since), PATIENCE_S, "hidden node %d attests" % hidden)
        self.assertGreaterEqual(minute, since)
        net.wait_one_tip(deadline_s=PATIENCE_S)
        self.assertGreater(net.heal(), 0)
        self.whole()

    # Lost packets and narrow lines slow the network down; they do not stop it.
    def test_f_lossy_network_goes_on(self):
        net = self.net
        first = net.status(0)["height"]
        net.rate(512)
        net.loss(10)
        self.slots(3)
        heights = [net.status(i)["height"] for i in range(NODES)]
        self.assertGreaterEqual(min(heights), first + 1, heights)
        self.assertGreater(net.heal(), 0)
        net.rate(0)
        self.whole()

    # A process that stood still, and one whose cable was out, come back, sign nothing twice and attest again.
    def test_g_paused_and_unplugged_catch_up(self):
        net = self.net
        paused, unplugged = self.random.sample(range(1, NODES), 2)
        for i in (paused, unplugged):
            self.held.note(net, i)
        first = net.status(paused)["height"]
        net.pause(paused)
        net.disconnect(unplugged)
        net.wait_clock(net.now_ms() + 3 * SLOT_MS)
        self.assertGreaterEqual(net.height(0), first + 2)
        net.resume(paused)
        net.connect(unplugged)
        since = net.now_minute() + 1
        for i in (paused, unplugged):
            wait_until(lambda i=i: self.attesting(self.kids[i], since), PATIENCE_S, "gateway %d attests again" % i)
        self.whole()
        for i in range(NODES):
            self.assertEqual(net.json(i, "/v1/evidence")["statements"], [])

    # What a gateway said before it lost its disk, heard by a minority alone, is overtaken on the branch that wins: it stays
    # readable where it was acknowledged, and the gateway has signed no (inc, seq) a second time.
    def test_h_disk_lost_in_a_minority_is_overtaken_and_kept(self):
        net = self.net
        chosen = self.random.sample(range(1, NODES), NODES - 1)
        few, lost, many = chosen[: NODES // 5], chosen[-1], [0, *chosen[NODES // 5 : -1]]
        net.partition([[*few, lost], many])
        self.slots(2)
        old = {d for d, s in self.held.statements[few[0]].items() if s["gw"] == self.kids[lost]}
        net.lose_power(lost)
        shutil.rmtree(net.path("data-%d" % lost))
        self.held.forget(lost)
        self.forgetful.add(self.kids[lost])
        net.partition([few, [*many, lost]])
        net.restart(lost)
        since = net.now_minute() + 1
        wait_until(lambda: self.attesting(self.kids[lost], since), PATIENCE_S, "gateway %d attests without its past" % lost)
        self.slots(2)  # else a heavier block of the same minute, made after the healing, could still take both incarnations
        self.assertGreater(net.heal(), 0)
        self.whole()
        unmined = old - set(Chain(net, 0).statements)
        self.assertNotEqual(unmined, set())
        for digest in unmined:
            wait_until(lambda d=digest: net.json(few[0], "/v1/statements/" + d)["state"] == "overtaken", PATIENCE_S, "overtaken " + digest)


if __name__ == "__main__":
    unittest.main()

"""The witness part of the gateway against ledger nodes that lie, hang, are not ready or show another time."""

import json
import threading
import unittest

from harness import Program, bin_path, limit, run, wait_until
from fake_ledger import FakeLedger, leaf
from witness_case import MINUTE, WitnessCase


class WitnessNodes(WitnessCase):
    def test_nodes_that_always_refuse_are_not_hammered(self):
        """One that says gap to all, and one that refuses the first statements for good: what follows them is a gap there."""
        good, liar, stubborn = self.ledger(), self.ledger(), self.ledger()
        liar.refuse = lambda s: "gap"
        stubborn.refuse = lambda s: "conflict" if s["seq"] <= 2 else "gap"
        self.start(good, liar, stubborn)
        self.wait_statements(good, 4)
        before = {fake: fake.requests.count("/v1/statements") for fake in (liar, stubborn)}
        self.wait_statements(good, 8)
        for fake in before:
            self.assertLess(fake.requests.count("/v1/statements") - before[fake], 60)
        self.assertEqual(len({s["inc"] for s in good.all()}), 1)

    def test_answer_that_does_not_add_up_acknowledges_nothing(self):
        fake = self.ledger()
        honest = fake.offer

        def dishonest(request):
            honest({"bodies": request["bodies"], "statements": []})
            return 200, {"accepted": len(request["statements"]) + 1, "known": 0, "rejected": []}

        fake.offer = dishonest
        gateway = self.start(fake)
        gateway.wait_line("statements wait: a frame or answer that no correct peer sends", errors=True)
        fake.offer = honest
        statements = self.wait_statements(fake, 2)
        self.assertEqual([s["seq"] for s in statements[:2]], [1, 2])
        self.check_numbers(self.offered(fake), fake.chain)

    def test_statement_too_large_for_the_node_is_said_anew(self):
        fake = self.ledger()
        refused = []

        def refuse_one(statement):
            if not refused and statement["reads"]:
                refused.append(statement)
            return "too_large" if refused and statement["inc"] == refused[0]["inc"] and statement["seq"] >= refused[0]["seq"] else None

        fake.refuse = refuse_one
        gateway = self.start(fake)
        gateway.wait_line("refuses statement .*too_large", errors=True)
        named = {(r[0], r[1]) for r in refused[0]["reads"]}
        wait_until(lambda: named <= set(fake.reads()), 30, "stated anew: %s" % gateway.errors[-5:])
        self.assertGreater(fake.all()[-1]["inc"], refused[0]["inc"])
        self.check_numbers(self.offered(fake), fake.chain)

    def test_claimed_incarnation_without_a_signature_stops_nobody(self):
        fake = self.ledger()
        liar = self.ledger()
        self.start(fake, liar)
        before = self.wait_statements(fake, 2)
        liar.claim = self.net.now_ms() + 1000
        self.wait_statements(fake, len(before) + 3)
        self.assertIsNone(self.net.nodes[0].process.poll())
        self.assertEqual(len({s["inc"] for s in fake.all()}), 1)

    def test_statements_of_another_chain_stop_nobody(self):
        """P18: the key signs on a second chain, and a node shows what it said there."""
        home, liar = self.ledger(), self.ledger()
        gateway = self.start(home, liar)
        with open(self.net.path("plan.json"), encoding="utf-8") as f:
            plan = dict(json.load(f), name="another")
        with open(self.net.path("plan-2.json"), "w", encoding="utf-8") as f:
            json.dump(plan, f)
        genesis = self.net.path("genesis-2.json")
        code, _, errors = run([bin_path("ledger"), "init", "--from", self.net.path("plan-2.json"), "--out", genesis])
        self.assertEqual(code, 0, errors)
        other = FakeLedger(genesis, self.net.env)
        self.addCleanup(other.__exit__)
        self.wait_statements(home, 1)
        config = self.net.write_config(0, node=None, ledgers=[other.url], genesis=genesis, data=self.net.path("data-2"))
        with Program([bin_path("gateway"), "--config", config], env=self.net.env) as second:
            wait_until(lambda: len(other.statements) >= 2, 30, "the other chain: %s" % second.errors[-5:])
            kid = other.all()[0]["gw"]
            claim, honest, asked = other.gateway(kid), liar.answer, set()

            def answer(path, body):
                if path.startswith("/v1/gateways/"):
                    return 200, claim
                if path.rsplit("/", 1)[1] in other.statements:
                    asked.add(path)
                    return other.answer(path, body)
                return honest(path, body)

            liar.answer = answer
            gateway.wait_line(": of another chain", errors=True)
        self.wait_statements(home, len(home.all()) + 2)
        self.assertGreaterEqual(len(asked), 2)
        self.assertIsNone(gateway.process.poll(), gateway.errors[-4:])

    def test_claimed_slot_of_the_future_silences_nobody(self):
        fake, liar = self.ledger(), self.ledger()
        for claim in (4000000000, self.net.now_minute() + 60):
            liar.claim_slot = claim
            gateway = self.start(fake, liar)
            self.wait_statements(fake, len(fake.all()) + 2)
            gateway.wait_line("names an incarnation or slot that lies in the future", errors=True)
            gateway.stop()
        self.check_numbers(self.offered(fake), fake.chain)

    def test_clock_that_most_nodes_contradict_signs_nothing(self):
        nodes = [self.ledger() for _ in range(3)]
        for fake in nodes[:2]:
            fake.offset_ms = 600000
        gateway = self.start(*nodes)
        gateway.wait_line("not signing: most ledger nodes that answer show another time", errors=True)
        self.net.wait_clock(self.net.now_ms() + 2 * MINUTE)
        self.assertEqual([s for fake in nodes for s in fake.all()], [], gateway.errors)
        nodes[0].offset_ms = 0
        self.wait_statements(nodes[0], 1)

    def test_no_statement_before_a_node_is_ready(self):
        fake = self.ledger()
        fake.ready = False
        gateway = self.start(fake)
        gateway.wait_line("waiting to sign: the test says so", errors=True)
        self.net.wait_clock(self.net.now_ms() + 2 * MINUTE)
        self.assertEqual(fake.all(), [])
        fake.ready = True
        self.wait_statements(fake, 1)

    def test_dead_and_hanging_nodes_delay_nobody(self):
        dead, hanging, good = self.ledger(), self.ledger(), self.ledger()
        dead.down = True
        for fake in (dead, hanging, good):
            fake.state = "pooled"  # what is mined need not be offered any more to the one that was away
        self.start(dead, hanging, good)
        self.wait_statements(good, 1)
        hanging.hang = threading.Event()
        statements = self.wait_statements(good, 5)
        self.check_numbers(self.offered(good), good.chain)
        late = [s["ts"] - (s["slot"] + 1) * MINUTE for s in statements[1:]]
        self.assertLess(max(late), 5000 + 1000 * limit(0.5) * self.net.speed)
        dead.down = False
        self.wait_statements(dead, 3)
        self.assertEqual([leaf(s) for s in dead.all()], [leaf(s) for s in good.all()[: len(dead.all())]])

    def test_minutes_that_stay_off_the_chain_raise_an_alarm(self):
        fake = self.ledger()
        fake.state = "pooled"
        gateway = self.start(fake)
        gateway.wait_line(r"minutes read are not on the chain after 3 slots", errors=True, deadline_s=40)
        fake.state = "mined"
        gateway.wait_line("everything read is on the chain again", errors=True)

    def test_restart_raises_no_alarm_for_what_its_node_does_not_know_yet(self):
        """Stopped with a statement pooled, for four slots; the node is ready two slots after the start, and has it mined."""
        fake = self.ledger()
        fake.state = "pooled"
        self.start(fake)
        self.wait_statements(fake, 2)  # the second one reads, whenever the first was
        self.net.nodes[0].stop()
        self.net.wait_clock(self.net.now_ms() + 4 * MINUTE)
        fake.ready = False
        gateway = self.start(fake)
        gateway.wait_line("waiting to sign: the test says so", errors=True)
        self.net.wait_clock(self.net.now_ms() + 2 * MINUTE)
        before = len(fake.all())
        fake.state = "mined"
        fake.ready = True
        self.wait_statements(fake, before + 2)
        self.assertEqual([], [line for line in gateway.errors if "not on the chain" in line])


if __name__ == "__main__":
    unittest.main()

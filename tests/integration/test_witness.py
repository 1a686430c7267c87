"""The witness part of the gateway: what it says in each minute, and how it answers what a ledger node thinks of it.

What must hold whatever the nodes do: no two statements under one (inc, seq), numbers and slots that grow, every minute that was
read named until it is on the chain.
"""

import unittest

from harness import bin_path, limit, run, wait_until
from fake_ledger import leaf
from network import Network
from witness_case import MINUTE, WitnessCase


class Witness(WitnessCase):
    def test_each_slot_one_statement_with_the_bodies_it_reads(self):
        fake = self.ledger()
        self.start(fake)
        statements = self.wait_statements(fake, 5)
        self.check_numbers(statements, fake.chain)
        self.assertEqual([s["slot"] for s in statements[1:]], [statements[1]["slot"] + i for i in range(len(statements) - 1)])
        for (_, minute), digests in fake.reads().items():
            self.assertEqual(len(digests), 1)
            self.assertEqual(fake.bodies[next(iter(digests))]["min"], minute)
        late = [s["ts"] - (s["slot"] + 1) * MINUTE for s in statements[1:]]
        self.assertLess(max(late), 5000 + 1000 * limit(0.5) * self.net.speed)
        self.assertEqual([len(s["reads"]) for s in statements[2:]], [1] * len(statements[2:]))

    def test_unacknowledged_statements_come_again_byte_for_byte(self):
        fake = self.ledger()
        fake.offer_status = 503
        self.start(fake)
        self.net.wait_clock(self.net.now_ms() + 4 * MINUTE)
        self.assertEqual(fake.all(), [])
        fake.offer_status = 200
        statements = self.wait_statements(fake, 4)
        self.assertEqual([s["seq"] for s in statements[:4]], [1, 2, 3, 4])
        self.check_numbers(self.offered(fake), fake.chain)

    def test_gap_is_answered_from_the_last_known_statement(self):
        fake = self.ledger()
        self.start(fake)
        first = self.wait_statements(fake, 3)
        with fake.lock:  # the node loses all it had, and takes only what continues what it has
            fake.statements.clear()
            fake.refuse = lambda s: None if s["seq"] == 1 or s["prev"] in fake.statements else "gap"
        again = self.wait_statements(fake, 4)
        self.assertEqual([leaf(s) for s in again[:3]], [leaf(s) for s in first[:3]])
        self.check_numbers(self.offered(fake), fake.chain)

    def test_overtaken_statement_ends_the_incarnation_and_its_minutes_are_stated_again(self):
        fake = self.ledger()
        fake.state = "pooled"
        self.start(fake)
        old = self.wait_statements(fake, 3)
        with fake.lock:
            named = [(r[0], r[1]) for s in old for r in s["reads"]]
            fake.states = {found: "overtaken" for found in fake.statements}
        self.assertTrue(named)

        def again():
            new = [s for s in fake.all() if s["inc"] > old[-1]["inc"]]
            return new if set(named) <= {(r[0], r[1]) for s in new for r in s["reads"]} else None

        new = wait_until(again, 30, "all stated again: %s" % self.net.nodes[0].errors[-5:])
        self.assertEqual(new[0]["seq"], 1)
        self.check_numbers(self.offered(fake), fake.chain)

    def test_refusal_by_the_home_node_begins_a_new_incarnation(self):
        fake = self.ledger()
        self.start(fake)
        old = self.wait_statements(fake, 2)[-1]["inc"]
        fake.refuse = lambda s: "statement_chain" if s["inc"] == old else None
        new = wait_until(lambda: [s for s in fake.all() if s["inc"] > old], 30, "a new incarnation")
        self.assertEqual(new[0]["seq"], 1)
        self.check_numbers(self.offered(fake), fake.chain)

    def test_future_statement_is_offered_again(self):
        fake = self.ledger()
        seen = set()

        def once(statement):
            found = leaf(statement)
            code = None if found in seen else "future"
            seen.add(found)
            return code

        fake.refuse = once
        self.start(fake)
        statements = self.wait_statements(fake, 3)
        self.assertEqual(len({s["inc"] for s in statements}), 1)
        self.check_numbers(self.offered(fake), fake.chain)


class Commands(unittest.TestCase):
    def test_check_lists_every_fault_and_plan_shows_the_requests(self):
        with Network(gateways=1) as net:
            good = net.write_config(0)
            code, out, errors = run([bin_path("gateway"), "check", good])
            self.assertEqual((code, out), (0, good + ": good\n"), errors)
            code, out, errors = run([bin_path("gateway"), "plan", good])
            self.assertEqual(code, 0, errors)
            self.assertIn("relay-1", out)
            self.assertIn("POST %s/v1/statements" % net.url(0), out)
            self.assertIn("GET  %s/v1/minutes?relay=" % net.url(0), out)
            peer = "http://127.0.0.1:9"
            code, out, errors = run([bin_path("gateway"), "plan", net.write_config(0, node={"port": 6100, "peers": [peer]})])
            self.assertEqual(code, 0, errors)
            for call in ("GET  %s/v1/sketches?", "POST %s/v1/sketches", "POST %s/v1/missing", "GET  %s/v1/evidence?", "GET  %s/v1/blocks/HASH/documents", "GET  %s/v1/statements/LEAF, /v1/bodies/LEAF, /v1/blocks/HASH"):
                self.assertIn(call % peer, out)
            bad = net.write_config(0, node={"port": 0}, colour=1)
            code, out, errors = run([bin_path("gateway"), "check", bad])
            self.assertEqual((code, out), (2, ""))
            self.assertEqual(len(errors.splitlines()), 2, errors)
            code, _, errors = run([bin_path("gateway"), "--config", bad])
            self.assertEqual(code, 2)
            self.assertEqual(len(errors.splitlines()), 1, errors)

    def test_usage_errors_exit_with_2(self):
        for argv in ([], ["nonsense"], ["--nonsense", "1"], ["--port"], ["--port", "1", "--port", "2"], ["check"], ["--config", "x", "--port", "1"]):
            code, _, errors = run([bin_path("gateway"), *argv])
            self.assertEqual(code, 2, argv)
            self.assertTrue(errors.startswith("gateway: "), errors)
        for argv in (["--help"], ["--version"]):
            code, out, _ = run([bin_path("gateway"), *argv])
            self.assertEqual(code, 0)
            self.assertIn("gateway", out)


if __name__ == "__main__":
    unittest.main()

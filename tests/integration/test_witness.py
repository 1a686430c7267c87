"""The witness part of the gateway against ledger nodes that misbehave: a thin gateway, a real relay, fake nodes.

What must hold whatever the nodes do: no two statements under one (inc, seq), numbers and slots that grow, every minute that was
read named until it is on the chain, and nothing signed while the clock is in doubt.
"""

import os
import shutil
import signal
import threading
import unittest

from fake_ledger import FakeLedger, leaf
from harness import bin_path, Program, run, wait_until
from network import Network

MINUTE = 60000


class Witness(unittest.TestCase):
    def setUp(self):
        self.net = Network(gateways=1, collect_ms=10000)
        self.addCleanup(self.net.__exit__, None, None, None)
        self.net.start_relay()

    def ledger(self):
        fake = FakeLedger(self.net.genesis, self.net.env)
        self.addCleanup(fake.__exit__)
        return fake

    def start(self, *ledgers):
        return self.net.start_gateway(0, node=None, ledgers=[fake.url for fake in ledgers])

    def wait_statements(self, fake, n, deadline_s=30):
        wait_until(lambda: len(fake.statements) >= n, deadline_s, "%d statements: %s" % (n, self.net.nodes[0].errors[-8:]))
        return fake.all()

    def check_numbers(self, statements, chain, processes=1):
        """The rules of inc, seq, prev and slot over every statement ever offered. Two processes may name one slot."""
        by_number = {}
        for s in statements:
            self.assertEqual(by_number.setdefault((s["inc"], s["seq"]), leaf(s)), leaf(s), "two under one number")
        ordered = sorted({leaf(s): s for s in statements}.values(), key=lambda s: (s["inc"], s["seq"]))
        last = None
        for s in ordered:
            if last and last["inc"] == s["inc"]:
                self.assertEqual((s["seq"], s["prev"]), (last["seq"] + 1, leaf(last)))
            else:
                self.assertEqual((s["seq"], s["prev"]), (1, chain))
            if last and (processes == 1 or s["seq"] > 1):
                self.assertGreater(s["slot"], last["slot"])
            self.assertGreaterEqual(s["ts"], (s["slot"] + 1) * MINUTE)
            self.assertLessEqual(s["inc"], s["ts"])
            self.check_entries(s)
            last = s

    def check_entries(self, s):
        reads = [(r[0].encode(), r[1]) for r in s["reads"]]
        gaps = [(g[0].encode(), g[1], g[2]) for g in s["gaps"]]
        self.assertEqual(reads, sorted(set(reads)))
        self.assertEqual(gaps, sorted(set(gaps)))
        for relay, first, to in gaps:
            self.assertLessEqual(first, to)
            self.assertFalse([m for r, m in reads if r == relay and first <= m <= to])
        for minute in [m for _, m in reads] + [m for _, first, to in gaps for m in (first, to)]:
            self.assertLessEqual(s["slot"] - 1439, minute)
            self.assertLessEqual(minute, s["slot"])

    def offered(self, *ledgers):
        found = []
        for fake in ledgers:
            with fake.lock:
                found += [s for _, _, s in fake.order]
        return found

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
        self.assertLess(max(late), 5000 + 500 * self.net.speed)
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

    def test_killed_process_never_signs_a_number_twice(self):
        fake = self.ledger()
        self.start(fake)
        incs = set()
        for n in (2, 4, 6):
            self.wait_statements(fake, n)
            self.net.nodes[0].kill()
            incs.add(fake.all()[-1]["inc"])
            self.start(fake)
        self.wait_statements(fake, 8)
        self.assertGreaterEqual(len(incs), 3)
        self.check_numbers(self.offered(fake), fake.chain)

    def test_lost_outbox_begins_a_greater_incarnation(self):
        fake = self.ledger()
        self.start(fake)
        before = self.wait_statements(fake, 3)[-1]
        self.net.nodes[0].kill()
        for name in ("outbox.db", "outbox.db-wal"):
            os.unlink(self.net.path("data-0", "outbox", name))
        self.start(fake)
        after = wait_until(lambda: [s for s in fake.all() if s["inc"] > before["inc"]], 30, "a new incarnation")
        self.assertEqual(after[0]["seq"], 1)
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

    def test_node_that_always_says_gap_is_not_hammered(self):
        good, liar = self.ledger(), self.ledger()
        liar.refuse = lambda s: "gap"
        self.start(good, liar)
        self.wait_statements(good, 4)
        with liar.lock:
            before = liar.requests.count("/v1/statements")
        self.wait_statements(good, 8)
        with liar.lock:
            posts = liar.requests.count("/v1/statements") - before
        self.assertLess(posts, 60)
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

    def test_second_process_with_the_key_stops_the_first(self):
        fake = self.ledger()
        first = self.start(fake)
        self.wait_statements(fake, 2)
        path = self.net.write_config(0, node=None, ledgers=[fake.url], data=self.net.path("other"))
        with Program([bin_path("gateway"), "--config", path], env=self.net.env) as second:
            self.assertEqual(first.wait(30), 1)
            self.assertTrue([line for line in first.errors if "second_process" in line], first.errors)
            n = len(fake.statements)
            wait_until(lambda: len(fake.statements) > n, 20, "the other one goes on")
            self.assertIsNone(second.process.poll())
        self.check_numbers(self.offered(fake), fake.chain, processes=2)

    def test_claimed_incarnation_without_a_signature_stops_nobody(self):
        fake = self.ledger()
        liar = self.ledger()
        self.start(fake, liar)
        before = self.wait_statements(fake, 2)
        liar.claim = self.net.now_ms() + 1000
        self.wait_statements(fake, len(before) + 3)
        self.assertIsNone(self.net.nodes[0].process.poll())
        self.assertEqual(len({s["inc"] for s in fake.all()}), 1)

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
        self.start(dead, hanging, good)
        self.wait_statements(good, 1)
        hanging.hang = threading.Event()
        statements = self.wait_statements(good, 5)
        self.check_numbers(self.offered(good), good.chain)
        late = [s["ts"] - (s["slot"] + 1) * MINUTE for s in statements[1:]]
        self.assertLess(max(late), 5000 + 500 * self.net.speed)
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

    def test_frozen_process_goes_on_with_its_numbers(self):
        fake = self.ledger()
        gateway = self.start(fake)
        before = self.wait_statements(fake, 2)
        gateway.signal(signal.SIGSTOP)
        self.net.wait_clock(self.net.now_ms() + 3 * MINUTE)
        gateway.signal(signal.SIGCONT)
        self.wait_statements(fake, len(before) + 2)
        self.check_numbers(self.offered(fake), fake.chain)


    def forget(self, *names):
        for name in names or ("outbox.db", "outbox.db-wal"):
            os.unlink(self.net.path("data-0", "outbox", name))

    def wait_read(self, fake, minutes, deadline_s=40):
        """Until every one of these minutes is read by a statement; the reads, by minute."""

        def find():
            reads = {}
            for s in fake.all():
                for _, minute, digest, live in s["reads"]:
                    reads.setdefault(minute, []).append((s["inc"], s["seq"], digest, live))
            return reads if set(minutes) <= set(reads) else None

        try:
            return wait_until(find, deadline_s, "minutes %s are read" % list(minutes))
        except AssertionError as late:
            seen = [(s["slot"], s["reads"], s["gaps"]) for s in fake.all()]
            raise AssertionError("%s\n%s\n%s" % (late, seen, "\n".join(self.net.nodes[0].errors[-30:]))) from None

    def outage(self, lose):
        fake = self.ledger()
        self.start(fake)
        before = self.wait_statements(fake, 3)[-1]
        self.net.nodes[0].kill()
        if lose:
            self.forget()
        back = self.net.now_minute() + 5
        self.net.wait_clock(back * MINUTE)
        self.start(fake)
        reads = self.wait_read(fake, range(before["slot"], back + 2))
        for minute in range(before["slot"] + 2, back):
            self.assertEqual([r[3] for r in reads[minute]], [0], minute)
        self.assertEqual([m for m, found in reads.items() if len(found) > 1], [], "stated twice")
        self.check_numbers(self.offered(fake), fake.chain)

    def test_minutes_of_an_outage_are_read_from_the_ring(self):
        self.outage(lose=False)

    def test_minutes_before_a_loss_are_read_from_the_ring(self):
        self.outage(lose=True)

    def test_catching_up_waits_for_a_node_that_knows(self):
        fake = self.ledger()
        self.start(fake)
        before = self.wait_statements(fake, 3)[-1]
        self.net.nodes[0].kill()
        self.forget()
        fake.tells_minutes = False
        back = self.net.now_minute() + 3
        self.net.wait_clock(back * MINUTE)
        gateway = self.start(fake)
        gateway.wait_line("catchup: .*asked again in the next slot|catchup .*asked again in the next slot", errors=True)
        self.wait_read(fake, [back, back + 1])
        fake.tells_minutes = True
        reads = self.wait_read(fake, range(before["slot"] + 2, back))
        self.assertEqual([m for m, found in reads.items() if len(found) > 1], [], "stated twice")
        self.check_numbers(self.offered(fake), fake.chain)

    def test_older_copy_of_the_outbox_signs_nothing_twice(self):
        """D5 and D6: what was said after the copy was made is known to the node."""
        fake = self.ledger()
        self.start(fake)
        self.wait_statements(fake, 3)
        self.net.nodes[0].stop()
        copy = self.net.path("copy")
        shutil.copytree(self.net.path("data-0", "outbox"), copy)
        self.start(fake)
        before = self.wait_statements(fake, 7)[-1]
        self.net.nodes[0].kill()
        shutil.rmtree(self.net.path("data-0", "outbox"))
        shutil.copytree(copy, self.net.path("data-0", "outbox"))
        self.start(fake)
        reads = self.wait_read(fake, [self.net.now_minute() + 1])
        self.assertEqual([m for m, found in reads.items() if len(found) > 1], [], "stated twice")
        self.check_numbers(self.offered(fake), fake.chain)
        self.net.nodes[0].kill()
        before = fake.all()[-1]
        self.forget("outbox.db-wal")
        self.start(fake)
        wait_until(lambda: [s for s in fake.all() if s["inc"] > before["inc"]], 30, "a new incarnation")
        self.check_numbers(self.offered(fake), fake.chain)

    def test_slot_that_was_slept_through_is_not_signed_late(self):
        fake = self.ledger()
        for _ in range(3):
            self.start(fake)
            n = len(fake.all())
            self.wait_statements(fake, n + 1)
            self.net.nodes[0].kill()
        late = [s["ts"] - (s["slot"] + 1) * MINUTE for s in fake.all()]
        self.assertLess(max(late), 5000 + 500 * self.net.speed)


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

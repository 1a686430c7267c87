"""A thin gateway with a real relay and fake ledger nodes, and what must hold of all that it ever says."""

import os
import unittest

from fake_ledger import FakeLedger, leaf
from harness import wait_until
from network import Network

MINUTE = 60000


class WitnessCase(unittest.TestCase):
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

"""The witness part of the gateway that is killed, frozen, doubled, or loses what it had on disk: no number is signed twice, no minute lost."""

import os
import shutil
import signal
import struct
import unittest

from harness import Program, bin_path, limit, run, wait_until
from fake_ledger import leaf
from witness_case import MINUTE, WitnessCase


class WitnessLoss(WitnessCase):
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

    def test_minutes_said_and_overtaken_after_a_restore_are_stated_again(self):
        """What was said after the copy was made stands in the pool when the next process asks, and is overtaken afterwards: minutes that the
        copy holds unsaid, and minutes of which it knows nothing."""
        fake = self.ledger()
        fake.state = "pooled"
        fake.ready = False
        self.start(fake)
        self.net.wait_clock(self.net.now_ms() + 2 * MINUTE)
        self.net.nodes[0].stop()
        copy = self.net.path("copy")
        shutil.copytree(self.net.path("data-0", "outbox"), copy)
        fake.ready = True
        self.start(fake)
        old = self.wait_statements(fake, 2)
        self.net.nodes[0].kill()
        shutil.rmtree(self.net.path("data-0", "outbox"))
        shutil.copytree(copy, self.net.path("data-0", "outbox"))
        said = {r[1] for s in fake.all() for r in s["reads"]}
        self.assertGreaterEqual(len(said), 3)
        gateway = self.start(fake)
        gateway.wait_line("minutes of before the start are asked", errors=True, deadline_s=40)
        n = len(fake.all())
        self.wait_statements(fake, n + 1)
        again = {r[1] for s in fake.all() for r in s["reads"] if s["inc"] > old[-1]["inc"]}
        self.assertEqual(said & again, set(), "stated twice")
        with fake.lock:
            for k in [k for k, s in fake.statements.items() if s["inc"] <= old[-1]["inc"]]:
                del fake.statements[k]
        reads = self.wait_read(fake, said)
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
        self.assertLess(max(late), 5000 + 1000 * limit(0.5) * self.net.speed)

    def test_frozen_process_goes_on_with_its_numbers(self):
        fake = self.ledger()
        gateway = self.start(fake)
        before = self.wait_statements(fake, 2)
        gateway.signal(signal.SIGSTOP)
        self.net.wait_clock(self.net.now_ms() + 3 * MINUTE)
        gateway.signal(signal.SIGCONT)
        self.wait_statements(fake, len(before) + 2)
        self.check_numbers(self.offered(fake), fake.chain)

    def step_clock(self, name, virtual):
        """The wall clock of programs started from now on, or with this name already, is wrong by so many virtual ms."""
        path = self.net.path(name)
        with open(path, "r+b" if os.path.exists(path) else "wb", buffering=0) as f:
            f.write(struct.pack("=q", virtual // self.net.speed))
        self.net.env["STEP_CLOCK"] = path

    def test_clock_that_ran_ahead_leaves_no_gap_behind(self):
        """What it told of minutes to come is told again when they come, however late the relay is within its deadline."""
        preload = self.net.path("step_clock.so")
        source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "preload", "step_clock.c")
        code, _, errors = run([os.environ.get("CC", "cc").split()[-1], "-shared", "-fPIC", "-D_GNU_SOURCE", "-O1", "-o", preload, source, "-ldl"])
        self.assertEqual(code, 0, errors)
        self.net.relay.stop()
        self.net.env.update(LD_PRELOAD=preload, ASAN_OPTIONS="verify_asan_link_order=0")
        self.step_clock("relay", -3000)
        self.net.start_relay()
        self.step_clock("gateway", 0)
        fake = self.ledger()
        gateway = self.start(fake)
        self.wait_statements(fake, 2)
        self.step_clock("gateway", 3 * MINUTE)
        gateway.wait_line("not signing: ", errors=True)
        told = self.net.now_minute() + 4
        self.net.wait_clock((told - 2) * MINUTE + 20000)  # by its clock `told` is over
        back = self.net.now_minute()
        self.step_clock("gateway", 0)
        self.wait_read(fake, range(back + 1, told + 1))
        gaps = [m for s in fake.all() for g in s["gaps"] for m in range(g[1], g[2] + 1) if m > back]
        self.assertEqual(gaps, [], "of minutes that were read")
        self.check_numbers(self.offered(fake), fake.chain)

    def test_second_process_with_the_key_stops_the_first(self):
        fake = self.ledger()
        first = self.start(fake)
        self.wait_statements(fake, 2)
        path = self.net.write_config(0, node=None, ledgers=[fake.url], data=self.net.path("other"))
        with Program([bin_path("gateway"), "--config", path], env=self.net.env) as second:
            self.assertEqual(first.wait(30), 1)
            self.assertTrue([line for line in first.errors if "second_process" in line], first.errors)
            told = [line for line in first.errors if "signs with this key" in line]
            self.assertRegex(told[0], r"incarnation [0-9]+, begun at 20[0-9-]+T[0-9:.]+Z: end one of the two", first.errors)
            self.assertNotIn("another statement", "".join(told))
            n = len(fake.statements)
            wait_until(lambda: len(fake.statements) > n, 20, "the other one goes on")
            self.assertIsNone(second.process.poll())
        self.check_numbers(self.offered(fake), fake.chain, processes=2)


if __name__ == "__main__":
    unittest.main()

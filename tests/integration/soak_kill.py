"""Sudden ends of a whole system, again and again: soak_kill.py [CYCLES] (make soak calls it; not part of make test).

Four gateways and their relay on the loopback, on a virtual clock. A cycle: all run for a random while, then two to five of the five, another
choice each time, are killed at once by SIGKILL and started again; in three of ten cycles all five are killed, and sometimes
again while they start. Every statement and body that a node has shown as held before the kill must be there after it: each gateway that was
killed is started alone first, and asked where no peer could have given it back what it lost.

Reports the records that are missing (must be 0), and how long each gateway took from its start to `/readyz` 200. It may take 2 s, not counted
what its threads waited for a processor: that is the machine's doing, and is taken off in its favour. What others do to the disk is not known.
Exit code 1 when a record is missing, a start takes longer, a chain does not verify, or a gateway never gets ready. Writes nothing outside its
temporary folder.

Environment: GRIDWITNESS_SEED (default: the time; printed), GRIDWITNESS_TEST_SPEED (default 20)
"""

import sys

sys.dont_write_bytecode = True  # nothing outside the temporary folder

import os  # noqa: E402
import random  # noqa: E402
import threading  # noqa: E402
import time  # noqa: E402

from harness import kept_waiting_s  # noqa: E402
from held import Held  # noqa: E402
from network import Network, get  # noqa: E402

SEED = int(os.environ.get("GRIDWITNESS_SEED", "0")) or time.time_ns() % 1000000
GATEWAYS = 4
LONGEST_RUN_S = 1.2  # less than half a slot at twenty times the speed
ALL_AT_ONCE = 0.3  # of the cycles
LIMIT_S = 2.0
GIVE_UP_S = 30


class Soak:
    def __init__(self, net, cycles):
        self.net = net
        self.cycles = cycles
        self.random = random.Random(SEED)
        self.held = Held(net)
        self.lost = set()  # (node, kind, digest)
        self.recovery_s = []
        self.slow = 0  # starts that took LIMIT_S or longer by themselves
        self.pause = threading.Event()  # never set: its wait is a distance between two looks

    # ---- what a node holds ----

    def tell(self, i, missing):
        for kind, digest, status in missing:
            if (i, kind, digest) not in self.lost:
                self.lost.add((i, kind, digest))
                print("LOST on node %d: %s %s (status %d, seed %d)" % (i, kind, digest, status, SEED), flush=True)

    # ---- one cycle ----

    def start(self, numbers):
        """Start these gateways and wait until each is ready."""
        begin = {}
        for i in numbers:
            begin[i] = time.monotonic()
            self.net.start_gateway(i)
        self.until_ready(begin)

    def until_ready(self, begin):
        """begin: when each of these gateways was started; emptied."""
        while begin:
            for i in list(begin):
                if self.held.ready(i):
                    self.note_start(i, time.monotonic() - begin.pop(i))
                elif time.monotonic() - begin[i] > GIVE_UP_S:
                    raise AssertionError("gateway %d never ready: %s %s" % (i, get(self.net.url(i) + "/readyz"), self.net.nodes[i].errors[-5:]))
            self.pause.wait(0.005)

    def note_start(self, i, seconds):
        self.recovery_s.append(seconds)
        waited = kept_waiting_s(self.net.nodes[i].pid) if seconds >= LIMIT_S else 0
        if seconds - waited >= LIMIT_S:
            self.slow += 1
            print("SLOW: gateway %d ready after %.2f s, %.2f of them without a processor (seed %d)" % (i, seconds, waited, SEED), flush=True)

    def return_of(self, numbers):
        """Each of these gateways has on its disk what it had shown; then all of them run."""
        for i in numbers:
            begin = time.monotonic()
            with self.held.alone(i, lambda i, begin=begin: self.until_ready({i: begin})):
                self.tell(i, self.held.missing_fresh(i))
        self.start(numbers)

    def run_for(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for i in range(GATEWAYS):
                self.held.note(i)
            self.pause.wait(min(0.2, max(0.0, end - time.monotonic())))

    def first_blocks(self):
        """An empty store without a peer waits three slots before it trusts itself: no recovery, so not measured."""
        self.net.start_relay()
        self.net.start_all()
        self.net.wait_height(1)

    def kill(self, numbers):
        """Number GATEWAYS is the relay."""
        programs = [p for p in (self.net.relay if i == GATEWAYS else self.net.nodes[i] for i in numbers) if p]
        for program in programs:
            program.process.kill()  # all within a millisecond; waited for below
        for program in programs:
            program.kill()

    def kill_all(self):
        order = self.random.sample(range(GATEWAYS), GATEWAYS)
        self.kill(range(GATEWAYS + 1))
        self.net.start_relay()
        if self.random.random() < 0.1:  # again while they start
            for i in order:
                self.net.start_gateway(i)
            self.pause.wait(self.random.uniform(0, 0.1))
            self.kill(range(GATEWAYS + 1))
            self.net.start_relay()
        self.return_of(order)

    def some_at_once(self):
        victims = self.random.sample(range(GATEWAYS + 1), self.random.randint(2, GATEWAYS + 1))
        self.kill(victims)
        if GATEWAYS in victims:
            self.net.start_relay()
        self.return_of([i for i in victims if i < GATEWAYS])

    def cycle(self):
        self.run_for(self.random.uniform(0, LONGEST_RUN_S))
        if self.random.random() < ALL_AT_ONCE:
            self.kill_all()
        else:
            self.some_at_once()

    # ---- the end ----

    def finish(self):
        """All start once more, come to one tip, still hold everything ever shown, and every chain is valid."""
        self.kill(range(GATEWAYS + 1))
        self.net.start_relay()
        self.return_of(range(GATEWAYS))
        height = self.net.wait_one_tip(deadline_s=60)["height"]
        self.net.wait_height(height + 2)
        self.net.wait_one_tip(deadline_s=60)
        for i in range(GATEWAYS):
            self.tell(i, self.held.missing(i, self.held.ever[i]))
            code, words = self.net.verify(i)
            if code != 0:
                raise AssertionError("node %d: %s" % (i, words))
        return self.net.height(0)

    def report(self, done, begin):
        times = sorted(self.recovery_s)
        print(
            "%d of %d cycles, %.0f s: %d records checked, %d lost; start to ready: median %.2f s, longest %.2f s, %d starts, %d of %.0f s or longer"
            % (done, self.cycles, time.monotonic() - begin, self.held.checked, len(self.lost), times[len(times) // 2], times[-1], len(times), self.slow, LIMIT_S),
            flush=True,
        )

    def run(self):
        begin = time.monotonic()
        self.first_blocks()
        for done in range(1, self.cycles + 1):
            self.cycle()
            if done % 10 == 0:
                self.report(done, begin)
        height = self.finish()
        self.report(self.cycles, begin)
        print("height %d, every chain valid" % height)
        return 1 if self.lost or self.slow else 0


def main():
    cycles = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    print("seed %d, %d cycles" % (SEED, cycles), flush=True)
    with Network(gateways=GATEWAYS) as net:
        code = Soak(net, cycles).run()
    sys.exit(code)


if __name__ == "__main__":
    main()

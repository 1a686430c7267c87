"""kill -9 at random moments, twenty times: nothing that a node had acknowledged is missing, all chains verify.

What counts as acknowledged: every statement and body that a node showed as held (GET /v1/pool, blocks) before a kill. Who was killed is
asked for them before any peer could have given them back.
"""

import os
import random
import unittest

from harness import wait_until
from held import Held
from network import Network

KILLS = int(os.environ.get("GRIDWITNESS_KILLS", "20"))
SEED = int(os.environ.get("GRIDWITNESS_SEED", "20260101"))
POWER = 3  # of so many kills one is of all processes at once


class Kill(unittest.TestCase):
    def setUp(self):
        self.random = random.Random(SEED)

    def whole(self, missing, i):
        self.assertEqual(missing, [], "node %d has lost what it had shown (seed %d)" % (i, SEED))

    def back_alone(self, i):
        with self.held.alone(i):
            self.whole(self.held.missing_fresh(i), i)

    def kill_one(self, net):
        victim = self.random.randrange(net.n + 1)
        if victim == net.n:
            net.relay.kill()
            net.start_relay()
            return
        net.nodes[victim].kill()
        self.back_alone(victim)
        net.start_gateway(victim)
        net.wait_up([victim])

    def kill_all(self, net):
        for program in [net.relay, *net.nodes]:
            program.process.kill()
        for program in [net.relay, *net.nodes]:
            program.kill()
        net.start_relay()
        for i in range(net.n):
            self.back_alone(i)
        net.start_all()

    def test_nothing_acknowledged_is_lost_and_all_chains_verify(self):
        with Network(gateways=4) as net:
            self.held = Held(net)
            net.start_relay()
            net.start_all()
            net.wait_height(1)
            for k in range(KILLS):
                net.wait_clock(net.now_ms() + self.random.randrange(60000))
                for i in range(net.n):
                    self.held.note(i)
                (self.kill_all if k % POWER == POWER - 1 else self.kill_one)(net)
            height = net.wait_one_tip(deadline_s=60)["height"]
            net.wait_height(height + 2)
            net.wait_one_tip(deadline_s=60)
            self.assertGreater(self.held.checked, KILLS)
            everything = set().union(*self.held.ever, *self.held.fresh)
            for i in range(net.n):
                self.whole(self.held.missing(i, self.held.ever[i] | self.held.fresh[i]), i)
                words = "node %d has what any node has shown (seed %d)" % (i, SEED)
                wait_until(lambda i=i: not self.held.missing(i, everything), 20, words)
                code, words = net.verify(i)
                self.assertEqual(code, 0, words)


if __name__ == "__main__":
    unittest.main()

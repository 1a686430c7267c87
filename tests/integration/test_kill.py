"""kill -9 of any process at random moments, twenty times in a row: nothing that was acknowledged is missing, all chains verify.

What counts as acknowledged: every statement and body that any node showed as held (GET /v1/pool, blocks) before a kill.
"""

import json
import os
import random
import unittest

from harness import wait_until
from network import Network, canonical
import hashlib

KILLS = int(os.environ.get("GRIDWITNESS_KILLS", "20"))
SEED = int(os.environ.get("GRIDWITNESS_SEED", "20260101"))


def leaf(document):
    return hashlib.sha256(b"\0" + canonical(document)).hexdigest()


class Kill(unittest.TestCase):
    def setUp(self):
        self.random = random.Random(SEED)
        self.statements = set()
        self.bodies = set()

    def note(self, net, i):
        """Remember what node i holds now: it was on disk when it was shown."""
        pool = net.json(i, "/v1/pool")
        latest = net.json(i, "/v1/blocks/latest")
        for found in (pool, latest and latest["block"]):
            if found:
                self.statements.update(leaf(s) for s in found["statements"])
                self.bodies.update(leaf(b) for b in found["bodies"])

    def kill_one(self, net):
        victim = self.random.randrange(net.n + 1)
        for i in range(net.n):
            self.note(net, i)
        net.wait_clock(net.now_ms() + self.random.randrange(60000))
        if victim < net.n:
            self.note(net, victim)
            net.nodes[victim].kill()
            net.start_gateway(victim)
            net.wait_up([victim])
        else:
            net.relay.kill()
            net.start_relay()

    def test_nothing_acknowledged_is_lost_and_all_chains_verify(self):
        with Network(gateways=4) as net:
            net.start_relay()
            net.start_all()
            net.wait_height(1)
            for _ in range(KILLS):
                self.kill_one(net)
            height = net.wait_one_tip(deadline_s=60)["height"]
            net.wait_height(height + 2)
            net.wait_one_tip(deadline_s=60)
            self.assertGreater(len(self.statements), KILLS)
            for i in range(net.n):
                for kind, known in (("statements", self.statements), ("bodies", self.bodies)):
                    for digest in sorted(known):
                        wait_until(
                            lambda i=i, kind=kind, digest=digest: net.json(i, "/v1/%s/%s" % (kind, digest)),
                            20,
                            "node %d still has %s %s (seed %d)" % (i, kind, digest, SEED),
                        )
            for i in range(net.n):
                code, words = net.verify(i)
                self.assertEqual(code, 0, words)


if __name__ == "__main__":
    unittest.main()

"""A gateway loses its data folder while it is away: afterwards it attests every minute of its absence that the relay's RING still had,
with live 0, and nothing is signed twice under one (inc, seq). Real binaries, a real relay, nodes that go on without it.
"""

import glob
import hashlib
import os
import shutil
import unittest

from harness import wait_until
from network import SPEED, Network, canonical

MINUTE = 60000


def leaf(document):
    return hashlib.sha256(b"\0" + canonical(document)).hexdigest()


class Loss(unittest.TestCase):
    def statements(self, net, i):
        """All statements on the best branch of node i, in order of height."""
        found, start = [], 1
        while start:
            page = net.json(i, "/v1/blocks?from=%d&limit=100" % start)
            found += [s for b in page["blocks"] for s in b["block"]["statements"]]
            start = page.get("next")
        return found

    def live_of(self, net, i, kid, minute):
        """live of the gateway's read of a minute, None when it attests none."""
        shown = net.minute(i, minute)
        by = {a["gw"]: a["live"] for a in shown["attested"]} if shown and shown["state"] != "pooled" else {}
        return by.get(kid)

    def lose(self, net, i, outbox, chain):
        """Remove a part of a data folder, or all of it."""
        folder = net.path("data-%d" % i)
        if outbox and chain:
            shutil.rmtree(folder)
        elif outbox:
            shutil.rmtree(os.path.join(folder, "outbox"))
        elif chain:
            for name in glob.glob(os.path.join(folder, "chain.db*")):
                os.unlink(name)

    def assert_said_once(self, statements):
        """No number is signed twice, and no minute stated twice."""
        numbers = {}
        for s in statements:
            self.assertEqual(numbers.setdefault((s["inc"], s["seq"]), leaf(s)), leaf(s))
        reads = [(r[0], r[1]) for s in statements for r in s["reads"]]
        self.assertEqual(sorted(reads), sorted(set(reads)), "a minute is stated twice")
        self.assertGreaterEqual(len({s["inc"] for s in statements}), 2)

    def outage(self, lose):
        with Network(gateways=3) as net:
            net.start_relay()
            net.start_all()
            net.wait_height(3)
            kid = net.status(0)["node"]["id"]
            net.nodes[0].kill()
            gone = net.now_minute()
            if lose:
                self.lose(net, 0, outbox=True, chain=True)
            net.wait_clock((gone + 6) * MINUTE)
            net.start_gateway(0)
            net.wait_up([0])
            minutes = range(gone + 1, gone + 6)
            wait_until(
                lambda: all(self.live_of(net, 1, kid, m) is not None for m in minutes),
                60,
                "all minutes of the outage: %s" % net.nodes[0].errors[-20:],
            )
            self.assertEqual([self.live_of(net, 1, kid, m) for m in minutes], [0] * len(minutes))
            # the last minute before the kill, and the one of the kill, were in nobody's hands but the RING's
            wait_until(lambda: self.live_of(net, 1, kid, gone) is not None, 30, "the minute of the kill")
            statements = [s for s in self.statements(net, 1) if s["gw"] == kid]
            self.assert_said_once(statements)
            evidence = net.json(1, "/v1/evidence")
            self.assertEqual([v for v in evidence.values() if v], [], evidence)
            net.wait_one_tip(deadline_s=60)

    def test_lost_folder_is_caught_up_from_ring_and_peers(self):
        self.outage(lose=True)

    def test_stopped_gateway_is_caught_up_from_ring(self):
        self.outage(lose=False)

    def test_outbox_lost_alone_and_chain_lost_alone_are_caught_up(self):
        with Network(gateways=3, speed=2 * SPEED) as net:
            net.start_relay()
            net.start_all()
            net.wait_height(3)
            kids = [net.status(i)["node"]["id"] for i in range(2)]
            for i in range(2):
                net.nodes[i].kill()
                self.lose(net, i, outbox=i == 0, chain=i == 1)
            gone = net.now_minute()
            net.wait_clock((gone + 4) * MINUTE)
            for i in range(2):
                net.start_gateway(i)
            net.wait_up([0, 1])
            minutes = range(gone - 1, gone + 4)
            for i, kid in enumerate(kids):
                wait_until(
                    lambda kid=kid: all(self.live_of(net, 2, kid, m) is not None for m in minutes),
                    60,
                    "all minutes of the outage of %d: %s" % (i, net.nodes[i].errors[-20:]),
                )
                self.assert_said_once([s for s in self.statements(net, 2) if s["gw"] == kid])
            evidence = net.json(2, "/v1/evidence")
            self.assertEqual([v for v in evidence.values() if v], [], evidence)
            net.wait_one_tip(deadline_s=60)


if __name__ == "__main__":
    unittest.main()

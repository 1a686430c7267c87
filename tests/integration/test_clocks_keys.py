"""Three gateways with their nodes, real programs: one begins with a wrong clock (T1, T5), or its key signs in two processes (K2). Nothing is signed
twice, nothing is signed or mined by a clock that nobody shares, and afterwards all are on one branch again.
"""

import json
import unittest

from harness import CLOCK_ENV, Program, bin_path, free_port, virtual_ms, wait_until
from network import Network, get

HOUR = 3600_000
DAY = 24 * HOUR


def setUpModule():
    global NET, KID
    NET = Network(gateways=3, speed=40, bits=4)
    unittest.addModuleCleanup(NET.__exit__, None, None, None)
    NET.start_relay()
    NET.start_all()
    NET.wait_height(2)
    KID = NET.status(1)["node"]["id"]


def shifted(env, ms):
    """The same virtual clock, ahead by ms; never before 1970."""
    start, rest = env[CLOCK_ENV].split("@")
    return {CLOCK_ENV: "%d@%s" % (max(0, int(start) + ms), rest)}


def said(i, kid):
    """All statements of a key on the best branch and in the pool of node i."""
    found, height = [], 1
    while height:
        page = NET.json(i, "/v1/blocks?from=%d&limit=1000" % height)
        found += [s for entry in page["blocks"] for s in entry["block"]["statements"] if s["gw"] == kid]
        height = page.get("next")
    pool = NET.json(i, "/v1/pool?limit=1000")
    return found + [s for s in pool["statements"] if s["gw"] == kid]


class ClocksKeys(unittest.TestCase):
    def setUp(self):
        self.kid = KID

    def check_numbers(self):
        """No number twice, slots that grow within an incarnation (two processes may name one slot), no time from before the end of the slot
        or from the future, no evidence."""
        statements = sorted(said(0, self.kid), key=lambda s: (s["inc"], s["seq"]))
        numbers = [(s["inc"], s["seq"]) for s in statements]
        self.assertEqual(len(set(numbers)), len(numbers), numbers)
        for a, b in zip(statements, statements[1:]):
            self.assertTrue(a["inc"] < b["inc"] or a["slot"] < b["slot"], (a, b))
        for s in statements:
            self.assertLessEqual((s["slot"] + 1) * 60000, s["ts"])
            self.assertLess(s["ts"], NET.now_ms() + 60000)
        evidence = NET.json(0, "/v1/evidence")
        self.assertEqual((evidence["statements"], evidence["bodies"]), ([], []))
        return statements

    def signs_again(self):
        """Gateway 1 runs with the right clock: it has its statement on node 0's branch, and both nodes are on one tip."""
        before = NET.now_minute()
        NET.start_gateway(1)
        NET.wait_up([1])
        wait_until(lambda: [s for s in said(0, self.kid) if s["slot"] >= before], 40, "a statement: %s" % NET.nodes[1].errors[-8:])
        NET.wait_one_tip()
        code, words = NET.verify(1)
        self.assertEqual(code, 0, words)
        self.check_numbers()

    def test_t1_t5_gateway_that_starts_with_a_wrong_clock_signs_nothing(self):
        for name, ahead in (("T1 +1 h", HOUR), ("T1 +10 years", 3652 * DAY), ("T5 1970", -NET.now_ms())):
            with self.subTest(clock=name):
                self.assertEqual(NET.nodes[1].stop(), 0)
                before = {s["inc"] for s in said(0, self.kid)}
                with Program([bin_path("gateway"), "--config", NET.write_config(1)], env=shifted(NET.env, ahead)) as wrong:
                    wrong.listening()
                    wrong.wait_line("not signing: most ledger nodes that answer show another time", errors=True)
                    wrong.wait_line("alarm.*clock", errors=True)
                    NET.wait_height(NET.height(0) + 1, which=[0], deadline_s=20)
                    self.assertEqual(get(NET.url(1) + "/readyz")[0], 503)
                    self.assertLess(NET.status(1)["slot"], NET.now_minute(), "nothing is mined by that clock")
                    self.assertEqual(wrong.stop(), 0)
                self.assertLessEqual({s["inc"] for s in said(0, self.kid)}, before, "no incarnation of that process")
                self.signs_again()

    def test_k2_one_key_in_two_nodes_ends_the_older_process(self):
        first = NET.nodes[1]
        port = free_port()
        config = NET.write_config(
            1, data=NET.path("twin"), node={"bind": "127.0.0.1", "port": port, "peers": [NET.url(0), NET.url(1)]}
        )
        twin = Program([bin_path("gateway"), "--config", config], env=NET.env)
        self.addCleanup(twin.stop)
        self.assertEqual(first.wait(40), 1, twin.errors[-5:])
        self.assertTrue([line for line in first.errors if "second_process" in line], first.errors)
        since = max(s["inc"] for s in self.check_numbers())
        wait_until(lambda: [s for s in said(0, self.kid) if s["inc"] >= since and s["seq"] > 1], 40, "the newer one goes on")
        self.assertEqual(twin.stop(), 0)
        self.signs_again()


if __name__ == "__main__":
    unittest.main()

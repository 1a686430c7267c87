"""Evidence between real nodes: a member that says one thing to two nodes and another to the other two, pairs that nobody can pool, nodes
that nobody can reach, restarts, a lost store, and a peer that forges."""

import json
import shutil
import threading
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from forge import Forge, leaf
from harness import Program, bin_path, clock_env, end_all, free_port, virtual_ms, wait_until
from network import SPEED, canonical, get, post

PAIRS = "/v1/evidence"


class Nodes:
    """Ledger nodes of one forge, on free ports, each with its own peers."""

    def __init__(self, forge, count, env=None):
        self.forge, self.env = forge, env
        self.ports = [free_port() for _ in range(count)]
        self.programs = [None] * count

    def url(self, i):
        return "http://127.0.0.1:%d" % self.ports[i]

    def start(self, i, peers=(), urls=(), key=False):
        config = {"genesis": "genesis.json", "data": "data-%d" % i, "port": self.ports[i], "log": "warn"}
        config["peers"] = [*(self.url(k) for k in peers), *urls]
        if key:
            config["key"] = "key-%d.pem" % key
        path = self.forge.path("node-%d.json" % i)
        with open(path, "w", encoding="utf-8") as f:
            json.dump(config, f)
        self.programs[i] = Program([bin_path("ledger"), "node", "--config", path], env=self.env)
        wait_until(lambda: get(self.url(i) + "/v1/status")[0] == 200, 30, "node %d answers" % i)

    def stop(self, i):
        self.programs[i].stop()
        self.programs[i] = None

    def close(self):
        end_all(self.programs)

    def json(self, i, path):
        status, body = get(self.url(i) + path)
        assert status == 200, (path, status, body)
        return json.loads(body)

    def pairs(self, i):
        """The pairs of node i, without its own numbers."""
        return [(p["gw"], p["first"], p["second"]) for p in self.json(i, PAIRS)["statements"]]

    def offer(self, i, statements, bodies=()):
        status, body = post(self.url(i) + "/v1/statements", canonical({"bodies": list(bodies), "statements": list(statements)}))
        assert status == 200, body
        return json.loads(body)

    def count(self, i, kid):
        return self.json(i, "/v1/gateways/" + kid)["evidence"]


class Evidence(unittest.TestCase):
    def setUp(self):
        self.forge = Forge()
        self.addCleanup(self.forge.close)

    def nodes(self, count, env=None):
        nodes = Nodes(self.forge, count, env)
        self.addCleanup(nodes.close)
        return nodes

    def nowhere(self, **changes):
        """A pair that has no place on any branch: its predecessor does not exist."""
        slot = self.forge.first + 5
        return [self.forge.statement(3, slot, seq=9, prev="ab" * 32, ts=(slot + 1) * 60000 + i, **changes) for i in range(2)]

    def test_two_stories_end_as_one_pair_on_all_and_the_chain_goes_on(self):
        env = clock_env(speed=SPEED)
        nodes = self.nodes(4, env)
        forge = self.forge
        paths = [k.path.rsplit("-", 1)[1].split(".")[0] for k in forge.keys]
        for i in range(4):
            nodes.start(i, [k for k in range(4) if k != i], key=int(paths[i]) or False)
        slot = virtual_ms(env) // 60000 - 2
        body = forge.body(slot)
        stories = [forge.statement(3, slot, [body] if k else []) for k in range(2)]
        for i in range(4):
            nodes.offer(i, [stories[i // 2]], [body] if i >= 2 else [])
        expected = [(forge.keys[3].kid, *sorted(stories, key=leaf))]
        for i in range(4):
            wait_until(lambda i=i: nodes.pairs(i) == expected, 30, "the pair on node %d" % i)
            self.assertEqual(nodes.count(i, forge.keys[3].kid), 1)
            self.assertEqual(nodes.count(i, forge.keys[0].kid), 0)
        last = None
        for height in (1, 2):  # an honest gateway goes on, and so does the chain
            slot = max(slot + 1, virtual_ms(env) // 60000 - 1)
            last = forge.statement(0, slot, after=last)
            nodes.offer(height, [last])
            for i in range(4):
                wait_until(lambda i=i, h=height: nodes.json(i, "/v1/status")["height"] >= h, 60, "block %d on node %d" % (height, i))
        for i in range(4):
            self.assertEqual(nodes.pairs(i), expected)

    def test_pairs_reach_whom_nobody_can_reach_and_come_back_to_who_lost_them(self):
        nodes = self.nodes(3)
        pair = self.nowhere()
        expected = [(self.forge.keys[3].kid, *sorted(pair, key=leaf))]
        nodes.start(0)
        answer = nodes.offer(0, pair)
        self.assertEqual([r["code"] for r in answer["rejected"]], ["gap", "conflict"])
        self.assertEqual(nodes.pairs(0), expected)
        nodes.start(1, [0])  # node 0 does not know it: it pulls
        wait_until(lambda: nodes.pairs(1) == expected, 30, "pulled")
        nodes.start(2)  # it knows nobody: it is handed what node 1 has, when that one starts again with it as a peer
        nodes.stop(1)
        nodes.start(1, [2])
        self.assertEqual(nodes.pairs(1), expected)
        wait_until(lambda: nodes.pairs(2) == expected, 30, "pushed")
        nodes.stop(1)
        shutil.rmtree(self.forge.path("data-1"))
        nodes.start(1, [0])
        wait_until(lambda: nodes.pairs(1) == expected, 30, "pulled again")
        self.assertEqual(nodes.count(1, self.forge.keys[3].kid), 1)

    def test_pages_from_to_limit_next(self):
        nodes = self.nodes(1)
        nodes.start(0)
        for n in range(5):
            nodes.offer(0, self.nowhere(inc=self.forge.genesis["time"] + 1 + n))
        whole = nodes.json(0, PAIRS)
        self.assertEqual([p["id"] for p in whole["statements"]], [1, 2, 3, 4, 5])
        self.assertNotIn("next", whole)
        page = nodes.json(0, PAIRS + "?limit=2")
        self.assertEqual(([p["id"] for p in page["statements"]], page["next"]), ([1, 2], 3))
        page = nodes.json(0, PAIRS + "?from=3&to=4")
        self.assertEqual([p["id"] for p in page["statements"]], [3, 4])
        self.assertNotIn("next", page)
        self.assertEqual(nodes.json(0, PAIRS + "?from=6")["statements"], [])
        for bad in ("?from=4&to=3", "?to=x", "?from=-1", "?limit=0", "?to=1&to=2"):
            self.assertEqual(get(nodes.url(0) + PAIRS + bad)[0], 400, bad)

    def test_minute_read_twice_differently_stays_visible(self):
        forge, nodes = self.forge, self.nodes(1)
        nodes.start(0)
        minute = forge.first + 3
        bodies = [forge.body(minute, seed=seed) for seed in (1, 2)]
        first = forge.statement(0, minute, bodies[:1])
        second = forge.statement(0, minute + 1, bodies[1:], after=first)
        blocks = [forge.block(None, minute, [first], bodies[:1])]
        blocks.append(forge.block(blocks[0], minute + 1, [second], bodies[1:]))
        for block in blocks:
            self.assertEqual(post(nodes.url(0) + "/v1/blocks", canonical(block))[0], 200)
        for _ in range(2):  # as it stands, and after a restart
            (conflict,) = nodes.json(0, PAIRS)["bodies"]
            self.assertEqual((conflict["relay"], conflict["minute"]), ("relay-1", minute))
            self.assertEqual([b["digest"] for b in conflict["bodies"]], [leaf(b).hex() for b in bodies])
            reads = [(r["gw"], r["digest"], r["height"], r["statement"]) for r in conflict["reads"]]
            kid = forge.keys[0].kid
            self.assertEqual(reads, [(kid, leaf(b).hex(), h + 1, leaf(s).hex()) for h, (b, s) in enumerate(zip(bodies, (first, second)))])
            shown = nodes.json(0, "/v1/minutes/relay-1/%d" % minute)
            self.assertEqual((shown["digest"], shown["conflict"]), (leaf(bodies[0]).hex(), True))
            nodes.stop(0)
            nodes.start(0)

    def test_minute_that_a_lost_branch_read_differently_stays_visible(self):
        forge, nodes = self.forge, self.nodes(2)
        nodes.start(0)
        minute = forge.first + 3
        bodies = [forge.body(minute, seed=seed) for seed in (1, 2)]
        lost, won = (forge.statement(k, minute, bodies[k : k + 1]) for k in range(2))
        losing = forge.block(None, minute, [lost], bodies[:1])
        winning = [forge.block(None, minute, [won], bodies[1:], miner=1)]
        again = forge.statement(0, minute + 1, inc=lost["inc"] + 1)  # its first one can follow nothing there
        winning.append(forge.block(winning[0], minute + 1, [again, forge.statement(2, minute + 1)]))
        last = None
        for n in range(2, 9):
            last = forge.statement(1, minute + n, after=last or won)
            winning.append(forge.block(winning[-1], minute + n, [last]))
        for block in [losing, *winning]:
            self.assertEqual(post(nodes.url(0) + "/v1/blocks", canonical(block))[0], 200)
        status = nodes.json(0, "/v1/status")
        self.assertEqual((status["height"], status["pool"]["statements"]), (9, 0))
        sides = [(0, lost, {}), (1, won, {"height": 1})]
        for _ in range(2):  # as it stands, and after a restart
            (found,) = nodes.json(0, PAIRS)["bodies"]
            self.assertEqual((found["relay"], found["minute"]), ("relay-1", minute))
            digests = [leaf(b).hex() for b in bodies]
            self.assertEqual(found["bodies"], [{"digest": digests[0]}, {"digest": digests[1], "height": 1, "index": 1}])
            for read, (k, said, place) in zip(found["reads"], sides):
                expected = dict(place, digest=digests[k], gw=forge.keys[k].kid, live=said["reads"][0][3], statement=leaf(said).hex())
                self.assertEqual(read, expected)
                for path in ("/v1/statements/" + expected["statement"], "/v1/bodies/" + digests[k]):
                    self.assertEqual(get(nodes.url(0) + path)[0], 200, path)
            self.assertEqual(nodes.json(0, PAIRS + "?bodies_from=0-0")["bodies"], [])
            self.assertEqual(nodes.json(0, PAIRS + "?bodies_from=0-1")["bodies"], [found])
            nodes.stop(0)
            nodes.start(0)

    def test_peer_that_forges_changes_nothing_and_is_banned(self):
        forged = self.nowhere()
        forged[1] = dict(forged[1], sig=forged[0]["sig"])
        page = {"bodies": [], "statements": [{"first": forged[0], "gw": self.forge.keys[3].kid, "id": 1, "second": forged[1]}]}
        status = {
            "chain": self.forge.chain,
            "engine": "pow",
            "height": 0,
            "name": "forge",
            "node": {"id": "", "name": "liar"},
            "peers": [],
            "pool": {"bodies": 0, "statements": 0},
            "relays": [],
            "slot": 0,
            "time": 0,
            "tip": self.forge.chain,
            "version": "1.0.0",
        }
        asked = threading.Event()

        class Liar(BaseHTTPRequestHandler):
            def do_GET(self):
                status["time"] = virtual_ms(clock_env(speed=1))
                pool = {"bodies": [], "statements": []}
                documents = {"/v1/status": status, "/v1/pool": pool, PAIRS: page}
                raw = canonical(documents.get(self.path.split("?")[0], {}))
                if self.path.startswith(PAIRS):
                    asked.set()
                self.send_response(200)
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, *_):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Liar)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        nodes = self.nodes(1)
        nodes.start(0, urls=["http://127.0.0.1:%d" % server.server_port])
        wait_until(asked.is_set, 30, "the liar is asked for evidence")
        peer = lambda: nodes.json(0, "/v1/status")["peers"][0]
        wait_until(lambda: peer()["state"] not in ("new", "ok", "syncing"), 30, "the liar is banned: %s" % peer())
        self.assertEqual(nodes.pairs(0), [])
        self.assertEqual(nodes.count(0, self.forge.keys[3].kid), 0)
        self.assertEqual(get(nodes.url(0) + "/v1/statements/" + leaf(forged[0]).hex())[0], 404)


if __name__ == "__main__":
    unittest.main()

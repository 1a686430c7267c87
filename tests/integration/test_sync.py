"""A node that fetches: from honest peers, from a table of hostile ones at once, from one that reorganises, from behind an address that nobody
reaches. The codes P… are those of the list of inputs that must do no harm; peers are played by scripted_peer.py over loopback.
"""

import json
import os
import pty
import socket
import threading
import time
import unittest

from forge import Forge, leaf
from harness import bin_path, limit, patience, wait_until
from network import canonical, get, post
from scripted_peer import ScriptedPeer, endless, give, gzip_bomb, longer_than_it_says, redirect, refuse

LIMIT_S = 3.0
ADDRESSES = int(os.environ.get("GRIDWITNESS_ADDRESSES", "2000"))


class Syncing(unittest.TestCase):
    MINUTES = 60

    def setUp(self):
        self.stopping = threading.Event()
        self.addCleanup(self.stopping.set)
        self.forge = Forge(minutes=self.MINUTES)
        self.addCleanup(self.forge.close)
        self.peers = []

    def peer(self, chain, **faults):
        peer = ScriptedPeer(self.forge, chain, **faults)
        self.addCleanup(peer.close)
        self.peers.append(peer)
        return peer

    def start(self, **changes):
        self.forge.start(peers=[p.url for p in self.peers], **changes)
        return self.forge

    def state(self, peer):
        """(state, reason) of a peer as the node shows it."""
        shown = next(p for p in self.forge.status()["peers"] if p["url"] == peer.url)
        return shown["state"], shown.get("reason")

    def wait_state(self, peer, want, deadline_s=30):
        wait_until(lambda: self.state(peer) == want, deadline_s, "%s: %s" % (want, self.forge.status()["peers"]))

    def verify(self):
        code, out, errors = self.forge.verify()
        self.assertEqual(code, 0, out + errors)


class Hostile(Syncing):
    def other_block(self, handler, block):
        """This block under the hash that was asked for."""
        hostile = self.hostile
        give(handler, {"blocks": [{"block": block, "hash": self.forge.hash(hostile[0])}]})

    def table(self):
        """case, the peer's faults or blocks, its state and the reason of its ban."""
        other = Forge()
        self.addCleanup(other.close)
        hostile, far = self.hostile, self.forge.branch(3, [1], inc=77)
        tampered = [dict(hostile[0], header=dict(hostile[0]["header"], weight=w)) for w in range(2, 99)]
        tampered = [b for b in tampered if int(self.forge.hash(b), 16) >> 252][:1]  # above the target
        sealed = [self.forge.block(None, self.forge.first, hostile[0]["statements"], weight=4)]
        rows = [
            ("P26c", dict(blocks_of=sealed), ("bad", "weight")),
            ("P29", dict(blocks=refuse(404)), ("bad", "withheld")),
            ("P29 empty", dict(blocks=lambda h: give(h, {"blocks": []})), ("bad", "withheld")),
            ("P30", dict(blocks=lambda h: self.other_block(h, far[1])), ("bad", "malformed")),
            ("P30 tampered", dict(blocks_of=tampered), ("bad", "work")),
            ("P31", dict(blocks=lambda h: give(h, {"blocks": [{"block": far[2], "hash": self.forge.hash(far[2])}]})), ("bad", "withheld")),
            ("P33", dict(headers=refuse(404)), ("bad", "withheld")),
            ("P35 file", dict(status=redirect("file:///etc/hostname")), ("bad", "answer")),
            ("P35 self", dict(status=redirect("/v1/status")), ("bad", "answer")),
            ("P35 link", dict(status=redirect("http://169.254.169.254/")), ("bad", "answer")),
            ("P36", dict(drip="status"), ("unreachable", None)),
            ("P36 blocks", dict(drip="blocks"), ("unreachable", None)),
            ("P37", dict(endless="headers"), ("bad", "too_large")),
            ("P37 length", dict(status=endless(self, 1 << 40)), ("bad", "answer")),
            ("P38", dict(status=longer_than_it_says), ("bad", "answer")),
            ("P39", dict(status=gzip_bomb), ("bad", "answer")),
            ("P42", dict(blocks_of=self.honest), ("ok", None)),
            ("P43", dict(other=other), ("other_chain", None)),
        ]
        return rows

    def play(self, how):
        how = dict(how)
        blocks = how.pop("blocks_of", self.hostile)
        drip, flood, other = (how.pop(k, None) for k in ("drip", "endless", "other"))
        peer = self.peer(blocks, **how)
        if drip:
            peer.faults[drip] = endless(peer, 4096, b" ", 1.0)
        if flood:
            peer.faults[flood] = endless(peer)
        if other:
            peer.forge = other
            peer.blocks = []
        return peer

    def test_each_gets_its_state_and_the_honest_one_is_followed(self):
        """One node, all of them at once and one honest peer, the last of the list: its chain is fetched, nobody delays a reader, nothing that
        is invalid is stored, each hostile one ends as the table says."""
        self.honest = self.forge.branch(12, [0, 2], bodies=True)
        self.hostile = self.forge.branch(6, [1], inc=5)
        rows = [(case, self.play(how), want) for case, how, want in self.table()]
        self.peer(self.honest)
        slowest = [0.0]
        self.start()
        stop = threading.Event()

        def watch():
            while not stop.wait(0.05):
                begin = time.monotonic()
                get(self.forge.url + "/v1/status")
                slowest[0] = max(slowest[0], time.monotonic() - begin)

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            self.forge.wait_tip(self.honest[-1], 30)
            for case, peer, want in rows:
                with self.subTest(case=case):
                    self.wait_state(peer, want, 40)
                    if case == "P43":  # both chains are named
                        self.forge.node.wait_line("%s is of another chain, %s; this node's is %s" % (peer.url, peer.forge.chain, self.forge.chain), errors=True)
        finally:
            stop.set()
            watcher.join()
        self.assertLess(slowest[0], limit(LIMIT_S))
        self.assertEqual(self.forge.status()["tip"], self.forge.hash(self.honest[-1]))
        metrics = get(self.forge.url + "/metrics")[1].decode()
        banned = [peer for _, peer, (state, _) in rows if state == "bad"]
        for peer in banned:
            self.assertRegex(metrics, 'gridwitness_peer_bans_total\\{url="%s"\\} [1-9]' % peer.url)
            self.assertIn('gridwitness_peer_banned_until_ms{url="%s",reason=' % peer.url, metrics)
        self.verify()


class Branches(Syncing):
    MINUTES = 900

    def test_p11_reorganisations_of_depth_1_6_288(self):
        """A heavier branch takes off as many blocks as it forks back, found in O(log n) requests, whatever the depth."""
        ours = self.forge.branch(300, [0])
        peer = self.peer(ours)
        self.start()
        self.forge.wait_tip(ours[-1], 60)
        for k, depth in enumerate((1, 6, 288)):
            at = len(peer.blocks) - depth
            parent = peer.blocks[at - 1]
            slot = parent["header"]["slot"] + 1 + 300 * (k == 2)
            heavier = self.forge.branch(depth, [1, 2], parent=parent, slot=slot, inc=1000 * (k + 1))
            before = peer.asked("/v1/headers")
            peer.blocks = [*peer.blocks[:at], *heavier]
            self.forge.offer_block(heavier[-1])  # as it would tell; an orphan makes the node ask at once
            self.forge.wait_tip(heavier[-1], 60)
            self.assertLess(peer.asked("/v1/headers") - before, 2 * 9 + 6, "requests for headers at depth %d" % depth)
            deepest = "gridwitness_reorg_deepest_blocks %d\n" % depth  # counted just after the tip can be read
            wait_until(lambda: deepest in get(self.forge.url + "/metrics")[1].decode(), 20, deepest)
        self.wait_state(peer, ("ok", None))
        self.verify()

    def test_p13_block_withheld_and_fifty_released(self):
        """Fifty descendants of a block that nobody has are orphans; when it comes they connect."""
        branch = self.forge.branch(51, [0])
        self.start()
        for block in branch[1:]:
            self.assertEqual(self.forge.offer_block(block), (200, "orphan"))
        self.assertEqual(self.forge.offer_block(branch[0]), (200, "accepted"))
        self.forge.wait_tip(branch[-1])
        self.verify()

    def test_p32_p34_chain_that_changes_under_way_is_no_fault(self):
        """A peer that reorganises between pages, and to a lower height, is followed and never banned."""
        ours = self.forge.branch(200, [0])
        other = self.forge.branch(80, [1, 2], parent=ours[99], slot=ours[99]["header"]["slot"] + 1, inc=500)
        peer = self.peer(ours)
        turned = threading.Event()

        def change(handler):
            if peer.asked("/v1/blocks") == 2:
                peer.blocks = [*ours[:100], *other]
                turned.set()
            give(handler, peer.list("blocks", int(handler.path.split("from=")[1].split("&")[0]), 64))

        peer.faults["blocks"] = change
        self.start()
        self.forge.wait_tip(other[-1], 60)
        self.assertTrue(turned.is_set())
        self.wait_state(peer, ("ok", None))
        peer.blocks = peer.blocks[:50]
        before = peer.asked("/v1/status")
        self.forge.offer_block(self.forge.branch(2, [1], inc=900)[1])  # an orphan: all are asked
        wait_until(lambda: peer.asked("/v1/status") > before, 20, "asked again")
        self.assertEqual(self.state(peer), ("ok", None))
        self.assertIn('gridwitness_peer_bans_total{url="%s"} 0\n' % peer.url, get(self.forge.url + "/metrics")[1].decode())


class Traffic(Syncing):
    def test_only_missing_documents_are_fetched_near_the_tip(self):
        """Of a block whose first statement is pooled here the other one and its body are asked for, nothing else; a peer that gives another
        document under that leaf is banned."""
        chain = self.forge.branch(3, [0])
        peer = self.peer(chain, sketches=True)
        self.start()
        self.forge.wait_tip(chain[-1])
        tip, slot = self.forge.hash(chain[-1]), chain[-1]["header"]["slot"] + 1
        body = self.forge.body(slot)
        votes = [self.forge.statement(1, slot, tip=tip), self.forge.statement(2, slot, [body], tip=tip)]
        self.assertEqual(self.forge.offer(votes[:1]), (200, "accepted"))
        block = self.forge.block(chain[-1], slot, votes, [body])
        before = peer.asked("/v1/blocks?")
        peer.blocks.append(block)
        self.forge.wait_tip(block)
        self.assertEqual(peer.asked("/v1/blocks?"), before)
        where = sorted(votes, key=lambda s: s["gw"]).index(votes[1])
        self.assertEqual(peer.asked("/v1/blocks/%s/documents?leaves=%d,2" % (self.forge.hash(block), where)), 1)
        liar = self.forge.statement(1, slot + 1, after=votes[0], tip=self.forge.hash(block))
        known = self.forge.statement(2, slot + 1, after=votes[1], tip=self.forge.hash(block))
        self.assertEqual(self.forge.offer([known]), (200, "accepted"))
        peer.faults["documents"] = lambda h: give(h, {"bodies": [], "statements": [votes[0]]})
        peer.blocks.append(self.forge.block(block, slot + 1, [liar, known]))
        self.wait_state(peer, ("bad", "malformed"))
        self.verify()

    def test_steady_state_asks_little_a_block(self):
        """A block more costs one request for the block and one for headers, or two when the peer was being asked already, at height 40 as at 3."""
        counts = []
        for base in (3, 40):
            with self.subTest(height=base):
                chain = self.forge.branch(base + 1, [0])
                peer = ScriptedPeer(self.forge, chain[:base])
                self.addCleanup(peer.close)
                data = "data-%d" % base
                self.forge.start(peers=[peer.url], data=data)
                self.forge.wait_tip(chain[base - 1])
                before = peer.asked("/v1/headers"), peer.asked("/v1/blocks")
                peer.blocks.append(chain[base])
                self.forge.wait_tip(chain[base])
                counts.append((peer.asked("/v1/headers") - before[0], peer.asked("/v1/blocks") - before[1]))
                self.forge.node.stop()
        self.assertEqual([blocks for _, blocks in counts], [1, 1])
        self.assertLessEqual(max(headers for headers, _ in counts), 2, counts)


class Alone(Syncing):
    def test_node_that_nobody_reaches_pulls(self):
        """Two real nodes; only one knows the other. Blocks and statements go both ways all the same."""
        chain = self.forge.branch(4, [0], bodies=True)
        self.start()
        open_url, open_node = self.forge.url, self.forge.node
        self.addCleanup(open_node.stop)
        for block in chain[:3]:
            self.assertEqual(self.forge.offer_block(block), (200, "accepted"))
        self.forge.start(peers=[open_url], data="behind")
        self.forge.wait_tip(chain[2])
        self.assertEqual(json.loads(post(open_url + "/v1/blocks", canonical(chain[3]))[1]), {"result": "accepted"})
        self.forge.wait_tip(chain[3])
        vote = self.forge.statement(1, chain[3]["header"]["slot"] + 1, tip=self.forge.hash(chain[3]))
        self.assertEqual(self.forge.offer([vote]), (200, "accepted"))
        where = "/v1/statements/" + leaf(vote).hex()
        wait_until(lambda: get(open_url + where)[0] == 200, 20, "the statement came out")
        other = self.forge.statement(2, chain[3]["header"]["slot"] + 1, tip=self.forge.hash(chain[3]))
        post(open_url + "/v1/statements", canonical({"bodies": [], "statements": [other]}))
        where = "/v1/statements/" + leaf(other).hex()
        wait_until(lambda: get(self.forge.url + where)[0] == 200, 60, "the other statement was pulled")

    def test_p46_many_addresses(self):
        """Thousands of addresses, each with a connection that says nothing or asks once: the node answers others as before."""
        chain = self.forge.branch(2, [0])
        self.start()
        self.assertEqual(self.forge.offer_block(chain[0]), (200, "accepted"))
        held, slowest = [], 0.0
        for i in range(ADDRESSES):
            s = socket.socket()
            s.bind(("127.%d.%d.%d" % (1 + i // 60000, 1 + i // 250 % 250, 1 + i % 250), 0))
            s.settimeout(patience(5))
            try:
                s.connect(self.forge.address)
                if i % 2:
                    s.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            except OSError:
                pass
            held.append(s)
            if len(held) > 90:
                held.pop(0).close()
            if i % 500 == 0:
                begin = time.monotonic()
                wait_until(lambda: self.forge.status(), 15, "the node answers")
                slowest = max(slowest, time.monotonic() - begin)
        for s in held:
            s.close()
        self.assertLess(slowest, limit(12))
        wait_until(lambda: self.forge.status(), 15, "the node answers")
        self.assertEqual(self.forge.offer_block(chain[1]), (200, "accepted"))
        self.verify()


class Progress(Syncing):
    def test_miner_far_behind_does_not_mine(self):
        """A node with a key that has seen headers of many blocks which it lacks does not mine until it has them; the log tells how it goes."""
        chain = self.forge.branch(50, [0])
        held = threading.Event()
        self.addCleanup(held.set)
        peer = self.peer(chain)

        def late(handler):
            held.wait(patience(20))
            give(handler, peer.list("blocks", int(handler.path.split("from=")[1].split("&")[0]), 64))

        peer.faults["blocks"] = late
        self.start(key=os.path.basename(self.forge.keys[0].path), log="info")
        self.forge.node.wait_line("not mining: far behind most answering peers", errors=True)
        held.set()
        self.forge.node.wait_line("chain: mining$", errors=True)
        self.forge.node.wait_line("fetched 50 blocks in [0-9]+ s: height 50", errors=True)

    def test_bar_on_a_terminal_and_a_line_of_log_elsewhere(self):
        """A first sync shows height, of, blocks a second and eta on a terminal, as one line that is written over; with no terminal there is no bar."""
        chain = self.forge.branch(50, [0])
        held = threading.Event()
        peer = self.peer(chain, page=20)

        def slow(handler):
            if peer.asked("/v1/blocks") > 1:
                held.wait(patience(20))
            give(handler, peer.list("blocks", int(handler.path.split("from=")[1].split("&")[0]), 64))

        peer.faults["blocks"] = slow
        with open(self.forge.path("node.json"), "w", encoding="utf-8") as f:
            json.dump({"genesis": "genesis.json", "data": "data", "port": 0, "peers": [peer.url], "log": "warn"}, f)
        master, slave = pty.openpty()
        self.addCleanup(os.close, master)
        pid = os.posix_spawn(
            bin_path("ledger"),
            [bin_path("ledger"), "node", "--config", self.forge.path("node.json")],
            os.environ,
            file_actions=[(os.POSIX_SPAWN_DUP2, slave, 1), (os.POSIX_SPAWN_DUP2, slave, 2)],
        )
        os.close(slave)
        late = threading.Timer(patience(300), os.kill, (pid, 9))  # ends the reading below with an error
        late.start()
        seen = b""
        try:
            while b"height 20 of 50" not in seen:
                seen += os.read(master, 4096)
            held.set()
            while b"blocks/s" not in seen or not seen.rstrip(b"\r").endswith(b"\n"):
                seen += os.read(master, 4096)
        finally:
            held.set()
            late.cancel()
            os.kill(pid, 15)
            self.assertEqual(os.waitpid(pid, 0)[1], 0)
        self.assertRegex(seen.decode(), r"\r\[#+\.+\] height 20 of 50  \d+ blocks/s  eta ")


if __name__ == "__main__":
    unittest.main()

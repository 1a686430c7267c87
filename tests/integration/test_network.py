"""The main job, end to end, with the real binaries: a relay emulator, four gateway nodes, their shared chain, REST.

One network serves the tests of Main; what stops or starves parts has networks of its own.
"""

import json
import os
import subprocess
import time
import unittest

from harness import ROOT, Program, bin_path, free_port, limit, run, virtual_ms, wait_until
from network import Network, get, post
from paper_validator import block_hash, chain_valid


def attested(net, i, minute):
    """{name: live} of who attested a minute, as node i says."""
    found = net.minute(i, minute)
    return {a["gw"]: a["live"] for a in found["attested"]} if found else {}


class Main(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.net = net = Network(gateways=4, bits=16)
        cls.addClassCleanup(net.__exit__, None, None, None)
        net.start_relay()
        net.start_all()
        cls.up_at = time.monotonic()
        net.wait_height(1, deadline_s=30)
        cls.first_block_s = time.monotonic() - cls.up_at
        # The relay is up since this minute or an earlier one; the second whole minute after it is seen live by all.
        cls.live_minute = net.now_minute() + 2
        net.wait_clock((cls.live_minute + 2) * 60000)
        net.wait_height(4)

    def test_first_block_comes_within_ten_seconds(self):
        self.assertLess(self.first_block_s, limit(10))

    def test_all_nodes_report_one_tip(self):
        self.assertGreaterEqual(self.net.wait_one_tip()["height"], 4)

    def test_minute_is_attested_by_all_with_six_live_samples(self):
        for i in range(4):
            lives = wait_until(
                lambda i=i: (lambda a: a if len(a) == 4 else None)(attested(self.net, i, self.live_minute)),
                20,
                "four attestations on node %d: %s" % (i, self.net.minute(i, self.live_minute)),
            )
            self.assertEqual(sorted(lives.values()), [6, 6, 6, 6])
        found = self.net.minute(0, self.live_minute)
        self.assertEqual(found["of"], 4)
        self.assertEqual(found["conflict"], 0)
        self.assertEqual(len(found["body"]["samples"]), 6)
        self.assertEqual(found["body"]["quality"] & (1 << 11), 0)

    def test_whole_chain_verifies_from_folder_and_from_url(self):
        code, words = self.net.verify(0)
        self.assertEqual(code, 0, words)
        self.assertIn("valid:", words)
        code, out, errors = run([bin_path("ledger"), "verify", "--genesis", self.net.genesis, "--url", self.net.url(3)])
        self.assertEqual(code, 0, out + errors)

    def test_chain_verifies_by_the_genesis_that_the_source_names_and_says_so(self):
        chain_id = self.net.status(0)["chain"]
        for source in (["--data", self.net.path("data-1")], ["--url", self.net.url(2)]):
            code, out, errors = run([bin_path("ledger"), "verify", *source])
            self.assertEqual(code, 0, out + errors)
            self.assertIn(chain_id, errors)

    def test_paper_validator_accepts_the_view(self):
        status, body = get(self.net.url(1) + "/get_chain")
        self.assertEqual(status, 200)
        view = json.loads(body)
        self.assertEqual(view["1_length"], len(view["2_chain"]))
        self.assertGreater(view["1_length"], 4)
        self.assertIs(chain_valid(view["2_chain"]), True)
        broken = json.loads(body)["2_chain"]
        broken[2]["2_Estampa_de_tiempo"] += "0"
        self.assertNotEqual(chain_valid(broken), True)
        self.assertEqual(view["2_chain"][1]["4_previous_hash"], block_hash(view["2_chain"][0]))

    def proof_file(self):
        status, body = get(self.net.url(2) + "/v1/minutes/relay-1/%d/proof" % self.live_minute)
        self.assertEqual(status, 200, body)
        path = self.net.path("proof.json")
        with open(path, "wb") as f:
            f.write(body)
        return path

    def test_proof_of_a_minute_verifies_by_shell_and_by_tool(self):
        path = self.proof_file()
        script = os.path.join(ROOT, "docs", "verify-a-minute.sh")
        code, out, errors = run([script, path, self.net.genesis], deadline_s=60)
        self.assertEqual(code, 0, out + errors)
        self.assertTrue(out.endswith("valid\n"))
        self.assertEqual(out.count("attested by"), 4)
        code, out, errors = run([bin_path("ledger"), "verify-proof", path, "--genesis", self.net.genesis])
        self.assertEqual(code, 0, out + errors)

    def test_altered_proof_is_refused_by_shell_and_by_tool(self):
        with open(self.proof_file(), encoding="utf-8") as f:
            proof = json.load(f)
        proof["body"]["document"]["samples"][0][3] += 1
        path = self.net.path("altered.json")
        with open(path, "w", encoding="utf-8") as f:
            json.dump(proof, f, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        script = os.path.join(ROOT, "docs", "verify-a-minute.sh")
        code, out, errors = run([script, path, self.net.genesis], deadline_s=60)
        self.assertEqual(code, 1, out + errors)
        code, out, errors = run([bin_path("ledger"), "verify-proof", path, "--genesis", self.net.genesis])
        self.assertEqual(code, 1, out + errors)
        self.assertIn("INVALID", errors)

    def test_curl_and_jq_read_the_newest_block(self):
        command = "curl -sf %s/v1/blocks/latest | jq -e '.block.header.height >= 4 and .confirmations == 1'" % self.net.url(0)
        code, out, errors = run(["sh", "-c", command])
        self.assertEqual((code, out.strip()), (0, "true"), errors)

    def test_export_gives_every_minute_once(self):
        code, out, errors = run([bin_path("ledger"), "export", "--json", "--relay", "relay-1", "--url", self.net.url(0)])
        self.assertEqual(code, 0, errors)
        minutes = [m["body"]["min"] for m in json.loads(out)]
        self.assertIn(self.live_minute, minutes)
        self.assertEqual(minutes, sorted(set(minutes)))
        code, all_relays, errors = run([bin_path("ledger"), "export", "--json", "--to", str(minutes[-1]), "--url", self.net.url(0)])
        self.assertEqual((code, [m["body"]["min"] for m in json.loads(all_relays)]), (0, minutes), errors)
        code, out, errors = run([bin_path("ledger"), "export", "--csv", "--relay", "relay-1", "--url", self.net.url(0)])
        self.assertEqual(code, 0, errors)
        self.assertGreaterEqual(len(out.splitlines()), len(minutes) + 1)
        self.assertEqual(len([line for line in out.splitlines() if line.startswith(out.splitlines()[0][:8])]), 1)

    def test_statement_again_is_known(self):
        pool_or_block = self.net.json(0, "/v1/blocks/latest")["block"]
        document = json.dumps(
            {"bodies": [], "statements": pool_or_block["statements"][:1]}, sort_keys=True, separators=(",", ":"), ensure_ascii=False
        ).encode()
        status, body = post(self.net.url(1) + "/v1/statements", document)
        self.assertEqual((status, json.loads(body)), (200, {"accepted": 0, "known": 1, "rejected": []}))


class OneStopped(unittest.TestCase):
    def test_others_go_on_and_the_returned_one_attests_again(self):
        with Network(gateways=4) as net:
            net.start_relay()
            net.start_all()
            net.wait_height(2)
            before = net.height(0)
            net.nodes[3].stop()
            net.wait_height(before + 4, which=[0, 1, 2])
            self.on_time(net, before + 2, before + 4)
            kid = self.kid(net, 3)
            old = net.json(0, "/v1/gateways/" + kid)["chain"]["inc"]
            net.start_gateway(3)
            net.wait_up([3])
            since = net.now_minute() + 1
            found = wait_until(lambda: self.attests(net, kid, since), 60, "gateway 3 attests again")
            self.assertGreaterEqual(found, since)
            self.assertGreater(net.json(0, "/v1/gateways/" + kid)["chain"]["inc"], old)
            net.wait_one_tip()
            for i in range(4):
                code, words = net.verify(i)
                self.assertEqual(code, 0, words)

    def on_time(self, net, first, last):
        """No block later than one stagger beyond the collection of statements (and the moment that it takes to mine)."""
        slack_ms = 500 * net.speed  # half a second, or as much more as the machine is slower
        for height in range(first, last + 1):
            header = net.json(0, "/v1/blocks/%d" % height)["block"]["header"]
            late = header["time"] - (header["slot"] + 1) * 60000
            self.assertLessEqual(late, net.policy["collect_ms"] + net.policy["stagger_ms"] + slack_ms)

    def kid(self, net, i):
        name = "Red_BKC_NODO_%d" % (5004 + i)
        return next(g["id"] for g in net.json(0, "/v1/gateways")["gateways"] if g["name"] == name)

    def attests(self, net, kid, since):
        for minute in range(since, net.now_minute()):
            if attested(net, 0, minute).get(kid, 0) == 6:
                return minute
        return None


class Joining(unittest.TestCase):
    def test_fifth_gateway_by_flags_joins_from_an_empty_folder(self):
        with Network(gateways=4, named=5) as net:
            net.start_relay()
            net.start_all()
            net.wait_height(3)
            port = free_port()
            argv = [bin_path("gateway"), "--port", str(port), "--relay", "127.0.0.1:%d" % net.relay_port]
            for i in range(4):
                argv += ["--peer", net.url(i)]
            argv += ["--genesis", net.genesis, "--key", net.key(4), "--data", net.path("data-4")]
            with Program(argv, env=net.env) as fifth:
                net.ports.append(port)
                net.nodes.append(fifth)
                net.wait_up([4])
                minute = net.now_minute() + 2
                net.wait_clock((minute + 1) * 60000)
                wait_until(
                    lambda: any(len(attested(net, 0, m)) == 5 for m in range(minute, net.now_minute())), 60, "five attestations"
                )
                net.wait_one_tip()
                code, words = net.verify(4)
                self.assertEqual(code, 0, words)
                net.nodes.pop()

    def test_thin_gateway_commits_to_a_remote_node(self):
        with Network(gateways=2) as net:
            net.start_relay()
            net.start_gateway(0)
            net.wait_up([0])
            net.start_gateway(1, node=None, ledgers=[net.url(0)])
            minute = net.now_minute() + 3
            found = wait_until(
                lambda: next((m for m in range(minute, net.now_minute()) if len(attested(net, 0, m)) == 2), None),
                60,
                "the thin gateway attests: %s" % net.nodes[1].errors[-5:],
            )
            answer = net.minute(0, found)
            self.assertEqual(answer["of"], 2)
            self.assertEqual(sorted(a["live"] for a in answer["attested"]), [6, 6])


class RelayStopped(unittest.TestCase):
    def test_three_minutes_without_the_relay_are_gaps_and_no_sample_is_invented(self):
        with Network(gateways=2) as net:
            relay = net.start_relay()
            net.start_all()
            net.wait_height(2)
            net.wait_clock((net.now_minute() + 1) * 60000 + 25000)
            stopped_at = net.now_ms()
            relay.kill()
            net.wait_clock(stopped_at + 180000)
            boot_ms = net.now_ms()
            net.start_relay()
            boot = boot_ms // 60000
            whole = boot + 2
            wait_until(lambda: len(attested(net, 0, whole)) == 2, 60, "a whole minute after the return")
            gone = range(stopped_at // 60000, boot)
            for minute in gone:
                self.assertIsNone(net.minute(0, minute), minute)
            of_boot = net.minute(0, boot)
            if of_boot is not None:  # a latch came after the boot in that minute
                body = of_boot["body"]
                self.assertNotEqual(body["quality"] & (1 << 11), 0)
                self.assertLess(len(body["samples"]), 6)
                for sample in body["samples"]:
                    self.assertGreaterEqual(boot * 60000 + sample[0], boot_ms - 10000)
            named = self.gap_minutes(net)
            for minute in gone:
                self.assertIn(minute, named)
            self.assertEqual(len(net.minute(0, whole)["body"]["samples"]), 6)

    def gap_minutes(self, net):
        """Minutes that some statement on the chain names as a gap, with their reasons."""
        named = {}
        for height in range(1, net.height(0) + 1):
            for statement in net.json(0, "/v1/blocks/%d" % height)["block"]["statements"]:
                for _, first, last, reason in statement["gaps"]:
                    named.update({m: reason for m in range(first, last + 1)})
        return named


class Bad(unittest.TestCase):
    def test_clock_of_demonstrations_is_refused_by_a_real_chain(self):
        with Network(gateways=1) as net:
            with open(net.path("plan.json"), encoding="utf-8") as f:
                plan = json.load(f)
            plan["demo"] = False
            with open(net.path("real.json"), "w", encoding="utf-8") as f:
                json.dump(plan, f)
            code, _, errors = run([bin_path("ledger"), "init", "--from", net.path("real.json"), "--out", net.path("real-genesis.json")])
            self.assertEqual(code, 0, errors)
            config = net.write_config(0, genesis=net.path("real-genesis.json"))
            code, _, errors = run([bin_path("gateway"), "--config", config], env=net.env)
            self.assertEqual(code, 2, errors)
            self.assertIn("GRIDWITNESS_CLOCK", errors)

    def test_second_process_on_one_data_folder_is_refused(self):
        with Network(gateways=1) as net:
            net.start_relay()
            net.start_all()
            config = net.write_config(0, node={"bind": "127.0.0.1", "port": free_port(), "peers": []})
            code, _, errors = run([bin_path("gateway"), "--config", config], env=net.env)
            self.assertEqual(code, 1, errors)
            self.assertIn(net.path("data-0"), errors)

    def test_busy_port_is_named(self):
        with Network(gateways=2) as net:
            net.start_relay()
            net.start_gateway(0)
            net.wait_up([0])
            config = net.write_config(1, node={"bind": "127.0.0.1", "port": net.ports[0], "peers": []})
            code, _, errors = run([bin_path("gateway"), "--config", config], env=net.env)
            self.assertEqual(code, 1, errors)
            self.assertIn(str(net.ports[0]), errors)


if __name__ == "__main__":
    unittest.main()

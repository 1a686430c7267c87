"""The command lines of the three programs: help, wrong usage, configurations, and the auditor's tools against altered files.

One small chain is made first and stopped; every test works on copies of what it left behind.
"""

import json
import os
import re
import resource
import shutil
import sqlite3
import subprocess
import unittest

from cli_case import FAILED, GOOD, USAGE, Cli, node_config, plan_of_net
from harness import ROOT, Program, bin_path, free_port, run
from network import Network

SCRIPT = os.path.join(ROOT, "docs", "verify-a-minute.sh")


def setUpModule():
    global NET, HEIGHT, PROOF
    NET = Network(gateways=1, speed=40, bits=6)
    unittest.addModuleCleanup(NET.__exit__, None, None, None)
    Cli.net = NET
    NET.start_relay()
    NET.start_all()
    NET.wait_height(4)
    HEIGHT = NET.height(0)
    newest = NET.minutes(0)[0]["body"]["min"]
    code, PROOF, errors = run([bin_path("ledger"), "proof", "relay-1", str(newest), "--url", NET.url(0)])
    assert code == 0, errors
    online = run([bin_path("ledger"), "verify", "--genesis", NET.genesis, "--url", NET.url(0)])
    assert online[0] == 0, online
    assert NET.nodes[0].stop() == 0


class Usage(Cli):
    COMMANDS = ("keygen", "init", "node", "verify", "tip", "proof", "verify-proof", "export")

    def test_every_program_says_its_help_and_version(self):
        for program in ("ledger", "gateway", "relay-emulator"):
            self.expect(GOOD, [bin_path(program), "--help"], "--version")
            self.expect(GOOD, [bin_path(program), "--version"], program + " 1.")
        for word in ("-h", "help"):
            self.ledger(GOOD, word, words=("usage: ledger COMMAND",))
        for command in self.COMMANDS:
            self.ledger(GOOD, command, "--help", words=("usage: ledger " + command,))
        for command in ("check", "plan", "probe"):
            code, out, errors = run([bin_path("gateway"), command, "--help"])
            self.assertEqual((code, errors), (GOOD, ""))
            self.assertIn("gateway " + command, out)

    def test_wrong_usage_ends_with_2_and_names_the_place(self):
        for program in ("ledger", "gateway", "relay-emulator"):
            for args in (["--nonsense"], ["nonsense"], ["--help", "x"], [""]):
                self.expect(USAGE, [bin_path(program), *args])
        for program in ("ledger", "gateway"):
            self.expect(USAGE, [bin_path(program)])
        g = NET.genesis
        for args, word in (
            (["keygen"], "keygen"),
            (["keygen", "-x"], "-x"),
            (["init"], "--from"),
            (["init", "--from", "a", "--from", "b"], "twice"),
            (["init", "--from"], "needs a value"),
            (["node"], "--config"),
            (["node", "x"], "x"),
            (["node", "--config", "/nonexistent"], "/nonexistent"),
            (["verify", "--genesis", g], "--data"),
            (["verify", "--genesis", g, "--data", "a", "--url", "http://127.0.0.1:1"], "not both"),
            (["verify", "--genesis", g, "--url", "ftp://x"], "ftp://x"),
            (["verify", "--genesis", "/nonexistent", "--data", "a"], "/nonexistent"),
            (["tip", "--genesis", g], "--data"),
            (["proof", "relay-1"], "missing"),
            (["proof", "relay-1", "1", "2"], "2"),
            (["proof", "Relay 1", "1"], "Relay 1"),
            (["proof", "relay-1", "-1"], "-1"),
            (["proof", "relay-1", "2026-02-30T00:00:00Z"], "2026-02-30"),
            (["proof", "relay-1", "1", "--url", "http://u:p@h:1"], "http://u:p@h:1"),
            (["verify-proof", "x"], "--genesis"),
            (["verify-proof", "--genesis", g], "missing"),
            (["export", "--relay", "relay-1"], "--csv"),
            (["export", "--csv", "--json", "--relay", "relay-1"], "--csv"),
            (["export", "--csv", "--relay", ""], "relay"),
            (["export", "--csv", "--relay", "a;b"], "--relay"),
            (["export", "--json", "--relay", "r", "--from", "9", "--to", "8"], "--from"),
            (["export", "--json", "--relay", "r", "--url", "x"], "x"),
        ):
            with self.subTest(args=args):
                self.ledger(USAGE, *args, words=(word,))

    def test_nobody_answers_is_a_failure_that_names_the_url(self):
        url = "http://127.0.0.1:%d" % free_port()
        for args in (["proof", "relay-1", "5"], ["export", "--json", "--relay", "relay-1"], ["export", "--relay", "relay-1", "--csv"]):
            self.ledger(FAILED, *args, "--url", url, words=(url,))
        self.ledger(FAILED, "verify", "--genesis", NET.genesis, "--url", url, words=(url,))

    def test_full_standard_output_is_a_failure_that_is_told_once(self):
        for program in ("ledger", "gateway", "relay-emulator"):
            with open("/dev/full", "w", encoding="utf-8") as full:
                done = subprocess.run([bin_path(program), "--help"], stdout=full, stderr=subprocess.PIPE, timeout=20, check=False)
            told = program + ": standard output: write failed\n"
            self.assertEqual((done.returncode, done.stderr.decode()), (FAILED, told))

    def test_reader_that_has_gone_ends_an_export_in_silence(self):
        """As in `ledger export … | head -n 1`."""
        config = self.write("node.json", node_config(self.path("data")))
        shutil.copytree(NET.path("data-0"), self.path("data"))
        with Program([bin_path("ledger"), "node", "--config", config], env=NET.env) as node:
            url = "http://%s:%d" % node.listening()
            for args in (["export", "--csv"], ["export", "--json"], ["proof", "relay-1", str(json.loads(PROOF)["body"]["document"]["min"])]):
                ours, theirs = os.pipe()
                os.close(ours)
                argv = [bin_path("ledger"), *args, "--url", url]
                done = subprocess.run(argv, stdout=theirs, stderr=subprocess.PIPE, timeout=20, check=False)
                os.close(theirs)
                self.assertEqual((done.returncode, done.stderr.decode()), (FAILED, ""), args)

    def test_gateway_and_emulator_name_what_is_wrong(self):
        gateway, emulator = bin_path("gateway"), bin_path("relay-emulator")
        key, genesis, data = NET.key(0), NET.genesis, self.path("data")
        flags = [gateway, "--port", str(free_port()), "--relay", "127.0.0.1:5", "--genesis", genesis, "--key", key, "--data", data]
        bad_json = self.write("bad.json", '{"genesis": "g",\n x}')
        for argv, word in (
            ([gateway, "--config"], "--config"),
            ([gateway, "--config", "/nonexistent"], "/nonexistent"),
            ([gateway, "--config", bad_json], bad_json + ":2"),
            ([gateway, "--config", bad_json, "--port", "1"], "--config"),
            ([gateway, "check"], "FILE"),
            ([gateway, "check", "--wrong"], "--wrong"),
            ([gateway, "check", "/nonexistent"], "/nonexistent"),
            ([gateway, "check", bad_json], bad_json + ":2"),
            ([gateway, "plan", bad_json, "more"], "FILE"),
            ([gateway, "probe"], "HOST:PORT is needed"),
            ([gateway, "probe", "host"], "host is not of the form HOST:PORT"),
            ([gateway, "probe", "127.0.0.1:70000"], "127.0.0.1:70000 is not"),
            ([gateway, "probe", "a:1", "b:2"], "a second address: b:2"),
            ([gateway, "probe", "127.0.0.1:5", "--unit", "256"], "--unit 256: is not in 0..255"),
            ([gateway, "probe", "127.0.0.1:5", "--timeout", "0"], "--timeout 0: is not in 1..60000"),
            ([gateway, "probe", "127.0.0.1:5", "--timeout"], "--timeout: needs a value"),
            ([gateway, "probe", "--wrong", "127.0.0.1:5"], "unknown option: --wrong"),
            ([*flags, "--peer", "127.0.0.1:5"], "gateway: --peer: 127.0.0.1:5 is not of the form"),
            ([*flags, "--relay", "relay-9@h:5"], "gateway: --relay relay-9@h:5: the genesis has no relay relay-9"),
            ([*flags, "--name", ""], "gateway: --name: must have"),
            ([*flags[:-3], "/nonexistent", *flags[-2:]], "gateway: --key: /nonexistent: No such file"),
            ([*flags, "--unit", "x"], "x"),
            ([*flags, "--port", "1"], "--port"),
            ([*flags[:2], "65536", *flags[3:]], "65536"),
            ([emulator, "--port", "65536"], "--port"),
            ([emulator, "--relays", "248"], "--relays"),
            ([emulator, "--relays", "0"], "--relays"),
            ([emulator, "--mode", "physics"], "--mode"),
            ([emulator, "--seed", "-1"], "--seed"),
            ([emulator, "--utc-offset", "05:00"], "--utc-offset"),
            ([emulator, "--bind", "localhost.invalid"], "localhost.invalid"),
            ([emulator, "--port"], "--port"),
            ([emulator, "--config", bad_json], bad_json + ":2"),
        ):
            with self.subTest(argv=argv):
                self.expect(USAGE, argv, word, env=NET.env)
        good = self.write("good.json", {"genesis": genesis, "key": key, "data": data, "ledgers": ["http://127.0.0.1:5"], "relays": []})
        code, out, errors = run([gateway, "check", good])
        self.assertIn(code, (GOOD, USAGE), errors)
        self.assertFalse(os.path.exists(data), "check touches no data")
        self.expect(FAILED, [gateway, "probe", "127.0.0.1:%d" % free_port()], "refused", env=NET.env)


def schema_of(name):
    with open(os.path.join(ROOT, "docs", "schema", name + ".json"), encoding="utf-8") as f:
        return json.load(f)["properties"]


class Schemas(Cli):
    """What a schema lets pass the program takes, and what it does not the program refuses."""

    URLS = (
        *("http://127.0.0.1:6004", "https://grid.example.org", "http://[::1]:6004", "https://[2001:db8::1]", "http://node_1:80"),
        *("https://example.org/nodes/a", "http://h:1/x", "http://h.:1", "http://h:65535", "http://h:1/.a", "http://0x.example:1"),
        *("http://h:1/", "http://h:1//a", "http://h:1/a/", "http://h:1/../a", "http://h:1/./a", "http://u@h:1", "http://u:p@h:1"),
        *("http://h:1?q", "http://h:1#f", "http://h:1/a?q", "http://h:0", "http://h:65536", "http://h:01", "http://h:", "http://"),
        *("ftp://h:1", "HTTP://h:1", "http://h h:1", "http://1.2.3:4", "http://1.2.3.400:4", "http://[]:1", "http://-h:1", "http://a..b:1"),
    )
    OFFSETS = ("-12:00", "-11:59", "+00:00", "+13:59", "+14:00", "-12:01", "+14:01", "+25:00", "+12:60", "05:00", "+5:00")

    def test_urls_are_those_of_the_programs(self):
        gateway, ledger = schema_of("gateway"), schema_of("ledger-node")
        pattern = ledger["peers"]["items"]["pattern"]
        self.assertEqual(gateway["node"]["properties"]["peers"]["items"]["pattern"], pattern)
        self.assertEqual(gateway["ledgers"]["items"]["pattern"], pattern)
        config = self.write("urls.json", {"node": {"port": 6100, "peers": list(self.URLS)}})
        _, out, errors = run([bin_path("gateway"), "check", config])
        for i, url in enumerate(self.URLS):
            refused = "$.node.peers[%d]: %s is not of the form" % (i, url) in out + errors
            self.assertEqual(refused, re.search(pattern, url) is None, url + "\n" + out + errors)

    def test_zones_are_those_of_the_emulator(self):
        pattern = schema_of("relay-emulator")["utc_offset"]["pattern"]
        for offset in self.OFFSETS:
            code = run([bin_path("relay-emulator"), "--utc-offset=" + offset, "--help"])[0]
            self.assertEqual(code == GOOD, re.search(pattern, offset) is not None, offset)


class Configurations(Cli):
    def test_configuration_faults_name_file_line_and_path(self):  # C1-C6
        url = "http://127.0.0.1:5"
        for name, text, words in (
            ("unknown", node_config("d", colour=1), ("colour",)),
            ("port-65536", node_config("d", port=65536), ("$.port", "65536")),
            ("port-text", node_config("d", port="80"), ("$.port",)),
            ("port-real", node_config("d", port=1.0), ("$.port",)),
            ("twice", node_config("d", peers=[url, url]), ("$.peers[1]", "twice")),
            ("self", node_config("d", port=5, peers=[url]), ("$.peers[0]", "itself")),
            ("no-url", node_config("d", peers=["127.0.0.1:5"]), ("$.peers[0]",)),
            ("many", node_config("d", peers=["http://127.0.0.1:%d" % p for p in range(1, 67)]), ("$.peers",)),
            ("log", node_config("d", log="loud"), ("log",)),
            ("no-data", {"genesis": NET.genesis, "port": 0}, ("$.data",)),
            ("genesis", node_config("d", genesis="/nonexistent/genesis.json"), ("/nonexistent/genesis.json",)),
            ("bind", node_config(self.path("d"), bind="localhost"), ("$.bind: localhost is not a numeric",)),
        ):
            with self.subTest(config=name):
                path = self.write(name + ".json", text)
                self.ledger(USAGE, "node", "--config", path, words=words, env=NET.env)
                if words[0].startswith("$"):
                    self.ledger(USAGE, "node", "--config", path, words=(path + ":",), env=NET.env)
        raw = json.dumps(node_config("d"))
        for name, bad in (("double", raw[:-1] + ',"port":1}'), ("nul", raw.replace("port", "po\0rt")), ("long", raw[:-1] + " " * 2000000 + "x")):
            path = self.write(name + ".json", bad)
            self.ledger(USAGE, "node", "--config", path, words=(path,), env=NET.env)

    def test_relative_paths_belong_to_the_folder_of_the_file_and_crlf_is_space(self):  # C1, C5
        folder = self.path("folder")
        os.mkdir(folder)
        shutil.copy(NET.genesis, os.path.join(folder, "g.json"))
        config = os.path.join(folder, "node.json")
        with open(config, "w", encoding="utf-8", newline="\r\n") as f:
            f.write('{"genesis": "g.json",\n"data": "here/data",\n"port": 0}\n')
        os.mkdir(os.path.join(folder, "here"))
        with Program([bin_path("ledger"), "node", "--config", config], env=NET.env, cwd="/") as node:
            node.listening()
        self.assertTrue(os.path.exists(os.path.join(folder, "here/data/chain.db")))

    def test_clock_that_is_none_and_clock_of_a_real_chain_are_refused(self):
        config = self.write("node.json", node_config(self.path("data")))
        for spec in ("", "1@2", "1@2x0", "1@2x1001", "x"):
            self.ledger(USAGE, "node", "--config", config, words=("GRIDWITNESS_CLOCK",), env={"GRIDWITNESS_CLOCK": spec})
        plan = plan_of_net()
        plan["demo"] = False
        genesis = self.path("real.json")
        self.ledger(GOOD, "init", "--from", self.write("plan.json", plan), "--out", genesis)
        config = self.write("real-node.json", node_config(self.path("data"), genesis=genesis))
        self.ledger(USAGE, "node", "--config", config, words=("GRIDWITNESS_CLOCK", "unset it"), env=NET.env)
        config = NET.write_config(0, genesis=genesis, data=self.path("data"))
        code, _, errors = run([bin_path("gateway"), "--config", config], env=NET.env)
        self.assertEqual(code, USAGE, errors)
        self.assertIn("unset it", errors)
        self.assertNotIn("--help", errors)


class Folders(Cli):
    def copy(self, name):
        folder = self.path(name)
        shutil.copytree(NET.path("data-0"), folder)
        return folder

    def altered(self, name, *statements):
        """A copy of the chain's folder on whose database these SQL statements ran."""
        folder = self.copy(name)
        with sqlite3.connect(os.path.join(folder, "chain.db")) as db:
            for statement in statements:
                changed = db.execute(statement).rowcount
                assert changed != 0, statement
        db.close()
        return folder

    def verify(self, code, folder, *words):
        return self.ledger(code, "verify", "--genesis", NET.genesis, "--data", folder, words=words)

    def test_whole_chain_is_valid_and_tip_says_where_it_stands(self):
        said = self.verify(GOOD, self.copy("data"))
        self.assertIn("valid: %d blocks" % HEIGHT, said)
        tip = json.loads(self.ledger(GOOD, "tip", "--genesis", NET.genesis, "--data", NET.path("data-0")))
        self.assertRegex(said, "tip %s, chain [0-9a-f]{64}\n" % tip["tip"])
        self.assertEqual(tip["height"], HEIGHT)
        self.assertGreaterEqual(tip["newest_ms"], tip["time"])

    def test_altered_database_is_named_with_height_and_code(self):
        cases = (
            ("header", "UPDATE block SET header = CAST(replace(header, '\"weight\":1', '\"weight\":2') AS BLOB) WHERE height = 2", "height 2"),
            ("sig", "UPDATE block SET sig = zeroblob(64) WHERE height = 3", "height 3: signature"),
            ("body", "UPDATE body SET doc = CAST(replace(doc, '\"openings\":', '\"openings\":1') AS BLOB) WHERE height = 2", "height 2: the store does not give the block: corrupt"),
            ("statement", "UPDATE statement SET doc = CAST(replace(doc, '\"seq\":', '\"seq\":1') AS BLOB) WHERE height = 2", "height 2"),
            ("no-block", "DELETE FROM block WHERE height = 2", "height 2"),
            ("no-statement", "DELETE FROM statement WHERE height = 3", "height 3"),
            ("no-body", "DELETE FROM body WHERE height = 2", "height 2"),
            ("leaves", "UPDATE block SET leaves = zeroblob(length(leaves)) WHERE height = 2", "height 2"),
            ("swapped", "UPDATE block SET prev = zeroblob(32), header = (SELECT header FROM block WHERE height = 1) WHERE height = 2", "height 2"),
        )
        for name, statement, words in cases:
            with self.subTest(alteration=name):
                self.verify(FAILED, self.altered(name, statement), "INVALID", words)

    def test_derived_tables_are_not_believed(self):
        """Without reads, view and counters the chain verifies all the same: it is the blocks that count."""
        folder = self.altered("derived", "DELETE FROM read", "UPDATE gateway SET greatest_inc = 1", "DELETE FROM paper")
        self.verify(GOOD, folder)

    def test_torn_and_foreign_files_are_refused_by_name(self):
        folder = self.copy("torn")
        with open(os.path.join(folder, "chain.db"), "r+b") as f:
            f.truncate(os.path.getsize(f.name) // 2)
        self.verify(FAILED, folder)
        foreign = self.path("foreign")
        os.mkdir(foreign)
        self.verify(FAILED, foreign, foreign)
        with open(os.path.join(foreign, "chain.db"), "wb") as f:
            f.write(b"no database at all" * 1000)
        self.verify(FAILED, foreign, foreign)
        other = self.path("other-genesis.json")
        self.ledger(GOOD, "init", "--from", self.write("plan.json", dict(plan_of_net(), name="other")), "--out", other)
        self.ledger(FAILED, "verify", "--genesis", other, "--data", NET.path("data-0"))

    def test_read_only_folder_is_read_and_not_written(self):  # D9
        folder = self.copy("readonly")
        config = self.write("node.json", node_config(folder))
        for entry in os.listdir(folder):
            os.chmod(os.path.join(folder, entry), 0o400)
        os.chmod(folder, 0o500)
        try:
            with_less = ["setpriv", "--bounding-set", "-all", "--inh-caps", "-all"] if os.geteuid() == 0 else []
            self.expect(GOOD, [*with_less, bin_path("ledger"), "verify", "--genesis", NET.genesis, "--data", folder], "valid:")
            self.expect(FAILED, [*with_less, bin_path("ledger"), "node", "--config", config], folder, env=NET.env)
        finally:
            os.chmod(folder, 0o700)

    def test_second_process_on_a_folder_is_refused_and_readers_are_not(self):  # D11
        config = self.write("node.json", node_config(self.copy("data")))
        with Program([bin_path("ledger"), "node", "--config", config], env=NET.env) as node:
            node.listening()
            self.ledger(FAILED, "node", "--config", config, words=(self.path("data"),), env=NET.env)
            self.verify(GOOD, self.path("data"))

    def test_few_descriptors_are_enough_or_refused(self):  # D12
        config = self.write("node.json", node_config(self.copy("data")))
        argv = ["prlimit", "--nofile=64", bin_path("ledger"), "node", "--config", config]
        with Program(argv, env=NET.env) as node:
            host, port = node.listening()
            code, _, errors = run([bin_path("ledger"), "verify", "--genesis", NET.genesis, "--url", "http://%s:%d" % (host, port)])
            self.assertEqual(code, GOOD, errors)
        code, _, errors = run(["prlimit", "--nofile=8", bin_path("ledger"), "node", "--config", config], env=NET.env)
        self.assertEqual(code, FAILED)
        self.assertNotEqual(errors, "")
        self.assertGreater(resource.getrlimit(resource.RLIMIT_NOFILE)[0], 64)


class Proofs(Cli):
    def test_proof_verifies_and_every_altered_one_is_refused(self):
        good = self.write("good.json", PROOF)
        self.ledger(GOOD, "verify-proof", good, "--genesis", NET.genesis, words=("valid: relay relay-1", "attested by"))

        def alter(change):
            proof = json.loads(PROOF)
            change(proof)
            return json.dumps(proof, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

        def value(p):
            p["body"]["document"]["samples"][0][3] += 1

        cases = {
            "value": alter(value),
            "openings": alter(lambda p: p["body"]["document"].update(openings=p["body"]["document"]["openings"] + 1)),
            "index": alter(lambda p: p["body"].update(index=p["body"]["index"] + 1)),
            "path": alter(lambda p: p["body"].update(path=p["body"]["path"] + ["00" * 32])),
            "no statement": alter(lambda p: p.update(statements=[])),
            "live": alter(lambda p: p["statements"][0]["document"]["reads"][0].__setitem__(3, 60)),
            "chain": alter(lambda p: p.update(genesis="00" * 32)),
            "nonce": alter(lambda p: p["blocks"][0]["header"].update(nonce=p["blocks"][0]["header"]["nonce"] + 1)),
            "hash": alter(lambda p: p["blocks"][0].update(hash="00" * 32)),
            "block beyond": alter(lambda p: p["body"].update(block=len(p["blocks"]))),
            "key more": alter(lambda p: p.update(extra=1)),
            "space": PROOF.replace(",", ", ", 1),
            "empty": "",
            "cut": PROOF[:-2],
        }
        for name, text in cases.items():
            with self.subTest(alteration=name):
                path = self.write("altered.json", text)
                self.ledger(FAILED, "verify-proof", path, "--genesis", NET.genesis, words=("INVALID",))
                if name not in ("space", "key more"):  # jq reads what C0 refuses, and nothing of it is left unverified
                    self.expect(FAILED, [SCRIPT, path, NET.genesis])

    def test_witness_that_is_named_twice_counts_once(self):
        proof = json.loads(PROOF)
        proof["statements"].append(proof["statements"][0])
        path = self.write("twice.json", json.dumps(proof, sort_keys=True, separators=(",", ":"), ensure_ascii=False))
        code, out, _ = run([bin_path("ledger"), "verify-proof", path, "--genesis", NET.genesis])
        self.assertTrue(code == FAILED or out.count("attested by") == 1, out)

    def test_proof_under_another_genesis_is_refused(self):
        other = self.path("other.json")
        plan = dict(plan_of_net(), name="other")
        self.ledger(GOOD, "init", "--from", self.write("plan.json", plan), "--out", other)
        self.ledger(FAILED, "verify-proof", self.write("p.json", PROOF), "--genesis", other, words=("INVALID",))
        self.ledger(FAILED, "verify-proof", "/nonexistent", "--genesis", NET.genesis, words=("/nonexistent",))


if __name__ == "__main__":
    unittest.main()

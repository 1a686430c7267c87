"""Ledger node and gateway, the programs, on disks that fail, fill up, cannot be written, or hold what nobody wrote (D3-D12).

Two gateways make a chain; the victims, observers and more gateways, follow it on disks of their own that fail on command: all at once, so
that the cases take the time of one.
"""

import json
import os
import shutil
import subprocess
import unittest

from harness import Program, bin_path, free_port, run, wait_until
from network import Network, get

GOOD, FAILED = 0, 1
STAYS, ENDS, FILLS = "stays", "ends", "fills up"

# program, file, call, fault, what becomes of the program
CASES = (
    ("ledger", "chain.db-wal", "write", "EIO", ENDS),  # D8
    ("ledger", "chain.db-wal", "sync", "EIO", ENDS),
    ("ledger", "chain.db", "write", "EROFS", ENDS),  # D9
    ("ledger", "chain.db", "write", "ENOSPC", FILLS),  # D7
    ("ledger", "chain.db", "write", "SHORT", STAYS),
    ("ledger", "chain.db", "write", "EINTR", STAYS),
    ("gateway", "chain.db-wal", "write", "EIO", ENDS),
    ("gateway", "outbox.db-wal", "write", "EIO", ENDS),
    ("gateway", "outbox.db-wal", "sync", "EIO", ENDS),
    ("gateway", "outbox.db", "write", "EROFS", ENDS),
    ("gateway", "outbox.db", "write", "ENOSPC", FILLS),
    ("gateway", ".db", "write", "SHORT", STAYS),
    ("gateway", ".db", "write", "EINTR", STAYS),
)
GATEWAYS = 2
VICTIMS = sum(case[0] == "gateway" for case in CASES)

NET = None


def setUpModule():
    global NET
    NET = Network(gateways=GATEWAYS, named=GATEWAYS + VICTIMS, speed=40)
    NET.start_relay()
    NET.start_all()
    NET.wait_height(1)


def tearDownModule():
    NET.__exit__(None)


def node_config(name):
    """Path of a configuration of an observer with this folder, and its URL."""
    port = free_port()
    path = NET.path(name + ".json")
    config = {"genesis": NET.genesis, "data": NET.path(name), "port": port, "peers": [NET.url(i) for i in range(GATEWAYS)]}
    with open(path, "w", encoding="utf-8") as f:
        json.dump(config, f)
    return path, "http://127.0.0.1:%d" % port


def gateway_config(name, key):
    port = free_port()
    config = {
        "genesis": NET.genesis,
        "key": NET.key(key),
        "data": NET.path(name),
        "node": {"bind": "127.0.0.1", "port": port, "peers": [NET.url(i) for i in range(GATEWAYS)]},
        "relays": [{"id": "relay-1", "host": "127.0.0.1", "port": NET.relay_port}],
    }
    path = NET.path(name + ".json")
    with open(path, "w", encoding="utf-8") as f:
        json.dump(config, f)
    return path, "http://127.0.0.1:%d" % port


def command(program, config):
    return [bin_path("ledger"), "node", "--config", config] if program == "ledger" else [bin_path("gateway"), "--config", config]


def height(url):
    status, body = get(url + "/v1/status")
    return json.loads(body)["height"] if status == 200 else -1


def alarms(url):
    return get(url + "/metrics", accept="text/plain")[1].decode()


class Victim:
    """One case, running."""

    def __init__(self, number, case, key, preload):
        self.program, self.file, self.call, self.fault, self.end = case
        self.name = "victim-%d" % number
        if self.program == "ledger":
            config, self.url = node_config(self.name)
        else:
            config, self.url = gateway_config(self.name, key)
        self.control = NET.path(self.name + ".fault")
        env = dict(NET.env, LD_PRELOAD=preload, BAD_DISK=self.control, ASAN_OPTIONS="verify_asan_link_order=0")
        self.running = Program(command(self.program, config), env=env)

    def words(self):
        return "%s, %s of %s: %s; said %s" % (self.program, self.call, self.file, self.fault, self.running.errors[-6:])

    def fail(self):
        with open(self.control + ".new", "w", encoding="utf-8") as f:
            f.write("%s %s %s" % (self.file, self.call, self.fault))
        os.rename(self.control + ".new", self.control)


class BadDisk(unittest.TestCase):
    def setUp(self):
        self.victims = []
        preload = NET.path("bad_disk.so")
        source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "preload", "bad_disk.c")
        code, _, errors = run([os.environ.get("CC", "cc").split()[-1], "-shared", "-fPIC", "-D_GNU_SOURCE", "-O1", "-o", preload, source, "-ldl"])
        self.assertEqual(code, 0, errors)
        keys = iter(range(GATEWAYS, GATEWAYS + VICTIMS))
        for number, case in enumerate(CASES):
            self.victims.append(Victim(number, case, next(keys) if case[0] == "gateway" else None, preload))
            self.addCleanup(self.victims[-1].running.stop)
        for victim in self.victims:
            wait_until(lambda v=victim: height(v.url) >= 1, 60, victim.words())

    def ends(self, victim):
        """An error of the disk: exit code 1, and the last words name it."""
        self.assertEqual(victim.running.wait(60), FAILED, victim.words())
        self.assertIn("failed", " ".join(victim.running.errors[-8:]), victim.words())

    def stays(self, victim):
        """Half a write, or one that was interrupted, is made whole: the chain grows."""
        at = height(victim.url)
        wait_until(lambda: height(victim.url) > at + 1, 60, victim.words())

    def fills_up(self, victim):
        """No room: told, nothing acknowledged, no end; with room again it goes on."""
        wait_until(lambda: 'gridwitness_alarms_total{kind="disk_full"}' in alarms(victim.url), 60, victim.words())
        self.assertIsNone(victim.running.process.poll(), victim.words())
        os.unlink(victim.control)
        wait_until(lambda: get(victim.url + "/readyz")[0] == 200, 60, victim.words())
        self.stays(victim)

    def test_programs_on_a_bad_disk_do_as_they_should(self):
        for victim in self.victims:
            victim.fail()
        what = {ENDS: self.ends, STAYS: self.stays, FILLS: self.fills_up}
        for victim in self.victims:
            with self.subTest(victim=victim.words()):
                what[victim.end](victim)
        for victim in self.victims:  # what was written while the disk was bad is good
            if victim.program == "ledger":
                victim.running.stop()
                code, _, errors = run([bin_path("ledger"), "verify", "--genesis", NET.genesis, "--data", NET.path(victim.name)])
                self.assertEqual(code, GOOD, victim.words() + errors)


class Folders(unittest.TestCase):
    def refused(self, argv, *words):
        code, _, errors = run(argv, env=NET.env)
        self.assertEqual(code, FAILED, errors)
        for word in words:
            self.assertIn(word, errors)

    def first_life(self, program, name, key=GATEWAYS):
        """A folder with some blocks in it: (configuration, URL)."""
        config, url = node_config(name) if program == "ledger" else gateway_config(name, key)
        with Program(command(program, config), env=NET.env):
            wait_until(lambda: height(url) >= 1, 60, "the first life of %s" % name)
        return config, url

    def test_damaged_database_ends_the_start_with_advice(self):  # D3, D4
        for program in ("ledger", "gateway"):
            name = "garbage-" + program
            config, url = self.first_life(program, name)
            path = NET.path(name, "chain.db")
            with open(path, "r+b") as f:
                f.seek(4096)
                f.write(b"\xa5" * 8192)
            self.refused(command(program, config), path, "move chain.db")
            for entry in ("chain.db", "chain.db-wal", "chain.db-shm"):  # as it was told
                if os.path.exists(NET.path(name, entry)):
                    os.rename(NET.path(name, entry), NET.path(name, entry + ".old"))
            with Program(command(program, config), env=NET.env):
                wait_until(lambda url=url: height(url) >= NET.height(0), 60, "everything from the peers")

    def test_damaged_outbox_ends_the_start_and_is_named(self):  # D4
        config, _ = self.first_life("gateway", "outbox-garbage")
        path = subprocess.run(["find", NET.path("outbox-garbage"), "-name", "outbox.db"], capture_output=True, check=True).stdout.decode().strip()
        with open(path, "r+b") as f:
            f.write(b"\xa5" * 4096)
        self.refused(command("gateway", config), "outbox.db")

    def test_older_copy_of_a_node_is_continued(self):  # D5, D6
        config, url = self.first_life("ledger", "older")
        shutil.copytree(NET.path("older"), NET.path("older-copy"))
        with Program(command("ledger", config), env=NET.env) as node:
            first = height(url)
            wait_until(lambda: height(url) >= max(first, 1) + 2, 60, "two more blocks")
            node.kill()
        wal = NET.path("older", "chain.db-wal")
        if os.path.exists(wal):
            os.unlink(wal)  # D6
        for _ in range(2):
            with Program(command("ledger", config), env=NET.env):
                wait_until(lambda: height(url) >= NET.height(0), 60, "caught up")
            code, _, errors = run([bin_path("ledger"), "verify", "--genesis", NET.genesis, "--data", NET.path("older")])
            self.assertEqual(code, GOOD, errors)
            shutil.rmtree(NET.path("older"))
            shutil.copytree(NET.path("older-copy"), NET.path("older"))  # D5

    def test_gateway_on_a_folder_that_cannot_be_written_ends(self):  # D9
        config, _ = self.first_life("gateway", "readonly")
        with_less = ["setpriv", "--bounding-set", "-all", "--inh-caps", "-all"] if os.geteuid() == 0 else []
        folders = [root for root, _, _ in os.walk(NET.path("readonly"))]
        for folder in folders:
            os.chmod(folder, 0o500)
        try:
            for entry in ("chain.db", "chain.db-wal", "lock", "ballast"):
                if os.path.exists(NET.path("readonly", entry)):
                    os.chmod(NET.path("readonly", entry), 0o400)
            self.refused([*with_less, *command("gateway", config)], NET.path("readonly"))
        finally:
            for folder in folders:
                os.chmod(folder, 0o700)

    def test_second_gateway_on_a_folder_is_refused(self):  # D11
        config, _ = gateway_config("shared", GATEWAYS)
        with Program(command("gateway", config), env=NET.env) as first:
            wait_until(lambda: os.path.exists(NET.path("shared", "chain.db")), 30, "the first has its folder")
            with open(config, encoding="utf-8") as f:
                other = json.load(f)
            other["node"]["port"] = free_port()
            with open(NET.path("shared-2.json"), "w", encoding="utf-8") as f:
                json.dump(other, f)
            self.refused(command("gateway", NET.path("shared-2.json")), NET.path("shared"))
            self.assertIsNone(first.process.poll())

    def test_gateway_with_few_descriptors_works_or_refuses(self):  # D12
        config, url = gateway_config("descriptors", GATEWAYS)
        with Program(["prlimit", "--nofile=64", *command("gateway", config)], env=NET.env):
            wait_until(lambda: height(url) >= 1, 60, "64 descriptors are enough")
            wait_until(lambda: get(url + "/readyz")[0] == 200, 60, "ready")
        code, _, errors = run(["prlimit", "--nofile=8", *command("gateway", config)], env=NET.env)
        self.assertEqual(code, FAILED, errors)
        self.assertNotEqual(errors, "")


if __name__ == "__main__":
    unittest.main()

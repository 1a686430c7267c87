"""The command lines of the three programs: keys and their files, plans and genesis files."""

import base64
import json
import os
import unittest

from cli_case import FAILED, GOOD, USAGE, Cli, node_config, plan_of_net
from harness import bin_path, run
from network import Network


def setUpModule():
    global NET
    NET = Network(gateways=1)  # its keys and its genesis: nothing is started
    unittest.addModuleCleanup(NET.__exit__, None, None, None)
    Cli.net = NET


def pem_of(seed):
    """PKCS #8 (RFC 8410) of a seed of any length: well formed but for that."""
    inner = b"\x04" + bytes([len(seed)]) + seed
    body = b"\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04" + bytes([len(inner)]) + inner
    der = b"\x30" + bytes([len(body)]) + body
    return "-----BEGIN PRIVATE KEY-----\n%s\n-----END PRIVATE KEY-----\n" % base64.b64encode(der).decode()


class Keys(Cli):
    def test_keygen_never_overwrites(self):
        path = self.path("key.pem")
        line = self.ledger(GOOD, "keygen", path)
        self.assertRegex(line, r"^[0-9a-f]{16} [A-Za-z0-9+/]{43}= ")
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
        with open(path, "rb") as f:
            before = f.read()
        self.ledger(FAILED, "keygen", path, words=(path,))
        with open(path, "rb") as f:
            self.assertEqual(f.read(), before)
        link = self.path("link.pem")
        os.symlink(self.path("target.pem"), link)
        self.ledger(FAILED, "keygen", link, words=(link,))
        self.assertFalse(os.path.exists(self.path("target.pem")))

    def test_key_that_openssl_made_is_taken_and_a_bad_one_named(self):
        good = self.path("openssl.pem")
        run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", good])
        os.chmod(good, 0o600)
        plan = plan_of_net()
        plan["gateways"] = [{"name": "a", "key": good}]
        self.ledger(GOOD, "init", "--from", self.write("good.json", plan), "--out", self.path("g.json"))
        with open(good, encoding="ascii") as f:
            pem = f.read()
        for name, text, mode in (
            ("wide", pem, 0o644),
            ("group", pem, 0o640),
            ("empty", "", 0o600),
            ("31 bytes", pem_of(bytes(31)), 0o600),
            ("33 bytes", pem_of(bytes(33)), 0o600),
            ("other type", pem.replace("MC4", "MC3"), 0o600),
            ("cut", pem[: len(pem) // 2], 0o600),
            ("more", pem + pem, 0o600),
        ):  # K1
            with self.subTest(key=name):
                self.bad_key(self.write(name.replace(" ", "-") + ".pem", text), mode)
        link = self.path("link.pem")
        os.symlink(good, link)
        self.bad_key(link)
        if os.geteuid() == 0:
            foreign = self.write("foreign.pem", pem)
            os.chown(foreign, 65534, 65534)
            self.bad_key(foreign, 0o600)

    def bad_key(self, path, mode=None):
        """Neither a node nor a gateway starts with it: exit 2, and the file is named."""
        if mode is not None:
            os.chmod(path, mode)
        self.ledger(USAGE, "node", "--config", self.write("node.json", node_config(self.path("data"), key=path)), words=(path,), env=NET.env)
        self.expect(USAGE, [bin_path("gateway"), "--config", NET.write_config(0, key=path)], path, env=NET.env)

    def test_key_that_the_genesis_does_not_name_is_refused(self):  # K3
        path = self.path("stranger.pem")
        kid = self.ledger(GOOD, "keygen", path).split()[0]
        config = self.write("node.json", node_config(self.path("data"), key=path))
        self.ledger(USAGE, "node", "--config", config, words=(kid,), env=NET.env)
        self.expect(USAGE, [bin_path("gateway"), "--config", NET.write_config(0, key=path)], kid, env=NET.env)


def profile(*names, pf=None):
    points = [{"name": n, "label": n, "agg": "mean"} for n in names or ("i",)]
    return {"id": "p", "points": points + ([{"name": "pf", "label": "pf", "agg": "pf", "of": pf}] if pf else [])}


class Plans(Cli):
    def test_plan_faults_end_with_2_and_write_nothing(self):
        good = plan_of_net()
        out = self.path("genesis.json")
        gateway, relay = good["gateways"][0], good["relays"][0]
        for name, change, words in (
            ("no-gateways", {"gateways": []}, ("gateways",)),
            ("key-twice", {"gateways": [gateway, dict(gateway, name="b")]}, ("$.gateways[1].key", "too")),
            ("none-mines", {"gateways": [dict(gateway, mine=False)]}, ("$.gateways: none",)),
            ("bad-key", {"gateways": [dict(gateway, key="/nonexistent.pem")]}, ("$.gateways[0]", "nonexistent.pem")),
            ("small-order", {"gateways": [dict(gateway, key="AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")]}, ("$.gateways[0].key: no public key",)),
            ("off-curve", {"gateways": [dict(gateway, key="AgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")]}, ("$.gateways[0].key: no public key",)),
            ("bits-41", {"bits": 41}, ("$.bits", "41")),
            ("bits-text", {"bits": "8"}, ("$.bits",)),
            ("unknown", {"colour": 1}, ("colour",)),
            ("no-name", {"name": None}, ("$.name",)),
            ("long-name", {"name": "x" * 65}, ("$.name",)),
            ("control", {"name": "a\nb"}, ("$.name",)),
            ("offset", {"utc_offset_min": 841}, ("$.utc_offset_min",)),
            ("policy", {"policy": {"collect_ms": 20001}}, ("$.policy.collect_ms",)),
            ("policy-sum", {"policy": {"collect_ms": 20000, "stagger_ms": 20000}, "gateways": many(3)}, ("$.policy: ", "50000 ms")),
            ("relay-id", {"relays": [dict(relay, id="Relay_1")]}, ("$.relays[0].id: Relay_1",)),
            ("relay-twice", {"relays": [relay, relay]}, ("$.relays[1].id: relay-1 is named twice",)),
            ("reader-twice", {"relays": [dict(relay, readers=[gateway["name"]] * 2)]}, ("$.relays[0].readers: a gateway",)),
            ("profile-twice", {"profiles": [profile(), profile()], "relays": [dict(relay, profile="p")]}, ("$.profiles[1].id: p is named twice",)),
            ("profile-id", {"profiles": [dict(profile(), id="P")]}, ("$.profiles[0].id: P",)),
            ("point-twice", {"profiles": [profile("i", "i")]}, ("$.profiles[0].points[1].name: i is named twice",)),
            ("point-name", {"profiles": [profile("I")]}, ("$.profiles[0].points[0].name: I",)),
            ("of-one-point", {"profiles": [profile("p", pf=["p", "p"])]}, ("$.profiles[0].points[1].of: ",)),
            ("of-itself", {"profiles": [profile("p", pf=["p", "pf"])]}, ("$.profiles[0].points[1].of: ",)),
            ("period", {"relays": [dict(relay, period_s=7)]}, ("$.relays[0].period_s: 7 does not divide 60",)),
            ("reader", {"relays": [dict(relay, readers=["nobody"])]}, ("$.relays[0].readers[0]", "nobody")),
            ("profile", {"relays": [dict(relay, profile="none")]}, ("$.relays[0]", "none")),
            ("device", {"relays": [dict(relay, device="x" * 33)]}, ("$.relays[0].device",)),
        ):
            with self.subTest(plan=name):
                plan = {k: v for k, v in dict(good, **change).items() if v is not None}
                self.ledger(USAGE, "init", "--from", self.write(name + ".json", plan), "--out", out, words=words)
                self.assertFalse(os.path.exists(out))
        text = json.dumps(good)
        for name, bad in (("cut", text[:-1]), ("twice", text[:-1] + ',"bits":1}'), ("comment", text + "//"), ("two", text + text)):
            path = self.write(name + ".json", bad)
            self.ledger(USAGE, "init", "--from", path, "--out", out, words=(path + ":1",))

    def test_genesis_is_never_written_over(self):
        out = self.path("genesis.json")
        self.ledger(GOOD, "init", "--from", NET.path("plan.json"), "--out", out)
        self.ledger(FAILED, "init", "--from", NET.path("plan.json"), "--out", out, words=(out,))


def many(n):
    keys = []
    for i in range(n):
        path = NET.path("many-%d.pem" % i)
        code, line, _ = run([bin_path("ledger"), "keygen", path])
        assert code == 0
        keys.append({"name": "g%d" % i, "key": line.split()[1]})
    return keys


if __name__ == "__main__":
    unittest.main()

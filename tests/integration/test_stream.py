"""GET /v1/stream with other people's eyes: curl -N, a client that follows the WHATWG's rules, many at once, one that reads nothing, and a
node that ends; from a gateway and from a ledger node."""

import json
import os
import re
import socket
import subprocess
import unittest

from harness import ROOT, Program, bin_path, free_port, patience, wait_until
from network import SPEED, Network, get
from sse import Events

STREAMS = 100  # of one node; 8 an address


def number(event):
    return int(event.id.rsplit("-", 1)[1])


def fits(schema, value, root, where="data"):
    """Check a value against the part of JSON Schema that docs/schema/stream.json uses."""
    if "$ref" in schema:
        fits(root["$defs"][schema["$ref"].rsplit("/", 1)[1]], value, root, where)
    kinds = {"object": dict, "array": list, "string": str, "integer": int}
    if "type" in schema:
        assert type(value) is kinds[schema["type"]], (where, value)
    assert value in schema.get("enum", [value]), (where, value)
    assert value == schema.get("const", value), (where, value)
    if isinstance(value, str):
        assert re.search(schema.get("pattern", ""), value), (where, value)
    if isinstance(value, int):
        assert schema.get("minimum", value) <= value <= schema.get("maximum", value), (where, value)
    if isinstance(value, list):
        assert schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)), where
        for i, item in enumerate(value):
            fits(schema.get("items", {}), item, root, "%s[%d]" % (where, i))
    if isinstance(value, dict):
        assert set(schema.get("required", [])) <= set(value), (where, sorted(value))
        for key, item in value.items():
            inner = schema.get("properties", {}).get(key, schema.get("additionalProperties", {}))
            assert inner is not False, "%s.%s is in no schema" % (where, key)
            fits(inner, item, root, "%s.%s" % (where, key))


class Stream(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.net = net = Network(gateways=2, speed=2 * SPEED)
        cls.addClassCleanup(net.__exit__, None, None, None)
        with open(os.path.join(ROOT, "docs/schema/stream.json"), encoding="utf-8") as f:
            cls.schema = json.load(f)
        cls.node_port = free_port()
        net.start_relay()
        net.start_all()
        config = {"genesis": net.genesis, "data": net.path("observer"), "port": cls.node_port, "peers": [net.url(0), net.url(1)]}
        with open(net.path("node.json"), "w", encoding="utf-8") as f:
            json.dump(config, f)
        cls.node = Program([bin_path("ledger"), "node", "--config", net.path("node.json")], env=net.env)
        cls.addClassCleanup(cls.node.stop)
        wait_until(lambda: get("http://127.0.0.1:%d/v1/status" % cls.node_port)[0] == 200, 30, "the ledger node answers")

    def check(self, events):
        """Ids grow by one, and every event fits its schema."""
        for before, after in zip(events, events[1:]):
            self.assertEqual(number(after), number(before) + 1)
        for event in events:
            fits(self.schema["$defs"][event.type], event.data, self.schema, event.type)

    def test_gateway_tells_samples_minutes_and_blocks_in_order(self):
        with Events("127.0.0.1", self.net.ports[0]) as events:
            self.assertEqual(events.headers["access-control-allow-origin"], "*")
            self.assertEqual(events.headers["cache-control"], "no-store")
            sample = events.wait(lambda e: e.type == "sample")
            self.assertEqual(len(sample.data["sample"]["values"]), 10)
            block = events.wait(lambda e: e.type == "block")
            minute = events.wait(lambda e: e.type == "minute" and e.data["state"] == "mined" and e.data["height"] == block.data["height"])
            self.assertGreater(number(minute), number(block))
            pooled = events.wait(lambda e: e.type == "minute" and e.data["state"] == "pooled")
            self.assertEqual(pooled.data["relay"], "relay-1")
            later = events.wait(lambda e: e.type == "block" and e.data["height"] > block.data["height"])
            self.assertEqual(self.net.json(0, "/v1/blocks/%s" % later.data["hash"])["block"]["header"]["height"], later.data["height"])
            self.check(events.events)
            self.assertGreater(events.retry_ms, 0)

    def test_ledger_node_tells_blocks_and_minutes(self):
        with Events("127.0.0.1", self.node_port) as events:
            block = events.wait(lambda e: e.type == "block")
            events.wait(lambda e: e.type == "minute" and e.data.get("block") == block.data["hash"])
            self.check(events.events)
            self.assertEqual([e for e in events.events if e.type == "sample"], [])

    def test_client_that_comes_again_misses_nothing(self):
        with Events("127.0.0.1", self.net.ports[1]) as events:
            events.wait(lambda e: e.type == "sample")
        first = events.events
        self.net.wait_height(self.net.height(1) + 1, [1])
        with Events("127.0.0.1", self.net.ports[1], last_id=events.last_id) as again:
            again.wait(lambda e: e.type == "block")
            self.check(first + again.events)

    def test_curl_reads_it(self):
        command = ["curl", "-sN", "--max-time", "%d" % patience(20), self.net.url(0) + "/v1/stream"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as curl:
            lines = []
            for line in curl.stdout:
                lines.append(line)
                if line.startswith("data: "):
                    break
            curl.terminate()
        self.assertEqual(lines[0], "retry: 2000\n")
        self.assertRegex(lines[1], r"^id: \d+-\d+\n$")
        self.assertRegex("".join(lines[-3:]), r"^id: \d+-\d+\nevent: [a-z]+\ndata: \{.*\}\n$")

    def wait_streams(self, count):
        wait_until(lambda: "\ngridwitness_streams %d\n" % count in get(self.net.url(0) + "/metrics")[1].decode(), 30, "%d streams" % count)

    def test_hundred_streams_all_get_every_event(self):
        port = self.net.ports[0]
        self.wait_streams(0)
        streams = [Events("127.0.0.1", port, source="127.0.1.%d" % (1 + i // 8)) for i in range(STREAMS)]
        try:
            with Events("127.0.0.1", port, source="127.0.2.1") as refused:
                self.assertEqual(refused.status, 503)
            block = streams[-1].wait(lambda e: e.type == "block")  # the last to listen: all others did before it came
            for stream in streams:
                self.assertEqual(stream.status, 200)
                stream.wait(lambda e: e.id == block.id)
                self.check(stream.events)
            self.assertEqual(get(self.net.url(0) + "/v1/status")[0], 200)
            self.wait_streams(STREAMS)
        finally:
            for stream in streams:
                stream.close()
        self.wait_streams(0)

    def test_reader_that_reads_nothing_delays_nobody(self):
        with socket.socket() as sleeper:
            sleeper.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
            sleeper.connect(("127.0.0.1", self.net.ports[0]))
            sleeper.sendall(b"GET /v1/stream HTTP/1.1\r\nHost: x\r\n\r\n")
            with Events("127.0.0.1", self.net.ports[0]) as events:
                block = events.wait(lambda e: e.type == "block")
                events.wait(lambda e: e.type == "block" and e.data["height"] > block.data["height"])
            self.net.wait_one_tip()
        self.wait_streams(0)


class End(unittest.TestCase):
    def test_stopping_and_starting_again_tells_what_was_lost(self):
        with Network(gateways=1, speed=2 * SPEED) as net:
            net.start_relay()
            net.start_all()
            with Events("127.0.0.1", net.ports[0]) as events:
                events.wait(lambda e: e.type == "sample")
                self.assertEqual(net.nodes[0].stop(), 0)
                events.wait_end()
            net.start_all()
            with Events("127.0.0.1", net.ports[0], last_id=events.last_id) as again:
                lost = again.wait(lambda e: True)
                self.assertEqual((lost.type, lost.data), ("lost", {}))


if __name__ == "__main__":
    unittest.main()

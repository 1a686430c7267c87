"""HTTP requests and JSON texts that must do no harm, sent raw to a running node: each gets a refusal with its status and code, or the
connection is closed; other clients are not delayed, and afterwards the chain verifies. The codes R… are those of the list of inputs.
"""

import json
import re
import shutil
import socket
import threading
import time
import unittest

from forge import Forge
from harness import bin_path, limit, run
from network import canonical, get, post

HOST = "Host: x\r\n"


def german(folder):
    """Environment of a locale with a decimal comma, made in the folder; None where the system lacks its source."""
    env = {"LOCPATH": folder, "LC_ALL": "de_DE.UTF-8"}
    made = shutil.which("localedef") and run(["localedef", "-i", "de_DE", "-f", "UTF-8", folder + "/de_DE.UTF-8"])[0] in (0, 1)
    return env if made and run(["locale", "decimal_point"], env=env)[1].strip() == "," else None


def setUpModule():
    global F, BODY, VOTE, BLOCK, GERMAN
    F = Forge()
    unittest.addModuleCleanup(F.close)
    GERMAN = german(F.path())
    F.start(env=GERMAN)
    BODY = F.body(F.first)
    VOTE = F.statement(0, F.first, [BODY])
    BLOCK = F.block(None, F.first, [VOTE], [BODY])
    assert F.offer_block(BLOCK) == (200, "accepted")


def talk(request, more=(), timeout_s=20, limit=1 << 20):
    """All that the node answers to these bytes until it closes or has nothing to say for half a second; sends go on until it closes."""
    with socket.create_connection(F.address, timeout=timeout_s) as line:
        answer = b""
        try:
            line.sendall(request)
            for part in more:
                line.sendall(part)
        except OSError:
            pass  # it has closed: what it said first can still be read
        try:
            while len(answer) < limit:
                part = line.recv(65536)
                if not part:
                    return answer
                answer += part
                if complete(answer):
                    return answer
        except OSError:
            return answer
    return answer


def complete(answer):
    head, found, body = answer.partition(b"\r\n\r\n")
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            return bool(found) and len(body) >= int(line.split(b":")[1])
    return False


def status_of(answer):
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else 0


class Bad(unittest.TestCase):
    def setUp(self):
        self.slowest, self.failed, self.stop = 0.0, 0, threading.Event()
        self.thread = threading.Thread(target=self.watch)
        self.thread.start()

    def watch(self):
        while not self.stop.wait(0.02):
            begin = time.monotonic()
            self.failed += get(F.url + "/v1/status")[0] != 200
            self.slowest = max(self.slowest, time.monotonic() - begin)

    def tearDown(self):
        self.stop.set()
        self.thread.join()
        self.assertEqual(self.failed, 0)
        self.assertLess(self.slowest, limit(3.0))
        self.assertEqual(F.status()["tip"], F.hash(BLOCK))
        code, out, errors = F.verify()
        self.assertEqual(code, 0, out + errors)

    def expect(self, name, request, *wanted, **more):
        """0 among the wanted statuses: closed without an answer."""
        with self.subTest(case=name):
            self.assertIn(status_of(talk(request.encode() if isinstance(request, str) else request, **more)), wanted)

    def refused(self, name, text, *wanted):
        """A POST of this text to both calls that take one."""
        raw = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
        for path in ("/v1/statements", "/v1/blocks"):
            with self.subTest(case=name, path=path):
                status, body = post(F.url + path, raw)
                self.assertIn((status, json.loads(body)["code"]), wanted)


class Framing(Bad):
    def test_r1_to_r4_lengths_and_encodings(self):
        start = "POST /v1/statements HTTP/1.1\r\n" + HOST
        small = '{"bodies":[],"statements":[]}'
        for name, headers, body in (
            ("R1", "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
            ("R1 other order", "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", "0\r\n\r\n"),
            ("R2", "Content-Length: %d\r\nContent-Length: 5\r\n" % len(small), small),
            ("R2 same", "Content-Length: %d\r\nContent-Length: %d\r\n" % (len(small), len(small)), small),
            ("R3 +3", "Content-Length: +3\r\n", "[1]"),
            ("R3 -1", "Content-Length: -1\r\n", "[1]"),
            ("R3 3abc", "Content-Length: 3abc\r\n", "[1]"),
            ("R4 gzip", "Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"),
            ("R4 xchunked", "Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"),
            ("R4 twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
            ("R5", "Transfer-Encoding: chunked\r\n", "FFFFFFFFFFFFFFFFF\r\n"),
        ):
            self.expect(name, start + headers + "\r\n" + body, 400)
        self.expect("R3 2^64", start + "Content-Length: 18446744073709551616\r\n\r\n[1]", 413)
        chunked = start + "Transfer-Encoding: chunked\r\n\r\n"
        self.expect("R5 extension", chunked + "1;" + "x" * 65536 + "\r\n", 400, 0)
        self.expect("R5 trailers", chunked + "0\r\n" + "a: b\r\n" * 100000, 400, 0)

    def test_r1_smuggled_request_does_not_run(self):
        hidden = "POST /v1/blocks HTTP/1.1\r\n" + HOST + "Content-Length: 2\r\n\r\n{}"
        answer = talk(("POST /v1/statements HTTP/1.1\r\n" + HOST + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden).encode())
        self.assertLessEqual(answer.count(b"HTTP/1.1 "), 1)

    def test_r6_r7_bodies_without_end(self):
        chunk = b"1000\r\n" + b" " * 4096 + b"\r\n"
        self.expect("R6", "POST /v1/blocks HTTP/1.1\r\n" + HOST + "Transfer-Encoding: chunked\r\n\r\n", 400, 0, more=[chunk] * 1000)
        self.expect("R7", "POST /v1/blocks HTTP/1.1\r\n" + HOST + "Content-Length: 1073741824\r\n\r\n", 413, 0, more=[b" " * 65536] * 200)

    def test_r11_r12_r17_heads(self):
        get_ok = "GET /healthz HTTP/1.1\r\n"
        self.expect("R11 URL of 8 KB", "GET /%s HTTP/1.1\r\n%s\r\n" % ("a" * 8000, HOST), 404)
        self.expect("R11 URL", "GET /%s HTTP/1.1\r\n%s\r\n" % ("a" * 65536, HOST), 414, 0)
        self.expect("R11 headers", get_ok + HOST + "".join("h%d: x\r\n" % i for i in range(10000)) + "\r\n", 431, 0)
        for name, head in (
            ("NUL", get_ok + HOST + "a: b\0c\r\n\r\n"),
            ("bare LF", "GET /healthz HTTP/1.1\nHost: x\n\n"),
            ("folded", get_ok + HOST + "a: b\r\n c\r\n\r\n"),
            ("no host", get_ok + "\r\n"),
            ("two hosts", get_ok + HOST + HOST + "\r\n"),
            ("space", "GET /healthz HTTP/1.1\r\nHost : x\r\n\r\n"),
        ):
            self.expect("R12 " + name, head, 400)
        ranges = ["%d-%d" % (i, i) for i in range(10000)]
        self.expect("R17 10,000 ranges", get_ok + HOST + "Range: bytes=" + ",".join(ranges) + "\r\n\r\n", 431, 0)
        answer = talk(("GET /v1/genesis HTTP/1.1\r\n" + HOST + "Range: bytes=" + ",".join(ranges[:1000]) + "\r\n\r\n").encode())
        self.assertEqual((status_of(answer), answer.partition(b"\r\n\r\n")[2]), (200, canonical(F.genesis)), "R17: the whole, once")

    def test_r13_r14_paths_and_methods(self):
        for name, path in (
            ("%00", "/v1/blocks/1%00"),
            ("dots", "/v1/%2e%2e/status"),
            ("plain dots", "/v1/../v1/status"),
            ("slashes", "//v1/status"),
            ("overlong", "/v1/blocks/%c0%af"),
            ("half", "/v1/blocks/%f"),
            ("control", "/v1/blocks/%0a"),
        ):
            self.expect("R13 " + name, "GET %s HTTP/1.1\r\n%s\r\n" % (path, HOST), 400)
        for method in ("TRACE", "CONNECT", "get", "PUT", "DELETE"):
            self.expect("R14 " + method, "%s /v1/status HTTP/1.1\r\n%s\r\n" % (method, HOST), 405)
        self.expect("R14 64 KB", "%s /v1/status HTTP/1.1\r\n%s\r\n" % ("G" * 65536, HOST), 414, 0)
        self.expect("POST where GET is", "POST /v1/status HTTP/1.1\r\n%sContent-Length: 0\r\n\r\n" % HOST, 405)
        self.expect("GET where POST is", "GET /v1/statements HTTP/1.1\r\n%s\r\n" % HOST, 405)

    def test_r10_r15_clients_that_ask_much(self):
        """A thousand requests in one piece are answered in order; as many that are never read harm nobody."""
        many = b"".join(b"GET /v1/blocks/%d HTTP/1.1\r\nHost: x\r\n\r\n" % (i % 3) for i in range(999))
        last = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        silent = socket.create_connection(F.address, timeout=20)  # closed at the end of the test, with all its answers unread
        self.addCleanup(silent.close)
        silent.sendall(many)
        with socket.create_connection(F.address, timeout=20) as line:
            line.sendall(many + last)
            answer = b"".join(iter(lambda: line.recv(65536), b""))
        heads = re.findall(rb"HTTP/1.1 ([0-9]{3}) ", answer)
        self.assertEqual(heads, [b"404", b"200", b"404"] * 333 + [b"200"])


CANONICAL, SHAPE = (422, "canonical"), (422, "shape")


class Json(Bad):
    def test_r18_duplicate_keys(self):
        self.refused("R18", '{"bodies":[],"bodies":[],"statements":[]}', CANONICAL)
        self.refused("R18 escaped", '{"bodies":[],"\\u0062odies":[],"statements":[]}', CANONICAL)
        self.refused("unsorted", '{"statements":[],"bodies":[]}', CANONICAL)

    def test_r19_depth(self):
        for depth, want in ((8, SHAPE), (9, CANONICAL), (2049, CANONICAL), (60000, CANONICAL)):
            self.refused("R19 %d" % depth, "[" * depth + "]" * depth, want)
        self.refused("R19 open", "[" * 100000, CANONICAL)

    def test_r20_numbers(self):
        for text in ("NaN", "Infinity", "1e999", "-0", "01", "0x10", "1.0", "9007199254740992", "9223372036854775808", "+1", "1.", ".5", "-"):
            self.refused("R20 " + text, '{"bodies":[%s],"statements":[]}' % text, CANONICAL)
        self.refused("R20 alone", "9007199254740991", SHAPE)

    def test_r21_strings(self):
        for name, text in (
            ("surrogate", b'["\xed\xa0\x80"]'),
            ("escaped surrogate", b'["\\ud800"]'),
            ("overlong", b'["\xc0\xaf"]'),
            ("BOM", b'\xef\xbb\xbf{"bodies":[],"statements":[]}'),
            ("escaped NUL", b'["\\u0000"]'),
            ("NUL", b'["\0"]'),
            ("DEL", b'["\x7f"]'),
            ("escaped slash", b'["\\/"]'),
            ("beyond", b'["\xf4\x90\x80\x80"]'),
            ("cut", b'["\xe2\x82'),
        ):
            self.refused("R21 " + name, text, CANONICAL)

    def test_r22_trailing_bytes(self):
        good = '{"bodies":[],"statements":[]}'
        for name, text in (("newline", good + "\n"), ("space", " " + good), ("two", good + good), ("comment", good + "//"), ("inside", good.replace(",", ", "))):
            self.refused("R22 " + name, text, CANONICAL)
        self.refused("nothing", "", (400, "bad_parameter"), CANONICAL)

    def test_r23_r24_large_values(self):
        self.refused("R23", "[" + "0," * 60000 + "0]", SHAPE)
        raw = ('{"bodies":[' + "0," * 63 + '0],"statements":[]}').encode()  # bodies that no statement reads are not looked at
        got = post(F.url + "/v1/statements", raw, timeout_s=20)
        self.assertEqual(got, (200, b'{"accepted":0,"known":0,"rejected":[]}'), "R23")
        for many in ('{"bodies":[' + "0," * 999999 + '0],"statements":[]}', '{"bodies":[],"statements":[' + "0," * 999999 + "0]}"):
            status, body = post(F.url + "/v1/statements", many.encode(), timeout_s=20)
            self.assertEqual((status, json.loads(body)["code"]), SHAPE, "R23")
        self.refused("R24", '["' + "x" * 100000 + '"]', SHAPE)
        status, body = post(F.url + "/v1/statements", b'["' + b"x" * 1000000 + b'"]')
        self.assertEqual((status, json.loads(body)["code"]), SHAPE)

    def test_r25_r26_r27_shapes(self):
        raw = canonical(BLOCK)
        for name, bad, want in (
            ("R25 null", raw.replace(b'"operations":[]', b'"operations":null'), CANONICAL),
            ("R25 missing", raw.replace(b'"operations":[],', b""), SHAPE),
            ("R25 extra", raw.replace(b'"operations":[]', b'"operation":1,"operations":[]'), SHAPE),
            ("R26", raw.replace(b'"operations":[]', b'"operations":{}'), SHAPE),
            ("R27", raw.replace(b'"leaves":2', b'"leaves":"2"'), SHAPE),
            ("v", raw.replace(b'"v":1,"weight"', b'"v":2,"weight"'), SHAPE),
            ("true", raw.replace(b'"operations":[]', b'"operations":true'), CANONICAL),
        ):
            with self.subTest(case=name):
                self.assertNotEqual(bad, raw)
                self.assertEqual(F.offer_block(bad), want)
        bad = {k: v for k, v in VOTE.items() if k != "slot"}
        self.assertEqual(F.offer([bad], [BODY]), (200, "shape"))
        self.assertEqual(F.offer([dict(VOTE, slot=str(VOTE["slot"]))], [BODY]), (200, "shape"))
        self.assertEqual(F.offer([dict(VOTE, extra=1)], [BODY]), (200, "shape"))
        self.assertEqual(F.offer([[], VOTE], [BODY])[1], "shape")

    def test_r28_metacharacters(self):
        for text in ("'; DROP TABLE block; --", "$(id)", "`id`", "%s%n%x", "<script>alert(1)</script>", "../../etc/passwd", "a" * 1000, "é"):
            quoted = "".join("%%%02x" % b for b in text.encode())
            for path in ("/v1/blocks/", "/v1/bodies/", "/v1/statements/", "/v1/gateways/", "/v1/relays/", "/v1/minutes/"):
                tail = "/latest" if "relays" in path else "/1" if "minutes" in path else ""
                with self.subTest(path=path, text=text):
                    status, body = get(F.url + path + quoted + tail)
                    self.assertIn((status, json.loads(body)["code"]), ((400, "bad_parameter"), (404, "not_found")))
                    self.assertNotIn(b"<script>", body)
            status, body = get(F.url + "/v1/minutes?relay=" + quoted)
            self.assertIn(status, (400, 404))
            forged = F.statement(1, F.first, [dict(BODY, relay=text[:60])])
            self.assertIn(F.offer([forged])[1], ("relay", "shape"))

    def test_r29_parameters(self):
        for path in ("/v1/blocks", "/v1/headers", "/v1/minutes", "/get_chain", "/v1/pool"):
            start = "?relay=relay-1&" if path == "/v1/minutes" else "?"
            for query in ("limit=0", "limit=-1", "limit=9223372036854775808", "limit=1x", "from=-1", "from=9223372036854775808", "from=", "limit=1&limit=1", "nonsense=1"):
                with self.subTest(path=path, query=query):
                    status, body = get(F.url + path + start + query)
                    self.assertEqual((status, json.loads(body)["code"]), (400, "bad_parameter"))
        for path in ("/v1/minutes?relay=relay-1&from=9&to=8", "/v1/blocks?from=5&to=4", "/v1/headers?from=5&to=4"):
            status, body = get(F.url + path)
            self.assertEqual((status, json.loads(body)["code"]), (400, "bad_parameter"), path)
        self.assertEqual(get(F.url + "/v1/minutes?relay=relay-1&from=0&to=0"), (200, b'{"minutes":[]}'))
        status, body = get(F.url + "/v1/blocks?from=1000")
        self.assertEqual((status, body), (200, b'{"blocks":[]}'))

    def test_r30_locale_with_a_decimal_comma(self):
        """The node of this file runs in one: its numbers have points, and the tools print what they print anywhere."""
        if not GERMAN:
            self.skipTest("no source of a locale with a decimal comma (package locales)")
        metrics = get(F.url + "/metrics", accept="text/plain")[1].decode().splitlines()
        values = [line.rsplit(" ", 1)[1] for line in metrics if line and not line.startswith("#")]
        self.assertGreater(len(values), 10)
        for value in values:
            self.assertRegex(value, r"^-?[0-9]+(\.[0-9]+)?(e[+-]?[0-9]+)?$")
        head, row = get(F.url + "/v1/minutes?relay=relay-1", accept="text/csv")[1].decode().splitlines()
        self.assertEqual(head.count(","), row.count(","))
        self.assertTrue(re.search(r"[0-9]\.[0-9]", row), row)
        for argv in (["export", "--csv", "--relay", "relay-1"], ["export", "--json", "--relay", "relay-1"], ["proof", "relay-1", str(F.first)]):
            # the C library keeps what it makes of LOCPATH, which the sanitizer calls a leak
            places = ({**GERMAN, "LSAN_OPTIONS": "detect_leaks=0"}, {"LC_ALL": "C"})
            here, there = (run([bin_path("ledger"), *argv, "--url", F.url], env=env) for env in places)
            self.assertEqual(here, there)
            self.assertEqual(here[0], 0, here)


if __name__ == "__main__":
    unittest.main()

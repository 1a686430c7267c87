"""The relay emulator from outside: the real program, raw sockets, a virtual clock.

The numbers M1..M42 name hostile inputs; each has its exact fate here (an answer, byte for byte, or a close).
"""

import json
import os
import re
import shutil
import signal
import socket
import struct
import tempfile
import threading
import time
import unittest
import zlib

from harness import (
    ROOT,
    Program,
    bin_path,
    clock_env,
    helper_path,
    run,
    virtual_ms,
    wait_until,
)
from modbus_raw import (
    FRAME,
    FRAME_REGS,
    GOOD,
    LIVE,
    LIVE_REGS,
    Client,
    adu,
    exception_adu,
    qualities,
    read_adu,
    read_pdu,
    u32,
)

EMULATOR = bin_path("relay-emulator")
SPEED = 20
SEED = 7
FRAME_DEADLINE_S = 1.0  # of a frame, from its first byte
STALL_S = 5.0  # of a client that does not read
ENV = clock_env(SPEED)


def start(*options, env=None):
    return Program([EMULATOR, "--port", "0", *options], env=ENV if env is None else env)


class WithEmulator(unittest.TestCase):
    """One emulator for the class; every test leaves it serving."""

    OPTIONS = ("--seed", str(SEED))

    @classmethod
    def setUpClass(cls):
        cls.program = start(*cls.OPTIONS)
        cls.address = cls.program.listening()

    @classmethod
    def tearDownClass(cls):
        code = cls.program.stop()
        assert code == 0, "exit code %d\n%s" % (code, "\n".join(cls.program.errors))

    def client(self, source=None):
        client = Client(self.address, source)
        self.addCleanup(client.sock.close)
        return client

    def tearDown(self):
        with Client(self.address) as client:
            client.live()


class HostileFrames(WithEmulator):
    """M3..M29: what one connection sends and exactly what it gets."""

    def answers(self, frame, want, **how):
        client = self.client(**how)
        self.assertEqual(client.ask(frame).hex(), want.hex())
        client.live()  # and the connection still serves

    def closes(self, frame):
        began = time.monotonic()
        client = self.client()
        client.send(frame)
        self.assertTrue(client.is_closed())
        return time.monotonic() - began

    def test_m01_m02_m03_incomplete_frame_is_closed_after_its_deadline(self):
        clients = [self.client() for _ in range(8)]
        began = time.monotonic()
        for n, client in enumerate(clients):
            client.send(read_adu(LIVE, LIVE_REGS)[:n])  # M3 is n = 7: no function
        with self.client() as reset:
            reset.send(b"\x00\x01\x00")
            reset.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        for client in clients[1:]:
            self.assertTrue(client.is_closed())
            took = time.monotonic() - began
            self.assertGreaterEqual(took, FRAME_DEADLINE_S - 0.05)
            self.assertLess(took, FRAME_DEADLINE_S + 1.0)
        clients[0].live()  # nothing sent: no frame has begun, no deadline runs

    def test_m04_to_m13_wrong_header_is_closed_at_once(self):
        read = read_pdu(LIVE, LIVE_REGS)
        cases = {
            "M4": adu(read, protocol=0x0001),
            "M5": adu(read, protocol=0x0100),
            "M6": adu(read, protocol=0x1234),
            "M7": adu(read, length=0),
            "M8": adu(read, length=1),
            "M9": adu(read, length=2),
            "M10": adu(read, length=255),
            "M11": adu(read, length=65535),
            "M12": adu(read, length=5),
            "M13": adu(read + b"\x00", length=7),
        }
        for name, frame in cases.items():
            with self.subTest(name):
                self.assertLess(self.closes(frame), FRAME_DEADLINE_S / 2)

    def test_m14_hidden_write_is_never_executed(self):
        hidden = adu(struct.pack(">BHH", 6, LIVE, 99))
        self.closes(adu(read_pdu(LIVE, 1) + hidden + b"\x00\x00", length=20))

    def test_m15_pipelined_frames_are_answered_in_order(self):
        client = self.client()
        client.send(read_adu(0, 2, tid=1) + read_adu(70, 3, tid=2) + read_adu(0, 0, tid=3) + read_adu(0, 1, tid=4))
        self.assertEqual(client.answer(), adu(b"\x03\x04RELY", tid=1))
        self.assertEqual(client.answer(), adu(b"\x03\x06\x00\x01\xc1\x38\xea\x60", tid=2))
        self.assertEqual(client.answer(), exception_adu(3, 3, tid=3))
        self.assertEqual(client.answer(), adu(b"\x03\x02RE", tid=4))

    def test_m16_frame_in_twelve_segments_is_answered(self):
        client = self.client()
        for byte in read_adu(0, 2):
            client.send(bytes([byte]))
        self.assertEqual(client.answer(), adu(b"\x03\x04RELY"))

    def test_m17_dripping_client_is_closed_after_its_deadline(self):
        client = self.client()
        began = time.monotonic()
        client.sock.settimeout(0.45)
        frame = adu(bytes([16]) + bytes(252), length=254)
        closed = False
        for byte in frame:
            try:
                client.send(bytes([byte]))
                closed = client.is_closed()  # waits 0.45 s for it
                break
            except TimeoutError:
                continue
            except ConnectionError:
                closed = True
                break
        self.assertTrue(closed)
        self.assertLess(time.monotonic() - began, FRAME_DEADLINE_S + 1.0)

    def test_m18_units(self):
        for unit, code in {0: 11, 1: None, 77: 11, 247: 11, 248: 11, 255: None}.items():
            with self.subTest(unit=unit):
                want = exception_adu(3, code, unit=unit) if code else adu(b"\x03\x04RELY", unit=unit)
                self.answers(read_adu(0, 2, unit=unit), want)

    def test_m19_m20_quantities(self):
        for quantity in (0, 126, 127, 0x7D01, 65535):
            for function in (3, 4):
                with self.subTest(quantity=quantity, function=function):
                    self.answers(read_adu(FRAME, quantity, function=function), exception_adu(function, 3))
        self.assertEqual(len(self.client().read(FRAME, 125)), 125)

    def test_m21_m24_functions_not_served(self):
        self.answers(read_adu(0, 2000, function=1), exception_adu(1, 1))
        self.answers(read_adu(0, 2001, function=1), exception_adu(1, 1))
        for function in (0, 7, 8, 11, 17, 20, 24, 43, 65, 99, 127, 128, 131, 255):
            for pdu in (bytes([function]), bytes([function, 0, 0, 0, 1]), bytes([function]) + b"\x0e\x01\x00"):
                with self.subTest(function=function, length=len(pdu)):
                    self.answers(adu(pdu), exception_adu(function, 1))

    def test_m22_m23_addresses_outside_the_map(self):
        for address, quantity in (
            (65535, 1), (65535, 2), (72, 2), (73, 1), (199, 1), (200, 35), (234, 1), (1000, 126), (1001, 125),
            (9679, 2), (9680, 1), (11999, 1), (13025, 2), (13026, 1), (40000, 2),
        ):  # fmt: skip
            with self.subTest(address=address, quantity=quantity):
                self.answers(read_adu(address, quantity), exception_adu(3, 3 if quantity > 125 else 2))
        for address, quantity in ((0, 73), (200, 34), (1000, 125), (9679, 1), (12000, 125), (13025, 1)):
            with self.subTest(address=address, quantity=quantity):
                self.assertEqual(len(self.client().read(address, quantity)), quantity)

    def test_m25_to_m28_malformed_writes_are_refused_and_write_nothing(self):
        before = self.client().read(0, 73)
        for name, pdu in {
            "M25": bytes([15, 0, 0, 0, 16, 1, 0xFF]),
            "M26": bytes([16, 0, 0, 0, 1, 3, 0, 1, 2]),
            "M27": bytes([23, 0, 0, 0, 1, 0xFF, 0xFF, 0, 1, 2, 0, 0]),
            "M28": bytes([22, 0, 0, 0, 1]),
        }.items():
            with self.subTest(name):
                self.answers(adu(pdu), exception_adu(pdu[0], 1))
        self.assertEqual(self.client().read(0, 73), before)

    def test_m29_same_transaction_twice_is_answered_twice(self):
        client = self.client()
        client.send(read_adu(0, 2, tid=5) + read_adu(0, 2, tid=5))
        self.assertEqual(client.answer(), adu(b"\x03\x04RELY", tid=5))
        self.assertEqual(client.answer(), adu(b"\x03\x04RELY", tid=5))

    def test_m38_ten_megabytes_of_zeros_are_closed(self):
        client = self.client()
        try:
            client.send(bytes(10 << 20))
        except ConnectionError:
            return
        self.assertTrue(client.is_closed())

    def test_m41_half_close_is_answered_then_closed(self):
        client = self.client()
        client.send(read_adu(0, 2, tid=1) + read_adu(0, 2, tid=2))
        client.sock.shutdown(socket.SHUT_WR)
        self.assertEqual(client.answer(), adu(b"\x03\x04RELY", tid=1))
        self.assertEqual(client.answer(), adu(b"\x03\x04RELY", tid=2))
        self.assertTrue(client.is_closed())


class ManyClients(WithEmulator):
    """No client harms another, however many there are and whatever they do."""

    def percentile_99(self, requests=400):
        """Seconds that all but one in a hundred of a good client's requests stay below."""
        times = []
        with Client(self.address, "127.9.9.9") as good:
            for i in range(requests):
                began = time.monotonic()
                good.read(*((LIVE, LIVE_REGS), (FRAME, FRAME_REGS))[i % 2])
                times.append(time.monotonic() - began)
        return sorted(times)[-len(times) // 100]

    def while_running(self, misbehave, requests=400):
        """The percentile while misbehave(stop) runs in another thread; misbehave says how much it did."""
        stop, done = threading.Event(), []
        thread = threading.Thread(target=lambda: done.append(misbehave(stop)), daemon=True)
        thread.start()
        try:
            got = self.percentile_99(requests)
        finally:
            stop.set()
            thread.join(20)
        self.assertTrue(done and done[0] > 0, "the misbehaviour did not happen")
        return got

    def test_dripping_and_wrong_clients_do_not_delay_others(self):
        def misbehave(stop):
            dripped, clients = 0, []
            bad = [read_adu(0, 2), adu(bytes([16]) + bytes(252)), adu(b"\x03", length=1), bytes(300)]
            while not stop.wait(0.02):
                while len(clients) < 60:
                    k = len(clients)
                    clients.append([Client(self.address, "127.0.1.%d" % (k % 50 + 1)), bad[k % 4], 0])
                for entry in list(clients):
                    client, frame, at = entry
                    try:
                        client.sock.setblocking(False)
                        client.sock.send(frame[at : at + 1])
                        entry[2] = (at + 1) % len(frame)
                        dripped += 1
                    except OSError:
                        client.sock.close()
                        clients.remove(entry)
            for client, _, _ in clients:
                client.sock.close()
            return dripped

        self.assertLess(self.while_running(misbehave), 0.050)

    def test_refused_requests_do_not_delay_others(self):
        def misbehave(stop):
            asked = 0
            with Client(self.address, "127.0.1.1") as bad:
                while not stop.is_set():
                    asked += bad.ask(read_adu(0, 0)) == exception_adu(3, 3)
            return asked

        self.assertLess(self.while_running(misbehave), 0.050)

    def test_m40_connections_that_come_and_go_do_not_delay_others(self):
        def misbehave(stop):
            made = 0
            while not stop.is_set():
                with socket.create_connection(self.address, 10, ("127.0.1.%d" % (made % 200 + 1), 0)):
                    made += 1
            return made

        self.assertLess(self.while_running(misbehave), 0.050)

    def test_m42_client_that_never_reads_is_stalled_then_closed(self):
        silent = Client(self.address, "127.0.1.1")
        self.addCleanup(silent.sock.close)
        silent.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        silent.sock.setblocking(False)
        requests = read_adu(FRAME, FRAME_REGS) * 1000
        sent = 0

        def misbehave(stop):
            nonlocal sent
            while not stop.is_set():
                try:
                    sent += silent.sock.send(requests)
                except BlockingIOError:
                    stop.wait(0.01)
                except ConnectionError:
                    break
            return sent

        self.assertLess(self.while_running(misbehave), 0.050)
        # What it could send is what fits the socket buffers: the server stopped reading it.
        self.assertLess(sent, 16 << 20)

        def is_closed():
            try:
                silent.sock.send(requests)
            except BlockingIOError:
                return False
            except ConnectionError:
                return True
            return False

        wait_until(is_closed, STALL_S + 5, "the client that never reads is closed")

    def test_slow_reader_gets_every_answer_in_order(self):
        n = 4000
        client = self.client()
        sender = threading.Thread(
            target=lambda: client.send(b"".join(read_adu(FRAME, FRAME_REGS, tid=i) for i in range(n))), daemon=True
        )
        sender.start()
        for i in range(n):
            answer = client.answer()
            self.assertEqual((struct.unpack(">H", answer[:2])[0], len(answer)), (i, 259))
        sender.join(10)

    def test_m39_thousand_idle_connections_leave_the_newest_256_served(self):
        clients = [Client(self.address, "127.0.2.%d" % (i % 20 + 1)) for i in range(1000)]
        try:
            served = 0
            for client in reversed(clients):
                try:
                    served += client.ask(read_adu(0, 2)) == adu(b"\x03\x04RELY")
                except ConnectionError:
                    pass
            self.assertEqual(served, 256)
        finally:
            for client in clients:
                client.sock.close()

    def test_sixty_fifth_connection_of_an_address_closes_its_longest_idle(self):
        other = self.client("127.0.3.2")
        other.live()
        clients = [self.client("127.0.3.1") for _ in range(64)]
        for client in clients:
            client.live()
        clients[0].live()  # now the second is idle for longest
        newest = self.client("127.0.3.1")
        newest.live()
        self.assertTrue(clients[1].is_closed())
        for client in [clients[0], *clients[2:], newest, other]:
            client.live()

    def test_32_clients_see_identical_snapshots(self):
        clients = [self.client("127.0.4.%d" % (i % 8 + 1)) for i in range(32)]
        latches, frames = {}, {}
        while len(latches) < 4:
            for client in clients:
                client.send(read_adu(LIVE, LIVE_REGS) + read_adu(FRAME, FRAME_REGS))
            for client in clients:
                live, frame = client.answer()[9:], client.answer()[9:]
                self.assertEqual(live[:4], live[-4:])  # SEQ, SEQ2
                self.assertEqual(latches.setdefault(live[:4], live), live)
                self.assertEqual(frames.setdefault(frame[:4], frame), frame)


class Values(unittest.TestCase):
    """What is served, and when it changes."""

    def check_live(self, live):
        seq, utc_s = u32(live, 0), u32(live, 2)
        self.assertEqual(seq, u32(live, 32))
        self.assertEqual(utc_s, 10 * seq)
        self.assertEqual(live[4:6], [0, 0x8000])
        self.assertEqual(live[12:14], [utc_s % 60 * 1000, GOOD])
        for at, low, high in ((14, 109000, 118000), (20, 0, 50000)):
            for k in range(3):
                self.assertTrue(low <= u32(live, at + 2 * k) <= high)
        self.assertTrue(59000 <= live[26] <= 61000 and 0 <= live[27] <= 1000)
        self.assertTrue(u32(live, 28) <= 700000 and u32(live, 30) <= 700000)

    def test_latches_follow_the_clock_and_minutes_follow_the_latches(self):
        with start() as program, Client(program.listening()) as client:
            self.assertEqual(u32(client.live(), 6), u32(client.read(14, 2), 0))  # BOOT_ID
            seen, early = {}, 0
            while len(seen) < 14:
                before = virtual_ms(ENV)
                live = client.live()
                if u32(live, 0) == 0:
                    self.assertEqual(live[12:32], [0] * 20)
                    early += 1
                    continue
                self.check_live(live)
                # Never from the future, and at most a period and a half of a second of real time old.
                self.assertGreaterEqual(virtual_ms(ENV), u32(live, 2) * 1000)
                self.assertLess(before - u32(live, 2) * 1000, 10000 + 500 * SPEED)
                seen[u32(live, 0)] = live
            self.assertGreater(early, 0)
            self.assertEqual(sorted(seen), list(range(min(seen), min(seen) + 14)))
            frame = client.frame()
            minute = u32(frame, 0)
            self.assertEqual(u32(frame, 2), minute * 60)
            mine = [seen.get(6 * minute + i) for i in range(6)]
            for i, live in enumerate(mine):
                if live:
                    self.assertEqual(frame[5 + 20 * i : 25 + 20 * i], live[12:32])
            self.assertEqual(frame[4], mine[5][10])  # OPENINGS is the last OPEN_MIN
            copy, status, crc = client.ring(minute)
            self.assertEqual((copy, status), (frame, 1))
            self.assertEqual(crc, zlib.crc32(struct.pack(">125H", *frame)))

    def test_before_the_first_minute_end_frame_and_ring_are_zero(self):
        env = clock_env(1, 1764000001000)  # second 1 of a minute: nothing happens for 9 s
        with start(env=env) as program, Client(program.listening()) as client:
            self.assertEqual(client.frame(), [0] * 125)
            self.assertEqual(client.ring(1764000000 // 60), ([0] * 125, 0, 0))
            self.assertEqual(u32(client.live(), 0), 0)
            self.assertEqual(u32(client.read(12, 2), 0), 1764000001)
            self.assertEqual(client.read(12000, 125), [0] * 125)

    def test_same_seed_serves_same_bytes_from_the_first_full_minute(self):
        with start("--seed", "11", "--relays", "3") as one, Client(one.listening()) as a:
            wait_until(lambda: u32(a.frame(), 0), what="a first minute")
            with start("--seed", "11", "--relays", "3") as two, Client(two.listening()) as b:
                boot_minute = u32(b.read(12, 2), 0) // 60
                wait_until(lambda: u32(b.frame(), 0) > boot_minute + 1, what="two full minutes")
                for unit in (1, 2, 3):
                    for minute in (boot_minute + 1, boot_minute + 2):
                        mine = a.ring(minute, unit)
                        self.assertEqual((mine[1], u32(mine[0], 0)), (1, minute))
                        self.assertEqual(qualities(mine[0]), [GOOD] * 6)
                        self.assertEqual(mine, b.ring(minute, unit))

                def live_pair():
                    pair = a.live(), b.live()
                    return pair if pair[0][:2] == pair[1][:2] else None

                pair = wait_until(live_pair, what="both at one latch")
                for live in pair:
                    live[6:10] = [0] * 4  # BOOT_ID, OPEN_CUM
                self.assertEqual(*pair)
                self.assertNotEqual(a.read(14, 2), b.read(14, 2))
                self.assertNotEqual(a.ring(boot_minute + 1, 1)[0], a.ring(boot_minute + 1, 2)[0])

    def test_frozen_process_leaves_missing_samples(self):
        with start("--seed", "3") as program, Client(program.listening()) as client:
            # Freeze in the third sample of a minute, so that three latches pass inside it: x20 is 1.5 s.
            at_third = lambda: u32(client.live(), 0) if u32(client.live(), 0) % 6 == 2 else 0
            seq = wait_until(at_third, what="the third sample")
            program.signal(signal.SIGSTOP)
            wait_until(lambda: virtual_ms(ENV) // 10000 >= seq + 3, what="three latches")
            program.signal(signal.SIGCONT)
            wait_until(lambda: u32(client.frame(), 0) >= seq // 6, what="the end of the minute")
            frame, status, _ = client.ring(seq // 6)
            self.assertEqual((u32(frame, 0), status), (seq // 6, 1))
            self.assertEqual(qualities(frame)[2:5], [GOOD, 0, 0])
            self.assertEqual(frame[65:105], [0] * 40)
            self.assertGreater(u32(client.live(), 0), seq)

    def test_units_have_their_own_names_and_values(self):
        with start("--relays", "247", "--seed", "5") as program, Client(program.listening()) as client:
            wait_until(lambda: u32(client.live(), 0), what="a latch")
            for unit in (1, 2, 247):
                name = struct.pack(">16H", *client.read(16, 16, unit)).rstrip(b"\0")
                self.assertEqual(name.decode(), "Relay %d" % unit)
            self.assertEqual(client.ask(read_adu(0, 1, unit=248)), exception_adu(3, 11, unit=248))
            values = {tuple(client.live(unit)[14:32]) for unit in range(1, 248)}
            self.assertEqual(len(values), 247)

    def test_header_says_who_it_is(self):
        with start("--seed", "81985529216486895") as program, Client(program.listening()) as client:
            header = client.read(0, 73)
            self.assertEqual(header[2:12], [1, 6, 10, 60, 64, 0, 0x0123, 0x4567, 0x89AB, 0xCDEF])
            text = struct.pack(">32H", *header[32:64]).rstrip(b"\0").decode()
            self.assertEqual(text, "Bogotá Electrical Substation - U.D.")
            self.assertEqual(header[64:73], [0, 0xFFFD, 0xFFFD, 0xFFFD, 0, 0, 1, 0xC138, 60000])
            self.assertEqual(header, client.read(0, 73, function=4))
        with start("--hide-seed") as program, Client(program.listening()) as client:
            self.assertEqual(client.read(8, 4), [0xFFFF] * 4)


class RealClients(WithEmulator):
    """Other people's Modbus clients read the same registers."""

    def stable(self, read):
        """What `read` gives and the live block, both of one latch."""
        client = self.client()
        for _ in range(10):
            before, got, after = client.live(), read(), client.live()
            if before == after:
                return got, before
        self.fail("the latch always changed")

    @unittest.skipUnless(shutil.which("mbpoll"), "mbpoll is not installed")
    def test_mbpoll_reads_the_live_block(self):
        def read():
            code, out, err = run(
                ["mbpoll", "-m", "tcp", "-p", str(self.address[1]), "-0", "-r", "200", "-c", "34", "-1", "-t", "4",
                 self.address[0]]
            )  # fmt: skip
            self.assertEqual(code, 0, out + err)
            return [int(n) for n in re.findall(r"^\[\d+\]:\s+(\d+)", out, re.MULTILINE)]

        got, live = self.stable(read)
        self.assertEqual(got, live)

    def test_libmodbus_reads_both_functions_and_sees_exceptions(self):
        def read(*unit_function_address_count):
            where = [self.address[0], str(self.address[1])]
            return run([helper_path("modbus_read"), *where, *map(str, unit_function_address_count)])

        for function in (3, 4):
            got, live = self.stable(lambda: read(1, function, LIVE, LIVE_REGS))
            self.assertEqual(got, (0, "".join("%d\n" % r for r in live), ""))
        self.assertEqual(read(1, 3, 73, 1)[::2], (1, "Illegal data address\n"))
        self.assertEqual(read(9, 3, 0, 1)[::2], (1, "Target device failed to respond\n"))

    def test_pymodbus_reads_the_live_block(self):
        try:
            from pymodbus.client import ModbusTcpClient
        except ImportError:
            self.skipTest("pymodbus is not installed")
        client = ModbusTcpClient(self.address[0], port=self.address[1])
        self.addCleanup(client.close)
        got, live = self.stable(lambda: client.read_holding_registers(LIVE, LIVE_REGS, 1).registers)
        self.assertEqual(got, live)


class TextFiles(unittest.TestCase):
    """The text file of a minute says what FRAME says, and a file with a date is complete."""

    def setUp(self):
        self.dir = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.dir)

    @staticmethod
    def content(path):
        with open(path, encoding="utf-8", newline="") as f:
            return f.read()

    @staticmethod
    def milli(count):
        text = "%d.%03d" % divmod(count, 1000)
        return text.rstrip("0") + ("0" if text.endswith("000") else "")

    def text_of(self, frame, device, offset_s):
        stamp = time.strftime("%d %m %Y %H %M", time.gmtime(u32(frame, 2) + offset_s))
        lines = [stamp, device, "Bogotá Electrical Substation - U.D.", ""]
        lines += ["Openings caused by faults: %d.0" % frame[4], ""]
        for i in range(6):
            rec = frame[5 + 20 * i : 25 + 20 * i]
            if rec[1]:
                values = [u32(rec, k) for k in (2, 4, 6, 8, 10, 12)]
                values += [rec[14], rec[15], u32(rec, 16), u32(rec, 18)]
                names = ("Vab", "Vbc", "Vca", "Ia", "Ib", "Ic", "F", "FP", "P", "Q")
                cells = ["Time Stamp", "%s %02d" % (stamp, rec[0] // 1000)]
                for name, value in zip(names, values):
                    cells += [name, self.milli(value)]
                lines.append(";".join(cells))
        return stamp + ".txt", "\n".join(lines) + "\n"

    def start(self, *options):
        return start("--text-dir", self.dir, *options)

    def test_each_minute_becomes_a_file_with_the_content_of_its_frame(self):
        with self.start("--relays", "2", "--utc-offset", "+05:30") as program, Client(program.listening()) as client:
            boot_minute = u32(client.read(12, 2), 0) // 60
            wait_until(lambda: u32(client.frame(), 0) > boot_minute, what="two minutes")
            for unit, folder in ((1, self.dir), (2, os.path.join(self.dir, "unit-2"))):
                for minute in (boot_minute, boot_minute + 1):
                    frame, status, _ = client.ring(minute, unit)
                    if status == 0:
                        continue  # booted after the last latch of the minute
                    name, text = self.text_of(frame, "Relay %d" % unit, 19800)
                    path = os.path.join(folder, name)
                    wait_until(lambda p=path: os.path.exists(p), what=name)
                    self.assertEqual(self.content(path), text)
                capturing = os.path.join(folder, "CAPTURING.txt")
                wait_until(lambda p=capturing: os.path.exists(p), what="the minute that runs")

    def test_crash_keeps_the_interrupted_minute_beside_the_files(self):
        capturing = os.path.join(self.dir, "CAPTURING.txt")
        with self.start() as program:
            program.listening()
            wait_until(lambda: os.path.exists(capturing) and "Time Stamp" in self.content(capturing))
            program.kill()
        left = self.content(capturing)
        with self.start() as program:
            program.listening()
            kept = [n for n in os.listdir(self.dir) if n.startswith("INTERRUPTED ")]
            self.assertEqual(len(kept), 1)
            self.assertRegex(kept[0], r"^INTERRUPTED \d\d \d\d \d{4} \d\d \d\d \d\d\.txt$")
            self.assertEqual(self.content(os.path.join(self.dir, kept[0])), left)

    def test_second_emulator_on_the_same_folder_is_refused(self):
        with self.start() as program:
            program.listening()
            code, _, err = run([EMULATOR, "--port", "0", "--text-dir", self.dir], ENV)
            self.assertEqual(code, 1)
            self.assertIn("another relay-emulator writes here", err)

    def test_folder_that_cannot_be_made_is_an_error_that_names_it(self):
        path = os.path.join(self.dir, "missing", "deeper")
        code, _, err = run([EMULATOR, "--port", "0", "--text-dir", path], ENV)
        self.assertEqual(code, 1)
        self.assertIn(path, err)


class CommandLine(unittest.TestCase):
    """Options, exit codes and messages."""

    def test_wrong_usage_exits_2_and_names_the_option(self):
        for options, names in (
            (["--port", "65536"], "--port"),
            (["--port", "x"], "--port"),
            (["--relays", "0"], "--relays"),
            (["--relays", "248"], "--relays"),
            (["--seed", "-1"], "--seed"),
            (["--utc-offset", "5"], "--utc-offset"),
            (["--utc-offset", "+15:00"], "--utc-offset"),
            (["--utc-offset", "-05:60"], "--utc-offset"),
            (["--mode", "physical"], "physical"),
            (["--mode", "x"], "--mode"),
            (["--bind", "localhost:1"], "localhost:1"),
            (["--nonsense"], "--nonsense"),
            (["--port"], "--port"),
            (["operand"], "operand"),
            (["--config", "/nonexistent/file"], "/nonexistent/file"),
        ):
            with self.subTest(options=options):
                code, out, err = run([EMULATOR, *options])
                self.assertEqual((code, out), (2, ""))
                self.assertIn(names, err)

    def test_wrong_virtual_clock_exits_2(self):
        code, _, err = run([EMULATOR, "--port", "0"], {"GRIDWITNESS_CLOCK": "soon"})
        self.assertEqual(code, 2)
        self.assertIn("GRIDWITNESS_CLOCK", err)

    def test_busy_port_exits_1_and_names_it_before_anything_is_touched(self):
        with socket.socket() as taken, tempfile.TemporaryDirectory() as folder:
            taken.bind(("127.0.0.1", 0))
            taken.listen(1)
            port = taken.getsockname()[1]
            code, _, err = run([EMULATOR, "--port", str(port), "--text-dir", folder])
            self.assertEqual(code, 1)
            self.assertIn("127.0.0.1:%d: the port is taken by another program" % port, err)
            self.assertEqual(os.listdir(folder), [])

    def test_signals_stop_it_cleanly(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(number), start() as program:
                with Client(program.listening()) as client:
                    client.live()
                    program.signal(number)
                    self.assertEqual(program.wait(), 0)

    def test_help_and_version(self):
        code, out, _ = run([EMULATOR, "--help"])
        self.assertEqual(code, 0)
        for option in ("--config", "--bind", "--port", "--mode", "--seed", "--relays", "--text-dir", "--utc-offset"):
            self.assertIn(option, out)
        code, out, _ = run([EMULATOR, "--version"])
        self.assertEqual(code, 0)
        self.assertRegex(out, r"^relay-emulator \d+\.\d+\.\d+\n$")

    def test_register_map_document_is_what_the_program_prints(self):
        code, out, _ = run([EMULATOR, "--print-map"])
        self.assertEqual(code, 0)
        with open(os.path.join(ROOT, "docs/register-map.md"), encoding="utf-8") as f:
            self.assertEqual(f.read(), out)

    def test_virtual_clock_is_logged(self):
        with start() as program:
            program.listening()
            program.wait_line(r"warn clock: virtual, 20\.000 times", errors=True)

    def test_configuration_file_is_read_and_the_command_line_wins(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "relay.json")
            with open(path, "w", encoding="utf-8") as f:
                f.write('{"bind":"127.0.0.2","port":0,"seed":5,"relays":2,')
                f.write('"text_dir":"text","utc_offset":"+01:00","mode":"paper"}')
            with Program([EMULATOR, "--config", path, "--seed", "6"]) as program:
                address = program.listening()
                self.assertEqual(address[0], "127.0.0.2")
                with Client(address) as client:
                    self.assertEqual(client.read(8, 4), [0, 0, 0, 6])
                    client.live(2)
                self.assertTrue(os.path.isdir(os.path.join(folder, "text")))

    def test_every_key_of_the_schema_is_accepted(self):
        with open(os.path.join(ROOT, "docs/schema/relay-emulator.json"), encoding="utf-8") as f:
            schema = json.load(f)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "relay.json")
            with open(path, "w", encoding="utf-8") as f:
                json.dump({key: rule["examples"][0] for key, rule in schema["properties"].items()}, f)
            with Program([EMULATOR, "--config", path]) as program:
                with Client(program.listening()) as client:
                    self.assertEqual(client.read(8, 4), [0xFFFF] * 4)
                    client.live(3)

    def test_wrong_configuration_exits_2_and_names_the_place(self):
        for text, names in (
            ('{"prot":1}', "prot"),
            ('{"port":65536}', "port"),
            ('{"port":1,"port":2}', "port"),
            ('{"mode":"physical"}', "mode"),
            ('{"utc_offset":"x"}', "utc_offset"),
            ('{"relays":0}', "relays"),
            ("{", "relay.json:1"),
        ):
            with self.subTest(text), tempfile.TemporaryDirectory() as folder:
                path = os.path.join(folder, "relay.json")
                with open(path, "w", encoding="utf-8") as f:
                    f.write(text)
                code, out, err = run([EMULATOR, "--config", path])
                self.assertEqual((code, out), (2, ""))
                self.assertIn(path, err)
                self.assertIn(names, err)


if __name__ == "__main__":
    unittest.main()

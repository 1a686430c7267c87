"""The relay emulator against hostile and many clients: the real program, raw sockets, a virtual clock.

The numbers M1..M42 name hostile inputs; each has its exact fate here (an answer, byte for byte, or a close).
"""

import socket
import struct
import threading
import time
import unittest

from emulator import WithEmulator
from harness import limit, patience, wait_until
from modbus_raw import FRAME, FRAME_REGS, LIVE, LIVE_REGS, Client, adu, exception_adu, read_adu, read_pdu

FRAME_DEADLINE_S = 1.0  # of a frame, from its first byte
LATE_S = 0.050  # all but one in a hundred requests are answered within, whatever others do
STALL_S = 5.0  # of a client that does not read


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
            self.assertLess(took, FRAME_DEADLINE_S + limit(1.0))
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
                # a busy machine may be late now and then; a server that waits for the deadline is late each time
                self.assertLess(min(self.closes(frame) for _ in range(3)), FRAME_DEADLINE_S / 2)

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
        self.assertLess(time.monotonic() - began, FRAME_DEADLINE_S + limit(1.0))

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

    def percentile_99(self, run_s):
        """Seconds that all but one in a hundred of a good client's requests stay below."""
        times, end = [], time.monotonic() + run_s
        with Client(self.address, "127.9.9.9") as good:
            while time.monotonic() < end or len(times) < 200:
                began = time.monotonic()
                good.read(*((LIVE, LIVE_REGS), (FRAME, FRAME_REGS))[len(times) % 2])
                times.append(time.monotonic() - began)
        return sorted(times)[-len(times) // 100]

    def while_running(self, misbehave, run_s=1.5):
        """The percentile while misbehave(stop), a generator that yields after each act, runs in another thread.

        The measurement begins with the first act, and acts go on during it.
        """
        stop, acts = threading.Event(), [0]

        def run_acts():
            for _ in misbehave(stop):
                acts[0] += 1

        thread = threading.Thread(target=run_acts, daemon=True)
        thread.start()
        try:
            before = wait_until(lambda: acts[0], what="the first act")
            got = self.percentile_99(run_s)
            self.assertGreater(acts[0], before, "the misbehaviour ended before the measurement")
        finally:
            stop.set()
            thread.join(20)
        return got

    def assert_no_delay(self, misbehave):
        """A busy machine may spoil a measurement, but not each of five, nor more than one with nobody else; a client that delays others does so
        each time."""
        measured = [(self.while_running(misbehave), patience(LATE_S))]
        while measured[-1][0] >= measured[-1][1] and len(measured) < 5:
            quiet = self.percentile_99(0.5)
            measured.append((self.while_running(misbehave), max(patience(LATE_S), 3 * quiet)))
        self.assertLess(*measured[-1], measured)

    def test_dripping_and_wrong_clients_do_not_delay_others(self):
        def misbehave(stop):
            clients = []
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
                        yield
                    except OSError:
                        client.sock.close()
                        clients.remove(entry)
            for client, _, _ in clients:
                client.sock.close()

        self.assert_no_delay(misbehave)

    def test_refused_requests_do_not_delay_others(self):
        def misbehave(stop):
            with Client(self.address, "127.0.1.1") as bad:
                while not stop.is_set() and bad.ask(read_adu(0, 0)) == exception_adu(3, 3):
                    yield

        self.assert_no_delay(misbehave)

    def test_m40_connections_that_come_and_go_do_not_delay_others(self):
        def misbehave(stop):
            made = 0
            while not stop.is_set():
                with socket.create_connection(self.address, 10, ("127.0.1.%d" % (made % 200 + 1), 0)):
                    made += 1
                    yield

        self.assert_no_delay(misbehave)

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
                yield

        self.assert_no_delay(misbehave)
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


if __name__ == "__main__":
    unittest.main()

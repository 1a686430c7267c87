"""A Modbus/TCP client of few words over a raw socket, and the register map's numbers that tests need.

It checks nothing by itself beyond the shape of an answer, so that tests can send what no library sends.
"""

import socket
import struct

LIVE, LIVE_REGS = 200, 34
FRAME, FRAME_REGS = 1000, 125
RING, RING_STRIDE = 2000, 128
GOOD = 0xA000  # QUAL of a good sample in mode paper: valid, simulated


def adu(pdu, tid=0x1234, unit=1, protocol=0, length=None):
    """A frame around a PDU; any field can be made wrong."""
    return struct.pack(">HHHB", tid, protocol, len(pdu) + 1 if length is None else length, unit) + pdu


def read_pdu(address, count, function=3):
    return struct.pack(">BHH", function, address, count)


def read_adu(address, count, tid=0x1234, unit=1, function=3):
    return adu(read_pdu(address, count, function), tid, unit)


def exception_adu(function, code, tid=0x1234, unit=1):
    return adu(bytes([function | 0x80, code]), tid, unit)


def u32(regs, at):
    return regs[at] << 16 | regs[at + 1]


def qualities(frame):
    """QUAL of the six samples of a FRAME."""
    return [frame[5 + 20 * i + 1] for i in range(6)]


class Client:
    """One connection. source: the local address to come from (any of 127.0.0.0/8)."""

    def __init__(self, address, source=None, timeout_s=60.0):
        self.sock = socket.create_connection(address, timeout_s, (source, 0) if source else None)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.tid = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data)

    def receive(self, n):
        """Exactly n bytes; fewer when the connection ends before."""
        data = b""
        while len(data) < n:
            part = self.sock.recv(n - len(data))
            if not part:
                break
            data += part
        return data

    def answer(self):
        """One whole answer frame; b"" when the connection was closed."""
        head = self.receive(6)
        if len(head) < 6:
            return b""
        return head + self.receive(struct.unpack(">H", head[4:])[0])

    def is_closed(self):
        """Wait until the server closes; False when it answers instead."""
        try:
            return self.sock.recv(1) == b""
        except ConnectionError:
            return True

    def ask(self, frame):
        self.send(frame)
        return self.answer()

    def read(self, address, count, unit=1, function=3):
        """Registers as a list; AssertionError when the answer is not one."""
        self.tid = (self.tid + 1) & 0xFFFF
        got = self.ask(read_adu(address, count, self.tid, unit, function))
        head = struct.pack(">HHHBBB", self.tid, 0, 3 + 2 * count, unit, function, 2 * count)
        assert got[:9] == head and len(got) == 9 + 2 * count, "read %d+%d answered %r" % (address, count, got[:12])
        return list(struct.unpack(">%dH" % count, got[9:]))

    def live(self, unit=1):
        return self.read(LIVE, LIVE_REGS, unit)

    def frame(self, unit=1):
        return self.read(FRAME, FRAME_REGS, unit)

    def ring(self, minute, unit=1):
        """(frame, status, crc) of the slot of a UTC minute."""
        base = RING + RING_STRIDE * (minute % 60)
        tail = self.read(base + 125, 3, unit)
        return self.read(base, 125, unit), tail[0], u32(tail, 1)

"""A client of Server-Sent Events: reads a stream of bytes as a browser would (WHATWG HTML, 9.2), on a thread of its own.

    with Events("127.0.0.1", port) as events:
        event = events.wait(lambda e: e.type == "block")
"""

import json
import socket
import threading
import time

from harness import WAITS, patience


class Event:
    def __init__(self, kind, data, last_id):
        self.type, self.data, self.id = kind, json.loads(data), last_id

    def __repr__(self):
        return "%s %s %s" % (self.id, self.type, self.data)


class Events:
    """One stream: what came so far (`events`), the last id, and how it ended."""

    def __init__(self, host, port, last_id=None, source="", path="/v1/stream"):
        self.events, self.last_id, self.comments, self.retry_ms = [], last_id, 0, None
        self.ended = False
        self._news = threading.Condition()
        self._socket = socket.create_connection((host, port), timeout=patience(30 * WAITS), source_address=(source, 0) if source else None)
        header = "Last-Event-ID: %s\r\n" % last_id if last_id else ""
        self._socket.sendall(("GET %s HTTP/1.1\r\nHost: x\r\n%s\r\n" % (path, header)).encode())
        self._file = self._socket.makefile("rb")
        self.status = int(self._file.readline().split()[1])
        self.headers = {}
        while line := self._file.readline().strip():
            name, _, value = line.decode().partition(":")
            self.headers[name.lower()] = value.strip()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Hang up."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._reader.join(patience(10 * WAITS))
        self._file.close()
        self._socket.close()

    def _chunks(self):
        try:
            while size := int(self._file.readline() or b"0", 16):
                yield self._file.read(size)
                self._file.readline()
        except (OSError, ValueError):
            return

    def _read(self):
        rest = b""
        for chunk in self._chunks() if self.status == 200 else ():
            rest += chunk
            while b"\n\n" in rest:
                block, _, rest = rest.partition(b"\n\n")
                with self._news:
                    self._take(block.decode())
                    self._news.notify_all()
        with self._news:
            self.ended = True
            self._news.notify_all()

    def _take(self, block):
        kind, data = None, None
        for line in block.split("\n"):
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if name == "":
                self.comments += 1
            elif name == "id":
                self.last_id = value
            elif name == "event":
                kind = value
            elif name == "data":
                data = value
            elif name == "retry":
                self.retry_ms = int(value)
        if data is not None:
            self.events.append(Event(kind, data, self.last_id))

    def wait(self, condition, deadline_s=30, what="an event"):
        """The first event, past ones too, for which condition holds."""
        end = time.monotonic() + patience(deadline_s * WAITS)
        seen = 0
        with self._news:
            while True:
                for event in self.events[seen:]:
                    if condition(event):
                        return event
                seen = len(self.events)
                left = end - time.monotonic()
                if left <= 0 or self.ended:
                    raise AssertionError("%s never came: %s" % (what, self.events[-10:]))
                self._news.wait(left)

    def wait_end(self, deadline_s=20):
        """Until the other end has closed."""
        end = time.monotonic() + patience(deadline_s * WAITS)
        with self._news:
            while not self.ended:
                left = end - time.monotonic()
                if left <= 0:
                    raise AssertionError("the stream is still open")
                self._news.wait(left)

"""What the relay emulator serves and when it changes: latches, minutes, pauses, replicas, text files."""

import os
import shutil
import signal
import struct
import tempfile
import time
import unittest
import zlib

from emulator import EMULATOR, ENV, SPEED, start
from harness import clock_env, run, virtual_ms, wait_until
from modbus_raw import GOOD, Client, exception_adu, qualities, read_adu, u32


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


if __name__ == "__main__":
    unittest.main()

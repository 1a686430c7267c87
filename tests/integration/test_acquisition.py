"""The gateway's pollers against the relay emulator, both real programs on one virtual clock: what becomes of a minute."""

import json
import signal
import socket
import threading
import unittest

from harness import Program, bin_path, clock_env, helper_path, limit, now_ms, real_seconds_until, run, virtual_ms, wait_until

EMULATOR = bin_path("relay-emulator")
POLL_PRINT = helper_path("poll_print")
MINUTE = 60_000
INCOMPLETE = 1 << 11
MAX_FUTURE_MS = 20_000  # by a clock 20 times as fast: 1 s real for a machine that is busy


class Poller:
    """A running poll_print and what it has said."""

    def __init__(self, test, env, port, units=1, timeout_ms=1000):
        self.env = env
        self.program = Program(
            [POLL_PRINT, "127.0.0.1", str(port), str(units), str(timeout_ms), str(MAX_FUTURE_MS)], env=env
        )
        test.addCleanup(self.program.stop)

    def said(self, kind):
        lines = [json.loads(line) for line in list(self.program.lines)]
        return [line for line in lines if line["kind"] == kind]

    def outcomes(self, relay=0):
        return [o for o in self.said("outcome") if o["relay"] == relay]

    def outcome(self, minute, relay=0, deadline_s=30.0):
        """The first outcome of a minute."""

        def find():
            return next((o for o in self.outcomes(relay) if o["min"] == minute), None)

        return wait_until(find, deadline_s, "outcome of minute %d\n%s" % (minute, "\n".join(self.program.errors[-20:])))

    def wait_read(self):
        """Until the relay is read, and the next minute: the first that is seen whole."""
        wait_until(lambda: self.said("live"), what="a live sample")
        return virtual_ms(self.env) // MINUTE + 1


def start_emulator(test, env, port=0, units=1):
    program = Program([EMULATOR, "--port", str(port), "--seed", "7", "--relays", str(units)], env=env)
    test.addCleanup(program.stop)
    return program, program.listening()[1]


class SilentUnits:
    """A way to the emulator on which requests to some units vanish, as behind a bus that they have left."""

    def __init__(self, test, port, silent):
        self.port, self.silent = port, silent
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.thread = threading.Thread(target=self.accept)
        self.thread.start()
        test.addCleanup(self.stop)

    def stop(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.listener.close()

    def accept(self):
        """One connection at a time, as the poller has one."""
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            with near, socket.create_connection(("127.0.0.1", self.port)) as far, near.makefile("rb") as requests, far.makefile("rb") as answers:
                try:
                    self.serve(near, far, requests, answers)
                except OSError:
                    pass  # an end has gone

    def serve(self, near, far, requests, answers):
        while request := requests.read(12):
            if request[6] in self.silent:
                continue
            far.sendall(request)
            head = answers.read(6)
            near.sendall(head + answers.read(int.from_bytes(head[4:], "big")))


def late_limit():
    """Half of the demo's collect_ms, by clocks at most 20 times as fast; more where this process itself was kept waiting."""
    return 5000 + 20_000 * limit(0)


def wait_clock(env, ms):
    wait_until(lambda: virtual_ms(env) >= ms, real_seconds_until(env, ms) + 10, "clock %d" % ms, 0.005)


class Acquisition(unittest.TestCase):
    def test_whole_minutes_are_seen_live_and_two_gateways_make_the_same_bytes(self):
        """Six of six samples, within half of the demo's collect_ms, for three relays of one endpoint."""
        env = clock_env(20)
        _, port = start_emulator(self, env, units=3)
        pollers = [Poller(self, env, port, 3) for _ in range(2)]
        first = max(p.wait_read() for p in pollers)
        for minute in range(first, first + 3):
            for relay in range(3):
                a, b = (p.outcome(minute, relay) for p in pollers)
                self.assertEqual(a["body"], b["body"])
                for o in (a, b):
                    self.assertEqual((o["live"], len(o["body"]["samples"]), o["alarm"]), (6, 6, False))
                    self.assertEqual(o["body"]["relay"], "relay-%d" % (relay + 1))
                    self.assertLess(o["late_ms"], late_limit())
        for p in pollers:
            for relay in range(3):
                minutes = [o["min"] for o in p.outcomes(relay)]
                self.assertEqual(minutes, list(range(minutes[0], minutes[0] + len(minutes))))

    def test_restart_in_a_minute_commits_what_is_left(self):
        """The minute of the boot has b11 and no sample from before it; minutes that were wiped are gaps."""
        env = clock_env(10)
        emulator, port = start_emulator(self, env)
        poller = Poller(self, env, port)
        minute = poller.wait_read()
        wait_clock(env, minute * MINUTE + 23_000)
        emulator.kill()
        boot = virtual_ms(env)
        start_emulator(self, env, port)
        o = poller.outcome(minute)
        self.assertEqual(o["body"]["quality"] & INCOMPLETE, INCOMPLETE)
        self.assertGreater(minute * MINUTE + o["body"]["samples"][0][0], boot)
        self.assertFalse(o["alarm"])
        after = poller.outcome(minute + 1)
        self.assertEqual((after["live"], len(after["body"]["samples"])), (6, 6))

    def test_restart_across_the_end_is_stopped(self):
        """Gone just before the minute ends and back just after: FRAME and RING are wiped, and the gap says so."""
        minute = now_ms() // MINUTE
        env = clock_env(4, minute * MINUTE + 25_000)
        emulator, port = start_emulator(self, env)
        poller = Poller(self, env, port)
        poller.wait_read()
        wait_clock(env, (minute + 1) * MINUTE - 3_000)
        emulator.kill()
        wait_clock(env, (minute + 1) * MINUTE + 500)
        start_emulator(self, env, port)
        o = poller.outcome(minute)
        self.assertEqual((o["body"], o["reason"], o["alarm"]), (None, "stopped", False))

    def test_stopped_relay_is_a_timeout_and_found_again(self):
        """SIGSTOP: gaps `timeout`, one per minute; then whole minutes again."""
        env = clock_env(20)
        emulator, port = start_emulator(self, env)
        poller = Poller(self, env, port, timeout_ms=200)
        minute = poller.wait_read()
        wait_clock(env, minute * MINUTE + 5_000)
        emulator.signal(signal.SIGSTOP)
        o = poller.outcome(minute)
        self.assertEqual((o["body"], o["reason"]), (None, "timeout"))
        self.assertEqual(poller.outcome(minute + 1)["reason"], "timeout")
        emulator.signal(signal.SIGCONT)
        back = virtual_ms(env) // MINUTE + 2
        o = poller.outcome(back)
        self.assertEqual((o["live"], len(o["body"]["samples"])), (6, 6))
        seen = [(o["min"], o["body"] is None) for o in poller.outcomes()]
        self.assertEqual(len(set(seen)), len(seen), "a minute has at most one gap and one body")

    def test_unit_that_is_not_there_is_an_exception_and_harms_no_other(self):
        """Units 1 and 2 are read whole while unit 3 of the same endpoint answers with exceptions."""
        env = clock_env(20)
        _, port = start_emulator(self, env, units=2)
        poller = Poller(self, env, port, 3)
        minute = poller.wait_read()
        for relay in (0, 1):
            o = poller.outcome(minute, relay)
            self.assertEqual((o["live"], len(o["body"]["samples"])), (6, 6))
            self.assertLess(o["late_ms"], late_limit())
        o = poller.outcome(minute, 2)
        self.assertEqual((o["body"], o["reason"]), (None, "exception"))

    def test_silent_units_cost_their_neighbours_no_minute(self):
        """Four units of six vanish behind one endpoint: the other two stay read, and the minute comes as a body in time."""
        minute = now_ms() // MINUTE
        env = clock_env(5, minute * MINUTE + 35_000)
        _, port = start_emulator(self, env, units=6)
        way = SilentUnits(self, port, {3, 4, 5, 6})
        poller = Poller(self, env, way.listener.getsockname()[1], 6, timeout_ms=200)
        for relay in (0, 1):
            o = poller.outcome(minute, relay)
            self.assertIsNotNone(o["body"], o)
            self.assertGreaterEqual(o["live"], 2)
            self.assertLess(o["late_ms"], late_limit())
            self.assertEqual([s["code"] for s in poller.said("state") if s["relay"] == relay], ["ok"])
        for relay in (2, 3, 4, 5):
            o = poller.outcome(minute, relay)
            self.assertEqual((o["body"], o["reason"]), (None, "timeout"))

    def test_network_gone_is_refused_at_once(self):
        """Nobody listens: a gap `refused` as soon as the minute has ended."""
        env = clock_env(20)
        emulator, port = start_emulator(self, env)
        emulator.stop()
        poller = Poller(self, env, port)
        minute = virtual_ms(env) // MINUTE + 1
        o = poller.outcome(minute)
        self.assertEqual((o["body"], o["reason"]), (None, "refused"))
        self.assertLess(o["late_ms"], late_limit())
        self.assertEqual(poller.said("state"), [{"kind": "state", "relay": 0, "code": "refused"}])

    def test_frozen_gateway_reads_the_ring(self):
        """SIGSTOP of the gateway itself: every minute that passed becomes a body, none of its samples seen live."""
        env = clock_env(20)
        _, port = start_emulator(self, env)
        poller = Poller(self, env, port)
        minute = poller.wait_read()
        poller.outcome(minute)
        poller.program.signal(signal.SIGSTOP)
        wait_clock(env, (minute + 4) * MINUTE + 5_000)
        poller.program.signal(signal.SIGCONT)
        for m in (minute + 2, minute + 3):
            o = poller.outcome(m)
            self.assertEqual((o["live"], len(o["body"]["samples"]), o["alarm"]), (0, 6, False))


class Probe(unittest.TestCase):
    def test_probe_prints_identity_latch_and_minute(self):
        env = clock_env(20)
        _, port = start_emulator(self, env, units=2)
        address = "127.0.0.1:%d" % port
        code, out, err = run([POLL_PRINT, "probe", address, "--unit", "2"], env=env)
        self.assertEqual((code, err), (0, ""))
        self.assertIn("device      Relay 2\n", out)
        self.assertIn("exponents   V 0  I -3  F -3  PF -3  P 0  Q 0\n", out)
        at, rest = env["GRIDWITNESS_CLOCK"].split("@")
        slow = dict(env, GRIDWITNESS_CLOCK="%d@%s" % (int(at) - 3600000, rest))
        wait_until(lambda: " ms ahead of this clock\n" in run([POLL_PRINT, "probe", address], env=slow)[1], 10, "a latch ahead of a slow clock")
        code, out, err = run([POLL_PRINT, "probe", address, "--unit", "9"], env=env)
        self.assertEqual((code, out, err), (1, "", "header: exception 11\n"))

    def test_probe_without_relay_fails_and_bad_usage_is_told(self):
        env = clock_env(20)
        emulator, port = start_emulator(self, env)
        emulator.stop()
        code, _, err = run([POLL_PRINT, "probe", "127.0.0.1:%d" % port], env=env)
        self.assertEqual(code, 1)
        self.assertIn("connection refused", err)
        for arguments in ([], ["127.0.0.1"], ["127.0.0.1:0"], ["127.0.0.1:502", "--unit", "256"], ["a:1", "b:2", "c:3"]):
            self.assertEqual(run([POLL_PRINT, "probe", *arguments], env=env)[0], 2, arguments)


if __name__ == "__main__":
    unittest.main()

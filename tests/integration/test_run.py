"""The demonstration, gateway/demo/run.sh, as `make run` starts it: on free ports, in a folder of its own, twenty times as fast."""

import json
import os
import shutil
import signal
import socket
import tempfile
import time
import unittest

from harness import ROOT, Program, bin_path, free_port, limit, run, wait_until
from network import get

SCRIPT = os.path.join(ROOT, "gateway/demo/run.sh")
UP = r"^All five processes are up"
LIMIT_S = 10


def children(pid):
    with open("/proc/%d/task/%d/children" % (pid, pid), encoding="ascii") as f:
        return [int(word) for word in f.read().split()]


def programs(pid):
    """{pid: name} of the five that the supervisor started (its short-lived helpers apart)."""
    found = {}
    for child in children(pid):
        try:
            name = os.path.basename(os.readlink("/proc/%d/exe" % child))
        except OSError:
            continue
        if name in ("gateway", "relay-emulator"):
            found[child] = name
    return found


def alive(pid):
    try:
        with open("/proc/%d/stat" % pid, encoding="ascii") as f:
            return f.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


class Demonstration(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="gridwitness-run-")
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
        self.use_ports([free_port() for _ in range(5)])

    def use_ports(self, ports):
        self.ports = ports
        self.env = {
            "SPEED": "20",
            "RUN_DIR": self.dir,
            "GRIDWITNESS_PORTS": " ".join(map(str, ports)),
            "GRIDWITNESS_BIN": os.path.dirname(bin_path("ledger")),
        }

    def start(self):
        """Started as from a terminal: an interrupt reaches it."""
        program = Program(["env", "--default-signal=INT", "bash", SCRIPT], env=self.env, cwd=ROOT)
        self.addCleanup(program.stop)
        program.wait_line(UP, 30)
        return program

    def refused(self, *words, **changes):
        code, out, errors = run(["bash", SCRIPT], env=dict(self.env, **changes), cwd=ROOT)
        self.assertEqual(code, 1, out + errors)
        for word in words:
            self.assertIn(word, errors)

    def status(self, i):
        code, body = get("http://127.0.0.1:%d/v1/status" % self.ports[i])
        return json.loads(body) if code == 200 else None

    def height(self, i):
        status = self.status(i)
        return status["height"] if status else -1

    def interrupt(self, supervisor):
        """Ctrl-C: it ends with 0, and the five with it."""
        five = programs(supervisor.pid)
        self.assertEqual(sorted(five.values()), ["gateway"] * 4 + ["relay-emulator"])
        supervisor.signal(signal.SIGINT)
        self.assertEqual(supervisor.wait(30), 0, supervisor.errors)
        self.assertEqual([pid for pid in five if alive(pid)], [])

    def test_first_minute_comes_soon_and_a_second_start_resumes(self):
        begin = time.monotonic()
        supervisor = self.start()
        wait_until(lambda: self.height(0) >= 1, 30, "a mined minute")
        self.assertLess(time.monotonic() - begin, limit(LIMIT_S))
        supervisor.wait_line(r"height \d+  tip [0-9a-f]{12}  4 of 4 nodes on it", 20)
        self.refused("another run uses " + self.dir)
        self.assertEqual(len(programs(supervisor.pid)), 5)
        wait_until(lambda: self.height(2) >= 2, 20, "two blocks")
        before = min(self.height(i) for i in range(4))
        self.interrupt(supervisor)

        begin = time.monotonic()
        again = self.start()
        heights = [self.height(i) for i in range(4)]
        self.assertGreaterEqual(min(heights), before)
        wait_until(lambda: min(self.height(i) for i in range(4)) > max(heights), 30, "the chain goes on: %s" % heights)
        for i in range(4):
            self.assertEqual(self.status(i)["chain"], self.status(0)["chain"])
        self.interrupt(again)
        data = os.path.join(self.dir, "node-%d" % self.ports[0])
        code, out, errors = run([bin_path("ledger"), "verify", "--genesis", os.path.join(self.dir, "genesis.json"), "--data", data])
        self.assertEqual(code, 0, out + errors)

    def test_killed_child_is_reported_and_ends_the_others(self):
        supervisor = self.start()
        five = programs(supervisor.pid)
        victim = next(pid for pid, name in five.items() if name == "gateway")
        with open("/proc/%d/cmdline" % victim, "rb") as f:
            port = os.path.basename(f.read().split(b"\0")[2].decode())[len("gateway-") : -len(".json")]
        os.kill(victim, signal.SIGKILL)
        self.assertEqual(supervisor.wait(30), 1)
        self.assertIn("gateway-%s has ended" % port, "\n".join(supervisor.errors))
        self.assertEqual([pid for pid in five if alive(pid)], [])

    def test_terminated_supervisor_ends_all_five(self):
        supervisor = self.start()
        five = programs(supervisor.pid)
        self.assertEqual(len(five), 5)
        supervisor.signal(signal.SIGTERM)
        self.assertEqual(supervisor.wait(30), 0)
        self.assertEqual([pid for pid in five if alive(pid)], [])

    def test_busy_port_is_named_and_nothing_is_started(self):
        for i in (0, 3, 4):
            with socket.socket() as taken:
                taken.bind(("127.0.0.1", 0))
                taken.listen(1)
                ports = list(self.ports)
                ports[i] = taken.getsockname()[1]
                self.refused("port %d " % ports[i], "busy", GRIDWITNESS_PORTS=" ".join(map(str, ports)))
        self.assertFalse(os.path.exists(os.path.join(self.dir, "genesis.json")))

    def test_wrong_settings_are_named(self):
        self.refused("SPEED=0", SPEED="0")
        self.refused("SPEED=1.5", SPEED="1.5")
        self.refused("SPEED=1000", SPEED="1000")
        self.refused("five ports", GRIDWITNESS_PORTS="5004 5005")
        self.refused("70000", GRIDWITNESS_PORTS="1 2 3 4 70000")
        self.refused("twice", GRIDWITNESS_PORTS="9001 9002 9003 9001 9005")
        self.refused("x;y", GRIDWITNESS_PORTS="x;y 2 3 4 5")
        self.refused("not built", GRIDWITNESS_BIN="/nonexistent")

    def test_start_that_was_interrupted_or_other_ports_are_noticed(self):
        os.makedirs(os.path.join(self.dir, "keys"))
        for name in ("genesis.json", "plan.json", "seed", "gateway-%d.json" % self.ports[0]):
            with open(os.path.join(self.dir, name), "w", encoding="utf-8"):
                pass  # what a power failure leaves of a file
        self.interrupt(self.start())
        old, ports = self.ports, [free_port() for _ in range(5)]
        self.refused("other ports than %d" % ports[0], GRIDWITNESS_PORTS=" ".join(map(str, ports)))
        self.use_ports(old)


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/env python3
"""Self-test of the harness of the integration tests: however a program that found a fault in itself is ended, the test fails, and what it
left behind is kept."""

import os
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
INTEGRATION = os.path.join(os.path.dirname(HERE), "integration")
sys.path.insert(0, INTEGRATION)

from harness import Folder, Program, end_all, kept_waiting_s, run, wait_until  # noqa: E402

REPORT = "echo 'WARNING: ThreadSanitizer: data race (pid=1)' >&2"


def program(at_term, first=":"):
    """A shell that says `up` and waits; the commands at SIGTERM."""
    made = Program(["sh", "-c", "trap '%s' TERM; %s; echo up; while :; do sleep 0.01; done" % (at_term, first)])
    made.wait_line("up")
    return made


class Ends(unittest.TestCase):
    def test_good_end_is_good(self):
        self.assertEqual(program("exit 0").stop(), 0)
        with program("exit 0"):
            pass

    def test_stop_of_a_program_that_ends_badly_fails(self):
        for end in ("exit 66", "kill -9 $$"):
            with self.assertRaisesRegex(AssertionError, "ended with"):
                program(end).stop()

    def test_program_that_nobody_saw_end_badly_fails(self):
        made = Program(["sh", "-c", "exit 3"])
        made.process.wait()
        with self.assertRaisesRegex(AssertionError, "ended with 3"):
            made.stop()

    def test_end_that_the_test_has_seen_is_the_tests_matter(self):
        made = Program(["sh", "-c", "exit 3"])
        self.assertEqual(made.wait(), 3)
        self.assertEqual(made.stop(), 3)
        killed = program("exit 0")
        self.assertEqual(killed.kill(), -9)
        end_all([killed])

    def test_report_fails_whatever_the_code(self):
        with self.assertRaisesRegex(AssertionError, "data race"):
            program("exit 0", first=REPORT).kill()
        with self.assertRaisesRegex(AssertionError, "data race"):
            Program(["sh", "-c", REPORT]).wait()
        with self.assertRaisesRegex(AssertionError, "data race"):
            run(["sh", "-c", REPORT + "; exit 1"])

    def test_all_are_stopped_when_one_ends_badly(self):
        programs = [program("exit 0"), program("exit 66"), None, program("exit 65"), program("exit 0")]
        with self.assertRaisesRegex(AssertionError, "(?s)ended with 66.*ended with 65"):
            end_all(programs)
        self.assertEqual([p.process.poll() for p in programs if p], [0, 66, 65, 0])


class Waiting(unittest.TestCase):
    @unittest.skipUnless(os.path.exists("/proc/self/schedstat"), "this kernel does not count")
    def test_two_that_share_one_processor_wait_for_it(self):
        one = str(min(os.sched_getaffinity(0)))
        both = [Program(["taskset", "-c", one, "sh", "-c", "while :; do :; done"]) for _ in range(2)]
        try:
            wait_until(lambda: all(kept_waiting_s(p.pid) > 0.05 for p in both))
        finally:
            for p in both:
                p.kill()
        self.assertEqual(kept_waiting_s(both[0].pid), 0)


SCRIPT = """import os, sys, unittest
sys.path.insert(0, %r)
from harness import Folder
class T(unittest.TestCase):
    def test_a_good(self):
        folder = Folder(%r + "/good-")
        self.addCleanup(folder.close)
    def test_b_bad(self):
        folder = Folder(%r + "/bad-")
        self.addCleanup(folder.close)
        for i in range(2):
            with self.subTest(i=i):
                self.assertEqual(i, 0)
    def test_c_good_after_it(self):
        folder = Folder(%r + "/after-")
        self.addCleanup(folder.close)
unittest.main()
"""


class Folders(unittest.TestCase):
    def test_folder_of_a_failed_test_is_kept_and_named(self):
        with tempfile.TemporaryDirectory() as place:
            env = {k: v for k, v in os.environ.items() if k != "GRIDWITNESS_KEEP"}
            done = subprocess.run([sys.executable, "-c", SCRIPT % (INTEGRATION, place, place, place)], capture_output=True, text=True,
                                  check=False, env=env)
            self.assertEqual(done.returncode, 1, done.stderr)
            (left,) = os.listdir(place)
            self.assertTrue(left.startswith("bad-"), left)
            self.assertIn("kept: %s/%s\n" % (place, left), done.stdout)

    def test_folder_of_a_with_statement_is_kept_for_failures_alone(self):
        for failure, kept in ((None, False), (AssertionError, True), (KeyboardInterrupt, False), (unittest.SkipTest, False)):
            with tempfile.TemporaryDirectory() as place:
                folder = Folder(place + "/x-")
                folder.close(failure)
                self.assertEqual(os.path.exists(folder.path), kept or "GRIDWITNESS_KEEP" in os.environ, failure)


if __name__ == "__main__":
    unittest.main()

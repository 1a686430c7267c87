#!/usr/bin/env python3
"""Self-test of run-tests and of the replay of fuzz corpora: what fails, hangs in the middle or tests nothing is never counted as good,
and what it started ends with it."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import unittest.mock

from test_check import write_tree

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))

CMOCKA_GOOD = """#!/bin/sh
echo '[==========] Running 2 test(s).'
echo '[       OK ] first'
echo '[       OK ] second'
"""
CMOCKA_BAD = """#!/bin/sh
echo '[==========] Running 3 test(s).'
echo '[       OK ] first'
echo '[  SKIPPED ] third'
echo '[  FAILED  ] second'
echo '[  FAILED  ] 1 test(s), listed below:'
echo '[  FAILED  ] second'
exit 1
"""
UNITTEST = """import unittest
class T(unittest.TestCase):
    def test_good(self):
        pass
    def test_bad(self):
        for i in range(2):
            with self.subTest(i=i):
                self.fail()
    @unittest.skip("why")
    def test_skipped(self):
        pass
unittest.main()
"""


@contextlib.contextmanager
def tree_of(binaries=None, scripts=None):
    """A temporary tree with run-tests, these unit test programs and integration scripts."""
    with tempfile.TemporaryDirectory() as root:
        files = {"tests/integration/" + name: text for name, text in (scripts or {}).items()}
        for name, text in (binaries or {}).items():
            if name.startswith("test_"):
                files["tests/unit/%s.c" % name] = "\n"
            if text is not None:
                files["build/fake/tests/unit/" + name] = text
        write_tree(root, {"tests/x": "", **files})
        shutil.copy(os.path.join(ROOT, "tests/run-tests"), os.path.join(root, "tests"))
        for name in os.listdir(os.path.join(root, "build/fake/tests/unit")) if any((binaries or {}).values()) else []:
            os.chmod(os.path.join(root, "build/fake/tests/unit", name), 0o755)
        yield root


def run_tests(binaries=None, scripts=None, env=None, build="build/fake"):
    """(exit code, output) of run-tests in such a tree."""
    with tree_of(binaries, scripts) as root:
        done = subprocess.run([os.path.join(root, "tests/run-tests"), build, "bin"], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False, env=dict(os.environ, **{"ONLY": "", "INTEGRATION": "", **(env or {})}))
        return done.returncode, done.stdout


class RunTests(unittest.TestCase):
    def verdict(self, last_line, code, **what):
        got, output = run_tests(**what)
        self.assertEqual((got, output.splitlines()[-1]), (code, last_line), output)
        return output

    def test_good_tests_are_counted(self):
        self.verdict("4 passed, 0 failed", 0, binaries={"test_a": CMOCKA_GOOD, "test_b": CMOCKA_GOOD})

    def test_failed_test_is_named_once_and_its_output_shown(self):
        output = self.verdict("3 passed, 1 failed", 1, binaries={"test_a": CMOCKA_GOOD, "test_b": CMOCKA_BAD})
        self.assertEqual(output.count("  tests/unit/test_b: second\n"), 1)
        self.assertIn("| [  FAILED  ] second", output)
        self.assertNotIn("| [       OK ] second", output)

    ONCE = "#!/bin/sh\ncd \"$(dirname \"$0\")\" && [ -e ran ] && exec sh ./good\ntouch ran\n"  # bad the first time

    def test_file_that_fails_only_beside_others_is_unsteady_and_named(self):
        output = self.verdict("2 passed, 0 failed", 0, binaries={"test_a": self.ONCE + CMOCKA_BAD, "good": CMOCKA_GOOD})
        self.assertIn("Unsteady, passed when alone:\n  tests/unit/test_a (tests/unit/test_a: second)\n", output)

    def test_what_an_instrument_found_is_not_tried_again(self):
        for line in "WARNING: ThreadSanitizer: data race", "x.c:3:5: runtime error: overflow", "==12== Invalid read of size 4":
            output = self.verdict("1 passed, 1 failed", 1, binaries={"test_a": self.ONCE + "echo '%s'\n" % line + CMOCKA_BAD, "good": CMOCKA_GOOD})
            self.assertNotIn("Unsteady", output)

    def test_failed_assertion_is_not_tried_again(self):
        line = "echo \"x: a.c:3: f: Assertion \\`n > 0' failed.\"\n"
        output = self.verdict("1 passed, 1 failed", 1, binaries={"test_a": self.ONCE + line + CMOCKA_BAD, "good": CMOCKA_GOOD})
        self.assertIn("Assertion `n > 0' failed.", output)
        self.assertNotIn("again", output)

    def test_crash_is_not_tried_again(self):
        crash = "echo '[==========] Running 5 test(s).'\necho '[       OK ] first'\nkill -SEGV $$\n"
        output = self.verdict("1 passed, 1 failed", 1, binaries={"test_a": self.ONCE + crash, "good": CMOCKA_GOOD})
        self.assertNotIn("again", output)

    def test_many_failures_are_not_tried_again(self):
        output = self.verdict("5 passed, 5 failed", 1, binaries={"test_%d" % i: CMOCKA_BAD for i in range(5)})
        self.assertNotIn("again", output)

    def test_crash_in_the_middle_fails_what_did_not_finish(self):
        crash = "#!/bin/sh\necho '[==========] Running 5 test(s).'\necho '[       OK ] first'\nkill -SEGV $$\n"
        output = self.verdict("1 passed, 1 failed", 1, binaries={"test_a": crash})
        self.assertIn("4 tests did not finish (SIGSEGV)", output)

    def test_bad_exit_after_good_tests_fails(self):
        self.verdict("2 passed, 1 failed", 1, binaries={"test_a": CMOCKA_GOOD + "exit 99\n"})

    def test_program_without_a_test_fails(self):
        self.verdict("0 passed, 1 failed", 1, binaries={"test_a": "#!/bin/sh\nexit 0\n"})

    def test_program_that_was_not_built_fails(self):
        self.verdict("0 passed, 1 failed", 1, binaries={"test_a": None})

    def test_nothing_to_run_fails(self):
        self.verdict("0 passed, 0 failed", 1)

    def test_unittest_counts_a_test_with_failed_subtests_once(self):
        output = self.verdict("1 passed, 1 failed", 1, scripts={"test_a.py": UNITTEST})
        self.assertIn("1 skipped", output)

    def test_script_that_counts_itself_is_believed(self):
        self.verdict("5 passed, 2 failed", 1, scripts={"test_a.py": "print('5 passed, 2 failed')\nraise SystemExit(1)\n"})

    def test_script_that_counts_no_failure_and_exits_badly_fails(self):
        self.verdict("5 passed, 1 failed", 1, scripts={"test_a.py": "print('5 passed, 0 failed')\nraise SystemExit(3)\n"})

    def test_script_with_an_exit_code_alone_is_one_test(self):
        self.verdict("1 passed, 1 failed", 1, scripts={"test_a.py": "", "test_b.py": "raise SystemExit(1)\n"})

    def test_broken_class_set_up_is_a_failure(self):
        text = UNITTEST.replace("    def test_good", "    @classmethod\n    def setUpClass(cls):\n        raise OSError\n    def test_good")
        self.verdict("0 passed, 1 failed", 1, scripts={"test_a.py": text})

    def test_binaries_under_test_are_named_and_a_virtual_clock_is_not_inherited(self):
        text = ("import os\nassert os.environ['GRIDWITNESS_BIN'] == os.path.abspath('bin')\n"
                "assert os.environ['GRIDWITNESS_BUILD'] == os.path.abspath('build/fake')\nassert 'GRIDWITNESS_CLOCK' not in os.environ\n")
        self.verdict("1 passed, 0 failed", 0, scripts={"test_a.py": text}, env={"GRIDWITNESS_CLOCK": "0@0x1"})


    def test_chosen_integration_tests_run_alone_and_an_unknown_one_is_an_error(self):
        scripts = {"test_a.py": "", "test_b.py": "raise SystemExit(1)\n"}
        self.verdict("1 passed, 0 failed", 0, scripts=scripts, env={"INTEGRATION": "test_a"})
        self.verdict("INTEGRATION: there is no tests/integration/test_c.py", 1, scripts=scripts, env={"INTEGRATION": "test_a test_c"})

    def test_deadlines_follow_the_flavour_unless_the_environment_says(self):
        text = "import os\nassert os.environ['GRIDWITNESS_SLOW'] == '%s'\n"
        clean = {k: v for k, v in os.environ.items() if k != "GRIDWITNESS_SLOW"}
        with unittest.mock.patch.dict(os.environ, clean, clear=True):
            self.verdict("1 passed, 0 failed", 0, scripts={"test_a.py": text % 1})
            self.verdict("1 passed, 0 failed", 0, scripts={"test_a.py": text % 2}, build="build/san-address-undefined")
            self.verdict("1 passed, 0 failed", 0, scripts={"test_a.py": text % 3}, build="build/san-thread")
            self.verdict("1 passed, 0 failed", 0, scripts={"test_a.py": text % 7}, env={"GRIDWITNESS_SLOW": "7"})

    def test_slowest_files_are_named(self):
        output = self.verdict("4 passed, 0 failed", 0, binaries={"test_a": CMOCKA_GOOD, "test_b": CMOCKA_GOOD})
        self.assertRegex(output, r"Slowest: test_[ab] \d+ s, test_[ab] \d+ s\n")


PAUSED = """import os, signal, subprocess
child = subprocess.Popen(["sleep", "600"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
child.send_signal(signal.SIGSTOP)
with open("pids.new", "w") as f:
    f.write("%d %d" % (os.getpid(), child.pid))
os.rename("pids.new", "pids")
try:
    signal.pause()
except KeyboardInterrupt:
    open("put-away", "w").close()
"""


def alive(pid):
    try:
        with open("/proc/%d/stat" % pid, encoding="ascii") as f:
            return f.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def wait_until(condition, deadline_s=60):
    end, pause = time.monotonic() + deadline_s, threading.Event()
    while not condition():
        if time.monotonic() > end:
            raise AssertionError("not within %d s" % deadline_s)
        pause.wait(0.02)


class Interrupted(unittest.TestCase):
    def ended_by(self, number, *before):
        """A test with a paused program runs, another one waits for its turn."""
        scripts = {"test_a.py": PAUSED + "#" * 99, "test_b.py": "open('second', 'w').close()\n"}
        env = dict(os.environ, ONLY="", INTEGRATION="", JOBS="1")
        with tree_of(scripts=scripts) as root:
            place = lambda name: os.path.join(root, name)
            process = subprocess.Popen([*before, place("tests/run-tests"), "build/fake", "bin"], cwd=root, env=env,
                                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            try:
                wait_until(lambda: os.path.exists(place("pids")))
                with open(place("pids"), encoding="ascii") as f:
                    pids = [int(word) for word in f.read().split()]
                process.send_signal(number)
                output, _ = process.communicate(timeout=60)
            finally:
                process.kill()
            self.assertEqual(process.returncode, 128 + number, output)
            self.assertEqual(output, "ended by %s\n" % number.name)
            self.assertTrue(os.path.exists(place("put-away")), "the test put its things away")
            self.assertFalse(os.path.exists(place("second")), "nothing more was started")
            wait_until(lambda: not any(alive(pid) for pid in pids))

    def test_interrupt_ends_all_that_was_started(self):
        self.ended_by(signal.SIGINT, "env", "--default-signal=INT")

    def test_termination_ends_all_that_was_started_in_the_background_too(self):
        self.ended_by(signal.SIGTERM, "env", "--ignore-signal=INT")


class FuzzReplay(unittest.TestCase):
    TARGET = ('#include "tests/lib/fuzz.h"\n#include <stdlib.h>\n'
              "int LLVMFuzzerTestOneInput(const uint8_t *d, size_t n)\n{\n    if (n == 3 && d[0] == 'b')\n        abort();\n    return 0;\n}\n")

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.program = os.path.join(cls.folder.name, "fuzz_x")
        write_tree(cls.folder.name, {"x.c": cls.TARGET})
        subprocess.run([*os.environ.get("CC", "cc").split(), "-D_GNU_SOURCE", "-I" + ROOT, "-o", cls.program, cls.folder.name + "/x.c",
                        ROOT + "/tests/lib/fuzz_main.c"], check=True)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def replay(self, files):
        with tempfile.TemporaryDirectory() as corpus:
            write_tree(corpus, files)
            done = subprocess.run([self.program, corpus], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
            return done.returncode, done.stdout

    def test_every_file_is_replayed(self):
        self.assertEqual(self.replay({"a": "", "b": "good", "c": "x" * 10000}), (0, "3 inputs replayed\n"))

    def test_input_that_breaks_a_property_fails(self):
        self.assertNotEqual(self.replay({"a": "good", "b": "bad"})[0], 0)

    def test_empty_corpus_fails(self):
        self.assertEqual(self.replay({".hidden": "x"}), (1, "0 inputs replayed\n"))

    def test_missing_corpus_fails(self):
        done = subprocess.run([self.program, self.folder.name + "/none"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
        self.assertEqual(done.returncode, 1)


if __name__ == "__main__":
    unittest.main()

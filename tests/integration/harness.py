"""What every integration test of the programs needs: start a real binary, wait for its words, stop it by its id.

Nothing here sleeps to synchronise and no port is fixed: a program is started on port 0 and says where it listens, and
every wait is for an event with a deadline. How each program ends is looked at, whoever ends it: a sanitizer's report is a failure.
Python 3 standard library only.

    from harness import Program, bin_path, clock_env

    with Program([bin_path("relay-emulator"), "--port", "0"], env=clock_env(speed=20)) as relay:
        host, port = relay.listening()

Environment:
    GRIDWITNESS_BIN    folder of the binaries (default: bin/ of the repository)
    GRIDWITNESS_BUILD  folder of the build that holds the compiled helpers (default: build/default)
    GRIDWITNESS_KEEP   keep the temporary folders of good tests too
    GRIDWITNESS_SLOW   by how much this machine or build is slower (default: 1): deadlines are as many times as long, and
                       virtual clocks as many times slower, so that limits in virtual time stay what they are; where others
                       keep the machine busy it is raised to what is found
"""

import glob
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CLOCK_ENV = "GRIDWITNESS_CLOCK"
DEADLINE_S = 20.0  # of every wait that names no other
WAITS = 6  # waits for what must come take so many times as long before they fail: it costs nothing when it comes


def contention(cpu_s=0.1):
    """How much longer than alone this process computes now: 2 when it gets half of a processor."""
    begin, end = time.monotonic(), time.thread_time() + cpu_s
    while time.thread_time() < end:
        pass
    return (time.monotonic() - begin) / cpu_s


def slowness():
    """GRIDWITNESS_SLOW; where others leave less than half of a processor more, at most twice as much and at most 4."""
    told = max(1.0, float(os.environ.get("GRIDWITNESS_SLOW") or "1"))
    return max(told, min(4.0, 2 * told, told * contention() / 2))


SLOW = slowness()


def bin_path(name):
    """The path of a binary under test."""
    return os.path.join(os.environ.get("GRIDWITNESS_BIN", os.path.join(ROOT, "bin")), name)


def helper_path(name):
    """The path of a compiled helper, tests/integration/<name>.c."""
    build = os.environ.get("GRIDWITNESS_BUILD", os.path.join(ROOT, "build/default"))
    return os.path.join(build, "tests/integration", name)


def patience(seconds):
    """Real seconds that this machine and build get for what takes at most so many on a quick one."""
    return seconds * SLOW


class Lateness(threading.Thread):
    """By how much this process was late at worst when it wanted to wake up: what others take of the machine."""

    def __init__(self):
        super().__init__(daemon=True)
        self.worst_s = 0.0
        self.start()

    def run(self):
        pause, step_s = threading.Event(), 0.05
        while True:
            begin = time.monotonic()
            pause.wait(step_s)
            self.worst_s = max(self.worst_s, time.monotonic() - begin - step_s)


LATENESS = Lateness()
HELD = []  # sockets of free_port, to the end of the process


def limit(seconds):
    """An upper bound of what takes at most so many real seconds on a quiet machine: more where this process itself was kept waiting."""
    return patience(seconds) + 20 * LATENESS.worst_s


def kept_waiting_s(pid):
    """Seconds that the threads of a process could have run and found no processor free, all together; 0 where the kernel does not count."""
    waited_ns = 0
    for path in glob.glob("/proc/%d/task/*/schedstat" % pid):
        try:
            with open(path, encoding="ascii") as f:
                waited_ns += int(f.read().split()[1])
        except OSError:
            pass  # a thread that has ended meanwhile
    return waited_ns / 1e9


def now_ms():
    """The real wall clock, ms since the epoch."""
    return time.time_ns() // 1_000_000


def clock_env(speed=20, start_ms=None):
    """Environment of a virtual clock that runs `speed` times as fast and shows start_ms (default: the real time) now.

    On a slow machine it runs slower than asked for. Programs that share one dictionary share one clock.
    """
    real = now_ms()
    return {CLOCK_ENV: "%d@%dx%d" % (real if start_ms is None else start_ms, real, max(1, speed // SLOW))}


def virtual_ms(env):
    """What the clock of clock_env shows now, in ms since the epoch."""
    match = re.fullmatch(r"(\d+)@(\d+)x([\d.]+)", env[CLOCK_ENV])
    virtual, real, speed = int(match[1]), int(match[2]), float(match[3])
    return int(virtual + (now_ms() - real) * speed)


def real_seconds_until(env, when_ms):
    """Real seconds until the virtual clock shows when_ms; 0 when it has."""
    speed = float(env[CLOCK_ENV].rsplit("x", 1)[1])
    return max(0.0, (when_ms - virtual_ms(env)) / speed / 1000)


def free_port():
    """A port of 127.0.0.1 for programs that must be told one. It is held by a socket that never listens: nobody else is given it, connecting to it
    is refused, and a program that shares addresses (SO_REUSEADDR) can listen there."""
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind(("127.0.0.1", 0))
    HELD.append(holder)
    return holder.getsockname()[1]


def wait_until(condition, deadline_s=DEADLINE_S, what="condition", poll_s=0.02):
    """Call condition() until it is true and return its value; AssertionError when the deadline passes first."""
    deadline_s = patience(deadline_s * WAITS)
    end = time.monotonic() + deadline_s
    pause = threading.Event()  # never set: its wait is the distance between two looks
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError("not within %.1f s: %s" % (deadline_s, what))
        pause.wait(poll_s)


REPORT = re.compile(r"Sanitizer\b|runtime error:")  # a program has found a fault in itself; an exit code of 1 would not tell
REPORT_LINES = 80


def report_of(lines):
    """What a sanitizer has said, from its first line on; empty when it found nothing."""
    first = next((k for k, line in enumerate(lines) if REPORT.search(line)), len(lines))
    return lines[first : first + REPORT_LINES]


class Result(unittest.TextTestResult):
    """Counts what failed in this process, for those who keep folders."""

    bad = 0

    def addError(self, test, err):
        Result.bad += 1
        super().addError(test, err)

    def addFailure(self, test, err):
        Result.bad += 1
        super().addFailure(test, err)

    def addSubTest(self, test, subtest, err):
        Result.bad += err is not None
        super().addSubTest(test, subtest, err)


unittest.TextTestRunner.resultclass = Result


class Folder:
    """A temporary folder of a test. Closed it is gone, or kept and named when something has failed since it was made."""

    def __init__(self, prefix):
        self.path = tempfile.mkdtemp(prefix=prefix)
        self._bad = Result.bad

    def close(self, failure=None):
        """failure: the class of the exception that ended the test, where the caller knows."""
        failed = failure and not issubclass(failure, (KeyboardInterrupt, unittest.SkipTest))
        if failed or Result.bad > self._bad or os.environ.get("GRIDWITNESS_KEEP"):
            print("kept: %s" % self.path, flush=True)
        else:
            shutil.rmtree(self.path, ignore_errors=True)


class Program:
    """A running program whose standard output and error are read line by line by two threads of their own.

    Used in a `with` statement it is stopped by SIGTERM at the end, by SIGKILL when that does not help. One whose end nobody
    has waited for must then end with exit code 0, and none may say at any end what only a sanitizer says.
    """

    def __init__(self, argv, env=None, cwd=None):
        self.argv = list(argv)
        self.lines = []  # of standard output, without their newline
        self.errors = []  # of standard error
        self._news = threading.Condition()
        self._open = 2
        self._seen = False  # somebody has waited for its end, and knows its code
        self.process = subprocess.Popen(
            self.argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(os.environ, **(env or {})),
            cwd=cwd,
        )
        self._readers = [
            threading.Thread(target=self._read, args=(pipe, lines), daemon=True)
            for pipe, lines in ((self.process.stdout, self.lines), (self.process.stderr, self.errors))
        ]
        for reader in self._readers:
            reader.start()

    def __enter__(self):
        return self

    def __exit__(self, failure, *_):
        end_all([self], failure)

    @property
    def pid(self):
        return self.process.pid

    def _read(self, pipe, lines):
        with pipe:
            for raw in pipe:
                with self._news:
                    lines.append(raw.decode("utf-8", "replace").rstrip("\n"))
                    self._news.notify_all()
        with self._news:
            self._open -= 1
            self._news.notify_all()

    def wait_line(self, pattern, deadline_s=DEADLINE_S, errors=False):
        """The match of the first line (past ones too) in which the regular expression is found."""
        lines = self.errors if errors else self.lines
        end = time.monotonic() + patience(deadline_s * WAITS)
        seen = 0
        with self._news:
            while True:
                while seen < len(lines):
                    match = re.search(pattern, lines[seen])
                    if match:
                        return match
                    seen += 1
                left = end - time.monotonic()
                if left <= 0 or self._open == 0:
                    raise AssertionError(
                        "%s never said %r\nstdout: %s\nstderr: %s"
                        % (self.argv[0], pattern, self.lines[-20:], self.errors[-20:])
                    )
                self._news.wait(left)

    def listening(self, deadline_s=DEADLINE_S):
        """(host, port) of the line `listening on ADDR:PORT`."""
        match = self.wait_line(r"listening on (\S+):(\d+)", deadline_s)
        return match[1].strip("[]"), int(match[2])

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self, deadline_s=DEADLINE_S):
        """The exit code, when it ends by itself; all output has then been read. AssertionError when a sanitizer has reported."""
        code = self.process.wait(patience(deadline_s * WAITS))
        self._seen = True
        for reader in self._readers:
            reader.join(patience(deadline_s * WAITS))
        if report_of(self.errors):
            raise AssertionError(self.last_words())
        return code

    def last_words(self):
        """How it ended: its code and what it said last, or what a sanitizer said."""
        said = report_of(self.errors) or self.errors[-40:]
        return "%s ended with %s\n%s" % (" ".join(self.argv), self.process.returncode, "\n".join(said))

    def stop(self, deadline_s=DEADLINE_S):
        """Ask by SIGTERM, insist by SIGKILL; the exit code, which must be 0 unless somebody has seen its end before."""
        seen = self._seen
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
        try:
            code = self.wait(deadline_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError("%s ignored SIGTERM\n%s" % (self.argv[0], "\n".join(self.errors[-40:]))) from None
        if code != 0 and not seen:
            raise AssertionError(self.last_words())
        return code

    def kill(self):
        """SIGKILL: what a power failure looks like."""
        if self.process.poll() is None:
            self.process.kill()
        return self.wait()


def end_all(programs, failure=None):
    """Stop each of these programs (or None), whatever becomes of the others. AssertionError when one did not end well; it is only
    printed when a failure is already under way."""
    wrong = []
    for program in programs:
        try:
            if program:
                program.stop()
        except (AssertionError, subprocess.TimeoutExpired) as error:
            wrong.append(str(error))
    if wrong and failure:
        print("\n".join(wrong), flush=True)
    elif wrong:
        raise AssertionError("\n".join(wrong))


def run(argv, env=None, deadline_s=DEADLINE_S, cwd=None):
    """Run a program to its end: (exit code, standard output, standard error) as text. AssertionError when a sanitizer has reported."""
    done = subprocess.run(
        argv,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=dict(os.environ, **(env or {})),
        timeout=patience(deadline_s * WAITS),
        cwd=cwd,
        check=False,
    )
    out, errors = done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")
    if report_of(errors.splitlines()):
        raise AssertionError("%s ended with %d\n%s" % (" ".join(argv), done.returncode, "\n".join(report_of(errors.splitlines()))))
    return done.returncode, out, errors

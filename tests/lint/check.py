#!/usr/bin/env python3
"""The rules of structure that no compiler sees: tests/lint/check.py [FOLDER] (make check calls it).

Which folder may include which; that the cores are pure; where third-party headers may appear; prefixes of global functions; lengths of
files and functions; words and paths that must not be in the tree; sleeps and kills by name in tests.

tests/lint/test_check.py plants one fault of each kind and demands that it is found.
"""

import os
import re
import subprocess
import sys

MAX_FILE_LINES = 500
MAX_FUNCTION_LINES = 60

# A folder may include files of these; a file belongs to the longest folder that fits.
MAY_INCLUDE = {
    "include": ["include"],
    "common": ["include", "common"],
    "ledger/core": ["include", "ledger/core"],
    "ledger": ["include", "ledger", "ledger/core"],
    "gateway/core": ["include", "gateway/core"],
    "gateway": ["include", "gateway", "gateway/core"],
    "relay-emulator/core": ["include", "relay-emulator/core"],
    "relay-emulator": ["include", "relay-emulator", "relay-emulator/core"],
}
CORES = [folder for folder in MAY_INCLUDE if folder.endswith("/core")]

# All that a core may see of the C library, directly or through a header of ours.
PURE_HEADERS = {"assert.h", "inttypes.h", "limits.h", "math.h", "stdalign.h", "stdarg.h", "stdbool.h", "stddef.h", "stdint.h",
                "stdlib.h", "string.h"}
# Headers of ours that stand for a clock, a thread, a socket, a file or the log.
IMPURE_OURS = {"sg_clock.h", "sg_cli.h", "sg_config.h", "sg_http.h", "sg_log.h", "sg_queue.h"}
IMPURE_CALLS = re.compile(r"\b(sg_buf_printf|rand|random|getenv|system|exit|abort)\s*\(")

# Third-party headers and the files that may include them.
THIRD_PARTY = [
    (re.compile(r"jansson"), re.compile(r"(common/config\w*|ledger/client\w*)\.[ch]")),
    (re.compile(r"curl/"), re.compile(r"common/http_client\w*\.[ch]")),
    (re.compile(r"microhttpd"), re.compile(r"common/http_server\w*\.[ch]")),
    (re.compile(r"openssl/"), re.compile(r"common/(hash|key\w*)\.[ch]")),
    (re.compile(r"sqlite3"), re.compile(r"(ledger/store\w*|gateway/outbox\w*)\.[ch]")),
    (re.compile(r"modbus"), re.compile(r"(gateway/modbus\w*|relay-emulator/server\w*)\.[ch]")),
    (re.compile(r"cmocka"), re.compile(r"(?!)")),
]

PREFIXES = {"common": "sg_", "ledger": "lg_", "gateway": "gw_", "relay-emulator": "re_"}

# Put together from parts, so that this file obeys its own rule.
FORBIDDEN = [re.compile(r"\b(TO" + r"DO|FIX" + r"ME|X" + r"XX|HA" + r"CK)\b"), re.compile(r"(?<![\w.])/wo" + r"rk/")]
SLEEPS = {
    ".c": re.compile(r"\b(sleep|usleep|nanosleep|clock_nanosleep|thrd_sleep)\s*\("),
    ".h": re.compile(r"\b(sleep|usleep|nanosleep|clock_nanosleep|thrd_sleep)\s*\("),
    ".py": re.compile(r"\btime\.sleep\s*\(|from time import .*\bsleep\b"),
    ".sh": re.compile(r"(^|[;&|]|\bdo\b|\bthen\b)\s*sleep\b"),
}
KILL_BY_NAME = re.compile(r"\b(pki" + r"ll|killa" + r"ll)\b")
# A sleep that is the thing under test (a slow peer) says so on its line.
SLEEP_ALLOWED = "sleep: "
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.M)


def tracked(root):
    """Paths of the files under version control, or of all files where there is none."""
    if os.path.exists(os.path.join(root, ".git")):
        out = subprocess.run(["git", "-C", root, "ls-files", "-z", "--cached", "--others", "--exclude-standard"], check=True,
                             stdout=subprocess.PIPE)
        names = out.stdout.decode().split("\0")
    else:
        names = [os.path.relpath(os.path.join(d, f), root) for d, _, files in os.walk(root) for f in files]
    return sorted(n for n in names if n and os.path.isfile(os.path.join(root, n)))


def folder_of(path):
    fits = [f for f in MAY_INCLUDE if path.startswith(f + "/")]
    return max(fits, key=len) if fits else None


def without_comments(text):
    """C text with comments and the inside of strings blanked, line numbers kept."""
    def blank(match):
        token = match.group(0)
        if token.startswith(('"', "'")):
            return token[0] + re.sub(r"[^\n]", " ", token[1:-1]) + token[-1]
        return re.sub(r"[^\n]", " ", token)
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, text, flags=re.S)


def functions(text):
    """(name, first line, last line, is static) of each function of C text in which bodies are braced in column 0."""
    lines = without_comments(text).split("\n")
    found, head = [], 0
    start = None
    for i, line in enumerate(lines):
        if start is None and line == "{":
            start = i
        elif start is not None and line.startswith("}"):
            signature = " ".join(lines[head:start])
            name = re.search(r"(\w+)\s*\(", re.sub(r"\b(SG_PRINTF|__attribute__)\s*\(.*?\)+", " ", signature))
            if name:
                found.append((name.group(1), head + 1, i + 1, bool(re.match(r"\s*static\b", signature))))
            start = None
        if start is None and (not line.strip() or line.startswith(("}", "#")) or line.rstrip().endswith(";")):
            head = i + 1
    return found


class Checker:
    """The files of one tree, and the faults found in them."""

    def __init__(self, root):
        self.root = root
        self.faults = []
        self.text = {}
        for path in tracked(root):
            with open(os.path.join(root, path), "rb") as f:
                raw = f.read()
            if b"\0" not in raw:
                self.text[path] = raw.decode("utf-8", "replace")

    def fault(self, path, line, what):
        self.faults.append("%s:%d: %s" % (path, line, what))

    def includes(self, path):
        """(line, path of ours or None, header as written) of each include."""
        for match in INCLUDE.finditer(self.text[path]):
            line = self.text[path].count("\n", 0, match.start()) + 1
            name = match.group(2)
            places = ["include/" + name, name]
            if match.group(1) == '"':
                places.insert(0, os.path.normpath(os.path.join(os.path.dirname(path), name)))
            yield line, next((p for p in places if p in self.text), None), name

    def check_directions(self, path):
        folder = folder_of(path)
        for line, target, name in self.includes(path):
            if target and folder_of(target) not in MAY_INCLUDE[folder]:
                self.fault(path, line, "%s/ must not include %s" % (folder, target))
            elif not target and name.endswith(".c"):
                self.fault(path, line, "a .c file is included")

    def check_third_party(self, path):
        for line, target, name in self.includes(path):
            for header, places in THIRD_PARTY:
                if not target and header.match(name) and not places.fullmatch(path):
                    self.fault(path, line, "<%s> does not belong here" % name)

    def check_purity(self, path, start=None, seen=None):
        """Follows headers of ours: what they drag in, the core has too."""
        seen = set() if seen is None else seen
        for line, target, name in self.includes(path):
            where = start or (path, line)
            if target and os.path.basename(target) in IMPURE_OURS:
                self.fault(*where, "a core sees %s" % target)
            elif target and target not in seen:
                seen.add(target)
                self.check_purity(target, where, seen)
            elif not target and name not in PURE_HEADERS:
                self.fault(*where, "a core sees <%s>" % name)
        if start is None:
            for number, text in enumerate(without_comments(self.text[path]).split("\n"), 1):
                call = IMPURE_CALLS.search(text)
                if call:
                    self.fault(path, number, "a core calls %s" % call.group(1))

    def check_functions(self, path):
        prefix = PREFIXES.get(path.split("/")[0]) if path.endswith(".c") else None
        for name, first, last, is_static in functions(self.text[path]):
            if last - first + 1 > MAX_FUNCTION_LINES:
                self.fault(path, first, "%s has %d lines, more than %d" % (name, last - first + 1, MAX_FUNCTION_LINES))
            if prefix and not is_static and name != "main" and not name.startswith(prefix):
                self.fault(path, first, "%s is global and does not begin with %s" % (name, prefix))

    def check_words(self, path):
        for number, line in enumerate(self.text[path].split("\n"), 1):
            for pattern in FORBIDDEN:
                if pattern.search(line):
                    self.fault(path, number, "forbidden: %s" % pattern.search(line).group(0))
            if KILL_BY_NAME.search(line):
                self.fault(path, number, "a process is ended by its name")

    def check_sleeps(self, path):
        kind = os.path.splitext(path)[1]
        text = without_comments(self.text[path]) if kind in (".c", ".h") else self.text[path]
        whole = self.text[path].split("\n")
        for number, line in enumerate(text.split("\n"), 1):
            if SLEEPS[kind].search(line) and SLEEP_ALLOWED not in whole[number - 1]:
                self.fault(path, number, "a test sleeps; wait for the event, or say why on the line: %s..." % SLEEP_ALLOWED)

    def check_file(self, path):
        kind = os.path.splitext(path)[1]
        if kind in (".c", ".h") and folder_of(path):
            self.check_directions(path)
            self.check_third_party(path)
            if folder_of(path) in CORES:
                self.check_purity(path)
        if kind in (".c", ".h"):
            self.check_functions(path)
        if kind in (".c", ".h", ".py", ".sh") and self.text[path].count("\n") > MAX_FILE_LINES:
            self.fault(path, MAX_FILE_LINES, "%d lines, more than %d" % (self.text[path].count("\n"), MAX_FILE_LINES))
        if path.startswith("tests/") and kind in SLEEPS:
            self.check_sleeps(path)
        if not path.startswith(("tests/vectors/", "tests/fuzz/corpus/")):
            self.check_words(path)

    def run(self):
        for path in self.text:
            self.check_file(path)
        return self.faults


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    checker = Checker(root)
    faults = checker.run()
    for fault in faults:
        print(fault)
    sources = sum(1 for path in checker.text if path.endswith((".c", ".h")) and folder_of(path))
    print("check: %d files, %d of them sources, %d faults" % (len(checker.text), sources, len(faults)))
    sys.exit(1 if faults or sources == 0 else 0)


if __name__ == "__main__":
    main()

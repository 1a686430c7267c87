#!/usr/bin/env python3
"""The table of bad inputs in docs/testing.md against the tests that it names: tests/lint/cases.py [FOLDER] (make check calls it).

Every case of the list below has one row, and each row names at least one test; all named tests exist. A name is one of
    `test_block: a_function`            a test of tests/unit or tests/sim, which that file's main() runs
    `test_badpeers: Class.test_name`    a test of tests/integration
    `invalid: name of the case`         a case of tests/vectors/invalid.json

tests/lint/test_cases.py plants a fault of each kind and demands that it is found.
"""

import ast
import json
import os
import re
import sys

TABLE = "docs/testing.md"
CASES = (
    ["M%d" % n for n in range(1, 44)]
    + "P1 P2 P4 P5 P6 P8 P9 P10 P11 P12 P13 P14 P15 P17 P18 P18b P18c P19 P20 P22 P23 P24 P25 P26 P26b P26c P27 P28 P29 P30 P31 P32 P33 "
    "P34 P35 P36 P37 P38 P39 P42 P43 P46".split()
    + ["R%d" % n for n in range(1, 31)]
    + "D1 D2 D3 D4 D5 D6 D7 D8 D9 D11 D12 T1 T2 T3 T4 T5 T6 K1 K2 K3 C1 C2 C3 C4 C5 C6".split()
)
CASE = re.compile(r"[A-Z][0-9]+[a-c]?")
SPAN = re.compile(r"`([^`]*)`")


def read(root, path):
    try:
        with open(os.path.join(root, path), encoding="utf-8") as f:
            return f.read()
    except FileNotFoundError:
        return None


def rows(text):
    """(line, cases, names) of each row: cells between bars, cases in the first, names of tests in the last."""
    for number, line in enumerate(text.split("\n"), 1):
        cells = [c.strip() for c in line.strip().strip("|").split("|")]
        cases = cells[0].split(", ")
        if line.startswith("|") and len(cells) > 1 and all(CASE.fullmatch(c) for c in cases):
            yield number, cases, SPAN.findall(cells[-1])


class Tests:
    """Which tests a tree has; files are read once."""

    def __init__(self, root):
        self.root = root
        self.known = {}

    def of_c(self, text):
        names = re.findall(r"^static void (\w+)\(void \*\*\w+\)$", text, re.M)
        run = text[text.rfind("\nint main("):]
        return {n for n in names if re.search(r"\b%s\b" % n, run)}

    def of_python(self, text):
        found = set()
        for item in ast.parse(text).body:
            if isinstance(item, ast.ClassDef):
                found |= {"%s.%s" % (item.name, f.name) for f in item.body if isinstance(f, ast.FunctionDef) and f.name.startswith("test")}
        return found

    def of_file(self, name):
        """The names of the tests of all files of this name; None where there is no such file."""
        found = None
        for path, names in (
            ("tests/unit/%s.c" % name, self.of_c),
            ("tests/sim/%s.c" % name, self.of_c),
            ("tests/integration/%s.py" % name, self.of_python),
            ("tests/vectors/%s.json" % name, lambda text: {case["name"] for case in json.loads(text)["cases"]}),
        ):
            text = read(self.root, path)
            if text is not None:
                found = (found or set()) | names(text)
        return found

    def fault(self, name):
        """What is wrong with the name of a test; None: it exists."""
        file, colon, test = name.partition(": ")
        if not colon:
            return "is not of the form `file: test`"
        if file not in self.known:
            self.known[file] = self.of_file(file)
        if self.known[file] is None:
            return "there is no such file of tests"
        return None if test in self.known[file] else "there is no such test"


def check(root, cases):
    """The faults of the table, as texts."""
    text, tests, faults, seen = read(root, TABLE) or "", Tests(root), [], []
    for line, row, names in rows(text):
        seen += row
        if not names:
            faults.append("%s:%d: %s: no test is named" % (TABLE, line, ", ".join(row)))
        for name in names:
            wrong = tests.fault(name)
            if wrong:
                faults.append("%s:%d: %s: `%s`: %s" % (TABLE, line, ", ".join(row), name, wrong))
    faults += ["%s: %s has no row" % (TABLE, c) for c in cases if c not in seen]
    faults += ["%s: %s is no case" % (TABLE, c) for c in seen if c not in cases]
    faults += ["%s: %s has two rows" % (TABLE, c) for c in sorted(set(seen)) if seen.count(c) > 1]
    return faults


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    faults = check(root, CASES)
    for fault in faults:
        print(fault)
    print("cases: %d, %d faults" % (len(CASES), len(faults)))
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()

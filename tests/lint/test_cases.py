#!/usr/bin/env python3
"""Self-test of cases.py: a sound table passes, and each planted fault is found for its reason."""

import os
import tempfile
import unittest

from cases import check

CASES = ["P1", "P2", "R1", "R2"]
C_FILE = "static void block_a_b(void **state)\n{\n}\n\nstatic void block_lost(void **state)\n{\n}\n\nint main(void)\n{\n    run(block_a_b);\n}\n"
PYTHON = "class One(unittest.TestCase):\n    def test_x(self):\n        pass\n\n    def helper(self):\n        pass\n"
TREE = {
    "tests/unit/test_block.c": C_FILE,
    "tests/integration/test_bad.py": PYTHON,
    "tests/vectors/invalid.json": '{"cases": [{"name": "of old"}]}',
}
GOOD = (
    "| case | what | tests |\n|---|---|---|\n| P1 | a | `test_block: block_a_b` |\n| P2 | `x` | `invalid: of old`, `test_bad: One.test_x` |\n"
    "\n| R1, R2 | b | `test_block: block_a_b` |\n"
)

# what is replaced by what, and what the report must say
FAULTS = {
    "test gone": ("One.test_x", "One.test_y", "`test_bad: One.test_y`: there is no such test"),
    "class gone": ("One.test_x", "Two.test_x", "there is no such test"),
    "no test at all": ("One.test_x", "One.helper", "there is no such test"),
    "function not run": ("| a | `test_block: block_a_b`", "| a | `test_block: block_lost`", "there is no such test"),
    "file gone": ("test_bad:", "test_good:", "there is no such file"),
    "vector gone": ("of old", "of late", "there is no such test"),
    "no name": ("`test_block: block_a_b` |\n|", "`block_a_b` |\n|", "is not of the form"),
    "nothing named": ("| a | `test_block: block_a_b` |", "| a | none |", "P1: no test is named"),
    "row gone": ("| P1 | a | `test_block: block_a_b` |\n", "", "P1 has no row"),
    "unknown case": ("| R1, R2 |", "| R1, R2, R3 |", "R3 is no case"),
    "twice": ("| R1, R2 |", "| R1, R2, P1 |", "P1 has two rows"),
}


class Cases(unittest.TestCase):
    def faults(self, table):
        with tempfile.TemporaryDirectory() as root:
            for path, text in dict(TREE, **{"docs/testing.md": table}).items():
                os.makedirs(os.path.join(root, os.path.dirname(path)), exist_ok=True)
                with open(os.path.join(root, path), "w", encoding="utf-8") as f:
                    f.write(text)
            return check(root, CASES)

    def test_sound_table_passes(self):
        self.assertEqual(self.faults(GOOD), [])

    def test_each_fault_is_found(self):
        for name, (old, new, says) in FAULTS.items():
            with self.subTest(fault=name):
                self.assertIn(old, GOOD)
                found = self.faults(GOOD.replace(old, new, 1))
                self.assertEqual(len(found), 1, found)
                self.assertIn(says, found[0])

    def test_empty_table_has_no_row_for_any(self):
        self.assertEqual(len(self.faults("")), len(CASES))


if __name__ == "__main__":
    unittest.main()

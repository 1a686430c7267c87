#!/usr/bin/env python3
"""Self-test of lint.py: good files are selected and pass, and a planted fault of each kind fails."""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest

from test_check import write_tree

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))

GOOD = {
    "common/a.c": "int sg_a(void)\n{\n    return 0;\n}\n",
    "include/a.h": "int sg_a(void);\n",
    "tests/a.sh": '#!/bin/sh\necho "$1"\n',
    "tools/b": "#!/usr/bin/env bash\ntrue\n",
    "tests/a.py": "print(1)\n",
    "tests/run": "#!/usr/bin/env python3\nprint(1)\n",
    "README.md": "x\n",
}
FAULTS = {
    "format of a source": ("common/a.c", "int  sg_a( void ) {\n return 0; }\n", "a.c:1"),
    "format of a header": ("include/a.h", "int sg_a( void );\n", "a.h:1"),
    "shell script": ("tests/a.sh", "#!/bin/sh\necho $1\n", "SC2086"),
    "shell script without ending": ("tools/b", "#!/bin/sh\n[[ -z $1 ]]\n", "tools/b"),
    "Python": ("tests/a.py", "print(\n", "tests/a.py:1"),
    "Python without ending": ("tests/run", "#!/usr/bin/env python3\ndef f(:\n", "tests/run:2"),
}


def lint(files):
    """(exit code, all output) of lint.py over a temporary tree under version control, with our .clang-format."""
    with tempfile.TemporaryDirectory() as root:
        write_tree(root, files)
        shutil.copy(os.path.join(ROOT, ".clang-format"), root)
        subprocess.run(["git", "init", "-q", root], check=True)
        subprocess.run(["git", "-C", root, "add", "-A"], check=True)
        done = subprocess.run([sys.executable, os.path.join(HERE, "lint.py"), root], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False)
        return done.returncode, done.stdout


class LintTest(unittest.TestCase):
    def test_good_files_are_selected_and_pass(self):
        code, output = lint(GOOD)
        self.assertEqual((code, output), (0, "lint: 2 C, 2 shell, 2 Python files, good\n"))

    def test_each_planted_fault_fails(self):
        for name, (path, text, says) in FAULTS.items():
            with self.subTest(fault=name):
                code, output = lint({**GOOD, path: text})
                self.assertEqual(code, 1, output)
                self.assertIn(says, output)

    def test_nothing_selected_fails(self):
        self.assertEqual(lint({"README.md": "x\n"})[0], 1)

    def test_own_tree_selects_its_sources(self):
        done = subprocess.run([sys.executable, "-c", "import lint, check; print(sum(1 for p in check.tracked(%r) "
                               "if lint.kind_of(%r, p) == 'c'))" % (ROOT, ROOT)], cwd=HERE, stdout=subprocess.PIPE, check=True)
        self.assertGreater(int(done.stdout), 20)


if __name__ == "__main__":
    unittest.main()

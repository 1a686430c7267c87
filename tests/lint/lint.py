#!/usr/bin/env python3
"""Format of C files (clang-format), shell scripts (shellcheck), Python (compiles): tests/lint/lint.py [FOLDER] (make lint calls it).

All tracked files are selected by their names or first lines, and how many is printed: a lint that selects nothing fails.
tests/lint/test_lint.py plants a fault of each kind and demands that it is found.
"""

import os
import subprocess
import sys

from check import tracked


def first_line(path):
    with open(path, "rb") as f:
        return f.readline(200).decode("utf-8", "replace")


def kind_of(root, path):
    """c, sh, py or None"""
    ending = os.path.splitext(path)[1]
    if ending in (".c", ".h"):
        return "c"
    if ending in (".sh", ".py"):
        return ending[1:]
    if ending == "":
        line = first_line(os.path.join(root, path))
        if line.startswith("#!"):
            return "py" if "python" in line else "sh" if line.rstrip().endswith("sh") else None
    return None


def lint_c(root, files):
    return subprocess.run(["clang-format", "--dry-run", "-Werror", "--style=file"] + files, cwd=root, check=False).returncode == 0


def lint_sh(root, files):
    return subprocess.run(["shellcheck", "-x"] + files, cwd=root, check=False).returncode == 0


def lint_py(root, files):
    good = True
    for path in files:
        with open(os.path.join(root, path), "rb") as f:
            source = f.read()
        try:
            compile(source, path, "exec", dont_inherit=True)
        except SyntaxError as e:
            print("%s:%s: %s" % (path, e.lineno, e.msg), file=sys.stderr)
            good = False
    return good


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    files = {"c": [], "sh": [], "py": []}
    for path in tracked(root):
        kind = kind_of(root, path)
        if kind:
            files[kind].append(path)
    good = True
    for kind, lint in (("c", lint_c), ("sh", lint_sh), ("py", lint_py)):
        if files[kind] and not lint(root, files[kind]):
            good = False
    print("lint: %d C, %d shell, %d Python files, %s"
          % (len(files["c"]), len(files["sh"]), len(files["py"]), "good" if good else "faults above"))
    sys.exit(0 if good and files["c"] else 1)


if __name__ == "__main__":
    main()

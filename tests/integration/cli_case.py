"""What the tests of the command lines share: running a program to its end, and a network whose genesis and keys they use.

A module sets Cli.net before its tests run.
"""

import json
import unittest

from harness import bin_path, run

GOOD, FAILED, USAGE = 0, 1, 2


class Cli(unittest.TestCase):
    net = None

    def expect(self, code, argv, *words, **more):
        """Run; the exit code must be this one and all words stand in what it says. Returns standard output."""
        got, out, errors = run(argv, **more)
        self.assertEqual(got, code, "%s\n%s%s" % (argv, out, errors))
        for word in words:
            self.assertIn(word, out if code == GOOD else errors, argv)
        if code != GOOD:
            self.assertNotEqual(errors.strip(), "", argv)
        return out

    def ledger(self, code, *args, **more):
        words = more.pop("words", ())
        return self.expect(code, [bin_path("ledger"), *args], *words, **more)

    def path(self, name):
        return self.net.path("%s-%s" % (self.id().rsplit(".", 1)[1], name))

    def write(self, name, text):
        path = self.path(name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text if isinstance(text, str) else json.dumps(text, indent=1))
        return path


def plan_of_net():
    with open(Cli.net.path("plan.json"), encoding="utf-8") as f:
        return json.load(f)


def node_config(data, **changes):
    config = {"genesis": Cli.net.genesis, "data": data, "port": 0}
    config.update(changes)
    return config

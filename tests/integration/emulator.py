"""The relay emulator under test: the real program on a virtual clock that all tests of a file share."""

import unittest

from harness import Program, bin_path, clock_env
from modbus_raw import Client

EMULATOR = bin_path("relay-emulator")
SPEED = 20
SEED = 7
ENV = clock_env(SPEED)


def start(*options, env=None):
    return Program([EMULATOR, "--port", "0", *options], env=ENV if env is None else env)


class WithEmulator(unittest.TestCase):
    """One emulator for the class; every test leaves it serving."""

    OPTIONS = ("--seed", str(SEED))

    @classmethod
    def setUpClass(cls):
        cls.program = start(*cls.OPTIONS)
        cls.address = cls.program.listening()

    @classmethod
    def tearDownClass(cls):
        code = cls.program.stop()
        assert code == 0, "exit code %d\n%s" % (code, "\n".join(cls.program.errors))

    def client(self, source=None):
        client = Client(self.address, source)
        self.addCleanup(client.sock.close)
        return client

    def tearDown(self):
        with Client(self.address) as client:
            client.live()

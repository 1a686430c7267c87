"""The relay emulator as a program: other people's clients, options, exit codes, configuration, documents."""

import json
import os
import re
import shutil
import signal
import socket
import tempfile
import unittest

from emulator import EMULATOR, WithEmulator, start
from harness import CLOCK_ENV, ROOT, Program, helper_path, run
from modbus_raw import LIVE, LIVE_REGS, Client


class RealClients(WithEmulator):
    """Other people's Modbus clients read the same registers."""

    def stable(self, read):
        """What `read` gives and the live block, both of one latch."""
        client = self.client()
        for _ in range(10):
            before, got, after = client.live(), read(), client.live()
            if before == after:
                return got, before
        self.fail("the latch always changed")

    @unittest.skipUnless(shutil.which("mbpoll"), "mbpoll is not installed")
    def test_mbpoll_reads_the_live_block(self):
        def read():
            code, out, err = run(
                ["mbpoll", "-m", "tcp", "-p", str(self.address[1]), "-0", "-r", "200", "-c", "34", "-1", "-t", "4",
                 self.address[0]]
            )  # fmt: skip
            self.assertEqual(code, 0, out + err)
            return [int(n) for n in re.findall(r"^\[\d+\]:\s+(\d+)", out, re.MULTILINE)]

        got, live = self.stable(read)
        self.assertEqual(got, live)

    def test_libmodbus_reads_both_functions_and_sees_exceptions(self):
        def read(*unit_function_address_count):
            where = [self.address[0], str(self.address[1])]
            return run([helper_path("modbus_read"), *where, *map(str, unit_function_address_count)])

        for function in (3, 4):
            got, live = self.stable(lambda: read(1, function, LIVE, LIVE_REGS))
            self.assertEqual(got, (0, "".join("%d\n" % r for r in live), ""))
        self.assertEqual(read(1, 3, 73, 1)[::2], (1, "Illegal data address\n"))
        self.assertEqual(read(9, 3, 0, 1)[::2], (1, "Target device failed to respond\n"))

    def test_pymodbus_reads_the_live_block(self):
        try:
            from pymodbus.client import ModbusTcpClient
        except ImportError:
            self.skipTest("pymodbus is not installed")
        client = ModbusTcpClient(self.address[0], port=self.address[1])
        self.addCleanup(client.close)
        got, live = self.stable(lambda: client.read_holding_registers(LIVE, LIVE_REGS, 1).registers)
        self.assertEqual(got, live)


class CommandLine(unittest.TestCase):
    """Options, exit codes and messages."""

    def test_wrong_usage_exits_2_and_names_the_option(self):
        for options, names in (
            (["--port", "65536"], "--port"),
            (["--port", "x"], "--port"),
            (["--relays", "0"], "--relays"),
            (["--relays", "248"], "--relays"),
            (["--seed", "-1"], "--seed"),
            (["--utc-offset", "5"], "--utc-offset"),
            (["--utc-offset", "+15:00"], "--utc-offset"),
            (["--utc-offset", "-05:60"], "--utc-offset"),
            (["--mode", "physical"], "physical"),
            (["--mode", "x"], "--mode"),
            (["--bind", "localhost:1"], "localhost:1"),
            (["--nonsense"], "--nonsense"),
            (["--port"], "--port"),
            (["operand"], "operand"),
            (["--config", "/nonexistent/file"], "/nonexistent/file"),
        ):
            with self.subTest(options=options):
                code, out, err = run([EMULATOR, *options])
                self.assertEqual((code, out), (2, ""))
                self.assertIn(names, err)

    def test_wrong_virtual_clock_exits_2(self):
        code, _, err = run([EMULATOR, "--port", "0"], {"GRIDWITNESS_CLOCK": "soon"})
        self.assertEqual(code, 2)
        self.assertIn("GRIDWITNESS_CLOCK", err)

    def test_busy_port_exits_1_and_names_it_before_anything_is_touched(self):
        with socket.socket() as taken, tempfile.TemporaryDirectory() as folder:
            taken.bind(("127.0.0.1", 0))
            taken.listen(1)
            port = taken.getsockname()[1]
            code, _, err = run([EMULATOR, "--port", str(port), "--text-dir", folder])
            self.assertEqual(code, 1)
            self.assertIn("127.0.0.1:%d: the port is taken by another program" % port, err)
            self.assertEqual(os.listdir(folder), [])

    def test_signals_stop_it_cleanly(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(number), start() as program:
                with Client(program.listening()) as client:
                    client.live()
                    program.signal(number)
                    self.assertEqual(program.wait(), 0)

    def test_help_and_version(self):
        code, out, _ = run([EMULATOR, "--help"])
        self.assertEqual(code, 0)
        for option in ("--config", "--bind", "--port", "--mode", "--seed", "--relays", "--text-dir", "--utc-offset"):
            self.assertIn(option, out)
        code, out, _ = run([EMULATOR, "--version"])
        self.assertEqual(code, 0)
        self.assertRegex(out, r"^relay-emulator \d+\.\d+\.\d+\n$")

    def test_register_map_document_is_what_the_program_prints(self):
        code, out, _ = run([EMULATOR, "--print-map"])
        self.assertEqual(code, 0)
        with open(os.path.join(ROOT, "docs/register-map.md"), encoding="utf-8") as f:
            self.assertEqual(f.read(), out)

    def test_virtual_clock_is_logged(self):
        with start(env={CLOCK_ENV: "1764000000000@1764000000000x20"}) as program:  # the speed is what is tested, whatever the flavour
            program.listening()
            program.wait_line(r"warn clock: virtual, 20\.000 times", errors=True)

    def test_configuration_file_is_read_and_the_command_line_wins(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "relay.json")
            with open(path, "w", encoding="utf-8") as f:
                f.write('{"bind":"127.0.0.2","port":0,"seed":5,"relays":2,')
                f.write('"text_dir":"text","utc_offset":"+01:00","mode":"paper"}')
            with Program([EMULATOR, "--config", path, "--seed", "6"]) as program:
                address = program.listening()
                self.assertEqual(address[0], "127.0.0.2")
                with Client(address) as client:
                    self.assertEqual(client.read(8, 4), [0, 0, 0, 6])
                    client.live(2)
                self.assertTrue(os.path.isdir(os.path.join(folder, "text")))

    def test_every_key_of_the_schema_is_accepted(self):
        with open(os.path.join(ROOT, "docs/schema/relay-emulator.json"), encoding="utf-8") as f:
            schema = json.load(f)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "relay.json")
            with open(path, "w", encoding="utf-8") as f:
                json.dump({key: rule["examples"][0] for key, rule in schema["properties"].items()}, f)
            with Program([EMULATOR, "--config", path]) as program:
                with Client(program.listening()) as client:
                    self.assertEqual(client.read(8, 4), [0xFFFF] * 4)
                    client.live(3)

    def test_wrong_configuration_exits_2_and_names_the_place(self):
        for text, names in (
            ('{"prot":1}', "prot"),
            ('{"port":65536}', "port"),
            ('{"port":1,"port":2}', "port"),
            ('{"mode":"physical"}', "mode"),
            ('{"utc_offset":"x"}', "utc_offset"),
            ('{"relays":0}', "relays"),
            ("{", "relay.json:1"),
        ):
            with self.subTest(text), tempfile.TemporaryDirectory() as folder:
                path = os.path.join(folder, "relay.json")
                with open(path, "w", encoding="utf-8") as f:
                    f.write(text)
                code, out, err = run([EMULATOR, "--config", path])
                self.assertEqual((code, out), (2, ""))
                self.assertIn(path, err)
                self.assertIn(names, err)


if __name__ == "__main__":
    unittest.main()

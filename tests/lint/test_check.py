#!/usr/bin/env python3
"""Self-test of check.py: a clean tree passes, and each planted fault is found, at its file and for its reason."""

import os
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))

CLEAN = {
    "include/sg_types.h": "#include <stdint.h>\n",
    "include/sg_log.h": '#include "sg_types.h"\n#include <stdio.h>\n',
    "include/lg_record.h": '#include "sg_types.h"\n',
    "common/hash.c": '#include "sg_types.h"\n#include <openssl/sha.h>\n\nint sg_hash(void)\n{\n    return 0;\n}\n',
    "common/config_get.c": "#include <jansson.h>\n",
    "common/http_client.c": "#include <curl/curl.h>\n",
    "common/http_server.c": "#include <microhttpd.h>\n",
    "ledger/core/chain.h": '#include "sg_types.h"\n',
    "ledger/core/chain.c": '#include "chain.h"\n#include <string.h>\n/* no printf( here, and rand() is only a word */\n',
    "ledger/store.h": '#include "ledger/core/chain.h"\n',
    "ledger/store_sql.c": '#include "ledger/store.h"\n#include <sqlite3.h>\n#include <time.h>\n',
    "gateway/core/plan.c": '#include "lg_record.h"\n#include "sg_types.h"\n',
    "gateway/modbus.c": "#include <modbus/modbus.h>\n",
    "relay-emulator/main.c": '#include "sg_log.h"\n\nint main(void)\n{\n    return 0;\n}\n',
    "tests/unit/test_a.c": "/* never sleep( here */\n#include <cmocka.h>\n",
    "tests/integration/test_a.py": "import time\ntime.sleep(1)  # sleep: the slow peer is what is tested\n",
}

LONG_BODY = "    x++;\n" * 60

# what is planted: file, its text, what the report must say of that file
FAULTS = {
    "common includes ledger": ("common/a.c", '#include "ledger/store.h"\n', "must not include ledger/store.h"),
    "common includes gateway": ("common/a.c", '#include "../gateway/core/x.h"\n', "must not include gateway/core/x.h"),
    "include includes common": ("include/sg_a.h", '#include "common/x.h"\n', "must not include common/x.h"),
    "gateway includes ledger": ("gateway/a.c", '#include "ledger/store.h"\n', "must not include ledger/store.h"),
    "gateway includes ledger/core": ("gateway/a.c", '#  include "ledger/core/chain.h"\n', "must not include ledger/core/"),
    "gateway includes common": ("gateway/a.c", '#include "common/x.h"\n', "must not include common/x.h"),
    "gateway includes emulator": ("gateway/a.c", '#include "relay-emulator/x.h"\n', "must not include relay-emulator/x.h"),
    "emulator includes gateway": ("relay-emulator/a.c", '#include "gateway/x.h"\n', "must not include gateway/x.h"),
    "ledger includes gateway": ("ledger/a.c", '#include "../gateway/x.h"\n', "must not include gateway/x.h"),
    "core includes its shell": ("ledger/core/a.c", '#include "ledger/store.h"\n', "must not include ledger/store.h"),
    "core includes its shell from beside": ("ledger/core/a.c", '#include "../store.h"\n', "must not include ledger/store.h"),
    "a .c is included": ("ledger/a.c", '#include "absent.c"\n', "a .c file is included"),
    "core with stdio": ("ledger/core/a.c", "#include <stdio.h>\n", "a core sees <stdio.h>"),
    "core with time": ("gateway/core/a.c", "#include <time.h>\n", "a core sees <time.h>"),
    "core with pthread": ("relay-emulator/core/a.h", "#include <pthread.h>\n", "a core sees <pthread.h>"),
    "core with stdio through a header": ("ledger/core/a.c", '#include "wrap.h"\n', "a core sees <stdio.h>"),
    "core with the log": ("gateway/core/a.c", '#include "sg_log.h"\n', "a core sees include/sg_log.h"),
    "core prints": ("ledger/core/a.c", "void lg_a(void)\n{\n    sg_buf_printf(b, x);\n}\n", "a core calls sg_buf_printf"),
    "core draws random numbers": ("ledger/core/a.c", "int lg_a(void)\n{\n    return rand();\n}\n", "a core calls rand"),
    "jansson in ledger": ("ledger/a.c", "#include <jansson.h>\n", "<jansson.h> does not belong here"),
    "curl in gateway": ("gateway/a.c", "#include <curl/curl.h>\n", "<curl/curl.h> does not belong here"),
    "microhttpd in ledger": ("ledger/rest.c", '#include "microhttpd.h"\n', "<microhttpd.h> does not belong here"),
    "openssl in ledger": ("ledger/a.c", "#include <openssl/evp.h>\n", "<openssl/evp.h> does not belong here"),
    "sqlite in rest": ("ledger/rest.c", "#include <sqlite3.h>\n", "<sqlite3.h> does not belong here"),
    "modbus in poller": ("gateway/poller.c", "#include <modbus/modbus.h>\n", "<modbus/modbus.h> does not belong here"),
    "cmocka in the product": ("ledger/a.c", "#include <cmocka.h>\n", "<cmocka.h> does not belong here"),
    "long file": ("common/a.c", "\n" * 501, "501 lines"),
    "long script": ("tests/a.py", "\n" * 501, "501 lines"),
    "long function": ("common/a.c", "int sg_a(void)\n{\n" + LONG_BODY + "}\n", "sg_a has 63 lines"),
    "long static function": ("tests/unit/test_b.c", "static int a(int x,\n    int y)\n{\n" + LONG_BODY + "}\n", "a has 64 lines"),
    "foreign prefix": ("common/a.c", "int lg_a(void)\n{\n    return 0;\n}\n", "lg_a is global"),
    "no prefix": ("gateway/core/a.c", "struct x *\nmake(int a)\n{\n    return 0;\n}\n", "make is global"),
    "word": ("gateway/a.c", "/* TO" + "DO: later */\n", "forbidden: TO" + "DO"),
    "word in a document": ("docs/a.md", "a HA" + "CK\n", "forbidden: HA" + "CK"),
    "path": ("tests/a.sh", "cd /wo" + "rk/x\n", "forbidden: /wo" + "rk/"),
    "kill by name": ("tests/a.sh", "pki" + "ll gateway\n", "ended by its name"),
    "sleep in C": ("tests/unit/test_b.c", "void a(void)\n{\n    usleep(5);\n}\n", "a test sleeps"),
    "sleep in Python": ("tests/integration/test_b.py", "import time\ntime.sleep(0.1)\n", "a test sleeps"),
    "sleep imported in Python": ("tests/integration/test_b.py", "from ti" + "me import sleep\n", "a test sleeps"),
    "sleep in shell": ("tests/b.sh", "while x; do sleep 1; done\n", "a test sleeps"),
}
# Targets of the planted includes; faultless themselves where they lie.
TARGETS = {"gateway/core/x.h": "", "gateway/x.h": "", "common/x.h": "", "relay-emulator/x.h": "",
           "ledger/core/wrap.h": '#include "sg_wrap.h"\n', "include/sg_wrap.h": "#include <stdio.h>\n"}


def write_tree(root, files):
    for path, text in files.items():
        full = os.path.join(root, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as f:
            f.write(text)


def check(files, git=False):
    """(exit code, report) of check.py over a temporary tree."""
    with tempfile.TemporaryDirectory() as root:
        write_tree(root, files)
        if git:
            subprocess.run(["git", "init", "-q", root], check=True)
            write_tree(root, {".gitignore": "/build/\n"})
        done = subprocess.run([sys.executable, os.path.join(HERE, "check.py"), root], stdout=subprocess.PIPE, text=True, check=False)
        return done.returncode, done.stdout


class CheckTest(unittest.TestCase):
    def test_clean_tree_passes(self):
        code, report = check(CLEAN)
        self.assertEqual((code, report), (0, "check: %d files, 14 of them sources, 0 faults\n" % len(CLEAN)))

    def test_each_planted_fault_is_found(self):
        for name, (path, text, says) in FAULTS.items():
            with self.subTest(fault=name):
                targets = {k: v for k, v in TARGETS.items() if "wrap" not in k or "wrap" in text}
                code, report = check({**CLEAN, **targets, path: text})
                self.assertEqual(code, 1, report)
                lines = [line for line in report.splitlines() if line.startswith(path + ":")]
                self.assertTrue(any(says in line for line in lines), report)

    def test_function_of_the_greatest_length_passes(self):
        body = "    x++;\n" * 57
        code, report = check({**CLEAN, "common/a.c": "/* why\n * so */\nint sg_a(void)\n{\n" + body + "}\n" + "\n" * 435})
        self.assertEqual(code, 0, report)

    def test_files_under_git_are_found_and_ignored_ones_are_not(self):
        planted = {"common/a.c": '#include "ledger/store.h"\n', "build/common/b.c": '#include "ledger/store.h"\n'}
        code, report = check({**CLEAN, **planted}, git=True)
        self.assertEqual(code, 1)
        self.assertIn("common/a.c:1:", report)
        self.assertNotIn("build/", report)

    def test_empty_tree_fails(self):
        self.assertEqual(check({"README.md": "x\n"})[0], 1)


if __name__ == "__main__":
    unittest.main()

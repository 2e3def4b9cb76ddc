"""The daemon does what its own description says: Schemathesis tries all of it, as contract.toml tells it to."""

import contextlib
import os
import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import TestCase

from nled.apidoc import EXAMPLES, SERIAL
from tests.live.contract import household_daemon

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
# Seconds; it takes a third of that on a machine that does nothing else.
PATIENCE = 240


class ContractTests(TestCase):
    def setUp(self):
        self.daemon, self.household = household_daemon()
        self.addCleanup(self.daemon.stop)

    def test_what_is_described_is_done(self):
        command = [
            SCHEMATHESIS,
            f"--config-file={HERE / 'contract.toml'}",
            "run",
            f"http://127.0.0.1:{self.daemon.control}/openapi.json",
            f"--header=Authorization: Bearer {self.household.key}",
            "--no-color",
        ]
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "CONTRACT_KEY": self.household.key,
            "CONTRACT_DEVICE": str(self.daemon.device),
            "CONTRACT_CONTROL": str(self.daemon.control),
        }
        log = self.daemon.folder / "contract.log"
        with log.open("w") as file, contextlib.suppress(subprocess.TimeoutExpired):
            subprocess.run(
                command, cwd=ROOT, env=environment, stdout=file, stderr=file, timeout=PATIENCE, check=False
            )
        if "No issues found" not in (said := log.read_text()):
            self.fail(f"within {PATIENCE} s, Schemathesis said:\n{said}")
        self.assertEqual(self.daemon.faults, [])

    def test_examples_of_the_page(self):
        paths = self.household.ask("GET", "/openapi.json").json["paths"]
        operations = {
            operation["operationId"]: (method.upper(), path)
            for path, methods in paths.items()
            for method, operation in methods.items()
        }
        for name, (query, body) in EXAMPLES.items():
            method, path = operations[name]
            if path == "/api/events":
                # It does not end.
                continue
            with self.subTest(name):
                target = path.replace("{device_id}", SERIAL) + query.replace("wait=10", "wait=0")
                answer = self.household.ask(method, target, body)
                self.assertEqual(answer.status, 200, answer)


if os.environ.get("NLED_TEST_STORE"):
    ContractTests.skip = (
        "What the API says does not depend on the store's version, and to try it takes a minute."
    )

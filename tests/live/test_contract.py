"""The daemon does what its own description says, tried by Schemathesis (docs: tests/live/contract.toml)."""

import os
import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import TestCase

from tests.live.contract import household_daemon

HERE = Path(__file__).parent
SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
# Seconds; it takes a third of that on a machine that does nothing else.
PATIENCE = 180


class ContractTests(TestCase):
    timeout = PATIENCE + 30

    def test_description_holds(self):
        daemon, household = household_daemon()
        self.addCleanup(daemon.stop)
        done = subprocess.run(
            [
                SCHEMATHESIS,
                f"--config-file={HERE / 'contract.toml'}",
                "run",
                f"http://127.0.0.1:{daemon.control}/openapi.json",
                f"--header=Authorization: Bearer {household.key}",
                "--no-color",
                *os.environ.get("CONTRACT_OPTIONS", "").split(),
            ],
            cwd=HERE.parents[1],
            env={
                **os.environ,
                "PYTHONPATH": str(HERE.parents[1]),
                "CONTRACT_KEY": household.key,
                "CONTRACT_DEVICE": str(daemon.device),
                "CONTRACT_CONTROL": str(daemon.control),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertEqual(daemon.faults, [])

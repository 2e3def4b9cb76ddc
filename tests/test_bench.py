"""The bench runs; its figures are nobody's test."""

import os
import sys
from pathlib import Path

from twisted.internet.utils import getProcessOutputAndValue
from twisted.trial.unittest import TestCase

ROOT = Path(__file__).parents[1]


class BenchTests(TestCase):
    async def test_one_endpoint(self):
        out, err, status = await getProcessOutputAndValue(
            sys.executable, ["-m", "bench", "--quick", "--only", "entry"], env=os.environ, path=str(ROOT)
        )
        self.assertEqual(status, 0, err)
        self.assertIn("| entry ", out.decode())

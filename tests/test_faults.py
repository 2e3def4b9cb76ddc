"""The faults that nled promises to survive, in their short form; the table says what became of each."""

import os
import sys
from pathlib import Path

from twisted.internet.utils import getProcessOutputAndValue
from twisted.trial.unittest import TestCase

from faults.ledger import Ledger
from faults.run import flat

ROOT = Path(__file__).parents[1]


class FaultTests(TestCase):
    # It takes a minute, and ends by itself: whatever it waits for has a bound.
    timeout = 900

    async def test_short_form(self):
        out, err, status = await getProcessOutputAndValue(
            sys.executable, ["-m", "faults", "--short"], env=os.environ, path=str(ROOT)
        )
        self.assertEqual(status, 0, f"{err.decode()}\n{out.decode()}")
        self.assertIn(b"| store-killed ", out)


class LedgerTests(TestCase):
    def test_lost(self):
        """What was acknowledged must be there; what was not may be, if it was sent after that."""
        ledger = Ledger()

        def lost(value: int) -> bool:
            return bool([*ledger.differences("S", {"shared.S": {"x": value}})])

        ledger.write("S", "shared.S", {"x": 1})
        ledger.write("S", "shared.S", {"x": 2}).acknowledged()
        self.assertEqual([lost(value) for value in (1, 2, 3)], [True, False, True])
        ledger.write("S", "shared.S", {"x": 3})
        ledger.write("S", "shared.S", {"x": 4}).refused()
        self.assertEqual([lost(value) for value in (1, 2, 3, 4)], [True, False, False, True])
        ledger.settle("S", {"shared.S": {"x": 3}})
        self.assertEqual([lost(value) for value in (2, 3)], [True, False])
        ledger.forget("S")
        self.assertFalse(lost(9))


class MemoryTests(TestCase):
    def test_slope(self):
        growth, slope = flat([(0, 0), (1800, 1 << 20), (3600, 2 << 20)])
        self.assertEqual((growth, round(slope, 6)), (2, 2))

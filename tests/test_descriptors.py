"""The last file descriptors: the ports rest while there are no more than these."""

import os
import resource

from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from nled.descriptors import Descriptors
from nled.troubles import Troubles


class Port:
    reads = True

    def stopReading(self):
        self.reads = False

    def startReading(self):
        self.reads = True


class DescriptorsTests(TestCase):
    def setUp(self):
        self.clock, self.port = Clock(), Port()
        self.troubles = Troubles(lambda: 0)
        self.descriptors = Descriptors(self.clock, self.troubles)
        self.descriptors.start(self.port)
        self.addCleanup(self.descriptors.stop)
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.addCleanup(self.limit_to, limits[0])

    def limit_to(self, count):
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))

    def seen(self):
        return self.port.reads, [each.what for each in self.troubles]

    def test_enough(self):
        self.assertTrue(self.descriptors.enough())
        self.clock.advance(1)
        self.assertEqual(self.seen(), (True, []))

    def test_few_are_left(self):
        # So many that a quarter of them is more than what is kept.
        held = [os.dup(0) for _ in range(150)]
        for each in held:
            self.addCleanup(os.close, each)
        lowest = held[-1] + 1
        self.limit_to(lowest + 33)
        self.assertTrue(self.descriptors.enough())
        self.limit_to(lowest + 32)
        self.assertFalse(self.descriptors.enough())
        self.assertEqual(self.seen(), (False, ["descriptors"]))
        # Not with the next one that is free.
        used = len(os.listdir("/proc/self/fd")) - 1  # noqa: PTH208
        self.limit_to(used + 64)
        self.clock.advance(1)
        self.assertFalse(self.descriptors.enough())
        self.limit_to(used + 65)
        self.clock.advance(1)
        self.assertEqual(self.seen(), (True, ["descriptors"]))
        self.clock.pump([1] * 9)
        self.assertEqual(self.seen(), (True, []))

    def test_one_that_ends_makes_no_room(self):
        """Its number may be low, and many are above it: those who wait would come in and be closed."""
        held = [os.dup(0) for _ in range(150)]
        for each in held[1:]:
            self.addCleanup(os.close, each)
        self.limit_to(held[-1] + 10)
        self.assertFalse(self.descriptors.enough())
        os.close(held[0])
        self.assertFalse(self.descriptors.enough())
        self.clock.advance(1)
        self.assertEqual(self.seen(), (False, ["descriptors"]))

    def test_over_and_over(self):
        """Those who waited are too many again: it is not told each time."""
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        for _ in range(5):
            self.limit_to(0)
            self.clock.advance(1)
            [trouble] = self.troubles
            self.limit_to(limit)
            self.clock.pump([1] * 9)
            self.assertEqual(self.seen(), (True, ["descriptors"]))
            self.assertEqual([*self.troubles], [trouble])

    def test_none_is_left(self):
        """Not even for looking."""
        self.limit_to(0)
        self.clock.advance(1)
        self.assertEqual(self.seen(), (False, ["descriptors"]))

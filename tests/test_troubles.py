"""What is wrong just now: told once, listed until it is over."""

from twisted.logger import globalLogPublisher
from twisted.trial.unittest import TestCase

from nled.troubles import Trouble, Troubles

FULL = ("store", "The disk is full.", "Free some space.")


class TroublesTests(TestCase):
    def setUp(self):
        self.time = 1_000
        self.troubles = Troubles(lambda: self.time)
        self.events = []
        globalLogPublisher.addObserver(self.events.append)
        self.addCleanup(globalLogPublisher.removeObserver, self.events.append)

    def lines(self):
        told = [each for each in self.events if each["log_namespace"] == "nled.troubles.Troubles"]
        return [(each["log_level"].name, each["log_format"].format_map(each)) for each in told]

    def test_listed_until_it_is_over(self):
        self.troubles.report(*FULL)
        self.assertEqual(list(self.troubles), [Trouble("store", 1_000, *FULL[1:])])
        self.troubles.clear("store")
        self.assertEqual(list(self.troubles), [])

    def test_one_line_for_each_change(self):
        self.troubles.report(*FULL)
        self.time += 60_000
        self.troubles.report(*FULL)
        self.troubles.report("store", "The memory is full.", "Raise redis.maxmemory_mb.")
        self.troubles.clear("store")
        self.troubles.clear("store")
        self.assertEqual(
            self.lines(),
            [
                ("warn", "store: The disk is full. Free some space."),
                ("warn", "store: The memory is full. Raise redis.maxmemory_mb."),
                ("info", "store: it is over, after 60 s."),
            ],
        )

    def test_it_began_when_the_first_was_seen(self):
        self.troubles.report(*FULL)
        self.time += 60_000
        self.troubles.report("store", "The memory is full.", "Raise redis.maxmemory_mb.")
        [trouble] = self.troubles
        self.assertEqual(trouble.since, 1_000)

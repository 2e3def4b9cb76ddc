"""One server for two processes of nled: what dies or is cut off between them is made up for."""

import time

from tests.live.outage import SERIALS, OutageCase
from tests.store.support import Server


class SharedStoreTests(OutageCase):
    def setUp(self):
        super().setUp()
        # With the default, once a second, a killed server may lose what it has acknowledged since.
        self.server = Server("appendfsync always", appendonly=True)
        self.stack.callback(self.server.stop)
        settings = {"redis": {"url": self.server.url, "deadline": 0.2}}
        self.one, self.two = self.start(**settings), self.start(**settings)

    def test_wakes_polls_of_the_other(self):
        polls = self.hold(self.one, self.homes(self.one))
        self.all_are_woken(self.two, polls)

    def test_stopped_and_started_again(self):
        polls = self.hold(self.one, self.homes(self.one))
        self.server.kill()
        for daemon in (self.one, self.two):
            self.refuses(daemon)
        # As long as the pauses between two tries are at their longest.
        end = time.monotonic() + 2
        while time.monotonic() < end:
            self.assertEqual(self.two.command(30, SERIALS[0]).status, 503)
        self.nothing_came(polls)
        self.server.start()
        # The other may write before the one that holds the polls is back.
        self.works_again(self.two)
        self.all_are_woken(self.two, {serial: polls[serial] for serial in SERIALS[1:]})
        self.all_get({SERIALS[0]: polls[SERIALS[0]]}, 15.0)
        for daemon in (self.one, self.two):
            self.assertEqual(daemon.faults, [])

    def test_changes_that_were_not_told(self):
        """What was written while nobody could be told is found when the polls are compared anew."""
        polls = self.hold(self.one, self.homes(self.one))
        for value in (17.5, 18.5, 19.5):
            self.server.ask("CLIENT", "KILL", "TYPE", "pubsub")
            for serial in SERIALS:
                self.assertEqual(self.two.command(value, serial).status, 200)
            for poll in polls.values():
                while b'"target_temperature":%s,' % str(value).encode() not in poll.chunk():
                    pass

    def test_killed_under_load(self):
        """Each command that was said to be done is done, whatever became of the others."""
        claims = self.homes(self.one)
        done: dict[str, float] = {}
        for attempt in range(3):
            for number, serial in enumerate(SERIALS[1:15]):
                value = 10.0 + attempt + number / 2
                if number == 12:
                    self.server.kill()
                if self.two.command(value, serial).status == 200:
                    done[serial] = value
            self.server.start()
            self.works_again(self.two)
        self.assertEqual(len(done), 12)
        self.works_again(self.one)
        for serial, value in done.items():
            with self.one.connect() as wire:
                wire.subscribe((f"shared.{serial}", claims[serial]), serial=serial)
                self.assertIn(b'"target_temperature":%s,' % str(value).encode(), wire.chunk(), serial)

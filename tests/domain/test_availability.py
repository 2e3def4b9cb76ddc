from twisted.trial.unittest import SynchronousTestCase

from nled.domain.availability import available, window

NOW = 1_795_000_000_000


class Availability(SynchronousTestCase):
    def test_the_window_outlasts_a_held_poll(self) -> None:
        for hold, expected in ((2.5, 300_000), (290, 300_000), (290.5, 300_500), (340, 350_000)):
            self.assertEqual(window(hold), expected)

    def test_silence(self) -> None:
        rows = [(None, False), (NOW, True), (NOW - 299_999, True), (NOW - 300_000, False), (NOW + 5000, True)]
        rows += [(NOW + 299_999, True), (NOW + 300_000, False)]
        for seen, expected in rows:
            self.assertIs(available(seen, NOW, 300_000), expected, seen)

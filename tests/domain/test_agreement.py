from twisted.trial.unittest import SynchronousTestCase

from nled.domain.agreement import TRUSTED, Agreement, Sample

HOUR = 3_600_000
NOW = 1_795_000_000_000


class AgreementTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.sample = Sample(NOW, 5000)
        self.agreement = Agreement.begun(self.sample)

    def after(self, ms: int, step: int = 0) -> int:
        """Look again after a time, in which the wall clock was stepped perhaps; returns what is said of that."""
        self.sample = Sample(self.sample.wall + ms + step, self.sample.steady + ms)
        said = self.agreement.step(self.sample)
        self.agreement = self.agreement.then(self.sample)
        return said

    def test_it_lasts_while_both_go_on(self) -> None:
        while not self.agreement.lasted(TRUSTED):
            self.assertEqual(self.after(HOUR), 0)
        self.assertEqual(self.sample.steady, 5000 + TRUSTED)

    def test_a_step_either_way_begins_it_anew(self) -> None:
        for step in (HOUR, -HOUR, 365 * 24 * HOUR, -365 * 24 * HOUR, 2001, -2001):
            self.after(TRUSTED)
            self.assertTrue(self.agreement.lasted(TRUSTED))
            self.assertEqual(self.after(5000, step), step)
            self.assertFalse(self.agreement.lasted(1))

    def test_a_clock_that_is_turned_slowly_is_not_stepped(self) -> None:
        self.after(TRUSTED)
        for step in (500, -2000, 1000):
            self.assertEqual(self.after(5000, step), 0)
        self.assertTrue(self.agreement.lasted(TRUSTED))

    def test_the_next_process_goes_on(self) -> None:
        self.after(TRUSTED - 1000)
        later = Sample(self.sample.wall + 1000, self.sample.steady + 1000)
        found = Agreement.recalled(self.agreement.saved(), later)
        self.assertEqual(found.step(later), 0)
        self.assertTrue(found.then(later).lasted(TRUSTED))
        # It sees a step that happened between them.
        stepped = Sample(later.wall + HOUR, later.steady)
        self.assertEqual(found.step(stepped), HOUR)

    def test_what_was_noted_before_the_machine_was_booted_counts_for_nothing(self) -> None:
        self.after(TRUSTED)
        booted = Sample(NOW + 2 * TRUSTED, 4000)
        self.assertEqual(Agreement.recalled(self.agreement.saved(), booted), Agreement.begun(booted))

    def test_nothing_noted_or_rubbish(self) -> None:
        for text in (None, "", "1 2 3", "a b c d", "-1 2 3 4"):
            self.assertEqual(Agreement.recalled(text, self.sample), Agreement.begun(self.sample))

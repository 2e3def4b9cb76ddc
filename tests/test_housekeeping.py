from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from nled.domain.agreement import TRUSTED
from nled.housekeeping import EVERY, Ages, Housekeeping
from nled.store.client import StoreUnavailable
from nled.store.errors import from_reply
from nled.store.upkeep import Expired
from nled.troubles import Troubles

HOUR, DAY = 3_600_000, 86_400_000
NOW = 1_795_000_000_000


class Store:
    """What it is asked is kept in `asked`; the next answers of tell_silent, or errors, are in `answers`."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.answers: list[Any] = []
        self.noted: str | None = None

    async def tell_silent(self, now: int, window: int, *, stepped: bool) -> bool:
        self.asked.append(("stepped" if stepped else "silent", now))
        answer = self.answers.pop(0) if self.answers else False
        if isinstance(answer, Exception):
            raise answer
        return bool(await answer) if isinstance(answer, Deferred) else answer

    async def expire(self, now: int, lifetime: int) -> Expired:
        self.asked.append(("expire", now))
        return Expired(["A"], ["B"])

    async def tidy(self, now: int, history: int) -> None:
        self.asked.append(("tidy", now))

    async def clocks(self, host: str) -> str | None:
        return self.noted

    async def sync_again(self, host: str, text: str) -> None:
        self.asked.append(("sync", self.asked[-1][1]))

    async def note_clocks(self, host: str, text: str) -> None:
        self.noted = text


async def settled() -> bool:
    return False


class HousekeepingTests(SynchronousTestCase):
    def setUp(self) -> None:
        # The steady clock, and beside it the wall clock that may be ahead of where it was.
        self.clock, self.ahead = Clock(), 0
        self.store = Store()
        self.keeping = self.another()

    def another(self) -> Housekeeping:
        self.troubles = Troubles(self.now)
        ages = Ages(300_000, 90 * DAY, 30 * DAY)
        return Housekeeping(self.clock, self.now, self.store, self.troubles, ages, "host", settled)

    def now(self) -> int:
        return NOW + int(self.clock.seconds() * 1000) + self.ahead

    def looked(self) -> list[tuple[str, int]]:
        found, self.store.asked = [(what, at - NOW) for what, at in self.store.asked], []
        return found

    def look(self, times: int = 1) -> list[str]:
        self.clock.pump([EVERY] * times)
        return [what for what, _ in self.looked()]

    def agree(self, ms: int) -> None:
        self.look(int(ms / EVERY / 1000))

    def test_at_once_and_then_now_and_then(self) -> None:
        self.clock.advance(1.5)
        self.keeping.start()
        self.clock.pump([EVERY, EVERY])
        self.assertEqual(self.looked(), [("silent", 1500), ("silent", 3500), ("silent", 5500)])
        self.successResultOf(self.keeping.stop())
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_again_at_once_while_there_are_more(self) -> None:
        self.store.answers = [True, True]
        self.keeping.start()
        self.assertEqual(len(self.looked()), 3)

    def test_trouble_does_not_end_it(self) -> None:
        self.store.answers = [StoreUnavailable("away"), ZeroDivisionError()]
        self.keeping.start()
        self.look(2)
        self.assertEqual(len(self.look()), 1)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_a_full_store_is_swept(self) -> None:
        """What is deleted makes room: that nobody can be told of as silent does not keep it."""
        self.keeping.start()
        self.agree(TRUSTED - 2000)
        self.store.answers = [from_reply("OOM command not allowed")]
        self.assertEqual(self.look(), ["silent", "expire", "tidy"])

    def test_stop_waits_for_a_look_under_way(self) -> None:
        looking: Deferred[None] = Deferred()
        self.store.answers = [looking]
        self.keeping.start()
        stopping = Deferred.fromCoroutine(self.keeping.stop())
        self.assertNoResult(stopping)
        looking.callback(None)
        self.successResultOf(stopping)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_one_that_was_not_started(self) -> None:
        self.successResultOf(self.keeping.stop())

    def test_a_step_is_said_once_and_nobody_was_silent_by_it(self) -> None:
        self.keeping.start()
        self.ahead = -HOUR
        self.store.answers = [StoreUnavailable("away")]
        self.looked()
        # The store is away at the first try: it is told at the next.
        self.assertEqual(self.look(2), ["stepped", "stepped", "sync"])
        self.assertEqual(self.look(), ["silent"])
        [trouble] = self.troubles
        self.assertIn("The clock was stepped back by 1:00:00, to 2026-", trouble.seen)
        self.ahead = 365 * DAY
        self.assertEqual(self.look(2), ["stepped", "sync", "silent"])
        [trouble] = self.troubles
        self.assertIn("The clock was stepped ahead by 365 days, 1:00:00, to 2027-", trouble.seen)
        self.agree(HOUR)
        self.assertEqual(list(self.troubles), [])

    def test_nothing_is_swept_before_the_clocks_agreed_for_a_day(self) -> None:
        self.keeping.start()
        self.agree(TRUSTED - 2000)
        self.assertEqual(self.look(), ["silent", "expire", "tidy"])
        self.ahead = 365 * DAY
        self.assertEqual(self.look(), ["stepped", "sync"])
        self.ahead = 0
        self.assertEqual(self.look(2), ["stepped", "sync", "silent"])
        self.agree(TRUSTED - 4000)
        self.assertEqual(self.look(), ["silent", "expire", "tidy"])

    def test_a_step_while_the_store_is_asked(self) -> None:
        """What is swept goes by the time that was compared."""
        self.keeping.start()
        self.agree(TRUSTED - 2000)
        asking: Deferred[None] = Deferred()
        self.store.answers = [asking]
        self.clock.advance(EVERY)
        before = self.now()
        self.ahead = 365 * DAY
        asking.callback(None)
        self.assertEqual({at for _, at in self.looked()}, {before - NOW})

    def test_a_restart_costs_no_time(self) -> None:
        self.keeping.start()
        self.agree(TRUSTED - 60_000)
        self.successResultOf(self.keeping.stop())
        self.another().start()
        self.assertIn("expire", self.look(int(120 / EVERY)))

"""What is heard, from where, and by whom, with a memory of notices that is the test's own."""

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from nled.actions.feed import ROOM, Feed
from nled.actions.watch import AT_ONCE, BATCH, RECHECK, RETRY, Watch, Watches
from nled.domain.access import Principal, local, of_key, trusted
from nled.domain.errors import Full, Refused
from nled.domain.notice import GAP, Notice, What
from nled.store.client import StoreUnavailable

MINE = "02AA01AC33140F61"
OTHER = "02AA01AC33140F62"
ANNA = Principal("anna", frozenset({"read"}), "anna")


class Memory:
    """Keeps all that was published from some point on, as `nled.store.events.Events` does."""

    def __init__(self) -> None:
        self.kept: list[Notice] = []
        self.away = False

    async def since(self, identifier: str, most: int) -> list[Notice] | None:
        if self.away:
            raise StoreUnavailable("away")
        for at, notice in enumerate(self.kept):
            if notice.id == identifier:
                return self.kept[at + 1 : at + 1 + most]
        return None

    async def last(self) -> str | None:
        return self.kept[-1].id if self.kept else None


class WatchTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.feed = Feed(self.clock)
        self.memory = Memory()
        self.sees: frozenset[str] | None = None
        self.checks = 0
        self.rights_away = False
        self.watches = Watches(self.feed, self.memory, self.visible, 2)

    async def visible(self, _: Principal) -> frozenset[str] | None:
        self.checks += 1
        if self.rights_away:
            raise StoreUnavailable("away")
        if self.sees == {"nothing any more"}:
            raise Refused("Unauthorized")
        return self.sees

    def happen(self, number: int, serial: str = MINE, what: What = "device", *, heard: bool = True) -> None:
        notice = Notice(serial, f"shared.{serial}", number, number, what, f"{number}-0")
        self.memory.kept.append(notice)
        if heard:
            self.feed.publish(notice)

    def happen_at_home(self, number: int, *serials: str, heard: bool = True) -> None:
        notice = Notice("", "structure.S1", number, number, "server", f"{number}-0", home="anna")
        notice = notice.expand(dict.fromkeys(serials, 0), 0)
        self.memory.kept.append(notice)
        if heard:
            self.feed.publish(notice)

    def watch(self, last: str | None = None, who: Principal = ANNA) -> Watch:
        return self.successResultOf(self.watches.open(who, last))

    def told(self, watch: Watch) -> list[int | str]:
        """The revisions of all that can be told now; a gap shows as a word."""
        told: list[int | str] = []
        while (waiting := Deferred.fromCoroutine(watch.next(20))).called:
            notice = self.successResultOf(waiting)
            told.append("gap" if notice is GAP else notice.revision)
        waiting.addErrback(lambda _: None)
        waiting.cancel()
        return told


class FromWhere(WatchTestCase):
    def test_from_now_on(self) -> None:
        self.happen(1)
        watch = self.watch()
        self.assertEqual(watch.position, "1-0")
        self.happen(2)
        self.assertEqual(self.told(watch), [2])
        self.assertEqual(watch.position, "2-0")

    def test_what_happens_while_it_opens_is_told_once(self) -> None:
        since, last = self.memory.since, self.memory.last

        async def since_and_more(identifier: str, most: int) -> list[Notice] | None:
            self.happen(3)
            return await since(identifier, most)

        async def last_and_more() -> str | None:
            self.happen(2)
            return await last()

        self.happen(1)
        self.memory.last = last_and_more
        self.assertEqual(self.told(self.watch()), [])
        self.memory.since = since_and_more
        self.assertEqual(self.told(self.watch("1-0")), [2, 3])

    def test_from_where_it_left_off_however_far(self) -> None:
        most = 2 * BATCH + 1
        for number in range(most):
            self.happen(number)
        watch = self.watch("0-0")
        self.happen(most)
        self.assertEqual(self.told(watch), list(range(1, most + 1)))

    def test_from_where_nothing_is_kept(self) -> None:
        self.happen(5)
        for last in ("4-0", "6-0", "0-0", "nonsense", ""):
            watch = self.watch(last)
            self.assertEqual(self.told(watch), ["gap"], last)
            self.assertEqual(watch.position, "5-0")
            watch.close()

    def test_in_an_empty_house(self) -> None:
        watch = self.watch()
        self.assertEqual(watch.position, "0-0")
        self.happen(1)
        self.assertEqual(self.told(watch), [1])


class NothingLost(WatchTestCase):
    def test_what_was_not_heard_is_read(self) -> None:
        self.happen(1)
        watch = self.watch()
        self.happen(2, heard=False)
        self.feed.missed()
        self.happen(3)
        self.assertEqual(self.told(watch), [2, 3])

    def test_nor_what_a_slow_one_did_not_take(self) -> None:
        self.happen(1)
        watch = self.watch()
        for number in range(2, ROOM + 4):
            self.happen(number)
        self.assertEqual(self.told(watch), list(range(2, ROOM + 4)))

    def test_a_store_that_is_away(self) -> None:
        self.happen(1)
        watch = self.watch()
        self.memory.away = True
        self.feed.missed()
        waiting = Deferred.fromCoroutine(watch.next(20))
        self.happen(2, heard=False)
        self.clock.advance(RETRY)
        self.assertNoResult(waiting)
        self.memory.away = False
        self.clock.advance(RETRY)
        self.assertEqual(self.successResultOf(waiting).revision, 2)

    def test_signs_of_life_go_on_meanwhile(self) -> None:
        self.happen(1)
        watch = self.watch()
        self.memory.away = True
        self.feed.missed()
        waiting = Deferred.fromCoroutine(watch.next(20))
        self.clock.pump([RETRY] * 4)
        self.assertIsNone(self.successResultOf(waiting))


class WhoHears(WatchTestCase):
    def test_only_what_they_may_read(self) -> None:
        self.sees = frozenset({MINE})
        watch = self.watch()
        self.happen(1, OTHER)
        self.happen(2)
        self.assertEqual(self.told(watch), [2])

    def test_others_do_not_keep_the_signs_of_life_away(self) -> None:
        self.sees = frozenset({MINE})
        waiting = Deferred.fromCoroutine(self.watch().next(20))
        for number in range(1, 21):
            self.assertNoResult(waiting)
            self.happen(number, OTHER)
            self.clock.advance(1)
        self.assertIsNone(self.successResultOf(waiting))

    def test_new_rights_count_at_once(self) -> None:
        for number, what in ((1, "access"), (3, "met")):
            self.sees = frozenset()
            watch = self.watch()
            self.sees = frozenset({OTHER})
            self.happen(number, OTHER, what)
            self.happen(number + 1, OTHER)
            self.assertEqual(self.told(watch), [number, number + 1])
            watch.close()

    def test_lost_ones_too_after_this_was_told(self) -> None:
        self.sees = frozenset({MINE})
        watch = self.watch()
        self.sees = frozenset()
        self.happen(1, what="access")
        self.happen(2)
        self.assertEqual(self.told(watch), [1])

    def test_looked_at_again_after_a_while(self) -> None:
        self.sees = frozenset({MINE})
        watch = self.watch()
        self.happen(1)
        self.told(watch)
        self.assertEqual(self.checks, 1)
        self.sees = frozenset()
        self.clock.advance(RECHECK)
        self.happen(2)
        self.happen(3)
        self.assertEqual(self.told(watch), [2])

    def test_also_when_nothing_happens(self) -> None:
        watch = self.watch()
        self.clock.advance(RECHECK - 10)
        waiting = Deferred.fromCoroutine(watch.next(20))
        self.sees = frozenset({"nothing any more"})
        self.clock.advance(20)
        self.failureResultOf(waiting, Refused)

    def test_rights_that_cannot_be_read_lose_no_notice(self) -> None:
        self.happen(1)
        watch = self.watch()
        self.rights_away = True
        waiting = Deferred.fromCoroutine(watch.next(20))
        self.happen(2, what="access")
        self.assertNoResult(waiting)
        self.rights_away = False
        self.clock.advance(RETRY)
        self.assertEqual(self.successResultOf(waiting).revision, 2)


class Homes(WatchTestCase):
    """One notice of a home is an event of each of its devices."""

    def parts(self, watch: Watch) -> list[tuple[str, str]]:
        """The devices and ids of all that can be told now."""
        told = []
        while (waiting := Deferred.fromCoroutine(watch.next(20))).called:
            notice = self.successResultOf(waiting)
            told.append((notice.serial, notice.id))
        waiting.addErrback(lambda _: None)
        waiting.cancel()
        return told

    def test_each_device_is_told_of_and_the_last_says_where_to_go_on(self) -> None:
        watch = self.watch()
        self.happen_at_home(1, MINE, OTHER)
        self.happen(2)
        self.assertEqual(self.parts(watch), [(MINE, ""), (OTHER, "1-0"), (MINE, "2-0")])
        self.assertEqual(watch.position, "2-0")

    def test_only_those_that_may_be_read(self) -> None:
        self.sees = frozenset({MINE})
        watch = self.watch()
        self.happen_at_home(1, MINE, OTHER)
        self.happen_at_home(2, OTHER)
        self.assertEqual(self.parts(watch), [(MINE, "1-0")])
        self.assertEqual(watch.position, "2-0")

    def test_who_left_off_within_it_is_told_all_of_it_again(self) -> None:
        self.happen(1)
        first = self.watch()
        self.happen_at_home(2, MINE, OTHER)
        self.assertEqual(self.successResultOf(Deferred.fromCoroutine(first.next(20))).id, "")
        first.close()
        # What the client saw last with an id.
        self.assertEqual(self.parts(self.watch("1-0")), [(MINE, ""), (OTHER, "2-0")])

    def test_what_was_not_heard_is_read(self) -> None:
        self.happen(1)
        watch = self.watch()
        self.happen_at_home(2, MINE, OTHER, heard=False)
        self.feed.missed()
        self.assertEqual(self.parts(watch), [(MINE, ""), (OTHER, "2-0")])

    def test_a_store_that_is_away_does_not_tell_a_part_twice(self) -> None:
        self.happen(1)
        watch = self.watch()
        self.happen_at_home(2, MINE, OTHER)
        self.assertEqual(self.successResultOf(Deferred.fromCoroutine(watch.next(20))).serial, MINE)
        self.memory.away = self.rights_away = True
        self.clock.advance(RECHECK)
        self.feed.missed()
        self.assertEqual(self.successResultOf(Deferred.fromCoroutine(watch.next(20))).serial, OTHER)
        self.memory.away = self.rights_away = False
        self.assertEqual(self.parts(watch), [])

    def test_rights_are_looked_at_before_the_first_part(self) -> None:
        self.sees = frozenset({MINE})
        watch = self.watch()
        self.clock.advance(RECHECK)
        self.sees = frozenset({MINE, OTHER})
        self.happen_at_home(1, MINE, OTHER)
        self.assertEqual(self.parts(watch), [(MINE, ""), (OTHER, "1-0")])

    def test_a_large_one_is_told_in_batches(self) -> None:
        watch = self.watch()
        serials = [f"02AA01AC3314{number:04X}" for number in range(2 * AT_ONCE + 1)]
        self.happen_at_home(1, *serials)
        told = self.parts(watch)
        self.assertEqual(len(told), 1)
        for _ in range(2):
            waiting = Deferred.fromCoroutine(watch.next(20))
            self.assertNoResult(waiting)
            self.clock.advance(0)
            told += [(self.successResultOf(waiting).serial, ""), *self.parts(watch)]
        self.assertEqual([serial for serial, _ in told], serials)

    def test_a_home_nobody_here_may_read_is_passed_over(self) -> None:
        self.sees = frozenset({MINE})
        watch = self.watch()
        self.happen_at_home(1)
        self.happen_at_home(2, OTHER)
        self.happen(3)
        self.assertEqual(self.parts(watch), [(MINE, "3-0")])


class HowMany(WatchTestCase):
    def test_no_more_than_there_may_be(self) -> None:
        first = self.watch()
        self.watch()
        self.failureResultOf(self.watches.open(ANNA, None), Full)
        first.close()
        self.watch()

    def test_one_client_does_not_shut_out_others(self) -> None:
        """The oldest of who has most ends, and whoever waits for it is told at once."""
        mine = [self.watch(), self.watch()]
        waiting = Deferred.fromCoroutine(mine[0].next(20))
        theirs = self.watch(who=trusted("192.0.2.1"))
        self.assertIsNone(self.successResultOf(waiting))
        self.assertEqual([each.over for each in (*mine, theirs)], [True, False, False])
        # Nobody has two now, so nobody has to go, neither for a third client nor for one of these.
        for who in (ANNA, trusted("192.0.2.1"), local()):
            self.failureResultOf(self.watches.open(who, None), Full)
        # One that was ended gives no place back a second time.
        mine[0].close()
        self.failureResultOf(self.watches.open(local(), None), Full)
        self.happen(1)
        self.assertEqual((self.told(mine[1]), self.told(theirs)), ([1], [1]))

    def test_who_counts_as_one(self) -> None:
        """A person with several keys is one, and so is a key without a person wherever it comes from."""
        keys = [of_key(f"k{number}", "app", ("read",), "anna", None) for number in range(2)]
        whole = [of_key(f"k{number}", "app", ("read",), None, None) for number in range(2)]
        self.assertEqual(len({each.client for each in (*keys, ANNA)}), 1)
        self.assertEqual(len({each.client for each in (*whole, trusted("::1"), local(), ANNA)}), 5)

    def test_one_that_may_not_leaves_nothing(self) -> None:
        self.sees = frozenset({"nothing any more"})
        for _ in range(3):
            self.failureResultOf(self.watches.open(ANNA, None), Refused)
        self.assertEqual(len(self.feed), 0)

    def test_the_daemon_stops(self) -> None:
        watch = self.watch()
        waiting = Deferred.fromCoroutine(watch.next(20))
        self.successResultOf(self.feed.stop())
        self.assertIsNone(self.successResultOf(waiting))
        self.assertTrue(watch.over)
        self.assertEqual(self.clock.getDelayedCalls(), [])

"""When something counts as pushed, and how often what a device does not take is offered again."""

from nled.domain.buckets import ObjectKey
from nled.domain.requests import Listed as Listing
from nled.domain.wire import Update
from nled.store import keys
from nled.store.buckets import Buckets, Newer
from nled.store.pairing import Arrival, Pairing
from nled.store.people import People
from tests.store.test_buckets import DEVICE, MINUTE, SCHEDULE, SERIAL, SHARED, BucketTestCase

OTHER = "02AA01AC33140F62"
USER, HOME = ObjectKey("user", "user_ann"), ObjectKey("structure", "ann")
BOTH = [str(USER), str(HOME)]


class PushTestCase(BucketTestCase):
    async def setUp(self) -> None:
        await super().setUp()
        self.pairing = Pairing(self.buckets._scripts, 3_600_000)
        # Entry keys end by the store's own clock.
        seconds, _ = await self.client.command("TIME")
        self.now = int(seconds) * 1000

    async def claimed(self) -> None:
        await self.claimed_by(SERIAL, "user_ann")

    async def claimed_by(self, serial: str, user: str) -> None:
        self.now += 1000
        key = await self.pairing.entry_key(serial, f"ABCDE{serial[-2:]}", self.now)
        self.assertEqual(await self.pairing.claim(key.code, user, self.now), serial)

    async def asks(self, serial: str) -> Newer:
        self.now += 1000
        return await self.buckets.subscribe(serial, [], self.now)

    async def entered(self) -> None:
        self.now += 1000
        await self.pairing.arrived([Arrival(SERIAL, {}, "", reset=False)], self.now)

    async def lost(self, *claims: tuple[ObjectKey, int]) -> tuple[Update, ...]:
        """What a subscribe finds, and is not written to any socket."""
        self.now += 1000
        listed = [Listing(key, claim, {}) for key, claim in claims]
        return (await Buckets.subscribe(self.buckets, SERIAL, listed, self.now)).updates

    async def offers(self, *claims: tuple[ObjectKey, int], times: int = 5) -> list[list[str]]:
        """What so many subscribes in a row are answered."""
        return [list(await self.sent(*claims)) for _ in range(times)]

    async def mark(self, name: str, key: ObjectKey = SHARED) -> str | None:
        found: str | None = await self.client.command("HGET", keys.bucket(SERIAL, str(key)), name)
        return found

    async def notices(self) -> list[str]:
        entries = await self.client.command("XRANGE", keys.EVENTS, "-", "+")
        return [entry[1][1] for entry in entries if " pushed" in entry[1][1]]


class Reading(PushTestCase):
    """What is read for a poll that is gone by then was not pushed."""

    async def test_nothing_is_noted(self) -> None:
        await self.put({"x": 1})
        await self.write({"target_temperature": 21})
        for _ in range(5):
            self.assertEqual(len(await self.lost((SHARED, 1))), 1)
        self.assertEqual([await self.mark(name) for name in ("p", "pa", "n")], [None] * 3)
        self.assertEqual(await self.notices(), [])
        bucket = await self.bucket(SHARED)
        self.assertEqual([each.delivery for each in bucket.pending], ["queued"])

    async def test_writing_is(self) -> None:
        await self.put({"x": 1})
        await self.write({"target_temperature": 21})
        (update,) = (await self.subscribe((SHARED, 1))).updates
        self.assertEqual(await self.mark("p"), str(update.receipt.timestamp))
        self.assertEqual(len(await self.notices()), 1)
        self.assertEqual([each.delivery for each in (await self.bucket(SHARED)).pending], ["pushed"])

    async def test_a_put_meanwhile_acknowledges_nothing(self) -> None:
        """It builds on what a conflict told, and the write is still to come."""
        await self.put({"x": 1})
        written = await self.write({"target_temperature": 21})
        await self.lost((SHARED, 1))
        receipt = (await self.put({"x": 2}, base=written.receipt.revision)).receipt
        self.assertEqual(
            await self.sent((SHARED, receipt.timestamp)), {str(SHARED): {"target_temperature": 21}}
        )

    async def test_a_note_that_comes_late(self) -> None:
        """What was written since, or was moved up by a PUT, is not pushed by it."""
        await self.put({"x": 1})
        await self.write({"target_temperature": 21})
        late = await self.lost((SHARED, 1))
        receipt = (await self.put({"x": 2}, base=1)).receipt
        await self.write({"target_temperature_type": "heat"})
        await self.buckets.pushed(SERIAL, late, self.now, self.now)
        self.assertEqual({each.delivery for each in (await self.bucket(SHARED)).pending}, {"queued"})
        self.assertEqual(
            await self.sent((SHARED, receipt.timestamp)),
            {str(SHARED): {"target_temperature": 21, "target_temperature_type": "heat"}},
        )

    async def test_a_note_for_a_device_that_was_forgotten(self) -> None:
        await self.put({"x": 1})
        await self.write({"target_temperature": 21})
        late = await self.lost((SHARED, 1))
        await self.devices.forget(SERIAL, self.now)
        await self.buckets.pushed(SERIAL, late, self.now, self.now)
        self.assertIsNone(await self.mark("p"))
        self.assertEqual(await self.client.command("KEYS", "nled:{*"), [])

    async def test_a_note_for_a_home_that_it_has_left(self) -> None:
        await self.put({"x": 1})
        await self.claimed()
        late = await self.lost((SHARED, 0))
        await self.devices.unpair(SERIAL, None, self.now)
        await self.buckets.pushed(SERIAL, late, self.now, self.now)
        self.assertEqual(await self.client.command("KEYS", "nled:{*user*"), [])


class Unlisted(PushTestCase):
    """Most thermostats never list `user`."""

    async def setUp(self) -> None:
        await super().setUp()
        await self.put({"x": 1})
        await self.claimed()

    async def test_three_times_and_then_held(self) -> None:
        self.assertEqual(await self.offers(), [BOTH] * 3 + [[]] * 2)
        self.now += 24 * 60 * MINUTE
        self.assertEqual(await self.offers(), [[]] * 5)

    async def test_one_that_was_lost_before_it_was_written_does_not_count(self) -> None:
        for _ in range(5):
            await self.lost()
        self.assertEqual(await self.offers(), [BOTH] * 3 + [[]] * 2)

    async def test_again_with_the_next_change_and_only_that(self) -> None:
        await self.offers()
        await self.write({"away": True}, HOME)
        opened = await self.subscribe()
        self.assertEqual([dict(each.values) for each in opened.updates], [{"away": "true"}])
        self.assertEqual(await self.offers(), [[str(HOME)]] * 2 + [[]] * 3)

    async def test_again_after_an_entry(self) -> None:
        await self.offers()
        await self.entered()
        self.assertEqual(await self.offers(), [BOTH] * 3 + [[]] * 2)

    async def test_a_listing_ends_it(self) -> None:
        """A thermostat that got it lists its structure."""
        first = (await self.subscribe()).updates
        has = (HOME, first[1].receipt.timestamp)
        self.assertEqual(await self.offers(has), [[str(USER)]] * 2 + [[]] * 3)

    async def test_a_status_read_as_claimed_ends_it(self) -> None:
        await self.subscribe()
        await self.pairing.status(SERIAL, self.now)
        self.assertEqual(await self.offers(), [[]] * 5)
        await self.write({"away": True}, HOME)
        self.assertEqual(await self.offers(), [[str(HOME)]] * 3 + [[]] * 2)

    async def test_not_one_that_came_before_it_was_written(self) -> None:
        await self.pairing.status(SERIAL, self.now)
        await self.lost()
        await self.pairing.status(SERIAL, self.now)
        self.assertEqual(await self.offers(), [BOTH] * 3 + [[]] * 2)

    async def test_nor_for_what_the_owner_has_set_since(self) -> None:
        await self.subscribe()
        await self.write({"away": True}, HOME)
        await self.subscribe()
        await self.pairing.status(SERIAL, self.now)
        self.assertEqual(await self.offers(), [[str(HOME)]] * 2 + [[]] * 3)

    async def test_polls_that_overlap_are_one_try(self) -> None:
        """Dead ones may be among them, of a device whose network comes and goes."""
        opened = self.now
        for _ in range(5):
            self.now += 1
            told = (await self.buckets.reread(SERIAL, {str(SHARED): opened}, opened, self.now)).updates
            self.assertEqual([each.receipt.key for each in told], BOTH)
        self.assertEqual(await self.offers(), [BOTH] * 2 + [[]] * 3)

    async def test_a_held_poll_is_not_told_what_was_offered_often_enough(self) -> None:
        await self.offers()
        opened = self.now
        await self.write({"target_temperature": 21})
        told = (await self.buckets.reread(SERIAL, {}, opened, self.now)).updates
        self.assertEqual([each.receipt.key for each in told], [str(SHARED)])

    async def test_what_an_earlier_version_has_pushed_counts_as_taken(self) -> None:
        await self.subscribe()
        for key in (USER, HOME):
            await self.client.command("HDEL", keys.bucket(SERIAL, str(key)), "o", "u", "n")
        self.assertEqual(await self.offers(), [[]] * 5)
        await self.write({"away": True}, HOME)
        opened = await self.subscribe()
        self.assertEqual([dict(each.values) for each in opened.updates], [{"away": "true"}])
        self.assertEqual(await self.offers(), [[str(HOME)]] * 2 + [[]] * 3)


class Listed(PushTestCase):
    """What a device lists, and does not take."""

    async def setUp(self) -> None:
        await super().setUp()
        await self.put({"x": 1}, DEVICE)
        await self.write({"learning_mode": False}, DEVICE)

    async def test_three_times_then_once_a_minute(self) -> None:
        answers = [[str(DEVICE)]] * 3 + [[]] * 2
        self.assertEqual(await self.offers((DEVICE, 0)), answers)
        for _ in range(3):
            self.now += MINUTE
            self.assertEqual(await self.offers((DEVICE, 0), times=3), [[str(DEVICE)], [], []])
        await self.write({"learning_mode": True}, DEVICE)
        self.assertEqual(await self.offers((DEVICE, 0)), answers)

    async def test_also_while_it_puts(self) -> None:
        """Each PUT moves the write up; it is the same write still."""
        answers = []
        claim = 0
        for number in range(8):
            receipt = (await self.put({"x": 10 + number}, DEVICE, base=1)).receipt
            answers.append(bool(await self.sent((DEVICE, claim))))
            claim = receipt.timestamp
        self.assertEqual(answers, [True] * 3 + [False] * 5)

    async def test_also_for_a_held_poll(self) -> None:
        await self.offers((DEVICE, 1))
        opened = self.now
        receipt = (await self.put({"x": 20}, DEVICE, base=1)).receipt
        claims = {str(DEVICE): receipt.timestamp}
        self.assertEqual((await self.buckets.reread(SERIAL, claims, opened, self.now)).updates, ())
        self.now += MINUTE
        self.assertEqual(len((await self.buckets.reread(SERIAL, claims, opened, self.now)).updates), 1)

    async def test_all_polls_that_were_open_at_the_last_try_are_told(self) -> None:
        opened = self.now
        await self.offers((DEVICE, 0), times=3)
        self.assertEqual(
            len((await self.buckets.reread(SERIAL, {str(DEVICE): 0}, opened, self.now)).updates), 1
        )

    async def test_a_clock_that_was_stepped_back(self) -> None:
        """Whatever it shows, a device that takes nothing ends up held, and one that waits is told."""
        await self.offers((DEVICE, 0), times=2)
        self.now -= 60 * MINUTE
        answers = await self.offers((DEVICE, 0))
        self.assertEqual(answers[0], [str(DEVICE)])
        self.assertEqual(answers[-1], [])


class Schedules(PushTestCase):
    async def test_keep_their_distance_from_what_was_read(self) -> None:
        """What is on its way to one poll is not overtaken on another."""
        await self.put({"ver": 2, "days": {}}, SCHEDULE)
        await self.write({"ver": 2, "days": {"1": {}}}, SCHEDULE)
        first = await self.lost((SCHEDULE, 1))
        await self.write({"ver": 2, "days": {"2": {}}}, SCHEDULE)
        self.assertEqual(len(first), 1)
        self.assertEqual(await self.lost((SCHEDULE, 1)), ())

    async def test_one_that_was_lost_is_offered_at_once(self) -> None:
        await self.put({"ver": 2, "days": {}}, SCHEDULE)
        await self.write({"ver": 2, "days": {"1": {}}}, SCHEDULE)
        await self.lost((SCHEDULE, 1))
        self.assertEqual(len(await self.lost((SCHEDULE, 1))), 1)


class ClaimedAgain(PushTestCase):
    """Whatever was before, a claim is told to a device as if it were its first."""

    async def setUp(self) -> None:
        await super().setUp()
        await self.put({"x": 1})
        await self.claimed()
        await self.offers()

    async def reset(self) -> None:
        self.now += 1000
        await self.pairing.arrived([Arrival(SERIAL, {}, "", reset=True)], self.now)

    async def held(self, *claims: tuple[ObjectKey, int]) -> list[str]:
        """What a poll with these claims is told by what has become of the device since it was opened."""
        told = await self.buckets.reread(SERIAL, {str(key): claim for key, claim in claims}, 0, self.now)
        return [each.receipt.key for each in told.updates]

    async def has(self) -> list[tuple[ObjectKey, int]]:
        """Claims of a device that has got all of the home."""
        stored = await self.client.command("HGET", keys.home_bucket("user_ann", str(USER)), "t")
        home = await self.client.command("HGET", keys.home_bucket("user_ann", str(HOME)), "t")
        return [(USER, int(stored)), (HOME, int(home))]

    async def test_a_reset_and_a_claim_several_times(self) -> None:
        """As fast as a person can, by a device that has learned of the home from its metadata."""
        unknown = (USER, 0), (HOME, 0)
        for _ in range(6):
            await self.reset()
            self.assertEqual(await self.offers(*unknown), [BOTH] * 3 + [[]] * 2)
            await self.claimed()
            self.assertEqual(await self.held(*unknown), BOTH)
            self.assertEqual(await self.offers(*unknown), [BOTH] * 2 + [[]] * 3)

    async def test_by_one_that_never_lists_its_home(self) -> None:
        for _ in range(6):
            await self.reset()
            self.assertEqual(await self.offers(), [BOTH] * 3 + [[]] * 2)
            await self.claimed()
            self.assertEqual(await self.held(), BOTH)
            self.assertEqual(await self.offers(), [BOTH] * 2 + [[]] * 3)

    async def test_by_one_that_has_its_home_by_then(self) -> None:
        await self.reset()
        has = await self.has()
        await self.claimed()
        self.assertEqual(await self.held(*has), BOTH)
        self.assertEqual(await self.offers(*await self.has()), [[]] * 5)

    async def test_unpaired_meanwhile(self) -> None:
        has = await self.has()
        await self.devices.unpair(SERIAL, None, self.now)
        await self.claimed()
        self.assertEqual(await self.held(*has), BOTH)

    async def test_forgotten_meanwhile(self) -> None:
        await self.claimed_by(OTHER, "user_ann")
        has = await self.has()
        await self.devices.forget(SERIAL, self.now)
        await self.claimed()
        self.assertEqual(await self.held(*has), BOTH)

    async def test_somebody_elses_meanwhile(self) -> None:
        has = await self.has()
        await self.reset()
        await self.claimed_by(SERIAL, "user_bob")
        await self.reset()
        await self.claimed()
        self.assertEqual(await self.held(*has), BOTH)

    async def test_transferred_and_back(self) -> None:
        await self.claimed_by(OTHER, "user_bob")
        has = await self.has()
        for user in ("user_bob", "user_ann"):
            self.now += 1000
            self.assertEqual(await People(self.buckets._scripts).transfer(SERIAL, user, self.now), "ok")
        self.assertEqual(await self.held(*has), BOTH)

    async def test_what_the_home_is_called_stays(self) -> None:
        await self.write({"name": "Cottage"}, HOME)
        await self.reset()
        await self.claimed()
        self.assertEqual((await self.sent())[str(HOME)]["name"], "Cottage")

    async def test_wakes_no_other_that_was_offered_it_often_enough(self) -> None:
        await self.claimed_by(OTHER, "user_ann")
        other = [[each.receipt.key for each in (await self.asks(OTHER)).updates] for _ in range(4)]
        self.assertEqual(other, [BOTH] * 3 + [[]])
        self.assertEqual(await self.offers(), [[str(HOME)]] * 3 + [[]] * 2)
        await self.reset()
        await self.claimed()
        self.assertEqual((await self.asks(OTHER)).updates, ())

    async def test_nor_does_a_new_one_but_for_the_list_of_devices(self) -> None:
        await self.claimed_by(OTHER, "user_ann")
        self.assertEqual(await self.offers(), [[str(HOME)]] * 3 + [[]] * 2)


class Entries(PushTestCase):
    async def test_begin_the_count_of_a_bucket_that_is_listed_anew(self) -> None:
        """A device whose power comes and goes was not told, however often it was answered."""
        await self.put({"x": 1}, DEVICE)
        await self.write({"learning_mode": False}, DEVICE)
        for _ in range(3):
            self.assertEqual(await self.offers((DEVICE, 0)), [[str(DEVICE)]] * 3 + [[]] * 2)
            await self.entered()

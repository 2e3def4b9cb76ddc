"""The rules of state, against a real server: protocol b.3 and b.4."""

import json
from collections.abc import Mapping, Sequence

from twisted.internet.defer import Deferred, gatherResults

from nled.domain.buckets import ObjectKey
from nled.domain.device import Bucket
from nled.domain.errors import Full
from nled.domain.requests import Listed, Put
from nled.store import keys
from nled.store.buckets import Buckets, Newer, Written
from nled.store.devices import Devices, Write
from nled.store.devices import Written as Commanded
from nled.store.scripts import BACKSTOP, Limits, Scripts
from nled.store.upkeep import Upkeep
from tests.store.support import StoreTestCase

SERIAL = "02AA01AC33140F61"
SHARED = ObjectKey("shared", SERIAL)
DEVICE = ObjectKey("device", SERIAL)
SCHEDULE = ObjectKey("schedule", SERIAL)
NOW = 1_795_000_000_000
MINUTE = 60_000
DAY = 86_400_000
LIMITS = Limits(
    devices=3,
    buckets=5,
    device_bytes=20_000,
    ttl=90 * DAY,
    momentary=30 * MINUTE,
    history=30 * DAY,
    points=20_000,
    per_address=0,
)


def texts(values: dict[str, object]) -> dict[str, str]:
    return {name: json.dumps(value) for name, value in values.items()}


class Reaching(Buckets):
    """Buckets of which everything that is read is written to a socket of the device at once."""

    async def subscribe(self, serial: str, listed: Sequence[Listed], now: int, sender: str = "") -> Newer:
        found = await super().subscribe(serial, listed, now, sender)
        await self.pushed(serial, found.updates, now, now)
        return found

    async def reread(self, serial: str, claims: Mapping[str, int], opened: int, now: int) -> Newer:
        found = await super().reread(serial, claims, opened, now)
        await self.pushed(serial, found.updates, opened, now)
        return found


class BucketTestCase(StoreTestCase):
    async def setUp(self) -> None:
        await super().setUp()
        scripts = Scripts(self.client, LIMITS)
        self.buckets = Reaching(scripts)
        self.devices = Devices(scripts)
        self.now = NOW

    async def put(
        self,
        values: dict[str, object],
        key: ObjectKey = SHARED,
        base: int | None = None,
        expect: int | None = None,
        serial: str = SERIAL,
    ) -> Written:
        self.now += 1000
        (written,) = await self.buckets.put(serial, [Put(key, base, expect, texts(values))], self.now)
        return written

    async def write(self, values: dict[str, object], key: ObjectKey = SHARED) -> Commanded:
        self.now += 1000
        (written,) = await self.devices.write(SERIAL, [Write(key, texts(values))], self.now)
        return written

    async def subscribe(self, *claims: tuple[ObjectKey, int], **inline: object) -> Newer:
        self.now += 1000
        listed = [Listed(key, claim, texts(inline)) for key, claim in claims]
        return await self.buckets.subscribe(SERIAL, listed, self.now)

    async def sent(self, *claims: tuple[ObjectKey, int]) -> dict[str, dict[str, object]]:
        """What a new subscribe with these claims is answered, by key."""
        opened = await self.subscribe(*claims)
        return {
            update.receipt.key: {name: json.loads(text) for name, text in update.values.items()}
            for update in opened.updates
        }

    async def values(self, key: ObjectKey = SHARED) -> dict[str, object]:
        return dict((await self.bucket(key)).values)

    async def timestamp(self, key: ObjectKey = SHARED) -> int:
        return (await self.bucket(key)).timestamp

    async def bucket(self, key: ObjectKey) -> Bucket:
        device = await self.devices.read(SERIAL, self.now)
        assert device is not None
        return device.buckets.get(str(key)) or Bucket(key)


class Minting(BucketTestCase):
    async def test_first_and_next(self) -> None:
        first = await self.put({"current_temperature": 20.0})
        second = await self.put({"current_temperature": 20.5})
        self.assertEqual(
            (first.outcome, first.receipt.revision, first.receipt.timestamp), ("stored", 1, NOW + 1000)
        )
        self.assertEqual((second.receipt.revision, second.receipt.timestamp), (2, NOW + 2000))

    async def test_nothing_changed(self) -> None:
        first = await self.put({"t": 21.0, "o": {"a": 1, "b": [1.0, "x"]}})
        again = await self.put({"t": 21, "o": {"b": [1, "x"], "a": 1.0}})
        self.assertEqual(again.outcome, "same")
        self.assertEqual(again.receipt, first.receipt)

    async def test_what_only_looks_equal(self) -> None:
        for one, other in ((21, "21"), (0, False), (None, False), (2**60, 2**60 + 1), ([], {}), ("1.0", "1")):
            await self.put({"x": one})
            self.assertEqual((await self.put({"x": other})).outcome, "stored", (one, other))
            self.assertEqual((await self.values())["x"], other)

    async def test_clock_stepped_back(self) -> None:
        first = await self.put({"x": 1})
        self.now = NOW - DAY
        second = await self.put({"x": 2})
        self.assertEqual(second.receipt.timestamp, first.receipt.timestamp + 1)

    async def test_device_ahead_still_takes_our_writes(self) -> None:
        ahead = NOW + 365 * DAY
        await self.subscribe((SHARED, ahead))
        await self.write({"target_temperature": 21})
        self.assertEqual(await self.timestamp(), ahead + 1)
        self.assertIn("target_temperature", (await self.sent((SHARED, ahead)))[str(SHARED)])

    async def test_written_before_a_device_that_is_ahead_was_heard(self) -> None:
        await self.put({"x": 1}, DEVICE)
        await self.write({"target_temperature": 21})
        ahead = NOW + 365 * DAY
        self.assertEqual((await self.sent((SHARED, ahead)))[str(SHARED)], {"target_temperature": 21})

    async def test_fifty_writers(self) -> None:
        await self.put({"x": 0}, DEVICE)
        writes = [
            Deferred.fromCoroutine(self.devices.write(SERIAL, [Write(SHARED, texts({f"f{n % 7}": n}))], NOW))
            for n in range(50)
        ]
        receipts = [written.receipt for (written,) in await gatherResults(writes)]
        self.assertEqual([receipt.revision for receipt in receipts], list(range(1, 51)))
        stamps = [receipt.timestamp for receipt in receipts]
        self.assertEqual(stamps, sorted(set(stamps)))

    async def test_schedule_is_replaced(self) -> None:
        await self.put({"ver": 2, "days": {"0": {}}, "extra": 1}, SCHEDULE)
        await self.put({"ver": 2, "days": {"1": {}}}, SCHEDULE)
        self.assertEqual(await self.values(SCHEDULE), {"ver": 2, "days": {"1": {}}})

    async def test_so_is_one_that_the_server_writes(self) -> None:
        await self.put({"ver": 2, "days": {"0": {}}, "extra": 1}, SCHEDULE)
        written = await self.write({"ver": 2, "days": {"0": {}}}, SCHEDULE)
        self.assertEqual(
            (written.outcome, await self.values(SCHEDULE)), ("stored", {"ver": 2, "days": {"0": {}}})
        )

    async def test_an_empty_schedule_replaces_nothing(self) -> None:
        first = await self.put({"ver": 2}, SCHEDULE)
        self.assertEqual((await self.put({}, SCHEDULE)).receipt, first.receipt)
        self.assertEqual(await self.values(SCHEDULE), {"ver": 2})


class Conditions(BucketTestCase):
    async def test_match_and_mismatch(self) -> None:
        first = await self.put({"x": 1}, expect=0)
        self.assertEqual(first.outcome, "stored")
        conflict = await self.put({"x": 2}, expect=7)
        self.assertEqual(conflict.outcome, "conflict")
        self.assertEqual(conflict.receipt, first.receipt)
        self.assertEqual(await self.values(), {"x": 1})

    async def test_against_nothing(self) -> None:
        conflict = await self.put({"x": 1}, expect=3)
        self.assertEqual(
            (conflict.outcome, conflict.receipt.revision, conflict.receipt.timestamp), ("conflict", 0, 0)
        )

    async def test_the_rest_of_a_batch_is_applied(self) -> None:
        puts = [Put(SHARED, None, 9, texts({"x": 1})), Put(DEVICE, None, None, texts({"y": 1}))]
        outcomes = [each.outcome for each in await self.buckets.put(SERIAL, puts, NOW)]
        self.assertEqual(outcomes, ["conflict", "stored"])

    async def test_a_conflict_does_not_hide_the_write_it_was_about(self) -> None:
        await self.put({"x": 1})
        await self.write({"target_temperature": 21})
        receipt = (await self.put({"x": 2}, expect=1)).receipt
        self.assertEqual(
            (await self.sent((SHARED, receipt.timestamp)))[str(SHARED)], {"target_temperature": 21}
        )

    async def test_server_owned(self) -> None:
        refused = await self.put({"name": "me"}, ObjectKey("user", "somebody"))
        self.assertEqual((refused.outcome, refused.receipt.revision), ("refused", 0))


class Sending(BucketTestCase):
    async def test_only_what_the_server_wrote(self) -> None:
        receipt = (await self.put({"current_temperature": 20, "target_temperature": 19})).receipt
        self.assertEqual(await self.sent((SHARED, receipt.timestamp)), {})
        self.assertEqual(await self.sent((SHARED, 0)), {})
        await self.write({"target_temperature_type": "heat"})
        self.assertEqual(
            await self.sent((SHARED, receipt.timestamp)), {str(SHARED): {"target_temperature_type": "heat"}}
        )

    async def test_an_unrelated_put_does_not_hide_a_write(self) -> None:
        await self.put({"current_temperature": 20})
        await self.write({"target_temperature": 21})
        receipt = (await self.put({"current_temperature": 20.5}, base=1)).receipt
        self.assertEqual(
            await self.sent((SHARED, receipt.timestamp)), {str(SHARED): {"target_temperature": 21}}
        )

    async def test_nor_does_an_identical_one(self) -> None:
        first = (await self.put({"current_temperature": 20})).receipt
        await self.write({"target_temperature": 21})
        for base in (1, None):
            again = await self.put({"current_temperature": 20}, base=base)
            self.assertEqual((again.outcome, again.receipt.revision), ("same", first.revision))
            self.assertLess(again.receipt.timestamp, await self.timestamp())
            self.assertIn(str(SHARED), await self.sent((SHARED, again.receipt.timestamp)))

    async def test_nor_do_some_on_top_of_pushes_that_were_lost(self) -> None:
        receipt = (await self.put({"current_temperature": 20})).receipt
        await self.write({"target_temperature": 21})
        for temperature in (20.5, 21, 21.5):
            self.assertEqual(
                await self.sent((SHARED, receipt.timestamp)), {str(SHARED): {"target_temperature": 21}}
            )
            receipt = (await self.put({"current_temperature": temperature}, base=receipt.revision)).receipt

    async def test_nor_does_one_on_top_of_what_only_a_conflict_told(self) -> None:
        await self.put({"x": 1})
        await self.write({"target_temperature": 21})
        conflict = (await self.put({"x": 2}, expect=1)).receipt
        receipt = (await self.put({"x": 2}, base=conflict.revision)).receipt
        self.assertIn(str(SHARED), await self.sent((SHARED, receipt.timestamp)))

    async def test_only_what_is_newer_than_the_claim(self) -> None:
        await self.put({"x": 1}, DEVICE)
        has = (await self.write({"learning_mode": False}, DEVICE)).receipt.timestamp
        await self.sent((DEVICE, 1))
        await self.write({"temperature_scale": "C"}, DEVICE)
        self.assertEqual(await self.sent((DEVICE, has)), {str(DEVICE): {"temperature_scale": "C"}})

    async def test_a_setting_the_device_has_changed_is_its_own(self) -> None:
        await self.put({"x": 1}, DEVICE)
        written = (await self.write({"learning_mode": False}, DEVICE)).receipt
        await self.sent((DEVICE, 1))
        await self.put({"learning_mode": True}, DEVICE, base=written.revision)
        self.assertEqual(await self.sent((DEVICE, 0)), {})

    async def test_a_dial_turned_after_the_push_wins(self) -> None:
        await self.put({"current_temperature": 20})
        await self.write({"target_temperature": 21})
        await self.put({"current_temperature": 20.5}, base=1)
        (update,) = (await self.subscribe((SHARED, 1))).updates
        await self.put({"target_temperature": 18}, base=update.receipt.revision)
        self.assertEqual((await self.values())["target_temperature"], 18)

    async def test_a_claim_acknowledges(self) -> None:
        await self.put({"x": 1})
        await self.write({"target_temperature": 21})
        await self.sent((SHARED, 1))
        now_has = await self.timestamp()
        self.assertEqual(await self.sent((SHARED, now_has)), {})
        self.assertEqual(await self.sent((SHARED, 0)), {}, "a setpoint that was taken is not sent again")

    async def test_a_put_on_top_acknowledges(self) -> None:
        await self.put({"x": 1})
        written = (await self.write({"target_temperature": 21, "target_change_pending": True})).receipt
        await self.sent((SHARED, 1))
        await self.put({"target_change_pending": False}, base=written.revision)
        self.assertEqual(await self.sent((SHARED, 0)), {})
        self.assertEqual((await self.values())["target_change_pending"], False)

    async def test_a_setting_is_sent_again_after_a_reset(self) -> None:
        await self.put({"x": 1}, DEVICE)
        await self.write({"learning_mode": False}, DEVICE)
        await self.sent((DEVICE, 1))
        await self.sent((DEVICE, await self.timestamp(DEVICE)))
        self.assertEqual(await self.sent((DEVICE, 0)), {str(DEVICE): {"learning_mode": False}})

    async def test_factory_values_do_not_wipe_a_setting(self) -> None:
        await self.put({"x": 1}, DEVICE)
        await self.write({"learning_mode": False}, DEVICE)
        await self.sent((DEVICE, 1))
        await self.sent((DEVICE, await self.timestamp(DEVICE)))
        await self.subscribe((DEVICE, 0))
        receipt = (await self.put({"learning_mode": True, "x": 2}, DEVICE, base=0)).receipt
        self.assertEqual(
            await self.sent((DEVICE, receipt.timestamp)), {str(DEVICE): {"learning_mode": False}}
        )

    async def test_a_setpoint_goes_stale(self) -> None:
        await self.put({"x": 1})
        await self.write({"target_temperature": 21, "target_temperature_type": "heat"})
        self.now += 30 * MINUTE
        self.assertEqual(await self.sent((SHARED, 1)), {str(SHARED): {"target_temperature_type": "heat"}})
        await self.write({"target_temperature": 21})
        self.assertIn(
            "target_temperature", (await self.sent((SHARED, 1)))[str(SHARED)], "said again, it counts"
        )

    async def test_companions_alone_are_no_change(self) -> None:
        await self.put({"target_temperature": 21.0})
        said = await self.write(
            {"target_temperature": 21, "target_change_pending": True, "touched_by": {"touched_at": 1}}
        )
        self.assertEqual(said.outcome, "same")

    async def test_a_device_that_takes_nothing_ends_up_held(self) -> None:
        await self.put({"x": 1}, DEVICE)
        await self.write({"learning_mode": False}, DEVICE)
        answers = [bool(await self.sent((DEVICE, 0))) for _ in range(5)]
        self.assertEqual(answers, [True, True, True, False, False])
        self.now += MINUTE
        self.assertTrue(await self.sent((DEVICE, 0)))
        await self.write({"learning_mode": True}, DEVICE)
        self.assertTrue(await self.sent((DEVICE, 0)), "a new write starts anew")

    async def test_an_unlisted_bucket_is_offered_three_times(self) -> None:
        await self.put({"x": 1})
        alert = ObjectKey("device_alert_dialog", SERIAL)
        await self.write({"dialog_id": "confirm-pairing"}, alert)
        for _ in range(3):
            self.assertIn(str(alert), await self.sent((SHARED, 0)))
        self.assertEqual(await self.sent((SHARED, 0)), {})

    async def test_reread_for_a_held_poll(self) -> None:
        opened = await self.subscribe((SHARED, 5), (DEVICE, 0))
        self.assertEqual(opened.updates, ())
        claims = {str(SHARED): 5, str(DEVICE): 0}
        self.assertEqual(await self.buckets.reread(SERIAL, claims, self.now, self.now), Newer(()))
        await self.write({"target_temperature": 21})
        for _ in range(2):
            (update,) = (await self.buckets.reread(SERIAL, claims, self.now, self.now)).updates
            self.assertEqual(dict(update.values), {"target_temperature": "21"})
        claims[str(SHARED)] = update.receipt.timestamp
        self.assertEqual(await self.buckets.reread(SERIAL, claims, self.now, self.now), Newer(()))


class EchoGuard(BucketTestCase):
    async def test_a_write_the_device_had_not_seen_stays(self) -> None:
        await self.put({"fan_timer_timeout": 0, "x": 1}, DEVICE)
        await self.write({"fan_timer_timeout": 900}, DEVICE)
        written = await self.put({"fan_timer_timeout": 1, "x": 2}, DEVICE, base=1)
        self.assertEqual(await self.values(DEVICE), {"fan_timer_timeout": 900, "x": 2})
        self.assertEqual(
            (await self.sent((DEVICE, written.receipt.timestamp)))[str(DEVICE)], {"fan_timer_timeout": 900}
        )

    async def test_not_when_it_was_seen(self) -> None:
        await self.put({"fan_timer_timeout": 0}, DEVICE)
        await self.write({"fan_timer_timeout": 900}, DEVICE)
        await self.sent((DEVICE, 1))
        await self.put({"fan_timer_timeout": 0}, DEVICE, base=2)
        self.assertEqual(await self.values(DEVICE), {"fan_timer_timeout": 0})

    async def test_not_under_a_condition(self) -> None:
        await self.put({"fan_timer_timeout": 0}, DEVICE)
        await self.write({"fan_timer_timeout": 900}, DEVICE)
        await self.put({"fan_timer_timeout": 1}, DEVICE, base=1, expect=2)
        self.assertEqual(await self.values(DEVICE), {"fan_timer_timeout": 1})

    async def test_not_for_what_went_stale(self) -> None:
        await self.put({"fan_timer_timeout": 0}, DEVICE)
        await self.write({"fan_timer_timeout": 900}, DEVICE)
        self.now += 30 * MINUTE
        await self.put({"fan_timer_timeout": 1}, DEVICE, base=1)
        self.assertEqual(await self.values(DEVICE), {"fan_timer_timeout": 1})

    async def test_a_base_of_another_server_counts_as_none(self) -> None:
        await self.put({"fan_timer_timeout": 0}, DEVICE)
        await self.write({"fan_timer_timeout": 900}, DEVICE)
        await self.sent((DEVICE, 1))
        for base in (1545, -1):
            await self.put({"fan_timer_timeout": 1}, DEVICE, base=base)
            self.assertEqual(await self.values(DEVICE), {"fan_timer_timeout": 900})

    async def test_a_schedule_is_guarded_as_a_whole(self) -> None:
        await self.put({"ver": 2, "days": {}, "extra": 1}, SCHEDULE)
        ours = {"ver": 2, "name": "Ours", "days": {"0": {}}}
        await self.write(ours, SCHEDULE)
        receipt = (await self.put({"ver": 3, "days": {"1": {}}, "extra": 2}, SCHEDULE, base=1)).receipt
        self.assertEqual(await self.values(SCHEDULE), ours)
        self.assertEqual(await self.sent((SCHEDULE, receipt.timestamp)), {str(SCHEDULE): ours})

    async def test_and_sent_as_a_whole_or_not_at_all(self) -> None:
        await self.put({"ver": 2, "days": {}}, SCHEDULE)
        await self.write({"ver": 2, "name": "Ours", "days": {"0": {}}}, SCHEDULE)
        await self.sent((SCHEDULE, 1))
        await self.put({"ver": 2, "name": "Ours", "days": {"1": {}}}, SCHEDULE, base=2)
        self.assertEqual(await self.sent((SCHEDULE, 0)), {})


class Inline(BucketTestCase):
    async def test_an_upload_is_stored_and_not_sent_back(self) -> None:
        opened = await self.subscribe((SHARED, 0), target_temperature=20)
        self.assertEqual(opened.updates, ())
        self.assertEqual(await self.values(), {"target_temperature": 20})

    async def test_an_upload_does_not_wipe_a_waiting_command(self) -> None:
        await self.put({"target_temperature": 19})
        await self.write({"target_temperature": 21})
        opened = await self.subscribe((SHARED, 0), target_temperature=19, current_temperature=18)
        self.assertEqual(dict(opened.updates[0].values), {"target_temperature": "21"})
        self.assertEqual(await self.values(), {"target_temperature": 21, "current_temperature": 18})

    async def test_an_older_one_is_left_alone(self) -> None:
        receipt = (await self.put({"target_temperature": 19})).receipt
        await self.subscribe((SHARED, receipt.timestamp - 1), target_temperature=5)
        self.assertEqual(await self.values(), {"target_temperature": 19})

    async def test_but_its_pending_flag_is_cleared(self) -> None:
        await self.put({"x": 1})
        await self.write({"target_temperature": 21, "target_change_pending": True})
        await self.sent((SHARED, 1))
        await self.subscribe(
            (SHARED, await self.timestamp()), target_change_pending=False, target_temperature=5
        )
        self.assertEqual((await self.values())["target_change_pending"], False)
        self.assertEqual((await self.values())["target_temperature"], 21)

    async def test_a_newer_one_is_merged(self) -> None:
        await self.put({"target_temperature": 19})
        await self.subscribe((SHARED, NOW + DAY), target_temperature=22)
        self.assertEqual(await self.values(), {"target_temperature": 22})
        self.assertEqual(await self.timestamp(), NOW + DAY + 1)


class Bounds(BucketTestCase):
    async def test_devices(self) -> None:
        for n in range(LIMITS.devices):
            await self.buckets.subscribe(f"02AA01AC0000000{n}", [], self.now)
        for _ in range(2):
            with self.assertRaises(Full):
                await self.put({"x": 1}, serial="02AA01AC00000009")
            with self.assertRaises(Full):
                await self.buckets.subscribe("02AA01AC00000009", [], self.now)
        await self.put({"x": 2}, serial="02AA01AC00000000")
        self.assertEqual(await self.client.command("ZCARD", keys.DEVICES), LIMITS.devices)
        self.now += LIMITS.ttl + 2
        await Upkeep(Scripts(self.client, LIMITS)).expire(self.now, LIMITS.ttl)
        await self.put({"x": 1}, serial="02AA01AC00000009")

    async def test_buckets(self) -> None:
        outcomes = [
            (await self.put({"x": 1}, ObjectKey("odd", str(n)))).outcome for n in range(LIMITS.buckets + 1)
        ]
        self.assertEqual(outcomes, ["stored"] * LIMITS.buckets + ["full"])
        many = [(ObjectKey("listed", str(n)), 0) for n in range(100)]
        await self.subscribe(*many)
        stored = await self.client.command("KEYS", "*bucket:*")
        self.assertEqual(len(stored), LIMITS.buckets)

    async def test_bytes(self) -> None:
        self.assertEqual((await self.put({"x": "y" * 15_000})).outcome, "stored")
        self.assertEqual((await self.put({"z": "y" * 15_000})).outcome, "full")
        self.assertEqual((await self.put({"x": "y"})).outcome, "stored")
        self.assertEqual((await self.put({"z": "y" * 15_000})).outcome, "stored")

    async def test_bytes_of_what_is_replaced_are_free_again(self) -> None:
        outcomes = [(await self.put({f"x{n}": "y" * 15_000}, SCHEDULE)).outcome for n in range(3)]
        self.assertEqual(outcomes, ["stored"] * 3)

    async def test_everything_of_a_device_ends_some_time(self) -> None:
        await self.put({"x": 1})
        await self.subscribe((SHARED, 5), (DEVICE, 6))
        await self.write({"x": 2}, DEVICE)
        for key in await self.client.command("KEYS", keys.facts(SERIAL).replace("facts", "*")):
            left = await self.client.command("PTTL", key)
            self.assertTrue(0 < left <= LIMITS.ttl + BACKSTOP, (key, left))

    async def test_contact_keeps_everything_alive(self) -> None:
        await self.put({"x": 1})
        for key in await self.client.command("KEYS", "nled:{*"):
            await self.client.command("PEXPIRE", key, LIMITS.ttl // 2)
        await self.put({"y": 1}, DEVICE)
        for key in await self.client.command("KEYS", "nled:{*"):
            # A history has an end of its own (test_history).
            if not key.endswith((":history", ":latest")):
                self.assertTrue(await self.client.command("PTTL", key) > (LIMITS.ttl + BACKSTOP) * 0.98, key)

"""Devices read, written, given up, against a real server: protocol e.4 and e.5."""

import json
import re

from twisted.internet.defer import Deferred, gatherResults

from nled.domain.buckets import ObjectKey
from nled.domain.device import Delivery, Device, Pending
from nled.domain.errors import Full, NotKnown
from nled.domain.pairing import new_code
from nled.domain.requests import Listed, Put
from nled.domain.rooms import NAMING, name_of
from nled.store import keys
from nled.store.client import StoreUnavailable
from nled.store.devices import STEP, Devices, Wanted, Write, Written
from nled.store.pairing import Arrival, Pairing
from nled.store.scripts import Limits, Scripts
from nled.store.upkeep import Upkeep
from tests.store.support import StoreTestCase
from tests.store.test_buckets import DAY, DEVICE, MINUTE, SCHEDULE, SERIAL, SHARED, Reaching, texts

OTHER = "02AA01AC33140F62"
DIALOG = ObjectKey("device_alert_dialog", SERIAL)
DEFAULT_HOME = ObjectKey("structure", "default")
LIMITS = Limits(
    devices=5000,
    buckets=8,
    device_bytes=20_000,
    ttl=90 * DAY,
    momentary=30 * MINUTE,
    history=30 * DAY,
    points=20_000,
)
SPACING = 15_000


class DeviceTestCase(StoreTestCase):
    async def setUp(self) -> None:
        await super().setUp()
        scripts = Scripts(self.client, LIMITS)
        self.buckets, self.devices = Reaching(scripts), Devices(scripts)
        self.pairing = Pairing(scripts, 60 * MINUTE)
        self.numbers = iter(range(10**6))
        # Redis expires keys by its own clock, so these tests live in its present.
        seconds, micros = await self.client.command("TIME")
        self.now = int(seconds) * 1000 + int(micros) // 1000

    async def put(
        self,
        values: dict[str, object],
        key: ObjectKey = SHARED,
        base: int | None = None,
        serial: str = SERIAL,
    ) -> None:
        self.now += 1000
        await self.buckets.put(serial, [Put(key, base, None, texts(values))], self.now)

    async def write(
        self, *writes: tuple[ObjectKey, dict[str, object]], serial: str = SERIAL
    ) -> list[Written]:
        self.now += 1000
        written = await self.devices.write(serial, [Write(k, texts(v)) for k, v in writes], self.now)
        assert written is not None
        return list(written)

    async def claims(self, **claims: int) -> dict[str, dict[str, object]]:
        """Subscribe with a claim for each kind of bucket; what is answered, by key."""
        self.now += 1000
        listed = [Listed(ObjectKey(kind, SERIAL), claim, {}) for kind, claim in claims.items()]
        opened = await self.buckets.subscribe(SERIAL, listed, self.now)
        return {each.receipt.key: _decoded(each.values) for each in opened.updates}

    async def claimed(self, serial: str = SERIAL, user: str = "user_ann") -> None:
        self.now += 1000
        key = await self.pairing.entry_key(serial, new_code(next(self.numbers)), self.now)
        assert key is not None
        self.assertEqual(await self.pairing.claim(key.code, user, self.now), serial)

    async def device(self, serial: str = SERIAL, wanted: Wanted | None = None) -> Device:
        device = await self.devices.read(serial, self.now, wanted)
        assert device is not None
        return device

    async def many(self, serials: list[str], now: int, wanted: Wanted | None = None) -> list[Device]:
        return [device async for device in self.devices.each(serials, now, wanted)]

    async def delivery(self, *written: Written) -> Delivery:
        return await self.devices.delivery(SERIAL, written, self.now)

    async def names(self) -> list[str]:
        return sorted(await self.client.command("KEYS", "*"))


def _decoded(values: dict[str, str]) -> dict[str, object]:
    return {name: json.loads(text) for name, text in values.items()}


class Reading(DeviceTestCase):
    async def test_nobody(self) -> None:
        self.assertIsNone(await self.devices.read(SERIAL, self.now))
        self.assertEqual(await self.many([SERIAL, OTHER], self.now), [])
        self.assertEqual(await self.many([], self.now), [])

    async def test_whole(self) -> None:
        facts = {"model": "Diamond-2.6", "mac": "18B430ABCDEF"}
        await self.pairing.arrived([Arrival(SERIAL, facts, facts["mac"], reset=False)], self.now)
        first = self.now
        values = {"x": 1.5, "o": {"a": [None, "ü", True]}, 'odd"name\n': 0}
        await self.put(values)
        await self.claimed()
        device = await self.device()
        self.assertEqual((device.owner, device.structure), ("user_ann", "ann"))
        self.assertEqual(device.seen, self.now)
        self.assertEqual((device.shared.key, device.shared.revision), (SHARED, 1))
        self.assertEqual(device.shared.timestamp, first + 1000)
        self.assertEqual(device.shared.values, values)
        self.assertEqual(device.home.values, {"name": "Home", "devices": [f"device.{SERIAL}"]})
        self.assertEqual(list(device.buckets), ["user.user_ann", "structure.ann", str(SHARED)])

    async def test_only_what_is_wanted(self) -> None:
        await self.put({"a": 1, "b": 2, "c": 3})
        await self.put({"d": 4}, DEVICE)
        device = await self.device(wanted={"shared": ("c", "none", "a"), "structure": ("name",), "user": ()})
        self.assertEqual(
            {key: b.values for key, b in device.buckets.items()}, {str(SHARED): {"c": 3, "a": 1}}
        )
        await self.claimed()
        device = await self.device(wanted={"structure": ("name",), "user": ("name",)})
        self.assertEqual(
            [dict(b.values) for b in device.buckets.values()], [{"name": "Home"}, {"name": "user_ann"}]
        )

    async def test_rooms_have_an_id_of_their_own(self) -> None:
        wheres = [{"name": "Sauna", "where_id": "x"}]
        await self.put({"wheres": wheres}, ObjectKey("where", "b0c1"))
        await self.put({"where_id": "x"}, DEVICE)
        self.assertEqual(name_of(await self.device(wanted=NAMING)), "Sauna")

    async def test_the_store_goes_away_while_many_are_read(self) -> None:
        async def away(*_: object, **__: object) -> None:
            raise StoreUnavailable("away")

        self.patch(self.devices, "_snapshot", away)
        with self.assertRaises(StoreUnavailable):
            await self.many([SERIAL] * 60, self.now)

    async def test_one_that_only_claims_has_no_buckets(self) -> None:
        await self.claims(shared=5)
        self.assertEqual((await self.device()).buckets, {})
        self.assertEqual((await self.device(wanted={"shared": ("x",)})).shared.revision, 0)

    async def test_shares(self) -> None:
        await self.claimed()
        await self.client.command("HSET", keys.shares(SERIAL), "bob", "read")
        self.assertEqual((await self.device()).shares, {"bob": "read"})

    async def test_met_too_long_ago(self) -> None:
        await self.put({"x": 1})
        await self.put({"x": 1}, ObjectKey("shared", OTHER), serial=OTHER)
        await self.claimed(OTHER)
        self.now += LIMITS.ttl + 2000
        await Upkeep(Scripts(self.client, LIMITS)).expire(self.now, LIMITS.ttl)
        self.assertEqual(await self.many([SERIAL, OTHER], self.now), [])
        self.assertEqual(await self.devices.contacts(self.now), {})
        # The one that is owned is known all the same.
        self.assertIsNone(await self.devices.read(SERIAL, self.now))
        other = await self.devices.read(OTHER, self.now)
        self.assertEqual((other.owner, other.expired), ("user_ann", True))
        await self.put({"x": 1}, ObjectKey("shared", OTHER), serial=OTHER)
        self.assertEqual(await self.devices.contacts(self.now), {OTHER: self.now})
        self.assertFalse((await self.devices.read(OTHER, self.now)).expired)

    async def test_the_serials_of_all_that_were_met_or_are_owned(self) -> None:
        await self.put({"x": 1})
        await self.claimed(OTHER)
        await self.client.command("ZREM", keys.DEVICES, OTHER)
        self.assertEqual(await self.devices.serials(), [SERIAL, OTHER])

    async def test_owned(self) -> None:
        await self.claimed()
        at = self.now
        await self.claimed(OTHER, "bob")
        self.assertEqual(await self.devices.owned(None), [(OTHER, self.now), (SERIAL, at)])
        self.assertEqual(await self.devices.owned("user_ann"), [(SERIAL, at)])
        self.assertEqual(await self.devices.owned("nobody"), [])

    async def test_many(self) -> None:
        """One step reads 25 devices; as it is one at a time for everybody else, it has to be short."""
        serials = [f"02AA01AC{n:08X}" for n in range(1000)]
        fields = {f"some_field_{n}": n * 0.37 for n in range(60)}
        puts = [
            Deferred.fromCoroutine(
                self.buckets.put(
                    serial,
                    [
                        Put(ObjectKey(kind, serial), None, None, texts(fields))
                        for kind in ("shared", "device")
                    ],
                    self.now,
                )
            )
            for serial in serials
        ]
        await gatherResults(puts)
        wanted = {kind: tuple(fields) for kind in ("shared", "device", "structure", "schedule")}
        await self.devices.read(SERIAL, self.now, wanted)
        await self.client.command("CONFIG", "RESETSTAT")

        devices = await self.many(serials, self.now, wanted)
        self.assertEqual([device.serial for device in devices], serials)
        self.assertEqual(devices[-1].shared.values, fields)
        stats = await self.client.command("INFO", "commandstats")
        calls = re.search(r"cmdstat_evalsha:calls=(\d+)", stats)[1]
        self.assertEqual(int(calls), 1000 / STEP)


class Writing(DeviceTestCase):
    async def setUp(self) -> None:
        await super().setUp()
        await self.put({"target_temperature": 20})

    async def test_several_buckets(self) -> None:
        shared, device = await self.write(
            (SHARED, {"target_temperature": 21}), (DEVICE, {"fan_mode": "auto", "eco": {"mode": "schedule"}})
        )
        self.assertEqual((shared.outcome, shared.receipt.revision), ("stored", 2))
        self.assertEqual((device.receipt.key, device.receipt.revision), (str(DEVICE), 1))
        self.assertEqual((device.delivery, device.fields), ("queued", ("fan_mode", "eco")))
        stored = await self.device()
        self.assertEqual(stored.shared.values, {"target_temperature": 21})
        self.assertEqual(stored.device.values, {"fan_mode": "auto", "eco": {"mode": "schedule"}})
        self.assertEqual(stored.device.revision, 1)

    async def test_all_or_nothing(self) -> None:
        before = await self.device()
        writes = [
            Write(DEVICE, texts({"fan_mode": "auto"}), 0),
            Write(SHARED, texts({"target_temperature": 21}), 7),
        ]
        self.assertIsNone(await self.devices.write(SERIAL, writes, self.now))
        self.assertIsNone(await self.devices.write(SERIAL, writes[::-1], self.now))
        self.assertEqual(await self.device(), before)
        writes[1] = Write(SHARED, texts({"target_temperature": 21}), 1)
        self.assertIsNotNone(await self.devices.write(SERIAL, writes, self.now))

    async def test_too_much(self) -> None:
        before = await self.device()
        writes = [
            Write(DEVICE, texts({"fan_mode": "auto"})),
            Write(SHARED, texts({"label": "x" * LIMITS.device_bytes})),
        ]
        with self.assertRaisesRegex(Full, SERIAL):
            await self.devices.write(SERIAL, writes, self.now)
        self.assertEqual(await self.device(), before)

    async def test_nobody(self) -> None:
        await self.client.command("FLUSHALL")
        with self.assertRaises(NotKnown):
            await self.write((SHARED, {"target_temperature": 20}))
        self.assertEqual(await self.names(), [])

    async def test_the_same_again(self) -> None:
        (first,) = await self.write((SHARED, {"target_temperature": 21}))
        (again,) = await self.write((SHARED, {"target_temperature": 21.0}))
        self.assertEqual((again.outcome, again.receipt), ("same", first.receipt))
        self.assertEqual((again.delivery, again.minted), ("queued", first.minted))
        await self.claims(shared=1)
        (again,) = await self.write((SHARED, {"target_temperature": 21}))
        self.assertEqual(again.delivery, "pushed")
        await self.claims(shared=first.minted)
        (again,) = await self.write((SHARED, {"target_temperature": 21}))
        self.assertEqual(again.delivery, "acknowledged")
        self.assertEqual(await self.delivery(again), "acknowledged")

    async def test_the_same_as_the_device_says(self) -> None:
        (written,) = await self.write((SHARED, {"target_temperature": 20}))
        self.assertEqual((written.outcome, written.delivery, written.minted), ("same", "acknowledged", 0))
        self.assertEqual(await self.delivery(written), "acknowledged")

    async def test_an_expected_revision_of_the_home(self) -> None:
        await self.claimed()
        home = (await self.device()).home
        for expect in (home.revision + 1, home.revision):
            written = await self.devices.write(
                SERIAL, [Write(home.key, texts({"away": True}), expect)], self.now
            )
            self.assertEqual(written is not None, expect == home.revision)


class UnclaimedHomes(DeviceTestCase):
    async def setUp(self) -> None:
        await super().setUp()
        await self.put({"x": 1})

    async def away(self, *, value: bool) -> Written:
        (written,) = await self.write((DEFAULT_HOME, {"manual_eco_all": value}))
        return written

    async def test_it_is_made_when_it_is_needed(self) -> None:
        device = await self.device()
        self.assertEqual((device.home.key, device.home.revision), (DEFAULT_HOME, 0))
        written = await self.away(value=True)
        self.assertEqual(written.fields, ("manual_eco_all",))
        offered = await self.claims(shared=0)
        self.assertEqual(list(offered), ["user.default", "structure.default"])
        self.assertEqual(offered["user.default"], {"name": "default"})
        self.assertEqual(
            offered["structure.default"],
            {"name": "Home", "devices": [f"device.{SERIAL}"], "manual_eco_all": True},
        )
        self.assertEqual(await self.claims(shared=0), offered)
        self.assertEqual(await self.claims(shared=0), offered)
        self.assertEqual(await self.claims(shared=0), {}, "offered often enough")
        self.assertEqual((await self.device()).home.values["manual_eco_all"], True)

    async def test_a_held_poll_is_told_user_first(self) -> None:
        await self.away(value=True)
        updates = (await self.buckets.reread(SERIAL, {}, self.now, self.now)).updates
        self.assertEqual([each.receipt.key for each in updates], ["user.default", "structure.default"])

    async def test_a_second_write_makes_no_second_home(self) -> None:
        await self.away(value=True)
        await self.write((DEFAULT_HOME, {"name": "Cabin"}))
        await self.away(value=False)
        values = (await self.device()).home.values
        self.assertEqual((values["name"], values["manual_eco_all"]), ("Cabin", False))

    async def test_each_device_has_its_own(self) -> None:
        await self.away(value=True)
        await self.put({"x": 1}, ObjectKey("shared", OTHER), serial=OTHER)
        self.assertEqual((await self.device(OTHER)).home.revision, 0)

    async def test_a_claim_ends_it(self) -> None:
        used = await self.client.command("HGET", keys.facts(SERIAL), "bytes")
        await self.away(value=True)
        await self.claimed()
        self.assertEqual(await self.client.command("HGET", keys.facts(SERIAL), "bytes"), used)
        self.assertNotIn("default", " ".join(await self.names()))
        self.assertNotIn("manual_eco_all", (await self.device()).home.values)
        refused = await self.devices.write(SERIAL, [Write(DEFAULT_HOME, texts({"away": True}))], self.now)
        self.assertIsNone(refused, "who writes must look again at whose home this is")

    async def test_and_so_does_the_end_of_an_ownership_for_a_home(self) -> None:
        await self.claimed()
        home = (await self.device()).home.key
        await self.devices.unpair(SERIAL, None, self.now)
        self.assertIsNone(await self.devices.write(SERIAL, [Write(home, texts({"away": True}))], self.now))


class Deliveries(DeviceTestCase):
    async def setUp(self) -> None:
        await super().setUp()
        await self.put({"target_temperature": 20, "x": 1})

    async def pending(self) -> tuple[Pending, ...]:
        return (await self.device(wanted={"shared": ()})).shared.pending

    async def test_all_the_way(self) -> None:
        (written,) = await self.write((SHARED, {"target_temperature": 21, "target_change_pending": True}))
        waiting = Pending(
            str(SHARED), ("target_change_pending", "target_temperature"), 2, self.now, self.now, "queued"
        )
        self.assertEqual((await self.delivery(written), await self.pending()), ("queued", (waiting,)))
        await self.claims(shared=1)
        self.assertEqual((await self.delivery(written), (await self.pending())[0].delivery), ("pushed",) * 2)
        await self.claims(shared=written.minted)
        self.assertEqual((await self.delivery(written), await self.pending()), ("acknowledged", ()))

    async def test_only_what_is_not_acknowledged_is_pending(self) -> None:
        (first,) = await self.write((SHARED, {"target_temperature_type": "heat"}))
        await self.claims(shared=1)
        await self.claims(shared=first.minted)
        await self.write((SHARED, {"target_temperature": 21}))
        self.assertEqual([each.fields for each in await self.pending()], [("target_temperature",)])

    async def test_a_put_on_top(self) -> None:
        (written,) = await self.write((SHARED, {"target_temperature": 21, "target_change_pending": True}))
        await self.claims(shared=1)
        await self.put({"target_change_pending": False, "target_temperature": 18}, base=2)
        self.assertEqual((await self.delivery(written), await self.pending()), ("acknowledged", ()))

    async def test_moved_up_behind_a_receipt(self) -> None:
        (written,) = await self.write((SHARED, {"target_temperature": 21}))
        await self.claims(shared=1)
        await self.put({"x": 2}, base=1)
        self.assertEqual(await self.delivery(written), "queued")
        (waiting,) = await self.pending()
        self.assertEqual((waiting.delivery, waiting.at), ("queued", written.minted))
        self.assertGreater(waiting.timestamp, written.minted)
        await self.claims(shared=written.minted)
        self.assertEqual(await self.delivery(written), "pushed", "offered anew, and not yet taken")
        await self.claims(shared=waiting.timestamp)
        self.assertEqual(await self.delivery(written), "acknowledged")

    async def test_too_late(self) -> None:
        written = await self.write((SHARED, {"target_temperature": 21, "target_temperature_type": "heat"}))
        self.now += 30 * MINUTE
        self.assertEqual(await self.delivery(*written), "queued", "the mode is still to come")
        self.assertEqual(
            [(each.fields, each.delivery) for each in await self.pending()],
            [(("target_temperature",), "expired"), (("target_temperature_type",), "queued")],
        )
        await self.claims(shared=1)
        self.assertEqual(await self.delivery(*written), "pushed")
        (fan,) = await self.write((DEVICE, {"fan_timer_timeout": 900}))
        (alone,) = await self.write((SHARED, {"target_temperature": 22}))
        self.now += 30 * MINUTE
        self.assertEqual(await self.delivery(alone), "expired")
        (mode,) = await self.write((DEVICE, {"fan_mode": "auto"}))
        self.assertEqual(await self.delivery(fan, mode), "queued")

    async def test_too_late_is_too_late(self) -> None:
        """A device that takes what comes after a stale write has not taken that write."""
        for passed_over_by in ("a PUT", "a PUT that changes nothing", "another field"):
            (written,) = await self.write((SHARED, {"target_temperature": 25}))
            self.now += 30 * MINUTE
            if passed_over_by == "another field":
                await self.write((SHARED, {"target_temperature_type": "heat"}))
                await self.claims(shared=1)
            else:
                await self.put({"x": 2}, base=1)
            stands = (await self.device()).shared.timestamp
            self.assertEqual(await self.claims(shared=stands), {}, passed_over_by)
            self.assertEqual(await self.delivery(written), "expired", passed_over_by)
            self.assertEqual([each.delivery for each in await self.pending()], ["expired"], passed_over_by)
            (again,) = await self.write((SHARED, {"target_temperature": 25}))
            self.assertEqual((again.outcome, again.delivery), ("stored", "queued"), passed_over_by)
            self.assertEqual(
                await self.claims(shared=stands), {"shared." + SERIAL: {"target_temperature": 25}}
            )
            await self.claims(shared=again.minted)
            self.assertEqual((await self.delivery(again), await self.pending()), ("acknowledged", ()))
            await self.put({"target_temperature": 20}, base=99)

    async def test_too_late_for_one_device_of_a_home(self) -> None:
        await self.claimed()
        await self.claimed(OTHER)
        home = ObjectKey("structure", "ann")
        written = await self.write((home, {"manual_eco_timestamp": 5}))
        await self.claims(structure=0)
        listed = [Listed(home, 0, {})]
        await self.buckets.subscribe(SERIAL, listed, self.now)
        await self.buckets.subscribe(SERIAL, [Listed(home, written[0].minted, {})], self.now)
        self.now += 30 * MINUTE
        await self.buckets.subscribe(OTHER, listed, self.now)
        await self.buckets.subscribe(OTHER, [Listed(home, written[0].minted, {})], self.now)
        self.assertEqual(await self.delivery(*written), "acknowledged")
        self.assertEqual(await self.devices.delivery(OTHER, written, self.now), "expired")

    async def test_too_late_and_then_set_at_the_dial(self) -> None:
        await self.write((SHARED, {"target_temperature": 25}))
        self.now += 30 * MINUTE
        await self.put({"x": 2}, base=1)
        await self.put({"target_temperature": 25}, base=3)
        self.assertEqual(await self.pending(), ())

    async def test_overruled_by_a_device_that_had_not_seen_it(self) -> None:
        (written,) = await self.write((SHARED, {"target_temperature": 21}))
        await self.put({"target_temperature": 18})
        self.assertEqual(await self.delivery(written), "expired")

    async def test_the_slowest_of_several(self) -> None:
        written = await self.write((SHARED, {"target_temperature": 21}), (DEVICE, {"fan_mode": "auto"}))
        await self.claims(shared=1)
        await self.claims(shared=written[0].minted)
        self.assertEqual(await self.delivery(written[0]), "acknowledged")
        self.assertEqual(await self.delivery(*written), "pushed")
        await self.claims(device=written[1].minted)
        self.assertEqual(await self.delivery(*written), "acknowledged")

    async def test_each_device_of_a_home_for_itself(self) -> None:
        await self.claimed()
        await self.claimed(OTHER)
        written = await self.write((ObjectKey("structure", "ann"), {"away": True}))
        await self.claims(shared=0)
        self.assertEqual(await self.delivery(*written), "pushed")
        self.assertEqual(await self.devices.delivery(OTHER, written, self.now), "queued")
        pending = {
            device.serial: {one.delivery for one in device.home.pending if "away" in one.fields}
            for device in await self.many([SERIAL, OTHER], self.now)
        }
        self.assertEqual(pending, {SERIAL: {"pushed"}, OTHER: {"queued"}})

    async def test_oldest_first(self) -> None:
        await self.write((SHARED, {"target_temperature": 21}))
        await self.write((DEVICE, {"fan_mode": "auto"}))
        await self.write((SHARED, {"target_temperature_type": "heat"}))
        pending = (await self.device()).pending
        self.assertEqual([one.key for one in pending], [str(SHARED), str(DEVICE), str(SHARED)])


class Schedules(DeviceTestCase):
    async def setUp(self) -> None:
        await super().setUp()
        await self.put({"ver": 2, "days": {}}, SCHEDULE)
        self.claim = (await self.device()).schedule.timestamp

    async def schedule(self, number: int) -> None:
        await self.write((SCHEDULE, {"ver": 2, "days": {str(number): {}}}))

    async def reread(self) -> tuple[list[object], int | None]:
        newer = await self.buckets.reread(SERIAL, {str(SCHEDULE): self.claim}, self.now, self.now)
        return [json.loads(each.values["days"]) for each in newer.updates], newer.due

    async def test_the_next_one_keeps_its_distance(self) -> None:
        await self.schedule(1)
        self.assertEqual(await self.reread(), ([{"1": {}}], None))
        pushed = self.now
        await self.schedule(2)
        await self.schedule(3)
        self.assertEqual(await self.reread(), ([], pushed + SPACING - self.now))
        self.now = pushed + SPACING - 1
        self.assertEqual(await self.reread(), ([], 1))
        self.now += 1
        self.assertEqual(await self.reread(), ([{"3": {}}], None))

    async def test_also_for_a_new_poll(self) -> None:
        await self.schedule(1)
        await self.reread()
        await self.schedule(2)
        opened = await self.buckets.subscribe(SERIAL, [Listed(SCHEDULE, self.claim, {})], self.now)
        self.assertEqual((opened.updates, opened.due), ((), SPACING - 1000))

    async def test_overlapping_polls_are_told_the_same(self) -> None:
        await self.schedule(1)
        self.assertEqual(await self.reread(), await self.reread())

    async def test_others_do_not_wait_for_it(self) -> None:
        await self.schedule(1)
        await self.reread()
        await self.schedule(2)
        await self.write((SHARED, {"target_temperature": 21}))
        newer = await self.buckets.reread(SERIAL, {str(SCHEDULE): self.claim}, self.now, self.now)
        self.assertEqual([each.receipt.key for each in newer.updates], [str(SHARED)])
        self.assertIsNotNone(newer.due)


class Resending(DeviceTestCase):
    async def test_what_the_server_wrote_and_is_still_needed(self) -> None:
        await self.put({"target_temperature": 19, "current_temperature": 18})
        await self.put({"battery_level": 3.9}, DEVICE)
        (_, device) = await self.write(
            (SHARED, {"target_temperature": 21}), (DEVICE, {"learning_mode": False})
        )
        (shared,) = await self.write((SHARED, {"target_temperature_type": "heat"}))
        taken = {"shared": shared.minted, "device": device.minted}
        await self.claims(shared=1, device=1)
        self.assertEqual(await self.claims(**taken), {})
        self.assertEqual(await self.devices.resend(SERIAL, self.now), 2)
        self.assertEqual(
            await self.claims(**taken),
            {str(DEVICE): {"learning_mode": False}, str(SHARED): {"target_temperature_type": "heat"}},
        )

    async def test_a_setpoint_only_while_it_waits(self) -> None:
        await self.put({"x": 1})
        await self.write((SHARED, {"target_temperature": 21}))
        self.assertEqual(await self.devices.resend(SERIAL, self.now), 1)
        self.assertEqual(await self.claims(shared=1), {str(SHARED): {"target_temperature": 21}})
        self.now += 30 * MINUTE
        self.assertEqual(await self.devices.resend(SERIAL, self.now), 0)

    async def test_a_homes_setting_but_no_moment_of_it(self) -> None:
        await self.claimed()
        home = ObjectKey("structure", "ann")
        await self.write((home, {"away": False, "manual_eco_all": True, "manual_eco_timestamp": 1}))
        await self.claims(shared=0)
        at = (await self.device()).home.timestamp
        await self.devices.resend(SERIAL, self.now)
        newer = await self.buckets.reread(SERIAL, {str(home): at, "user.user_ann": at}, self.now, self.now)
        told = {each.receipt.key: set(each.values) for each in newer.updates}
        self.assertEqual(told[str(home)], {"away", "name", "devices"})

    async def test_nobody(self) -> None:
        self.assertEqual(await self.devices.resend(SERIAL, self.now), 0)
        self.assertEqual(await self.names(), [])


class Dialogs(DeviceTestCase):
    async def test_dismissed_once(self) -> None:
        await self.put({"x": 1})
        await self.write((DIALOG, {"dialog_id": "confirm-pairing", "dialog_data": "Connected"}))
        self.assertTrue(await self.devices.dismiss(SERIAL, self.now))
        self.assertEqual((await self.claims(shared=0))[str(DIALOG)], {"dialog_id": "", "dialog_data": ""})
        self.assertFalse(await self.devices.dismiss(SERIAL, self.now))

    async def test_nothing_to_dismiss(self) -> None:
        self.assertFalse(await self.devices.dismiss(SERIAL, self.now))
        await self.put({"x": 1})
        self.assertFalse(await self.devices.dismiss(SERIAL, self.now))
        self.assertNotIn(str(DIALOG), (await self.device()).buckets)


class Leaving(DeviceTestCase):
    async def shared(self) -> None:
        await self.client.command("HSET", keys.shares(SERIAL), "bob", "read")
        await self.client.command("SADD", keys.home_shared("bob"), SERIAL)

    async def assert_gone(self, serial: str) -> None:
        """Nothing is called after a device, or names it; only that it was there is told for a while."""
        reading = {
            "string": ("GET",),
            "hash": ("HGETALL",),
            "set": ("SMEMBERS",),
            "zset": ("ZRANGE", 0, -1),
            "stream": ("XRANGE", "-", "+"),
        }
        for name in await self.names():
            command, *rest = reading[await self.client.command("TYPE", name)]
            if name != keys.EVENTS:
                self.assertNotIn(serial, name + str(await self.client.command(command, name, *rest)))

    async def test_unpaired(self) -> None:
        await self.put({"x": 1})
        await self.claimed()
        await self.claimed(OTHER)
        await self.shared()
        self.assertFalse(await self.devices.unpair(SERIAL, "bob", self.now))
        self.assertTrue(await self.devices.unpair(SERIAL, "user_ann", self.now))
        self.assertFalse(await self.devices.unpair(SERIAL, None, self.now))
        device = await self.device()
        self.assertEqual((device.owner, list(device.buckets)), (None, [str(SHARED)]))
        self.assertEqual(await self.client.command("EXISTS", keys.shares(SERIAL)), 0)
        self.assertEqual([serial for serial, _ in await self.devices.owned(None)], [OTHER])
        self.assertEqual((await self.device(OTHER)).home.values["devices"], [f"device.{OTHER}"])
        await self.claimed(SERIAL, "bob")
        self.assertEqual((await self.device()).owner, "bob")

    async def test_nothing_stays_of_one_that_is_forgotten(self) -> None:
        await self.put({"x": 1}, ObjectKey("shared", OTHER), serial=OTHER)
        await self.pairing.arrived([Arrival(SERIAL, {"model": "x"}, "18B430ABCDEF", reset=False)], self.now)
        await self.pairing.gate(SERIAL, "hash", self.now)
        await self.put({"x": 1})
        await self.claims(shared=5, device=6)
        await self.claimed()
        await self.shared()
        await self.write((ObjectKey("structure", "ann"), {"away": True}), (SHARED, {"x": 2}))
        # A reset makes it claimable again, and so it has a live key too.
        await self.pairing.arrived([Arrival(SERIAL, {}, "", reset=True)], self.now)
        await self.pairing.entry_key(SERIAL, new_code(next(self.numbers)), self.now)
        self.assertEqual(await self.devices.forget(SERIAL, self.now), 1)
        await self.assert_gone(SERIAL)
        self.assertEqual([name for name in await self.names() if name.startswith("nled:home:")], [])
        self.assertIsNone(await self.devices.read(SERIAL, self.now))
        self.assertEqual(await self.devices.serials(), [OTHER])
        self.assertIsNone(await self.devices.forget(SERIAL, self.now))

    async def test_those_who_stay_keep_their_home(self) -> None:
        await self.claimed()
        await self.claimed(OTHER)
        await self.write((ObjectKey("structure", "ann"), {"away": True}))
        await self.devices.forget(SERIAL, self.now)
        home = (await self.device(OTHER)).home
        self.assertEqual((home.values["devices"], home.values["away"]), ([f"device.{OTHER}"], True))

    async def test_a_code_or_mac_that_is_anothers_by_now(self) -> None:
        await self.pairing.arrived(
            [Arrival(SERIAL, {}, "18B430ABCDEF", reset=False), Arrival(OTHER, {}, "", reset=False)], self.now
        )
        await self.client.command("SET", keys.mac("18B430ABCDEF"), OTHER)
        await self.devices.forget(SERIAL, self.now)
        self.assertEqual(await self.pairing.serial_of("18B430ABCDEF"), OTHER)

    async def test_it_may_come_back(self) -> None:
        await self.claimed()
        await self.devices.forget(SERIAL, self.now)
        await self.put({"x": 1})
        device = await self.device()
        self.assertEqual((device.owner, device.shared.revision), (None, 1))

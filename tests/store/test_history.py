"""Recorded points, against a real server: when there is one, what is in it, and how long it stays."""

from typing import Any

from attrs import evolve

from nled.domain.buckets import ObjectKey, encode
from nled.domain.requests import Put
from nled.store import keys
from nled.store.buckets import Buckets
from nled.store.devices import Devices, Write
from nled.store.history import History
from nled.store.pairing import Arrival, Pairing
from nled.store.scripts import BACKSTOP, Scripts
from nled.store.upkeep import Upkeep
from tests.store.support import StoreTestCase
from tests.store.test_buckets import DAY, LIMITS, MINUTE, SERIAL

OTHER = "02AA01AC33140F62"
HOUR = 60 * MINUTE
# A full hour, so that tests know where one begins.
NOW = 1_795_000_000_000 // HOUR * HOUR


class HistoryTestCase(StoreTestCase):
    limits = LIMITS

    async def setUp(self) -> None:
        await super().setUp()
        scripts = Scripts(self.client, self.limits)
        self.buckets, self.devices, self.history = Buckets(scripts), Devices(scripts), History(self.client)
        self.pairing, self.upkeep = Pairing(scripts, HOUR), Upkeep(scripts)

    async def put(self, at: int, kind: str = "shared", serial: str = SERIAL, **values: Any) -> None:
        texts = {name: encode(value) for name, value in values.items()}
        await self.buckets.put(serial, [Put(ObjectKey(kind, serial), None, None, texts)], at)

    async def write(self, at: int, kind: str, identifier: str, **values: Any) -> None:
        texts = {name: encode(value) for name, value in values.items()}
        await self.devices.write(SERIAL, [Write(ObjectKey(kind, identifier), texts)], at)

    async def claim(self, serial: str, user: str, code: str) -> None:
        # Redis expires codes by its own clock.
        now = int((await self.client.command("TIME"))[0]) * 1000
        await self.pairing.entry_key(serial, code, now)
        self.assertEqual(await self.pairing.claim(code, user, now), serial)

    async def tidy(self, now: int, age: int) -> None:
        """Go round all devices: those that were met, and those that are owned."""
        for _ in range(2):
            await self.upkeep.tidy(now, age)

    async def points(
        self, start: int = 0, end: int = NOW + DAY, serial: str = SERIAL
    ) -> list[tuple[int, dict[str, str]]]:
        """Give what was recorded, without the contact that each of them begins with."""
        found = [(at, dict(each)) async for at, each in self.history.points(serial, start, end)]
        for _, each in found:
            if each.get("online") == "true":
                del each["online"]
        return [(at, each) for at, each in found if each]


class Recording(HistoryTestCase):
    async def test_what_changed_is_one_point(self) -> None:
        await self.put(NOW, current_temperature=20.5, target_temperature=21, name="x", hvac_fan_state=True)
        await self.put(NOW + 1, name="y")
        await self.put(NOW + 2, current_temperature=20.5, target_temperature=21.0)
        await self.put(NOW + 3, current_temperature=20.51, target_temperature=21)
        await self.put(NOW + 4, "device", current_humidity=40, leaf=True)
        expected = [
            (NOW, {"temperature": "20.5", "target": "21", "fan_relay": "true"}),
            (NOW + 3, {"temperature": "20.51"}),
            (NOW + 4, {"humidity": "40"}),
        ]
        self.assertEqual(await self.points(), expected)

    async def test_commands_are_recorded_once(self) -> None:
        await self.put(NOW, target_temperature=21, target_temperature_type="heat")
        for at in (1, 2):
            await self.write(
                NOW + at, "shared", SERIAL, target_temperature=19, target_temperature_type="heat"
            )
        self.assertEqual((await self.points())[1:], [(NOW + 1, {"target": "19"})])

    async def test_two_at_one_time(self) -> None:
        await self.put(NOW, current_temperature=20)
        await self.put(NOW, current_temperature=21)
        found = await self.points()
        self.assertEqual(found, [(NOW, {"temperature": "20"}), (NOW, {"temperature": "21"})])

    async def test_a_clock_that_steps_back(self) -> None:
        for at, value in ((NOW, 20), (NOW - DAY, 21), (NOW - DAY, 22), (NOW + 1, 23)):
            await self.put(at, current_temperature=value)
        found = [(at, each["temperature"]) for at, each in await self.points()]
        self.assertEqual(found, [(NOW, "20"), (NOW, "21"), (NOW, "22"), (NOW + 1, "23")])

    async def test_a_clock_that_was_far_ahead(self) -> None:
        await self.put(NOW + 1000 * DAY, current_temperature=20, target_temperature=19)
        await self.put(NOW, current_temperature=21)
        await self.put(NOW + HOUR, current_temperature=22)
        # They wait behind the point that lies ahead, until the clock has been right for long enough.
        await self.tidy(NOW + DAY, 30 * DAY)
        expected = [
            (NOW, {"temperature": "20", "target": "19"}),
            (NOW, {"temperature": "21"}),
            (NOW + HOUR, {"temperature": "22"}),
        ]
        self.assertEqual(await self.points(0, NOW + 2000 * DAY), expected)
        await self.put(NOW + DAY, current_temperature=23)
        self.assertEqual((await self.points(0, NOW + 2000 * DAY))[-1][0], NOW + DAY)

    async def test_a_clock_that_was_ahead_for_a_minute_costs_nothing(self) -> None:
        await self.put(NOW, current_temperature=20)
        await self.put(NOW + MINUTE, current_temperature=21)
        # Two minutes later by a wrong clock, and then by the right one.
        await self.put(NOW + 2 * MINUTE + 365 * DAY, current_temperature=22)
        await self.put(NOW + 3 * MINUTE + 365 * DAY, current_temperature=23)
        await self.put(NOW + 4 * MINUTE, current_temperature=24)
        await self.tidy(NOW + DAY, 30 * DAY)
        self.assertEqual(
            [(at - NOW, each["temperature"]) for at, each in await self.points()],
            [(0, "20"), (MINUTE, "21"), (3 * MINUTE, "22"), (4 * MINUTE, "23"), (4 * MINUTE, "24")],
        )

    async def test_a_clock_that_was_behind_for_a_minute_costs_nothing(self) -> None:
        await self.put(NOW, current_temperature=20)
        await self.put(NOW - 365 * DAY, current_temperature=21)
        await self.put(NOW + MINUTE, current_temperature=22)
        await self.tidy(NOW + DAY, 30 * DAY)
        self.assertEqual(
            [(at - NOW, each["temperature"]) for at, each in await self.points()],
            [(0, "20"), (0, "21"), (MINUTE, "22")],
        )

    async def test_eco_and_away_as_flags(self) -> None:
        await self.put(NOW, "device", eco={"mode": "auto-eco", "touched_by": 1})
        await self.put(NOW + 1, "device", eco={"mode": "auto-eco", "touched_by": 2})
        await self.put(NOW + 2, "device", eco={"mode": "schedule", "touched_by": 2})
        await self.put(NOW + 3, "device", eco_mode='{"mode":"manual-eco"}')
        await self.put(NOW + 4, auto_away=2)
        await self.put(NOW + 5, auto_away=0)
        expected = [
            ("eco", "true"),
            ("eco", "false"),
            ("eco", "true"),
            ("sensor", "true"),
            ("sensor", "false"),
        ]
        self.assertEqual([pair for _, each in await self.points() for pair in each.items()], expected)

    async def test_away_again_after_the_dial_ended_it(self) -> None:
        await self.put(NOW - 1, name="x")
        for at, away in enumerate((True, True)):
            await self.write(
                NOW + 10 * at, "structure", "default", manual_eco_all=away, manual_eco_timestamp=at
            )
            await self.put(NOW + 10 * at + 5, "device", eco={"mode": "schedule", "mode_update_timestamp": at})
        found = [(at - NOW, each["eco"]) for at, each in await self.points()]
        self.assertEqual(found, [(0, "true"), (5, "false"), (10, "true"), (15, "false")])

    async def test_what_is_said_of_a_home_is_of_all_its_devices(self) -> None:
        for serial in (SERIAL, OTHER):
            await self.claim(serial, "user_ann", f"AAAAA0{serial[-1]}")
        home, later = (await self.devices.read(SERIAL, NOW)).structure, NOW + 1000 * DAY
        await self.write(later, "structure", home, manual_eco_all=True)
        for serial in (SERIAL, OTHER):
            found = await self.points(later, later, serial)
            self.assertEqual(found, [(later, {"eco": "true"})])

    async def test_values_are_short(self) -> None:
        await self.put(NOW, current_temperature="x" * 500, target_temperature=[1] * 500, auto_away={"a": 1})
        self.assertEqual(await self.points(), [(NOW, {"sensor": "false"})])

    async def test_nothing_else_is_recorded(self) -> None:
        await self.put(NOW, "device", temperature_lock_pin_hash="x", current_temperature=20)
        await self.put(NOW, "schedule", target_temperature=5)
        self.assertEqual(await self.points(), [(NOW, {"temperature": "20"})])

    async def test_online_and_offline(self) -> None:
        await self.put(NOW, leaf=True)
        await self.put(NOW + 10_000, leaf=False)
        await self.upkeep.tell_silent(NOW + 400_000, 300_000, stepped=False)
        await self.put(NOW + 500_000, leaf=True)
        found = [(at - NOW, each) async for at, each in self.history.points(SERIAL, 0, NOW + DAY)]
        # Offline from the last contact on.
        self.assertEqual(
            found, [(0, {"online": "true"}), (10_000, {"online": "false"}), (500_000, {"online": "true"})]
        )

    async def test_a_history_that_cannot_be_written(self) -> None:
        await self.client.command("SET", keys.history(SERIAL), "not a stream")
        await self.put(NOW, current_temperature=20)
        self.assertEqual(
            dict((await self.devices.read(SERIAL, NOW)).shared.values), {"current_temperature": 20}
        )


class Reading(HistoryTestCase):
    async def test_how_things_stood_is_found_within_an_hour(self) -> None:
        await self.put(NOW, target_temperature=21, target_temperature_type="heat", current_temperature=20)
        for hour in range(1, 5):
            await self.put(NOW + hour * HOUR, current_temperature=20 + hour)
        await self.put(NOW + 4 * HOUR + 5, current_temperature=30)
        found = await self.points(NOW + 4 * HOUR + 9, NOW + 5 * HOUR)
        self.assertEqual([each.get("target") for _, each in found], ["21", None])
        found = await self.points(NOW + 3 * HOUR + 5, NOW + 4 * HOUR)
        whole = {"target": "21", "mode": '"heat"'}
        expected = [(NOW + hour * HOUR, {**whole, "temperature": str(20 + hour)}) for hour in (3, 4)]
        self.assertEqual(found, expected)
        # Long after the last point too.
        found = await self.points(NOW + 9 * HOUR, NOW + DAY)
        self.assertEqual(found, [expected[1], (NOW + 4 * HOUR + 5, {"temperature": "30"})])

    async def test_pages(self) -> None:
        for i in range(2500):
            await self.client.command(
                "XADD", keys.history(SERIAL), f"{NOW + i // 2}-{i % 2}", "temperature", i
            )
        found = [each["temperature"] for _, each in await self.points()]
        self.assertEqual(found, [str(i) for i in range(2500)])
        found = [each["temperature"] for _, each in await self.points(NOW + 500, NOW + 600)]
        self.assertEqual(found[-1], "1201")

    async def test_of_a_stranger(self) -> None:
        self.assertEqual(await self.points(serial=OTHER), [])


class Age(HistoryTestCase):
    async def test_age(self) -> None:
        for hour in range(24 * 12):
            for minute in range(0, 60, 15):
                at = NOW + hour * HOUR + minute * MINUTE
                await self.put(at, current_temperature=(hour * 60 + minute) / 100)
        found = await self.points(0, NOW + 100 * DAY)
        # Nothing is dropped by a clock that may be ahead.
        self.assertEqual(found[0][0], NOW)
        await self.tidy(at, 2 * DAY)
        found = await self.points(0, NOW + 100 * DAY)
        age = at - found[0][0]
        self.assertTrue(2 * DAY - HOUR <= age <= 4 * DAY, age / DAY)


class Bounds(HistoryTestCase):
    limits = evolve(LIMITS, points=300, history=2 * DAY)

    async def test_points(self) -> None:
        for i in range(1000):
            await self.put(NOW + i, current_temperature=i / 100)
        kept = await self.client.command("XLEN", keys.history(SERIAL))
        # Approximately: Redis drops whole blocks of a hundred.
        self.assertTrue(300 <= kept <= 401, kept)

    async def test_of_a_device_that_is_gone(self) -> None:
        await self.put(NOW, current_temperature=20)
        for key in (keys.history(SERIAL), keys.history(SERIAL).replace("history", "latest")):
            left = await self.client.command("PTTL", key)
            self.assertTrue(2 * DAY < left - BACKSTOP + MINUTE <= 2 * DAY + MINUTE, left)

        await self.tidy(NOW + 2 * DAY, 2 * DAY)
        self.assertEqual(len(await self.points()), 1)
        await self.tidy(NOW + 2 * DAY + 1, 2 * DAY)
        self.assertEqual(await self.points(), [])

    async def test_forgotten(self) -> None:
        await self.put(NOW, current_temperature=20)
        await self.devices.forget(SERIAL, NOW)
        self.assertEqual(await self.client.command("KEYS", f"*{SERIAL}*"), [])

    async def test_in_other_hands(self) -> None:
        await self.put(NOW, current_temperature=20)
        for user, code in (("user_ann", "AAAAA01"), ("user_bob", "AAAAA02")):
            await self.pairing.arrived([Arrival(SERIAL, {}, "", reset=True)], NOW)
            self.assertEqual(len(await self.points()), 1)
            await self.claim(SERIAL, user, code)
        self.assertEqual(await self.points(), [])

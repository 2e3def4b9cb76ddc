"""Notices: what is told when, what is remembered, and who counts as online."""

import json

from twisted.internet import reactor

from nled.domain.buckets import ObjectKey
from nled.domain.notice import Notice, parse
from nled.domain.requests import Put
from nled.store import keys, upkeep
from nled.store.bus import Bus
from nled.store.events import Events
from nled.store.following import Following
from nled.store.scripts import Scripts, load
from tests.store.support import until
from tests.store.test_buckets import DAY, DEVICE, LIMITS, MINUTE, NOW, SERIAL, SHARED, BucketTestCase, texts

WINDOW = 5 * MINUTE
OTHER = "02AA01AC33140F62"


class EventsTestCase(BucketTestCase):
    async def setUp(self) -> None:
        await super().setUp()
        self.events = Events(self.client, lambda: NOW)

    async def all(self) -> list[Notice]:
        found = await self.client.command("XRANGE", keys.EVENTS, "-", "+")
        return [parse(at, head, fields) for at, (_, head, _, fields) in found]

    async def news(self) -> list[tuple[str, ...]]:
        """Give what was told since the last time, without the arrival of the device itself."""
        told = [(each.what, each.key, *each.names) for each in await self.all()]
        await self.client.command("DEL", keys.EVENTS)
        return [each for each in told if each[0] not in ("met", "online")]


class Told(EventsTestCase):
    async def test_a_device_that_is_new(self) -> None:
        await self.put({"x": 1})
        await self.put({"x": 2})
        told = await self.all()
        self.assertEqual([each.what for each in told], ["met", "online", "device", "device"])
        self.assertEqual({each.serial for each in told}, {SERIAL})
        self.assertEqual([each.revision for each in told[2:]], [1, 2])
        self.assertEqual([each.timestamp for each in told[2:]], [NOW + 1000, NOW + 2000])

    async def test_it_is_heard_as_it_is_remembered(self) -> None:
        heard: list[Notice] = []
        bus = Bus(reactor, self.address, lambda: NOW, Following(heard.append, self.fail))
        self.addCleanup(bus.stop)
        await bus.start(5)
        await self.put({"x": 1, "two words": 2})
        await until(lambda: len(heard) == 3)
        self.assertEqual(heard, await self.all())
        self.assertEqual(heard[-1].names, ("x", "two words"))

    async def test_the_way_of_a_write(self) -> None:
        await self.put({"target_temperature": 20}, base=0)
        await self.news()
        await self.write({"target_temperature": 21})
        self.assertEqual(await self.news(), [("server", str(SHARED), "target_temperature")])
        await self.subscribe((SHARED, NOW))
        self.assertEqual(await self.news(), [("pushed", str(SHARED), "target_temperature")])
        await self.subscribe((SHARED, NOW))
        self.assertEqual(await self.news(), [])
        timestamp = await self.timestamp()
        await self.subscribe((SHARED, timestamp))
        [notice] = await self.all()
        self.assertEqual((notice.what, notice.timestamp, notice.names), ("acknowledged", timestamp, ()))

    async def test_only_fields_that_changed(self) -> None:
        await self.put({"x": 1, "y": 2})
        await self.news()
        await self.put({"x": 1, "y": 3})
        self.assertEqual(await self.news(), [("device", str(SHARED), "y")])
        await self.put({"x": 1, "y": 3})
        self.assertEqual(await self.news(), [])

    async def test_fields_that_a_replacing_write_drops(self) -> None:
        schedule = ObjectKey("schedule", SERIAL)
        await self.put({"name": "a", "days": {}})
        await self.write({"name": "a", "days": {}}, schedule)
        await self.news()
        await self.write({"name": "a"}, schedule)
        self.assertEqual(await self.news(), [("server", str(schedule), "name", "days")])

    async def test_a_write_that_moves_up_behind_a_receipt(self) -> None:
        await self.put({"x": 1, "target_temperature": 20})
        await self.write({"target_temperature": 21})
        await self.news()
        await self.put({"x": 2}, base=1)
        self.assertEqual(
            await self.news(), [("device", str(SHARED), "x"), ("server", str(SHARED), "target_temperature")]
        )

    async def test_fields_are_few_and_short(self) -> None:
        await self.put({"x" * 64: 1, "y" * 65: 1})
        self.assertEqual(await self.news(), [("device", str(SHARED), "x" * 64)])
        await self.put({f"f{number}": 1 for number in range(40)}, DEVICE)
        self.assertEqual(
            await self.news(), [("device", str(DEVICE), *(f"f{number}" for number in range(32)))]
        )

    async def home(self, *members: str) -> None:
        for member in members:
            await self.client.command("SADD", keys.home_devices("anna"), member)
            await self.client.command("ZADD", keys.OWNED, NOW, member)
        await self.client.command("HSET", keys.owner(SERIAL), "user", "anna", "structure", "S1")

    async def test_a_home_once_for_all_its_devices(self) -> None:
        await self.home(SERIAL, OTHER)
        await self.write({"away": True}, ObjectKey("structure", "S1"))
        [told] = await self.all()
        self.assertEqual((told.home, told.serial, told.what, told.names), ("anna", "", "server", ("away",)))

    async def test_a_home_without_devices_has_nobody_to_tell(self) -> None:
        await self.home()
        await self.write({"away": True}, ObjectKey("structure", "S1"))
        self.assertEqual(await self.all(), [])

    async def test_whoever_reads_it_finds_the_devices(self) -> None:
        await self.put({"x": 1})
        start = await self.events.last()
        await self.home(SERIAL, OTHER)
        await self.write({"away": True}, ObjectKey("structure", "S1"))
        await self.put({"x": 2})
        for found in (await self.events.since(start, 9), await self.events.after(start, 9, 1)):
            home, device = found
            self.assertEqual((device.serial, device.members, device.parts), (SERIAL, (), ()))
            self.assertEqual(home.members, (SERIAL, OTHER))
            self.assertEqual(
                [(part.serial, part.names) for part in home.parts], [(SERIAL, ("away",)), (OTHER, ("away",))]
            )

    async def test_notices_of_26_11_0_had_one_for_each_device(self) -> None:
        start = await self.client.command(
            "XADD", keys.EVENTS, "*", "n", f"{SERIAL} shared.X 1 1 device", "f", "[]"
        )
        for member in (SERIAL, OTHER):
            head = f"{member} structure.S1 2 {NOW} server"
            await self.client.command("XADD", keys.EVENTS, "*", "n", head, "f", '["away"]')
        told = await self.events.since(start, 9)
        self.assertEqual(
            [(each.serial, each.names, each.parts) for each in told],
            [(SERIAL, ("away",), ()), (OTHER, ("away",), ())],
        )


class Remembered(EventsTestCase):
    async def test_what_came_since(self) -> None:
        for x in range(4):
            await self.put({"x": x})
        told = await self.all()
        self.assertEqual(await self.events.since(told[2].id, 2), told[3:5])
        self.assertEqual(await self.events.since(told[2].id, 9), told[3:])
        self.assertEqual(await self.events.since(told[-1].id, 9), [])
        self.assertEqual(await self.events.last(), told[-1].id)

    async def test_what_is_no_longer_kept(self) -> None:
        self.assertIsNone(await self.events.since("0-0", 9))
        self.assertIsNone(await self.events.last())
        await self.put({"x": 1})
        first, last = (await self.all())[0], (await self.all())[-1]
        await self.client.command("XDEL", keys.EVENTS, first.id)
        ahead = f"{last.place[0] + 1}-0"
        for identifier in (first.id, ahead, "0-0", f"{2**64 - 1}-0"):
            self.assertIsNone(await self.events.since(identifier, 9), identifier)

    async def test_no_more_than_it_may_be(self) -> None:
        source = "for i = 1, 12000 do notice(serial, 'device.' .. serial, i, i, 'device', { 'x' }) end"
        script = load("learn")
        flood = type(script)("flood", script.source.rsplit("-- A device was told", 1)[0] + source)
        await self.client.run(flood, [], json.dumps({"serial": SERIAL, "now": NOW}))
        kept = await self.client.command("XLEN", keys.EVENTS)
        self.assertTrue(keys.MOST_EVENTS <= kept <= keys.MOST_EVENTS + 100, kept)


class Online(EventsTestCase):
    async def contact(self, serial: str, now: int) -> None:
        await self.buckets.put(serial, [Put(ObjectKey("shared", serial), None, None, texts({"x": 1}))], now)

    async def look(self, now: int, *, stepped: bool = False) -> bool:
        return await upkeep.Upkeep(Scripts(self.client, LIMITS)).tell_silent(now, WINDOW, stepped=stepped)

    async def told(self) -> list[tuple[str, str]]:
        return [(e.serial, e.what) for e in await self.all() if e.what in ("online", "offline")]

    async def test_silent_for_too_long_and_back(self) -> None:
        await self.contact(SERIAL, NOW)
        await self.contact(SERIAL, NOW + MINUTE)
        await self.look(NOW + MINUTE + WINDOW - 1)
        self.assertEqual(await self.told(), [(SERIAL, "online")])
        for _ in range(2):
            await self.look(NOW + MINUTE + WINDOW)
        self.assertEqual(await self.told(), [(SERIAL, "online"), (SERIAL, "offline")])
        await self.contact(SERIAL, NOW + 2 * WINDOW)
        self.assertEqual((await self.told())[2:], [(SERIAL, "online")])

    async def test_each_on_its_own(self) -> None:
        await self.contact(SERIAL, NOW)
        await self.contact(OTHER, NOW + MINUTE)
        await self.look(NOW + WINDOW)
        self.assertEqual((await self.told())[2:], [(SERIAL, "offline")])

    async def test_many_at_once_take_several_steps(self) -> None:
        self.patch(upkeep, "MOST_SILENT", 2)
        for serial in (SERIAL, OTHER, "02AA01AC33140F63"):
            await self.contact(serial, NOW)
        self.assertTrue(await self.look(NOW + WINDOW))
        self.assertFalse(await self.look(NOW + WINDOW))
        self.assertEqual([what for _, what in await self.told()], ["online"] * 3 + ["offline"] * 3)

    async def test_after_a_step_nobody_was_silent_for_long(self) -> None:
        await self.contact(SERIAL, NOW)
        self.assertFalse(await self.look(NOW + DAY, stepped=True))
        self.assertFalse(await self.look(NOW + DAY + WINDOW - 1))
        self.assertEqual(await self.told(), [(SERIAL, "online")])
        self.assertEqual(await self.client.command("ZSCORE", keys.DEVICES, SERIAL), str(NOW + DAY))
        await self.look(NOW + DAY + WINDOW)
        self.assertEqual((await self.told())[1:], [(SERIAL, "offline")])

    async def test_one_heard_of_in_a_time_to_come_is_missed_after_a_window(self) -> None:
        await self.contact(SERIAL, NOW + 365 * DAY)
        await self.look(NOW)
        self.assertEqual(await self.client.command("ZSCORE", keys.DEVICES, SERIAL), str(NOW))
        await self.look(NOW + WINDOW)
        self.assertEqual(await self.told(), [(SERIAL, "online"), (SERIAL, "offline")])

    async def test_nor_do_places_go_by_the_step(self) -> None:
        """Polls that were held are held still, and an arrival of a time to come is one of now."""
        await self.client.command("ZADD", keys.POLLS, NOW, SERIAL)
        await self.client.command("ZADD", keys.ARRIVALS, NOW + 365 * DAY, OTHER)
        await self.look(NOW + DAY, stepped=True)
        for key, member in ((keys.POLLS, SERIAL), (keys.ARRIVALS, OTHER)):
            self.assertEqual(await self.client.command("ZSCORE", key, member), str(NOW + DAY))

    async def test_one_that_is_not_let_in_is_not_online(self) -> None:
        for number in range(LIMITS.devices):
            await self.buckets.subscribe(f"02AA01AC3314000{number}", [], NOW)
        for _ in range(2):
            await self.client.command("DEL", keys.EVENTS)
            with self.assertRaisesRegex(Exception, "limits.devices"):
                await self.contact(SERIAL, NOW)
        self.assertEqual(await self.told(), [])

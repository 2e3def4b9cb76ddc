"""Who gives way when room is short, against a real server: docs/store.md, "Room"."""

import contextlib

from attrs import evolve

from nled.domain.buckets import ObjectKey
from nled.domain.errors import Full
from nled.domain.requests import Put
from nled.store import keys
from nled.store.archive import Archive
from nled.store.buckets import Buckets
from nled.store.devices import Devices, Write
from nled.store.events import Events
from nled.store.pairing import Arrival, Heard, Pairing
from nled.store.scripts import Scripts, together
from nled.store.strangers import Pressure, Strangers
from tests.store.support import StoreTestCase
from tests.store.test_buckets import DAY, LIMITS, MINUTE, texts

HOUR = 60 * MINUTE
FLOOD = "10.0.0.66"
HOME = "192.168.1.9"


def serial(number: int, kind: str = "AB") -> str:
    return f"02AA01{kind}{number:08X}"


class StrangersTestCase(StoreTestCase):
    limits = evolve(LIMITS, devices=10, buckets=64, device_bytes=2**20, per_address=0)

    async def setUp(self) -> None:
        await super().setUp()
        self.use(self.limits)
        seconds, micros = await self.client.command("TIME")
        # Noon of tomorrow: an hour later is the same day, and keys that Redis expires are there.
        self.now = (int(seconds) * 1000 + int(micros) // 1000) // DAY * DAY + DAY + 12 * HOUR

    def use(self, limits) -> None:
        scripts = Scripts(self.client, limits)
        self.buckets, self.devices, self.pairing = Buckets(scripts), Devices(scripts), Pairing(scripts, HOUR)
        self.strangers, self.events, self.archive = (
            Strangers(scripts),
            Events(self.client, lambda: self.now),
            Archive(scripts),
        )
        self.numbers = iter(range(10**6))

    async def put(self, who: str, address: str = FLOOD, kind: str = "shared", **values: object) -> str:
        self.now += 1
        put = Put(ObjectKey(kind, who), None, None, texts(values or {"x": 1}))
        (written,) = await self.buckets.put(who, [put], self.now, address)
        return written.outcome

    async def poll(self, who: str, address: str = FLOOD) -> None:
        self.now += 1
        await self.buckets.subscribe(who, [], self.now, address)

    async def code(self, who: str, address: str = FLOOD) -> str:
        self.now += 1
        key = await self.pairing.entry_key(who, f"A{next(self.numbers):06}", self.now, address)
        assert key is not None
        return key.code

    async def entry(self, who: str, address: str = FLOOD, mac: str = "", **facts: str) -> None:
        self.now += 1
        await self.pairing.arrived([Arrival(who, facts, mac, reset=False, sender=address)], self.now)

    async def command(self, who: str) -> None:
        self.now += 1
        write = Write(ObjectKey("shared", who), texts({"target_temperature": 20}))
        await self.devices.write(who, [write], self.now)

    async def there(self) -> set[str]:
        return set(await self.client.command("ZRANGE", keys.DEVICES, 0, -1))

    async def grade(self, who: str) -> str | None:
        place = await self.client.command("HGET", keys.PLACES, who)
        return place and place.split(" ")[0]

    async def refused(self, awaitable: object) -> None:
        with self.assertRaises(Full):
            await awaitable

    async def consistent(self) -> None:
        """See that all that is counted is what there is."""
        places = dict(zip(*[iter(await self.client.command("HGETALL", keys.PLACES))] * 2, strict=True))
        arrivals = set(await self.client.command("ZRANGE", keys.ARRIVALS, 0, -1))
        self.assertEqual(set(places), await self.there() | arrivals)
        blocks, devices, pools = 0, 0, {}
        for who, place in places.items():
            grade, _, weight, _, host = place.split(" ")
            self.assertEqual(who in arrivals, grade == "arrival", who)
            if grade == "kept":
                continue
            pools.setdefault((("seen" if grade == "poll" else grade), host), set()).add(who)
            if grade != "arrival":
                devices, blocks = devices + 1, blocks + int(weight)
        found = {}
        for name in await self.client.command("KEYS", "nled:addresses:*:*"):
            pool, _, host = name.removeprefix("nled:addresses:").partition(":")
            found[pool, host] = set(await self.client.command("ZRANGE", name, 0, -1))
        self.assertEqual(found, pools)
        for pool in ("arrival", "new", "seen"):
            flat = await self.client.command("ZRANGE", f"nled:addresses:{pool}", 0, -1, "WITHSCORES")
            counted = dict(zip(flat[::2], map(float, flat[1::2]), strict=True))
            self.assertEqual(counted, {host: len(who) for (p, host), who in pools.items() if p == pool})
        sums = await self.client.command("HMGET", keys.STRANGERS, "devices", "blocks")
        self.assertEqual([int(each or 0) for each in sums], [devices, blocks])


class Arrivals(StrangersTestCase):
    async def test_no_device_until_it_lives(self) -> None:
        await self.entry(serial(1), HOME, "18B430000001", model="x")
        code = await self.code(serial(1), HOME)
        await self.pairing.status(serial(1), self.now, HOME)
        await self.buckets.metadata(serial(1), self.now, HOME)
        self.assertEqual((await self.there(), await self.events.since("0-0", 9)), (set(), None))
        self.assertEqual(
            [(s.serial, s.address) for s in await self.strangers.arrivals(self.now)], [(serial(1), HOME)]
        )
        await self.consistent()
        await self.poll(serial(1), HOME)
        self.assertEqual(await self.there(), {serial(1)})
        self.assertEqual(await self.strangers.arrivals(self.now), [])
        # Its facts, its MAC and its code went along.
        self.assertEqual(await self.client.command("HGET", keys.facts(serial(1)), "model"), "x")
        for name in (keys.facts(serial(1)), keys.mac("18B430000001")):
            self.assertGreater(await self.client.command("PTTL", name), LIMITS.arrival)
        self.assertEqual(await self.pairing.claim(code, "ann", self.now), serial(1))
        await self.consistent()

    async def test_who_waits_for_a_claim(self) -> None:
        async def waiting() -> list[str]:
            return [each.serial for each in await self.strangers.arrivals(self.now, waiting=True)]

        # Kept, since a person pointed it here, and still nobody's.
        await self.client.command("SET", keys.previous(serial(3)), "http://1.2.3.4/entry")
        codes = [await self.code(serial(n), HOME) for n in (3, 2, 1)]
        await self.poll(serial(2), HOME)
        self.assertEqual(await waiting(), [serial(3), serial(1), serial(2)])
        for code in codes:
            await self.pairing.claim(code, "ann", self.now)
        self.assertEqual(await waiting(), [])

    async def test_claimed_it_is_a_kept_device(self) -> None:
        code, last = await self.code(serial(1), HOME), self.now
        self.now += 1000
        self.assertEqual(await self.pairing.claim(code, "ann", self.now), serial(1))
        self.assertEqual(await self.grade(serial(1)), "kept")
        self.assertEqual((await self.devices.read(serial(1), self.now)).seen, last)
        self.assertGreater(await self.client.command("PTTL", keys.facts(serial(1))), LIMITS.arrival)
        await self.consistent()

    async def test_a_day(self) -> None:
        await self.entry(serial(1), HOME, "18B430000001", model="x")
        code = await self.code(serial(1), HOME)
        self.assertEqual(await self.strangers.settle(self.now + DAY - 1), (False, None))
        self.assertEqual(await self.pairing.claim("B000000", "ann", self.now), None)
        await self.strangers.settle(self.now + DAY)
        self.assertEqual(await self.client.command("DBSIZE"), 0)
        self.assertIsNone(await self.pairing.claim(code, "ann", self.now))

    async def test_a_flood_leaves_the_codes_of_others(self) -> None:
        codes = {serial(n, "AC"): await self.code(serial(n, "AC"), f"{HOME}{n}") for n in range(3)}
        for n in range(1100):
            await self.code(serial(n))
        self.assertEqual(await self.client.command("ZCARD", keys.ARRIVALS), 1000)
        for who, code in codes.items():
            self.assertEqual(await self.pairing.claim(code, "ann", self.now), who)
        _, pressure = await self.strangers.settle(self.now)
        self.assertEqual((pressure.why, pressure.address), ("arrivals", FLOOD))
        await self.consistent()

    async def test_a_network_of_ipv6_is_one_address(self) -> None:
        for n in range(3):
            await self.code(serial(n), f"2001:db8::{n}")
        self.assertEqual(
            await self.client.command("ZRANGE", "nled:addresses:arrival", 0, -1, "WITHSCORES"),
            ["2001:db8::", "3"],
        )


class Grades(StrangersTestCase):
    async def test_what_makes_them(self) -> None:
        who = serial(1)
        await self.put(who)
        self.assertEqual(await self.grade(who), "new")
        await self.poll(who)
        self.assertEqual(await self.grade(who), "poll")
        self.now += DAY
        await self.put(who)
        self.assertEqual(await self.grade(who), "seen")
        await self.command(who)
        self.assertEqual(await self.grade(who), "kept")
        await self.consistent()

    async def test_owned_and_given_up(self) -> None:
        code = await self.code(serial(1))
        await self.pairing.claim(code, "ann", self.now)
        await self.put(serial(1))
        self.assertEqual(await self.grade(serial(1)), "kept")
        await self.devices.unpair(serial(1), None, self.now)
        self.assertEqual(await self.grade(serial(1)), "seen")
        await self.consistent()
        await self.devices.forget(serial(1), self.now)
        await self.consistent()

    async def test_pointed_here_by_a_person(self) -> None:
        await self.client.command("SET", keys.previous(serial(1)), "http://1.2.3.4/entry")
        await self.entry(serial(1))
        self.assertEqual(await self.grade(serial(1)), "kept")

    async def test_a_poll_that_is_over_counts_no_more(self) -> None:
        for n in range(10):
            await self.poll(serial(n))
        await self.refused(self.poll(serial(99), HOME))
        self.now += HOUR
        await self.poll(serial(5))
        await self.put(serial(99), HOME)
        self.assertEqual(await self.there(), {serial(n) for n in (1, 2, 3, 4, 5, 6, 7, 8, 9, 99)})
        self.assertEqual([await self.grade(serial(n)) for n in (4, 5)], ["new", "poll"])
        await self.consistent()

    async def test_an_address_that_changes(self) -> None:
        await self.put(serial(1), "10.0.0.1")
        await self.put(serial(1), "10.0.0.2")
        await self.consistent()
        self.assertEqual(await self.client.command("ZRANGE", "nled:addresses:new", 0, -1), ["10.0.0.2"])


class Room(StrangersTestCase):
    async def test_the_longest_unheard_of_the_address_that_has_most(self) -> None:
        for n in range(4):
            await self.put(serial(n, "AC"), HOME)
        for n in range(6):
            await self.put(serial(n))
        # The oldest of all is at home, and the oldest of the flood came again.
        await self.put(serial(0))
        await self.put(serial(99), "10.9.9.9")
        self.assertNotIn(serial(1), await self.there())
        self.assertEqual(len(await self.there()), 10)
        await self.consistent()

    async def test_the_newcomer_counts_at_its_own(self) -> None:
        for n in range(5):
            await self.put(serial(n, "AC"), HOME)
            await self.put(serial(n))
        await self.put(serial(99))
        self.assertEqual(
            {each for each in await self.there() if "AC" in each}, {serial(n, "AC") for n in range(5)}
        )

    async def test_who_never_gives_way(self) -> None:
        for n in range(10):
            await self.poll(serial(n))
            await self.command(serial(n))
        await self.refused(self.put(serial(99), HOME))
        await self.code(serial(99), HOME)
        code = await self.code(serial(99), HOME)
        await self.pairing.claim(code, "ann", self.now)
        self.assertEqual(len(await self.there()), 11)

    async def test_seen_gives_way_to_kept_alone_and_last(self) -> None:
        for n in range(9):
            await self.put(serial(n, "AC"), HOME)
        self.now += DAY
        for n in range(9):
            await self.put(serial(n, "AC"), HOME)
        await self.put(serial(1))
        await self.put(serial(2))
        self.assertNotIn(serial(1), await self.there())
        for n in (3, 4):
            code = await self.code(serial(n), "10.0.0.4")
            await self.pairing.claim(code, "ann", self.now)
        there = await self.there()
        self.assertEqual(there & {serial(2), serial(3), serial(4)}, {serial(3), serial(4)})
        self.assertEqual(len(there), 10)
        self.assertNotIn(serial(0, "AC"), there)
        await self.refused(self.put(serial(5), "10.0.0.5"))
        await self.consistent()

    async def test_nothing_is_left_of_who_gave_way(self) -> None:
        self.use(evolve(self.limits, devices=1))
        await self.entry(serial(1), FLOOD, "18B430000001", model="x")
        await self.pairing.gate(serial(1), "pin", self.now)
        await self.code(serial(1))
        await self.put(serial(1))
        await self.put(serial(2), HOME)
        self.assertEqual([k for k in await self.client.command("KEYS", "*") if serial(1) in k], [])
        self.assertIsNone(await self.pairing.serial_of("18B430000001"))
        await self.consistent()

    async def test_half_of_what_is_left_for_one_address(self) -> None:
        self.use(evolve(self.limits, per_address=None))
        for n in range(2):
            await self.poll(serial(n, "AC"), HOME)
            await self.command(serial(n, "AC"))
        for n in range(20):
            await self.put(serial(n))
        self.assertEqual(len([each for each in await self.there() if "AB" in each]), 4)
        self.assertIn(serial(19), await self.there())
        _, pressure = await self.strangers.settle(self.now)
        self.assertEqual(pressure, Pressure(self.now, "address", FLOOD))
        for n in range(16, 20):
            await self.poll(serial(n))
        await self.refused(self.put(serial(30)))
        await self.put(serial(30), "10.0.0.5")
        await self.consistent()

    async def test_a_number_for_one_address(self) -> None:
        self.use(evolve(self.limits, per_address=1))
        await self.poll(serial(1))
        await self.refused(self.poll(serial(2)))

    async def test_a_flood_is_no_news(self) -> None:
        self.use(evolve(self.limits, devices=100, per_address=None))
        for n in range(300):
            await self.put(serial(n), x=n)
        notices = await self.client.command("XLEN", keys.EVENTS)
        self.assertLess(notices, 4 * 25 + 25)
        self.assertEqual(await self.client.command("EXISTS", keys.history(serial(299))), 0)
        self.assertFalse(await self.pairing.knows(serial(299)))
        # A person takes one of them for theirs.
        await self.command(serial(299))
        self.assertTrue(await self.pairing.knows(serial(299)))
        await self.consistent()


class Weight(StrangersTestCase):
    limits = evolve(LIMITS, devices=1000, buckets=64, device_bytes=2**18, per_address=0, stranger_bytes=2**20)

    async def fill(self, who: str, address: str = FLOOD, size: int = 60_000) -> list[str]:
        return [await self.put(who, address, f"where{n}", big="x" * size) for n in range(4)]

    async def test_new_ones_give_way_and_then_nothing_grows(self) -> None:
        await self.fill(serial(0, "AC"), HOME, 1000)
        for n in range(20):
            self.assertEqual(set(await self.fill(serial(n))), {"stored"})
        there = await self.there()
        self.assertIn(serial(0, "AC"), there)
        self.assertLessEqual(len(there), 6)
        await self.consistent()
        for who in there:
            await self.poll(who)
        self.assertIn("crowded", await self.fill(serial(77), "10.0.0.5"))
        # One that is kept is not concerned.
        await self.command(serial(0, "AC"))
        self.assertEqual(set(await self.fill(serial(0, "AC"), HOME)), {"stored"})
        _, pressure = await self.strangers.settle(self.now)
        self.assertEqual(pressure.why, "bytes")
        await self.consistent()

    async def test_many_small_fields_weigh_what_they_take(self) -> None:
        before = int((await self.memory())["used_memory"])
        for n in range(40):
            for bucket in range(3):
                await self.put(serial(n), FLOOD, f"where{bucket}", **{f"f{f}": 1 for f in range(900)})
        self.assertLess(int((await self.memory())["used_memory"]) - before, 2 * 2**20)
        await self.consistent()

    async def memory(self) -> dict[str, str]:
        lines = (await self.client.command("INFO", "memory")).splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)


class Flood(StrangersTestCase):
    """5,000 made-up serials of one address come on two days, while ten unowned thermostats live."""

    limits = evolve(LIMITS, devices=500, buckets=64, device_bytes=2**18, per_address=None)

    async def ten(self) -> None:
        for n in range(10):
            await self.poll(serial(n, "AC"), f"{HOME}{n}")
            await self.put(serial(n, "AC"), f"{HOME}{n}", x=n)

    async def pairs(self, n: int, address: str) -> None:
        code = await self.code(serial(n, "AD"), address)
        await self.flood(200)
        self.assertEqual(await self.pairing.claim(code, "ann", self.now), serial(n, "AD"))
        await self.poll(serial(n, "AD"), address)
        await self.put(serial(n, "AD"), address)
        self.assertEqual(await self.grade(serial(n, "AD")), "kept")

    async def survived(self) -> None:
        await self.ten()
        codes = [await self.code(serial(n, "AC"), f"{HOME}{n}") for n in range(10)]
        await self.flood(5000)
        for n in range(10):
            who = serial(n, "AC")
            self.assertEqual((await self.devices.read(who, self.now)).shared.values, {"x": n})
            self.assertEqual(await self.code(who, f"{HOME}{n}"), codes[n])
        await self.pairs(11, "192.168.7.1")
        # Also from the flood's own address.
        await self.pairs(12, FLOOD)
        self.now += DAY
        await self.ten()
        await self.flood(5000)
        for n in range(10):
            self.assertEqual((await self.devices.read(serial(n, "AC"), self.now)).shared.values, {"x": n})
        await self.pairs(13, "192.168.7.2")
        await self.consistent()
        _, pressure = await self.strangers.settle(self.now)
        self.assertEqual(pressure.address, FLOOD)

    async def flood(self, count: int) -> None:
        for start in range(0, count, 100):
            self.now += 1
            await together(self.one(serial(n)) for n in range(start, start + 100))

    async def one(self, who: str) -> None:
        raise NotImplementedError

    async def test_codes(self) -> None:
        self.one = self.a_code
        await self.survived()

    async def test_entries(self) -> None:
        self.one = self.an_entry
        await self.survived()

    async def test_puts(self) -> None:
        self.one = self.a_put
        await self.survived()

    async def test_polls(self) -> None:
        self.one = self.a_poll
        await self.survived()

    async def a_code(self, who: str) -> None:
        await self.pairing.entry_key(who, f"B{who[-6:]}", self.now, FLOOD)

    async def an_entry(self, who: str) -> None:
        await self.pairing.arrived([Arrival(who, {"model": "x"}, "", reset=False, sender=FLOOD)], self.now)

    async def a_put(self, who: str) -> None:
        put = Put(ObjectKey("shared", who), None, None, {"x": "1"})
        with contextlib.suppress(Full):
            await self.buckets.put(who, [put], self.now, FLOOD)

    async def a_poll(self, who: str) -> None:
        with contextlib.suppress(Full):
            await self.buckets.subscribe(who, [], self.now, FLOOD)


class Settling(StrangersTestCase):
    async def without_places(self) -> None:
        """Let the store be as 26.11.0 left it."""
        names = await self.client.command("KEYS", "nled:addresses*")
        await self.client.command("DEL", keys.PLACES, keys.STRANGERS, keys.POLLS, "nled:weights", *names)

    async def settle(self) -> None:
        while (await self.strangers.settle(self.now))[0]:
            pass

    async def test_devices_of_26_11_0_count_as_seen(self) -> None:
        for n in range(3):
            await self.put(serial(n), HOME, x="y" * 5000)
        code = await self.code(serial(3))
        await self.pairing.claim(code, "ann", self.now)
        await self.put(serial(4), HOME)
        await self.without_places()
        await self.put(serial(0), HOME)
        self.assertEqual(await self.grade(serial(0)), "seen")
        # One that came once, days ago, is made up.
        self.now += 2 * DAY
        await self.put(serial(1), HOME)
        await self.settle()
        grades = [await self.grade(serial(n)) for n in range(5)]
        self.assertEqual(grades, ["seen", "seen", "new", "kept", "new"])
        await self.consistent()

    async def test_what_an_older_version_forgot(self) -> None:
        await self.put(serial(1))
        await self.put(serial(2))
        await self.client.command("ZREM", keys.DEVICES, serial(1))
        await self.settle()
        self.assertEqual(await self.there(), {serial(2)})
        await self.consistent()

    async def test_imported(self) -> None:
        for n in range(2):
            await self.put(serial(n), x="y" * 9000)
        await self.poll(serial(2))
        await self.command(serial(2))
        records, _ = await self.archive.page(None, self.now)
        await self.client.command("FLUSHALL")
        for record in records:
            await self.archive.restore(record, self.now)
        self.assertEqual([await self.grade(serial(n)) for n in range(3)], ["seen", "seen", "kept"])
        await self.consistent()
        await self.put(serial(0))
        await self.consistent()


class Contacts(StrangersTestCase):
    async def test_whatever_it_does(self) -> None:
        who = serial(1)
        await self.put(who)

        async def heard(*pins: str) -> None:
            self.now += 1
            await self.pairing.arrived([Heard(who, HOME, pin) for pin in pins], self.now)

        async def metadata() -> None:
            self.now += 1
            await self.buckets.metadata(who, self.now, HOME)

        async def status() -> None:
            self.now += 1
            await self.pairing.status(who, self.now, HOME)

        for contact in (lambda: heard(""), metadata, status, lambda: self.code(who), lambda: self.entry(who)):
            await contact()
            self.assertEqual((await self.devices.contacts(self.now))[who], self.now)
        await self.pairing.gate(who, "one", self.now)
        last = self.now
        await heard("two")
        self.assertEqual((await self.devices.contacts(self.now))[who], last)
        await heard("one")
        self.assertEqual((await self.devices.contacts(self.now))[who], self.now)

    async def test_who_is_not_known_stays_so(self) -> None:
        await self.pairing.arrived([Heard(serial(1), HOME)], self.now)
        await self.pairing.status(serial(1), self.now, HOME)
        await self.buckets.metadata(serial(1), self.now, HOME)
        self.assertEqual(await self.client.command("DBSIZE"), 0)


class Forgetting(StrangersTestCase):
    async def test_all_that_nobody_keeps(self) -> None:
        self.use(evolve(self.limits, devices=1000))
        for n in range(230):
            await self.put(serial(n), f"10.0.0.{n % 3}")
        self.now += DAY
        await self.put(serial(1))
        await self.command(serial(2))
        code = await self.code(serial(300))
        await self.pairing.claim(code, "ann", self.now)
        await self.code(serial(301))
        unowned = await self.strangers.unowned(self.now)
        self.assertEqual(len(unowned), 229)
        self.assertEqual((unowned[-1].serial, unowned[-1].grade), (serial(1), "seen"))
        self.assertEqual(await self.strangers.forget(self.now), 229)
        self.assertEqual(await self.there(), {serial(2), serial(300)})
        self.assertEqual(await self.strangers.forget(self.now), 0)
        self.assertEqual([s.serial for s in await self.strangers.arrivals(self.now)], [serial(301)])
        await self.consistent()

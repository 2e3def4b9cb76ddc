"""What the store knows of thermostats as neighbours, against a real server."""

from attrs import evolve

from nled.domain.buckets import ObjectKey
from nled.domain.requests import Put
from nled.store import keys
from nled.store.buckets import Buckets
from nled.store.lan import Neighbours
from nled.store.pairing import Arrival
from nled.store.scripts import Scripts
from tests.store.test_buckets import LIMITS, SERIAL
from tests.store.test_pairing import OTHER, PairingTestCase


class NeighbourTests(PairingTestCase):
    async def setUp(self) -> None:
        await super().setUp()
        scripts = Scripts(self.client, evolve(LIMITS, devices=1000))
        self.buckets, self.neighbours = Buckets(scripts), Neighbours(scripts)

    async def at(self, serial: str, text: str) -> None:
        self.now += 1
        put = Put(ObjectKey("device", serial), None, None, {"local_ip": text})
        await self.buckets.put(serial, [put], self.now)

    async def test_devices_by_address(self) -> None:
        self.assertEqual(await self.neighbours.by_address(), {})
        await self.at(SERIAL, '"192.168.1.20"')
        await self.at(OTHER, "5")
        await self.key("02AA01AC33140F63")
        self.assertEqual(await self.neighbours.by_address(), {"192.168.1.20": SERIAL})
        await self.at(OTHER, '"192.168.1.20"')
        self.assertEqual(await self.neighbours.by_address(), {"192.168.1.20": OTHER})

    async def test_many_devices(self) -> None:
        serials = [f"02AA01AC3314{number:04d}" for number in range(450)]
        for number, serial in enumerate(serials):
            await self.at(serial, f'"10.0.{number >> 8}.{number & 255}"')
        found = await self.neighbours.by_address()
        self.assertEqual(list(found.values()), serials)

    async def test_the_password_of_the_last_entry(self) -> None:
        self.assertIsNone(await self.neighbours.secret(SERIAL))
        for secret in ("old", "aB3xK9", ""):
            await self.pairing.arrived(
                [Arrival(SERIAL, {"model": "x"}, "", reset=False, secret=secret)], self.now
            )
        self.assertEqual(await self.neighbours.secret(SERIAL), "aB3xK9")
        self.assertNotIn("aB3xK9", repr(Arrival(SERIAL, {}, "", reset=False, secret="aB3xK9")))

    async def test_the_password_lives_as_long_as_the_facts(self) -> None:
        await self.pairing.arrived(
            [Arrival(SERIAL, {"model": "x"}, "", reset=False, secret="aB3xK9")], self.now
        )
        name = keys.secret(SERIAL)
        self.assertLessEqual(await self.client.command("PTTL", name), LIMITS.arrival)
        await self.told()
        self.assertGreater(await self.client.command("PTTL", name), LIMITS.ttl * 0.99)
        for each in (name, keys.facts(SERIAL)):
            await self.client.command("PEXPIRE", each, 60_000)
        await self.told()
        self.assertGreater(await self.client.command("PTTL", name), LIMITS.ttl * 0.99)

    async def test_where_a_unit_was_pointed_before(self) -> None:
        at = "192.168.1.20"
        self.assertIsNone(await self.neighbours.previous(at, SERIAL))
        # It was not known when it was first pointed here, and is by now.
        await self.neighbours.remember(at, None, "http://1.1.1.1:80/entry")
        self.assertEqual(await self.neighbours.previous(at, SERIAL), "http://1.1.1.1:80/entry")
        await self.neighbours.remember(at, SERIAL, "http://2.2.2.2:80/entry")
        self.assertEqual(await self.neighbours.previous("192.168.1.99", SERIAL), "http://2.2.2.2:80/entry")
        self.assertEqual(await self.neighbours.previous(at, None), "http://1.1.1.1:80/entry")
        for name in (keys.previous(SERIAL), keys.LAN):
            self.assertEqual(await self.client.command("PTTL", name), -1)
        await self.neighbours.restored(at, SERIAL)
        self.assertIsNone(await self.neighbours.previous(at, SERIAL))
        self.assertEqual(await self.client.command("DBSIZE"), 0)

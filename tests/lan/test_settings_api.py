"""The client of a thermostat's settings page, against one that is good and some that are not."""

import gzip
from ipaddress import IPv4Address

from twisted.internet import reactor
from twisted.trial.unittest import TestCase

from nled.domain.errors import Silent, Unreachable
from nled.lan.settings_api import SettingsApi
from tests.lan import fake
from tests.store.support import free_port

HERE = IPv4Address("127.0.0.1")
SERIAL = "02AA01AC33140F61"


class SettingsApiTests(TestCase):
    def setUp(self) -> None:
        self.unit = fake.FakeSettings(SERIAL)
        self.api = SettingsApi(reactor, fake.serve(self, self.unit))

    async def test_the_three_questions(self) -> None:
        self.assertEqual(await self.api.register_url(HERE), fake.HOSTED)
        self.assertEqual(await self.api.initialize(HERE, SERIAL), fake.KEY)
        reply = await self.api.configure(HERE, fake.KEY, "http://192.168.1.5:8000")
        self.assertEqual((reply.status, reply.text("device_name")), (200, "Hall"))
        self.assertEqual(self.unit.url, "http://192.168.1.5:8000/entry")
        self.assertEqual(
            self.unit.asked[1:],
            [
                b'{"initialize":"02AA01AC33140F61"}',
                b'{"api_key":"aB3xK9","endpoint":"http://192.168.1.5:8000"}',
            ],
        )

    async def test_refusals(self) -> None:
        self.assertIsNone(await self.api.initialize(HERE, "02AA01AC33140F62"))
        self.assertEqual((await self.api.configure(HERE, "ab3xk9", "http://1.2.3.4:80")).status, 401)
        reply = await self.api.configure(HERE, fake.KEY, "http://nled.local:80")
        self.assertEqual((reply.status, reply.text("status")), (400, "Invalid IP Address/Port."))

    async def test_what_is_no_thermostat(self) -> None:
        for status, body in (
            (404, b'{"cloudregisterurl":"x"}'),
            (302, b'{"cloudregisterurl":"x"}'),
            (200, b""),
            (200, b"<html>"),
            (200, b"[" * 2000),
            (200, b"\xff"),
            (200, b"[]"),
            (200, b"{}"),
            (200, b'{"cloudregisterurl":5}'),
            (200, b'{"cloudregisterurl":"%s"}' % (b"x" * 300)),
            (200, b'{"cloudregisterurl":"a\\nb"}'),
        ):
            self.unit.answers = [(status, body)]
            self.unit.asked = []
            self.assertIsNone(await self.api.register_url(HERE), body[:40])
            self.assertEqual(len(self.unit.asked), 1, "a redirect was followed")

    async def test_too_much(self) -> None:
        self.unit.answers = [(200, b'{"cloudregisterurl":"x"}' + b" " * 8192)]
        with self.assertRaisesRegex(Unreachable, "127.0.0.1 port"):
            await self.api.register_url(HERE)
        with self.assertRaises(Unreachable):
            await SettingsApi(reactor, fake.babble(self)).register_url(HERE)

    async def test_what_is_packed_is_not_unpacked(self) -> None:
        # Twice, and each time some thousandfold.
        bomb = gzip.compress(gzip.compress(bytes(2**24)))
        self.assertLess(len(bomb), 3000)
        self.unit.answers = [(200, bomb), (200, gzip.compress(b'{"cloudregisterurl":"x"}'))]
        self.unit.packed = [b"gzip, gzip", b"gzip"]
        for _ in range(2):
            self.assertIsNone(await self.api.register_url(HERE))
        self.assertEqual(self.unit.accepted, [None, None])

    async def test_nobody(self) -> None:
        with self.assertRaisesRegex(Unreachable, "see that it is there") as caught:
            await SettingsApi(reactor, free_port()).register_url(HERE)
        self.assertNotIsInstance(caught.exception, Silent)

    async def test_silence(self) -> None:
        api = SettingsApi(reactor, fake.serve_raw(self), total=0.1)
        began = reactor.seconds()
        with self.assertRaisesRegex(Silent, "within 0.1 s"):
            await api.register_url(HERE)
        self.assertLess(reactor.seconds() - began, 1.5)

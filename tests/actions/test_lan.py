"""Finding thermostats, pointing them here and back, with a fake thermostat on loopback."""

from ipaddress import IPv4Address, IPv4Network

from twisted.internet import reactor
from twisted.trial.unittest import TestCase

from nled.actions.lan import Lan
from nled.domain.access import local, of_key
from nled.domain.entry import Origin
from nled.domain.errors import BadRequest, Conflict, Denied, NotKnown, Silent, Unreachable
from nled.domain.lan import secret_of
from nled.lan.networks import Attached
from nled.lan.scan import Scanner
from nled.lan.settings_api import SettingsApi
from nled.store.errors import from_reply
from tests.lan import fake

NETWORK = Attached(IPv4Address("127.0.0.1"), IPv4Network("127.0.0.0/28"))
SERIAL = "02AA01AC33140F61"
UNIT = "127.0.0.9"
HERE = "http://127.0.0.1:8000/entry"
ANYONE = local()


class Memory:
    """What `nled.store.lan.Neighbours` keeps, without a store."""

    def __init__(self) -> None:
        self.serials, self.secrets, self.urls = {}, {}, {}

    async def by_address(self):
        return self.serials

    async def secret(self, serial):
        return self.secrets.get(serial)

    async def remember(self, address, serial, url):
        self.urls[serial or address] = url

    async def previous(self, address, serial):
        return self.urls.get(serial) or self.urls.get(address)

    async def restored(self, address, serial):
        self.urls.clear()


class LanTests(TestCase):
    def setUp(self) -> None:
        self.unit = fake.FakeSettings(SERIAL)
        self.port = fake.serve(self, self.unit, UNIT)
        self.memory = Memory()
        self.lan = self.on([NETWORK])

    def on(self, networks, origin=None, own=None) -> Lan:
        api = SettingsApi(reactor, self.port, total=0.2)
        return Lan(
            api, Scanner(api, lambda: networks), self.memory, lambda: networks, lambda: own, origin, 8000
        )

    async def configured(self, key=None, lan=None):
        return await (lan or self.lan).configure(ANYONE, UNIT, key)

    async def test_scan(self) -> None:
        self.memory.serials = {UNIT: SERIAL}
        scan, (seen,) = await self.lan.scan(ANYONE)
        self.assertEqual(
            (seen.ip, seen.register_url, seen.configured, seen.serial), (UNIT, fake.HOSTED, False, SERIAL)
        )
        self.unit.url = HERE
        self.assertTrue((await self.lan.scan(ANYONE))[1][0].configured)
        self.assertFalse(scan.running)
        self.assertEqual(len((await self.lan.progress(ANYONE))[1]), 1)

    async def test_scan_without_a_network(self) -> None:
        with self.assertRaisesRegex(BadRequest, "Cannot derive subnet"):
            await self.on([]).scan(ANYONE)

    async def test_with_a_key(self) -> None:
        pointed = await self.configured(fake.KEY)
        self.assertEqual((pointed.reply.status, pointed.reply.text("device_name")), (200, "Hall"))
        self.assertEqual((self.unit.url, pointed.previous), (HERE, fake.HOSTED))

    async def test_with_a_wrong_key_nothing_else_is_tried(self) -> None:
        self.memory.serials, self.memory.secrets = {UNIT: SERIAL}, {SERIAL: fake.KEY}
        self.assertEqual((await self.configured(fake.KEY.lower())).reply.status, 401)
        self.assertEqual(self.unit.url, fake.HOSTED)

    async def test_without_a_key(self) -> None:
        self.assertEqual((await self.configured()).reply.status, 401)
        self.assertEqual(len(self.unit.asked), 1, "a unit nobody knows is only asked where it is pointed")

    async def test_with_the_password_it_came_with(self) -> None:
        self.memory.serials, self.memory.secrets = {UNIT: SERIAL}, {SERIAL: fake.KEY}
        self.assertEqual((await self.configured()).reply.status, 200)
        self.assertFalse([body for body in self.unit.asked if b"initialize" in body])

    async def test_with_the_key_it_tells(self) -> None:
        self.memory.serials = {UNIT: SERIAL}
        for self.memory.secrets in ({}, {SERIAL: "outdated"}):
            self.unit.url = fake.HOSTED
            self.assertEqual((await self.configured()).reply.status, 200)
            self.assertEqual(self.unit.url, HERE)

    async def test_a_unit_that_is_not_the_serial_we_think(self) -> None:
        self.memory.serials = {UNIT: "02AA01AC33140F62"}
        self.assertEqual((await self.configured()).reply.status, 401)

    async def test_back(self) -> None:
        self.memory.serials = {UNIT: SERIAL}
        await self.configured(fake.KEY)
        # A second time: where it was before must not be forgotten over where it is.
        await self.configured(fake.KEY)
        pointed = await self.lan.restore(ANYONE, UNIT, None)
        self.assertEqual((pointed.reply.status, self.unit.url), (200, fake.HOSTED))
        with self.assertRaisesRegex(NotKnown, UNIT):
            await self.lan.restore(ANYONE, UNIT, None)

    async def test_back_while_the_store_is_full(self) -> None:
        """It is pointed back before that is written; nobody is told that nothing was changed."""

        async def refuse(*_):
            raise from_reply("OOM command not allowed")

        await self.configured(fake.KEY)
        self.memory.restored = refuse
        self.assertEqual((await self.lan.restore(ANYONE, UNIT, fake.KEY)).reply.status, 200)

    async def test_back_to_where_its_settings_cannot_lead(self) -> None:
        self.unit.url = "https://backdoor.nolongerevil.com/entry"
        await self.configured(fake.KEY)
        self.assertEqual((await self.lan.restore(ANYONE, UNIT, fake.KEY)).reply.status, 400)
        self.assertEqual(self.memory.urls, {UNIT: "https://backdoor.nolongerevil.com/entry"})

    async def test_the_origin_that_was_set(self) -> None:
        await self.configured(fake.KEY, self.on([NETWORK], Origin("http", "10.0.0.5", 80)))
        self.assertEqual(self.unit.url, "http://10.0.0.5:80/entry")
        for origin in (
            Origin("https", "10.0.0.5", 443),
            Origin("http", "nled.local", 8000),
            Origin("http", "::1", 80),
        ):
            with self.assertRaisesRegex(Conflict, "device.origin"):
                await self.configured(fake.KEY, self.on([NETWORK], origin))

    def test_what_is_advertised(self) -> None:
        set_ = Origin("http", "10.0.0.5", 80)
        for lan, told in (
            (self.on([NETWORK], set_, "192.168.77.1"), "http://10.0.0.5:80"),
            (self.on([NETWORK], own="192.168.77.1"), "http://192.168.77.1:8000"),
            (self.on([NETWORK]), f"http://{NETWORK.address}:8000"),
            (self.on([]), "http://127.0.0.1:8000"),
        ):
            self.assertEqual(str(lan.advertised()), told)

    async def test_bad_input_reaches_nobody(self) -> None:
        for ip in ("127.0.0.1", "127.0.0.200", "localhost", "127.0.0.9:80", ""):
            for use in (self.lan.configure, self.lan.restore):
                with self.assertRaises(BadRequest, msg=ip):
                    await use(ANYONE, ip, None)
        for key in ("", "a b", 'a"', "a\\", "\xe9", "x" * 129, "a\n"):
            with self.assertRaisesRegex(BadRequest, "api_key must") as caught:
                await self.configured(key)
            self.assertFalse(key and repr(key) in str(caught.exception))
        self.assertEqual(self.unit.asked, [])

    async def test_not_for_some(self) -> None:
        for who in (of_key("k", "k", ["write"], "ann", None), of_key("k", "k", ["write"], None, [SERIAL])):
            for use in (self.lan.scan, self.lan.progress):
                with self.assertRaises(Denied):
                    await use(who)
            for use in (self.lan.configure, self.lan.restore):
                with self.assertRaises(Denied):
                    await use(who, UNIT, None)

    async def test_trouble(self) -> None:
        with self.assertRaises(Unreachable):
            await self.lan.configure(ANYONE, "127.0.0.5", fake.KEY)
        fake.serve_raw(self, host="127.0.0.5", port=self.port)
        with self.assertRaises(Silent):
            await self.lan.configure(ANYONE, "127.0.0.5", fake.KEY)
        for status, body in ((200, b"<html>"), (500, b"{}"), (302, b"")):
            self.unit.answers = [(200, b"{}"), (status, body)]
            reply = (await self.configured(fake.KEY)).reply
            self.assertEqual((reply.status, reply.text("device_name")), (status, None))

    def test_passwords_that_are_keys(self) -> None:
        self.assertEqual(secret_of(b"aB3xK9+/="), "aB3xK9+/=")
        for password in (b"", b"a b", b'a"b', b"\xff", b"x" * 129, b"a\\b"):
            self.assertEqual(secret_of(password), "")

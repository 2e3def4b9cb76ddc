"""Scans of a loopback network, on which some addresses answer."""

from ipaddress import IPv4Address, IPv4Network

from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.trial.unittest import TestCase

from nled.lan.networks import Attached
from nled.lan.scan import Scanner
from nled.lan.settings_api import SettingsApi
from tests.lan import fake

NETWORK = Attached(IPv4Address("127.0.0.1"), IPv4Network("127.0.0.0/28"))


class ScanTests(TestCase):
    def setUp(self) -> None:
        self.unit = fake.FakeSettings("02AA01AC33140F61")
        port = fake.serve(self, self.unit, "127.0.0.9")
        fake.serve(
            self, fake.FakeSettings("02AA01AC33140F62", "http://127.0.0.1:8000/entry"), "127.0.0.3", port
        )
        fake.serve_raw(self, host="127.0.0.4", port=port)
        self.api = SettingsApi(reactor, port, total=0.3)

    async def test_finds_what_is_there(self) -> None:
        scanner = Scanner(self.api, lambda: [NETWORK], parallel=4)
        scan = await scanner.scan()
        found = [(str(each.ip), each.register_url) for each in scan.found]
        self.assertEqual(found, [("127.0.0.3", "http://127.0.0.1:8000/entry"), ("127.0.0.9", fake.HOSTED)])
        self.assertEqual((scan.running, scan.probed, scan.total), (False, 13, 13))

    async def test_who_comes_meanwhile_joins(self) -> None:
        scanner = Scanner(self.api, lambda: [NETWORK])
        first, second, third = (Deferred.fromCoroutine(scanner.scan()) for _ in range(3))
        self.assertTrue(scanner.last.running)
        second.addErrback(lambda _: None)
        second.cancel()
        one, other = await gatherResults([first, third])
        self.assertIs(one, other)
        self.assertEqual(len(self.unit.asked), 1)
        await scanner.scan()
        self.assertEqual(len(self.unit.asked), 2)

    async def test_no_more_at_once_than_allowed(self) -> None:
        asked, most = [], []

        class Counting:
            async def register_url(self, ip):
                asked.append(ip)
                most.append(len(asked))
                await gatherResults([self.turn()])
                asked.remove(ip)

            def turn(self):
                done = Deferred()
                reactor.callLater(0, done.callback, None)
                return done

        await Scanner(Counting(), lambda: [NETWORK], parallel=5).scan()
        self.assertEqual(max(most), 5)

    async def test_stopped(self) -> None:
        scanner = Scanner(self.api, lambda: [NETWORK], parallel=4)
        waiting = Deferred.fromCoroutine(scanner.scan())
        await scanner.stop()
        scan = await waiting
        self.assertFalse(scan.running)
        self.assertLess(scan.probed, scan.total)

    async def test_no_network(self) -> None:
        networks: list[Attached] = []
        scanner = Scanner(self.api, lambda: list(networks))
        scan = await scanner.scan()
        self.assertEqual((scan.networks, scan.total, scan.running), ([], 0, False))
        # Once the cable is in, the next scan looks again.
        networks.append(NETWORK)
        self.assertEqual((await scanner.scan()).probed, 13)

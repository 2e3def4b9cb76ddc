"""Which networks are looked at, and which addresses nled may talk to."""

from ipaddress import IPv4Address, IPv4Interface

from twisted.trial.unittest import SynchronousTestCase

from nled.domain.errors import BadRequest
from nled.lan.networks import _interfaces, address_of, attached, neighbour, private


def of(*texts: str):
    return private(IPv4Interface(text) for text in texts)


class Private(SynchronousTestCase):
    def test_only_private_networks(self) -> None:
        found = of(
            "127.0.0.1/8", "169.254.3.4/16", "8.8.8.8/24", "100.64.0.2/10", "192.168.1.5/24", "10.0.0.1/32"
        )
        self.assertEqual([str(each.network) for each in found], ["192.168.1.0/24"])
        self.assertEqual(found[0].address, IPv4Address("192.168.1.5"))

    def test_a_large_network_is_looked_at_around_us(self) -> None:
        for text, scanned in {
            "192.168.1.5/24": "192.168.1.0/24",
            "10.1.2.3/22": "10.1.0.0/22",
            "10.1.2.3/21": "10.1.2.0/24",
            "172.17.0.1/16": "172.17.0.0/24",
        }.items():
            self.assertEqual(str(of(text)[0].scanned), scanned)

    def test_a_network_with_two_addresses_of_ours_is_one(self) -> None:
        self.assertEqual(len(of("192.168.1.5/24", "192.168.1.6/24")), 1)

    def test_of_this_machine(self) -> None:
        self.assertIn(IPv4Interface("127.0.0.1/8"), list(_interfaces()))
        self.assertNotIn("127.0.0.0/8", [str(each.network) for each in attached()])


class Own(SynchronousTestCase):
    def test_the_address_it_listens_on(self) -> None:
        self.assertEqual(address_of("192.168.77.1"), "192.168.77.1")

    def test_that_of_the_default_route(self) -> None:
        found = address_of("0.0.0.0")
        if found is not None:
            self.assertIn(found, [str(each.ip) for each in _interfaces()])
        self.assertEqual(address_of("::"), found)


class Neighbour(SynchronousTestCase):
    def test_found(self) -> None:
        networks = of("192.168.1.5/24", "10.1.2.3/16")
        self.assertEqual(neighbour("10.1.200.9", networks), (IPv4Address("10.1.200.9"), networks[1]))

    def test_nobody_else(self) -> None:
        for text in (
            *("127.0.0.1", "8.8.8.8", "192.168.2.7", "169.254.169.254", "0.0.0.0", "255.255.255.255", ""),
            *("192.168.1.5", "192.168.1.0", "192.168.1.255"),
            *(
                "192.168.1.7:80",
                "192.168.1.7/x",
                "192.168.1.7@evil",
                " 192.168.1.7",
                "192.168.1",
                "3232235783",
            ),
            *(
                "0x7f.1",
                "192.168.001.007",
                "::1",
                "::ffff:192.168.1.7",
                "thermostat.local",
                "192.168.1.\u0667",
            ),
        ):
            with self.assertRaises(BadRequest, msg=text):
                neighbour(text, of("192.168.1.5/24"))

import traceback
from pathlib import Path

from twisted.internet import reactor
from twisted.internet.endpoints import UNIXClientEndpoint
from twisted.trial.unittest import SynchronousTestCase

from nled.store.address import parse


class ParseTests(SynchronousTestCase):
    def test_host_alone(self) -> None:
        address = parse("redis://store.example")
        self.assertEqual(address.hosts, (("store.example", 6379),))
        self.assertEqual((address.username, address.password, address.database), (None, None, 0))
        self.assertFalse(address.tls)

    def test_everything(self) -> None:
        address = parse("redis://nled:p%40ss%2Fword%3A@10.0.0.7:6380/3")
        self.assertEqual(address.hosts, (("10.0.0.7", 6380),))
        self.assertEqual((address.username, address.password), ("nled", "p@ss/word:"))
        self.assertEqual(address.database, 3)

    def test_password_alone(self) -> None:
        address = parse("redis://:secret@h")
        self.assertEqual((address.username, address.password), (None, "secret"))

    def test_ipv6(self) -> None:
        self.assertEqual(parse("redis://[2001:db8::1]:6380/").hosts, (("2001:db8::1", 6380),))
        self.assertEqual(str(parse("redis://[::1]")), "[::1]:6379")

    def test_tls(self) -> None:
        address = parse("rediss://h?cafile=/etc/ssl/private%20ca+1.pem")
        self.assertTrue(address.tls)
        self.assertEqual(address.cafile, "/etc/ssl/private ca+1.pem")

    def test_unix(self) -> None:
        address = parse("unix://nled:pw@/run/my%20redis/redis.sock?db=2")
        self.assertEqual(address.path, "/run/my redis/redis.sock")
        self.assertEqual((address.username, address.password, address.database), ("nled", "pw", 2))
        self.assertIsInstance(address.endpoint(reactor), UNIXClientEndpoint)

    def test_sentinel(self) -> None:
        address = parse("redis+sentinel://u:p@a,[::1]:26380,c:1/my-master/4?sentinel_password=s%26t")
        self.assertEqual(address.hosts, (("a", 26379), ("::1", 26380), ("c", 1)))
        self.assertEqual((address.service, address.database), ("my-master", 4))
        self.assertEqual(address.sentinel_password, "s&t")

    def test_brackets_in_a_password(self) -> None:
        self.assertEqual(parse("redis://u:a[b]@h").password, "a[b]")

    def test_shown_without_secrets(self) -> None:
        address = parse("redis+sentinel://u:hunter2@a/m?sentinel_password=hunter3")
        self.assertNotIn("hunter", repr(address) + str(address))
        self.assertEqual(str(address), "m of the Sentinels a:26379")
        self.assertEqual(str(parse("unix://u:hunter2@/s")), "unix:/s")

    def test_mistakes_are_refused_without_showing_anything(self) -> None:
        for url, word in {
            "http://u:hunter2@h": "begin with",
            "hunter2": "begin with",
            "redis://hunter2@h": "no password",
            "redis://u:hunter2@": "host",
            "redis://u:hunter2@h:port": "host",
            "redis://u:hunter2@h:66000": "host",
            "redis://u:hunter2@h:0": "host",
            "redis://u:hunter2@h,g": "several",
            "redis://u:hunter2/x@h": "host",
            "redis://u:12/hunter2@h": "database",
            "redis://u:12?hunter2@h": "option",
            "redis://u:hunter2#x@h": "%23",
            "redis://u:hunter2@[::1": "IPv6",
            "redis://u:hunter2@::1": "IPv6",
            "redis://u:hunter2@℀": "host",
            "redis://h/0?db=hunter2": "option",
            "rediss://h?ca=hunter2": "cafile",
            "unix://hunter2/s": "absolute",
            "unix:///": "absolute",
            "unix:///s?db=hunter2": "number",
            "redis+sentinel://u:hunter2@h": "service",
            "redis+sentinel://u:hunter2@h,/m": "host",
            "redis+sentinel://h/m/hunter2": "number",
        }.items():
            with self.subTest(url):
                error = self.assertRaises(ValueError, parse, url)
                self.assertIn(word, str(error))
                shown = "".join(traceback.format_exception_only(error)) + repr(error.__cause__)
                self.assertNotIn("hunter", shown)

    def test_unusable_cafile(self) -> None:
        error = self.assertRaises(ValueError, parse("rediss://h?cafile=/nowhere/ca").endpoint, reactor)
        self.assertEqual(str(error), "The cafile /nowhere/ca cannot be read: No such file or directory.")
        empty = self.mktemp()
        Path(empty).write_text("no certificate")
        error = self.assertRaises(ValueError, parse(f"rediss://h?cafile={empty}").endpoint, reactor)
        self.assertIn("no PEM certificate", str(error))

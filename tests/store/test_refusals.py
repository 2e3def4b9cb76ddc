"""A server that can be read and takes no writes: what is told of it, once, and what goes on."""

import re
from collections.abc import Iterator
from importlib import import_module
from pkgutil import iter_modules

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

import nled.store
from nled.domain.archive.records import HistoryRecord
from nled.domain.buckets import ObjectKey
from nled.domain.people import ApiKey, new_key
from nled.domain.requests import Put
from nled.store.address import parse
from nled.store.api_keys import ApiKeys
from nled.store.archive import Archive
from nled.store.buckets import Buckets
from nled.store.client import Client, Script, StoreError, StoreRefused, StoreUnavailable
from nled.store.devices import _snapshot_of
from nled.store.pairing import Pairing
from nled.store.redis import link
from nled.store.scripts import _ALL, Limits, Scripts, _text
from tests.store.support import OwnServerTestCase, StoreTestCase, until

NOW = 1_795_000_000_000
SERIAL = "02AA01AC33140F61"
WRITE = Script("write", "return redis.call('SET', 'k', 'v')")
FULL = "The server's memory is full. Nothing was changed."


class RefusalTests(OwnServerTestCase):
    async def setUp(self) -> None:
        self.patch(link, "_HEARTBEAT", 0.02)
        self.told = []
        self.server = self.serve()
        self.client = Client(reactor, self.server.address, changed=self.told.append)
        self.addCleanup(self.client.stop)
        await self.client.start(5)
        self.told.clear()

    @property
    def words(self) -> list[str | None]:
        return [reason and reason.word for reason in self.told]

    async def set(self, name: str, value: object) -> None:
        self.server.ask("CONFIG", "SET", name, str(value))

    async def beats(self, number: int = 5) -> None:
        """Wait for so many heartbeats."""
        self.server.ask("CONFIG", "RESETSTAT")

        def beaten() -> bool:
            told = self.server.ask("INFO", "commandstats").decode()
            found = re.search(r"cmdstat_set:calls=(\d+).*rejected_calls=(\d+)", told)
            return found is not None and int(found[1]) + int(found[2]) >= number

        await until(beaten)

    async def test_each_change_is_told_once(self) -> None:
        for name, bad, good, word in (
            ("maxmemory", 1, 0, "memory"),
            ("min-replicas-to-write", 1, 0, "replicas"),
        ):
            with self.subTest(word):
                self.told.clear()
                await self.set(name, bad)
                # Nobody has to be refused for it to be noticed.
                await until(lambda: self.told)
                for _ in range(3):
                    with self.assertRaisesRegex(StoreRefused, "Nothing was changed"):
                        await self.client.run(WRITE, [])
                await self.beats()
                self.assertEqual(self.words, [word])
                await self.set(name, good)
                await until(lambda: len(self.told) > 1)
                await self.client.run(WRITE, [])
                await self.beats()
                self.assertEqual(self.words, [word, None])

    async def test_a_replica_is_told_once_and_can_be_read(self) -> None:
        """Each refused write has the master looked for anew, and the next connection is to the same server."""
        self.server.ask("REPLICAOF", "127.0.0.1", "1")
        await until(lambda: self.told)
        for _ in range(3):
            with self.assertRaisesRegex(StoreRefused, "read-only replica. Nothing was changed"):
                await self.client.run(WRITE, [])
            self.assertEqual(await self.client.command("PING"), "PONG")
        await self.beats()
        self.assertEqual(self.words, ["read-only"])
        self.server.ask("REPLICAOF", "NO", "ONE")
        await until(lambda: len(self.told) > 1)
        await self.client.run(WRITE, [])
        self.assertEqual(self.words, ["read-only", None])

    async def test_busy(self) -> None:
        await self.set("busy-reply-threshold", 20)
        other = await self.connect(self.server.url, deadline=5)
        endless = Deferred.fromCoroutine(other.command("EVAL", "while true do end", 0))
        await until(lambda: self.told)
        self.server.ask("SCRIPT", "KILL")
        await self.assertFailure(endless, StoreError, StoreUnavailable)
        await until(lambda: len(self.told) > 1)
        self.assertEqual(self.words, ["busy", None])

    async def test_a_call_that_is_not_answered(self) -> None:
        self.patch(link, "_HEARTBEAT", 1.0)
        client = Client(reactor, self.server.address, deadline=0.1, changed=self.told.append)
        self.addCleanup(client.stop)
        await client.start(5)
        self.told.clear()
        self.server.pause()
        for _ in range(2):
            with self.assertRaisesRegex(
                StoreUnavailable, "did not answer within 0.1 s. See whether it hangs."
            ):
                await client.command("PING")
        self.server.go_on()
        await until(lambda: len(self.told) > 1)
        self.assertEqual(self.words, ["hung", None])

    async def test_hung_for_longer_than_connections_may_take(self) -> None:
        """The connections that are given up meanwhile were ended by nobody else."""
        for directives, user in (((), ""), (("requirepass right",), ":right@")):
            with self.subTest(user):
                self.told.clear()
                server = self.serve(*directives)
                address = parse(f"unix://{user}{server.socket}")
                client = Client(reactor, address, deadline=0.1, changed=self.told.append)
                self.addCleanup(client.stop)
                await client.start(5)
                self.told.clear()
                server.pause()
                for _ in range(4):
                    with self.assertRaises(StoreUnavailable):
                        await client.command("PING")
                    await deferLater(reactor, 0.1)
                server.go_on()
                await until(lambda: len(self.told) > 1)
                self.assertEqual(self.words[:2], ["hung", None])

    async def test_what_waits_for_room_is_told_of_the_first_write(self) -> None:
        backs: list[None] = []
        self.patch(link, "_HEARTBEAT", 3600.0)
        await self.set("maxmemory", 1)
        with self.assertRaises(StoreRefused):
            await self.client.run(WRITE, [])
        self.client.back = lambda: backs.append(None)
        await self.set("maxmemory", 0)
        await self.client.run(WRITE, [])
        self.assertEqual(len(backs), 1)

    async def test_one_reason_after_another(self) -> None:
        await self.set("maxmemory", 1)
        await until(lambda: self.told)
        self.server.kill()
        await until(lambda: len(self.told) > 1)
        self.server.start()
        await until(lambda: self.client.trouble is None)
        await until(lambda: self.told[-1] is None)
        # Whether it was full before it died is not known any more until something is written.
        self.assertEqual([word for word in self.words if word != "loading"][:2], ["memory", "away"])

    async def test_a_heartbeat_writes_nothing(self) -> None:
        await self.beats()
        self.assertEqual(self.server.ask("DBSIZE"), b":0\r\n")

    async def test_a_key_is_good_without_being_counted(self) -> None:
        keys, token = ApiKeys(self.client), new_key(lambda _: 7)
        await keys.make(token, ApiKey(token.id, "k", ("read",), None, None, NOW, None, None))
        _, count = await keys.bearer(token, "1.1.1.1", NOW, 10, 10)
        self.assertEqual(count, 1)
        await self.set("maxmemory", 1)
        for _ in range(3):
            principal, _ = await keys.bearer(token, "1.1.1.1", NOW, 10, 10)
            self.assertEqual(principal.key, token.id)
        other = new_key(lambda _: 8)
        for _ in range(20):
            self.assertEqual(await keys.bearer(other, "1.1.1.1", NOW, 10, 10), "wrong")

    async def test_a_history_is_refused_and_not_left_out(self) -> None:
        limits = Limits(10, 10, 10_000, 10**9, 10**6, 10**9, 1000)
        self.server.ask("ZADD", "nled:devices", str(NOW), SERIAL)
        await self.set("maxmemory", 1)
        record = HistoryRecord(SERIAL, [((NOW, 0), {"target": "20"})])
        with self.assertRaisesRegex(StoreRefused, FULL):
            await Archive(Scripts(self.client, limits)).restore(record, NOW)

    async def test_strangers_are_refused_before_anybody_gives_way(self) -> None:
        """A script that has deleted something may go on to write in a full server."""
        limits = Limits(2, 10, 10_000, 10**9, 10**6, 10**9, 1000, per_address=0)
        scripts = Scripts(self.client, limits)
        buckets, pairing = Buckets(scripts), Pairing(scripts, 10**7)
        put = [Put(ObjectKey("shared", SERIAL), None, None, {"target_temperature": "20"})]
        for number in range(2):
            await buckets.put(f"02AA01AC3314000{number}", put, NOW, f"10.0.0.{number}")
        await pairing.entry_key(SERIAL, "ABCDEF2", NOW, "10.0.0.3")
        await self.set("maxmemory", 1)
        before = self.server.ask("ZRANGE", "nled:devices", "0", "-1")
        for serial in (SERIAL, "02AA01AC33149999"):
            with self.assertRaisesRegex(StoreRefused, FULL):
                await buckets.put(serial, put, NOW + 1, "10.0.0.9")
            with self.assertRaisesRegex(StoreRefused, FULL):
                await buckets.subscribe(serial, [], NOW + 1, "10.0.0.9")
        self.assertEqual(self.server.ask("ZRANGE", "nled:devices", "0", "-1"), before)
        self.assertEqual(before.count(b"02AA01AC3314000"), 2)

    async def test_arrivals_are_refused_before_one_gives_way(self) -> None:
        limits = Limits(10, 10, 10_000, 10**9, 10**6, 10**9, 1000)
        pairing = Pairing(Scripts(self.client, limits), 10**7)
        for number in range(1000):
            await pairing.entry_key(f"02AA01AC3314{number:04}", f"ABC{number:04}", NOW, "10.0.0.1")
        await self.set("maxmemory", 1)
        with self.assertRaisesRegex(StoreRefused, FULL):
            await pairing.entry_key(SERIAL, "ABCDEF2", NOW + 1, "10.0.0.9")
        self.assertEqual(self.server.ask("ZCARD", "nled:arrivals"), b":1000\r\n")


class ScriptTests(StoreTestCase):
    """Scripts that are said to read: they are let through where nothing may be written."""

    def scripts(self) -> Iterator[Script]:
        for module in iter_modules(nled.store.__path__):
            for value in vars(import_module(f"nled.store.{module.name}")).values():
                if isinstance(value, Script):
                    yield value
        yield _snapshot_of(None)

    async def writes(self, text: str) -> set[str]:
        """The commands that a piece of Lua calls and that write."""
        called = set(re.findall(r"redis\.call\('(\w+)'", text))
        answers = await self.client.command("COMMAND", "INFO", *sorted(called)) if called else []
        return {name for name, *about in answers if "write" in about[1]}

    def needed(self, text: str) -> str:
        """What is left of a script without what it only tries."""
        left = re.sub(r"pcall\([^\n]*", "", text)
        for name in re.findall(r"^local function (\w+)", left, re.MULTILINE):
            if len(re.findall(rf"\b{name}\b", left)) == 1:
                left = re.sub(rf"^local function {name}\b.*?^end", "", left, flags=re.MULTILINE | re.DOTALL)
        return left

    async def test_they_do(self) -> None:
        shared = "\n".join(map(_text, _ALL))
        form = r"^(?:local function )?(\w+)(?: = function)?(\([^\n]* end$|\(.*?^end$)"
        bodies = dict(re.findall(form, shared, re.MULTILINE | re.DOTALL))
        self.assertIn("missed", bodies)
        writers = {name for name, body in bodies.items() if await self.writes(body)}
        self.assertLessEqual({"contact", "record", "miss"}, writers)
        grown = set()
        while grown != writers:
            grown = set(writers)
            calls = re.compile(rf"\b(?:{'|'.join(writers)})\(")
            writers |= {name for name, body in bodies.items() if calls.search(body)}
        reading = [script for script in self.scripts() if not script.writes]
        self.assertGreater(len(reading), 8)
        for script in reading:
            with self.subTest(script.name):
                own = self.needed(script.parts[-1])
                self.assertEqual(await self.writes(own), set())
                self.assertNotRegex(own, calls)

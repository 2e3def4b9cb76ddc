"""What a server that is in no condition to work makes of a call."""

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from nled.store.client import Script, StoreError, StoreUnavailable
from nled.store.errors import from_reply
from tests.store.support import DEADLINE, OwnServerTestCase, free_port, until


class ConditionTests(OwnServerTestCase):
    async def test_memory_full(self) -> None:
        server = self.serve("maxmemory 1", "maxmemory-policy noeviction")
        client = await self.connect(server.url)
        await self.assert_unavailable(client, "memory is full", within=DEADLINE)
        with self.assertRaisesRegex(StoreUnavailable, "memory is full"):
            await client.run(Script("set", "return redis.call('SET', KEYS[1], 'v')"), ["k"])

    async def test_demoted_to_a_replica(self) -> None:
        server = self.serve()
        client = await self.connect(server.url)
        identity = await client.command("CLIENT", "ID")
        await client.command("REPLICAOF", "127.0.0.1", free_port())
        await self.assert_unavailable(client, "read-only replica", within=DEADLINE)
        self.assertEqual(await self.eventually(client, "REPLICAOF", "NO", "ONE"), "OK")
        self.assertEqual(await client.command("SET", "k", "v"), "OK")
        self.assertNotEqual(await client.command("CLIENT", "ID"), identity)

    async def test_busy(self) -> None:
        server = self.serve("lua-time-limit 20")
        client, other = await self.connect(server.url), await self.connect(server.url)
        endless = Deferred.fromCoroutine(other.command("EVAL", "while true do end", 0))
        await until(lambda: server.ask("PING").startswith(b"-BUSY"))
        await self.assert_unavailable(client, "busy with a long script", within=DEADLINE)
        server.ask("SCRIPT", "KILL")
        await self.assertFailure(endless, StoreError, StoreUnavailable)
        self.assertEqual(await client.command("PING"), "PONG")


class ReplyTests(SynchronousTestCase):
    def test_conditions(self) -> None:
        for text, word in {
            "LOADING Redis is loading the dataset in memory": "loading",
            "NOAUTH Authentication required.": "password",
            "WRONGPASS invalid username-password pair or user is disabled.": "refused",
            "READONLY You can't write against a read only replica.": "replica",
            "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.": "master",
            "MISCONF Redis is configured to save RDB snapshots": "disk",
            "OOM command not allowed when used memory > 'maxmemory'. script: f1, on @user_script:1.": "memory",
            "ERR Error running script (call to f_1): @user_script:1: -OOM command not allowed": "memory",
            "BUSY Redis is busy running a script.": "script",
        }.items():
            with self.subTest(text):
                error = from_reply(text)
                self.assertIsInstance(error, StoreUnavailable)
                self.assertIn(word, str(error))

    def test_others(self) -> None:
        for text in ("ERR unknown command 'OOM'", "WRONGTYPE Operation", "NOSCRIPT No matching script."):
            self.assertIsInstance(from_reply(text), StoreError)

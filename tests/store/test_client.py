"""The connection of the commands, against real servers; T-R numbers are those of the traps it avoids."""

from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred, gatherResults

from nled.store.address import parse
from nled.store.client import Client, Script, StoreError, StoreUnavailable
from nled.store.redis import link
from tests.store.support import (
    DEADLINE,
    FakeServer,
    OwnServerTestCase,
    StoreTestCase,
    free_port,
    until,
    written,
)


class CommandTests(StoreTestCase):
    async def test_a_text_stays_a_text(self) -> None:
        for text in ("007", "1_000", "1.10", "+5", "", "Küche ☀", "QUEUED"):
            await self.client.command("SET", "k", text)
            self.assertEqual(await self.client.command("GET", "k"), text)

    async def test_replies(self) -> None:
        script = Script("replies", "return {1, 'a', {'b', false}, redis.status_reply('fine')}")
        self.assertEqual(await self.client.run(script, []), [1, "a", ["b", None], "fine"])
        self.assertIsNone(await self.client.command("GET", "missing"))
        self.assertEqual(await self.client.command("HGETALL", "missing"), [])

    async def test_bytes_that_are_no_text_do_not_end_the_connection(self) -> None:
        await self.client.command("SET", "k", b"\xff")
        self.assertEqual(await self.client.command("GET", "k"), "\ufffd")

    async def test_not_awaited_in_order(self) -> None:
        pending = []
        for number in range(500):
            pending.append(Deferred.fromCoroutine(self.client.command("SET", "k", number)))
            pending.append(Deferred.fromCoroutine(self.client.command("GET", "k")))
        replies = await gatherResults(pending)
        self.assertEqual(replies[1::2], [str(number) for number in range(500)])

    async def test_script_with_keys_and_arguments(self) -> None:
        script = Script("set", "return redis.call('SET', KEYS[1], ARGV[1] .. ARGV[2])")
        for _ in range(2):
            self.assertEqual(await self.client.run(script, ["k"], 1, "x"), "OK")
        await self.client.command("SCRIPT", "FLUSH")
        self.assertEqual(await self.client.run(script, ["k"], 2, "y"), "OK")
        self.assertEqual(await self.client.command("GET", "k"), "2y")

    async def test_a_script_that_the_server_does_not_know_keeps_its_place(self) -> None:
        script = Script("first", f"return redis.call('SET', KEYS[1], '{self.id()}')")
        running = Deferred.fromCoroutine(self.client.run(script, ["k"]))
        self.assertEqual(await self.client.command("GET", "k"), self.id())
        await running

    async def test_a_fault_of_ours(self) -> None:
        await self.client.command("SET", "k", "v")
        with self.assertRaisesRegex(StoreError, "WRONGTYPE"):
            await self.client.command("HGET", "k", "f")
        with self.assertRaisesRegex(StoreError, "Script attempted|nosuch|global"):
            await self.client.run(Script("wrong", "return nosuch()"), [])

    async def test_what_cannot_be_sent_leaves_the_others_theirs(self) -> None:
        for value in (None, "\ud800"):
            with self.assertRaises((TypeError, UnicodeEncodeError)):
                await self.client.command("SET", "k", value)
        self.assertEqual(await self.client.command("ECHO", "fine"), "fine")

    async def test_a_cancelled_call_leaves_the_others_theirs(self) -> None:
        first, second = (
            Deferred.fromCoroutine(self.client.command("ECHO", text)) for text in ("first", "second")
        )
        first.cancel()
        self.assertEqual(await second, "second")
        await self.assertFailure(first, CancelledError)

    async def test_stopped(self) -> None:
        await self.client.stop()
        with self.assertRaisesRegex(StoreUnavailable, "closed"):
            await self.client.command("PING")


class LossTests(OwnServerTestCase):
    async def test_while_away_a_call_ends_at_its_deadline_and_is_not_run_later(self) -> None:  # T-R2
        server = self.serve(appendonly=True)
        client = await self.connect(server.url)
        await client.command("SET", "kept", "1")
        await written(client)
        server.kill()
        await until(lambda: client.trouble)
        await self.assert_unavailable(client, "reached|lost", within=1, at_least=DEADLINE - 0.05)
        self.assertIn("cannot be reached", str(client.trouble))
        server.start()
        self.assertEqual(await self.eventually(client, "GET", "kept"), "1")
        self.assertIsNone(await client.command("GET", "lost"))
        self.assertIsNone(client.trouble)

    async def test_a_call_that_waits_goes_through_when_the_server_comes_in_time(self) -> None:
        server = self.serve()
        client = await self.connect(server.url, deadline=5)
        server.kill()
        await until(lambda: client.trouble)
        waiting = Deferred.fromCoroutine(client.command("ECHO", "in time"))
        server.start()
        self.assertEqual(await waiting, "in time")

    async def test_in_flight(self) -> None:  # T-R3
        server = self.serve()
        client = await self.connect(server.url, deadline=5)
        server.pause()
        calls = [Deferred.fromCoroutine(client.command("GET", "k")) for _ in range(3)]
        server.kill()
        for call in calls:
            error = await self.assertFailure(call, StoreUnavailable)
            self.assertIn("lost", str(error))

    async def test_a_server_that_hangs_for_a_while(self) -> None:
        server = self.serve()
        client = await self.connect(server.url)
        server.pause()
        await self.assert_unavailable(
            client, "did not answer within 0.3 s", within=1, at_least=DEADLINE - 0.05
        )
        server.go_on()
        # The late reply to the first call must not be taken for that of this one.
        self.assertEqual(await client.command("ECHO", "fine"), "fine")

    async def test_a_silent_connection_is_given_up(self) -> None:
        self.patch(link, "_HEARTBEAT", 0.05)
        server = self.serve()
        client = await self.connect(server.url)
        server.pause()
        await until(lambda: client.trouble)
        self.assertIn("does not answer", str(client.trouble))
        server.go_on()
        self.assertEqual(await self.eventually(client, "ECHO", "fine"), "fine")

    async def test_a_heartbeat_of_a_healthy_connection_changes_nothing(self) -> None:
        self.patch(link, "_HEARTBEAT", 0.01)
        server = self.serve()
        client = await self.connect(server.url)
        identity = await client.command("CLIENT", "ID")
        await until(lambda: b"cmdstat_set:calls=" in server.ask("INFO", "commandstats"))
        self.assertEqual(await client.command("CLIENT", "ID"), identity)

    async def test_stop_ends_a_call_that_waits(self) -> None:
        server = self.serve()
        client = await self.connect(server.url, deadline=5)
        server.kill()
        await until(lambda: client.trouble)
        waiting = Deferred.fromCoroutine(client.command("PING"))
        await client.stop()
        self.assertIn("closed", str(await self.assertFailure(waiting, StoreUnavailable)))

    async def test_a_cancelled_call_that_waited_is_not_sent(self) -> None:
        server = self.serve()
        client = await self.connect(server.url, deadline=5)
        server.kill()
        await until(lambda: client.trouble)
        waiting = Deferred.fromCoroutine(client.command("SET", "lost", "1"))
        waiting.cancel()
        await self.assertFailure(waiting, CancelledError)
        server.start()
        self.assertIsNone(await self.eventually(client, "GET", "lost"))


class StartTests(OwnServerTestCase):
    async def test_nobody_there(self) -> None:
        client = Client(reactor, parse(f"redis://127.0.0.1:{free_port()}"))
        with self.assertRaisesRegex(StoreUnavailable, r"127\.0\.0\.1.* cannot be reached .*refused"):
            await client.start(0.7)

    async def test_waits_for_the_server(self) -> None:
        server = self.serve()
        server.kill()
        client = Client(reactor, server.address)
        self.addCleanup(client.stop)
        starting = Deferred.fromCoroutine(client.start(5))
        await until(lambda: "cannot be reached" in str(client.trouble))
        server.start()
        await starting
        self.assertEqual(await client.command("PING"), "PONG")

    async def test_no_password(self) -> None:
        server = self.serve("requirepass right")
        client = Client(reactor, server.address)
        with self.assertRaisesRegex(StoreUnavailable, "wants a password"):
            await client.start(0.3)

    async def test_no_such_database(self) -> None:
        server = self.serve("databases 2")
        client = Client(reactor, parse(f"{server.url}?db=2"))
        with self.assertRaisesRegex(StoreUnavailable, "DB index is out of range"):
            await client.start(0.3)

    async def test_auth_refused_for_a_while(self) -> None:  # T-R1
        server = self.serve("requirepass right")
        url = f"unix://:wrong@{server.socket}"
        client = Client(reactor, parse(url), deadline=DEADLINE)
        self.addCleanup(client.stop)
        starting = Deferred.fromCoroutine(client.start(10))
        await until(lambda: "refused user or password" in str(client.trouble))
        self.assertNotIn("wrong", str(client.trouble))
        admin = await self.connect(f"unix://:right@{server.socket}")
        await admin.command("CONFIG", "SET", "requirepass", "wrong")
        await starting
        # And while it runs: a password that was changed, and changed back.
        await admin.command("CONFIG", "SET", "requirepass", "other")
        await client.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        admin = await self.connect(f"unix://:other@{server.socket}")
        await admin.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        await until(lambda: client.trouble and "refused user or password" in str(client.trouble))
        await self.assert_unavailable(client, "refused user or password", within=1)
        await admin.command("CONFIG", "SET", "requirepass", "wrong")
        self.assertEqual(await self.eventually(client, "PING"), "PONG")

    async def test_loading(self) -> None:  # T-R4
        replies = iter([b"-LOADING Valkey is loading the dataset in memory\r\n"] * 3)
        server = FakeServer(lambda _: next(replies, b"+PONG\r\n"))
        self.addCleanup(server.stop)
        client = await self.connect(f"redis://127.0.0.1:{server.port}")
        self.assertIsNone(next(replies, None))
        self.assertEqual(await client.command("PING"), "PONG")

    async def test_loading_for_too_long(self) -> None:
        server = FakeServer(lambda _: b"-LOADING Valkey is loading the dataset in memory\r\n")
        self.addCleanup(server.stop)
        with self.assertRaisesRegex(StoreUnavailable, "still loading"):
            await self.connect(f"redis://127.0.0.1:{server.port}", patience=0.3)

    async def test_auth_that_is_not_answered(self) -> None:
        server = FakeServer(lambda _: b"+OK\r\n" if len(server.conversations) > 1 else None)
        self.addCleanup(server.stop)
        client = await self.connect(f"redis://:pw@127.0.0.1:{server.port}")
        self.assertEqual(await client.command("PING"), "OK")

    async def test_something_else_listens_there(self) -> None:
        server = FakeServer(lambda _: server.conversations[-1].transport.loseConnection())
        self.addCleanup(server.stop)
        with self.assertRaisesRegex(StoreUnavailable, "ended the connection at once"):
            await self.connect(f"redis://127.0.0.1:{server.port}", patience=0.3)


class AddressTests(OwnServerTestCase):
    async def test_tcp_with_acl_user_and_database(self) -> None:
        port = free_port()
        server = self.serve(f"port {port}", "bind 127.0.0.1", "user nled on >pw@: ~* &* +@all")
        client = await self.connect(f"redis://nled:pw%40%3A@127.0.0.1:{port}/3")
        self.assertEqual(await client.command("ACL", "WHOAMI"), "nled")
        await client.command("SET", "k", "v")
        other = await self.connect(f"unix://nled:pw%40%3A@{server.socket}?db=3")
        self.assertEqual(await other.command("GET", "k"), "v")
        await other.command("SELECT", 0)
        self.assertIsNone(await other.command("GET", "k"))

    async def test_acl_user_without_rights(self) -> None:
        server = self.serve("user nled on >pw ~* &* +ping +get")
        client = await self.connect(f"unix://nled:pw@{server.socket}")
        await self.assert_unavailable(client, "lacks a right", within=DEADLINE)

"""The states of a connection, one after the other, on real servers and on one that answers as it is told."""

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from nled.store.address import parse
from nled.store.errors import Reason, StoreUnavailable
from nled.store.redis.link import NEXT, Link, State
from tests.store.support import FakeServer, Server, until

WHY = Reason("test", "The test wants it so.", "Wait.")


class Recording(Link):
    """Keeps the states that it has been in."""

    def __init__(self, url: str, **options) -> None:
        super().__init__(reactor, parse(url), **{"deadline": 0.3, **options})
        self.states = [self.state.name]

    def _become(self, state: State) -> bool:
        done = super()._become(state)
        if done:
            self.states.append(state.name)
        return done

    def since(self, state: State) -> list[str]:
        """Give what came after the last time in that state."""
        return self.states[len(self.states) - self.states[::-1].index(state.name) :]


class StateTests(TestCase):
    def fake(self, answer) -> str:
        self.server = FakeServer(answer)
        self.addCleanup(self.server.stop)
        return f"redis://127.0.0.1:{self.server.port}"

    def real(self) -> Server:
        server = Server()
        self.addCleanup(server.stop)
        return server

    async def link(self, url: str, **options) -> Recording:
        link = Recording(url, **options)
        self.addCleanup(link.stop)
        await link.start(5)
        return link

    async def test_a_whole_life(self) -> None:
        server = self.real()
        link = Recording(server.url)
        self.assertEqual(repr(link), f"<Link to unix:{server.socket}: not started>")
        await link.start(5)
        self.assertIs(link.live, await link.wait(0))
        self.assertEqual(link.states, ["NEW", "CONNECTING", "GREETING", "READY"])
        server.kill()
        await until(lambda: link.state is State.CONNECTING)
        self.assertIsNone(link.live)
        server.start()
        await link.wait(5)
        self.assertEqual(link.states[4:], ["CONNECTING", "GREETING", "READY"])
        await link.stop()
        self.assertEqual(link.states[7:], ["STOPPED"])
        self.assertEqual(repr(link), f"<Link to unix:{server.socket}: stopped for good>")

    async def test_dropped(self) -> None:
        link = await self.link(self.real().url)
        first = link.live
        link.drop(WHY)
        self.assertEqual((link.live, link.reason), (None, WHY))
        await until(lambda: link.state is not State.DROPPED)
        # It says why it was dropped as long as there is nothing newer, not that it was lost.
        self.assertEqual(link.reason, WHY)
        self.assertIsNot(await link.wait(5), first)
        self.assertEqual(link.states[4:], ["DROPPED", "CONNECTING", "GREETING", "READY"])

    async def test_refused_in_the_greeting(self) -> None:
        answers = iter([b"-WRONGPASS invalid username-password pair or user is disabled.\r\n"])
        link = await self.link(self.fake(lambda _: next(answers, b"+OK\r\n")).replace("//", "//:pw@"))
        self.assertEqual(
            link.states,
            ["NEW", "CONNECTING", "GREETING", "DROPPED", "CONNECTING", "GREETING", "READY"],
        )

    async def test_ended_in_the_greeting(self) -> None:
        def answer(_) -> bytes | None:
            first, *more = self.server.conversations
            if not more:
                first.transport.loseConnection()
            return b"+PONG\r\n" if more else None

        link = await self.link(self.fake(answer))
        self.assertEqual(link.states[2:], ["GREETING", "CONNECTING", "GREETING", "READY"])

    async def test_a_greeting_that_its_owner_gives_up(self) -> None:
        refusals = iter([StoreUnavailable("It is not what was expected.")])

        async def greet(_) -> None:
            for refusal in refusals:
                raise refusal

        link = await self.link(self.real().url, greet=greet)
        self.assertEqual(link.since(State.DROPPED), ["CONNECTING", "GREETING", "READY"])
        self.assertEqual(len(self.flushLoggedErrors(StoreUnavailable)), 1)

    async def test_no_failure_of_a_connection_before_ends_the_present_one(self) -> None:
        link = await self.link(self.real().url)
        before = link.live
        asked: Deferred[object] = before.execute_command("BLPOP", "nothing", 0)
        asked.addErrback(lambda failure: link.failed(before, failure))
        link.drop(WHY)
        await asked
        await link.wait(5)
        self.assertEqual(link.states[4:], ["DROPPED", "CONNECTING", "GREETING", "READY"])

    async def test_what_comes_too_late_changes_nothing(self) -> None:
        changes = []
        link = Recording(self.real().url, changed=lambda: changes.append(link.reason))
        link.drop(WHY)
        self.assertEqual(link.state, State.NEW)
        await link.start(5)
        wire = link.live
        del changes[:]
        await link.stop()
        link.drop(WHY)
        link.opened(wire)
        link.lost()
        await link.stop()
        self.assertEqual(link.since(State.READY), ["STOPPED"])
        self.assertEqual(changes, [])
        with self.assertRaisesRegex(StoreUnavailable, "closed"):
            await link.wait(5)

    async def test_stopped_in_each_state(self) -> None:
        silent = self.fake(lambda _: None)
        for url, state in ((silent, State.GREETING), (self.real().url, State.READY)):
            link = Recording(url)
            starting = Deferred.fromCoroutine(link.start(5))
            starting.addErrback(lambda failure: failure.trap(StoreUnavailable))
            await until(lambda link=link, state=state: link.state is state)
            await link.stop()
            await starting
            self.assertEqual(link.since(state), ["STOPPED"])
        link = Recording(silent)
        await link.stop()
        self.assertEqual(link.states, ["NEW", "STOPPED"])

    def test_every_state_can_be_stopped_and_only_a_greeted_connection_is_used(self) -> None:
        self.assertEqual(set(NEXT), set(State))
        for state in set(State) - {State.STOPPED}:
            self.assertIn(State.STOPPED, NEXT[state])
        self.assertFalse(NEXT[State.STOPPED])
        self.assertEqual([state for state in State if State.READY in NEXT[state]], [State.GREETING])

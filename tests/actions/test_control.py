"""Commands on a real store: many at once, others in between, and what is said of how far they have come."""

import json
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred, ensureDeferred, gatherResults
from twisted.internet.task import Clock, deferLater

from nled.actions.control import Control, Done
from nled.actions.feed import Feed
from nled.domain.access import Principal, local, of_key
from nled.domain.buckets import ObjectKey
from nled.domain.commands import Change, Rule, rule_of
from nled.domain.device import Delivery
from nled.domain.errors import BadRequest, Conflict, Denied, NotKnown
from nled.domain.requests import Listed
from nled.store.bus import Bus
from nled.store.client import StoreUnavailable
from nled.store.devices import Devices
from nled.store.following import Following
from tests.store.support import until
from tests.store.test_buckets import SERIAL, SHARED
from tests.store.test_devices import OTHER, DeviceTestCase

WHO = local()
HOME = ObjectKey("structure", "ann")


class Away(Devices):
    """Devices of which nobody can tell how far they have come."""

    async def delivery(self, *_: Any) -> Delivery:
        raise StoreUnavailable("The store is away.")


class ControlTestCase(DeviceTestCase):
    async def setUp(self) -> None:
        await super().setUp()
        # For `wait` alone; the time of a write is self.now.
        self.clock = Clock()
        self.feed = Feed(self.clock)
        self.control = Control(self.devices, self.feed, self.clock, lambda: self.now, lambda _: 0)
        following = Following(self.feed.publish, self.feed.missed)
        bus = Bus(reactor, self.address, lambda: self.now, following)
        await bus.start()
        self.addCleanup(bus.stop)
        values = {"target_temperature": 20, "target_temperature_low": 18, "target_temperature_high": 24}
        await self.put(values)
        await self.put(values, ObjectKey("shared", OTHER), serial=OTHER)

    async def command(
        self, name: str, value: object, wait: float = 0.0, serial: str = SERIAL, who: Principal = WHO
    ) -> Done:
        return await self.control.command(who, serial, name, rule_of(name), value, wait=wait)

    def started(self, *args: Any, **options: Any) -> "Deferred[Done]":
        return ensureDeferred(self.command(*args, **options))

    async def waits(self, waiting: "Deferred[Done]", revision: int) -> None:
        """Wait until a command is written, and its caller waits for the device."""

        async def written() -> bool:
            return (await self.device(wanted={"shared": ()})).shared.revision >= revision

        while not await written():
            pass
        self.assertFalse(waiting.called)

    async def ends(self, waiting: "Deferred[Done]") -> None:
        """Let the time of a wait pass, and not a second more."""
        for _ in range(30):
            self.assertFalse(waiting.called)
            self.clock.advance(1)
            await deferLater(reactor, 0.001)
        await until(lambda: waiting.called or self.clock.advance(0))

    async def shared(self) -> dict[str, Any]:
        return dict((await self.device()).shared.values)


class Races(ControlTestCase):
    async def test_many_at_once(self) -> None:
        """Each is carried out, one after the other; nobody is told to try again."""
        done = await gatherResults(
            [self.started("set_temperature", 10 + number / 10) for number in range(100)]
        )
        revisions = [each.receipt.revision for each in done]
        self.assertEqual(sorted(revisions), list(range(2, 102)))
        last = done[revisions.index(101)]
        self.assertEqual(
            (await self.shared())["target_temperature"], last.changes[0].values["target_temperature"]
        )
        self.assertEqual(len(self.control._turns), 0)

    async def test_two_ends_of_a_range(self) -> None:
        """Whoever comes second is judged by what the first has written."""
        for _ in range(10):
            await self.command("set_temperature", {"low": 18, "high": 24})
            tries = [
                self.started("set_temperature", {"low": 22.0}),
                self.started("set_temperature", {"high": 21.0}),
            ]
            for each in tries:
                each.addErrback(lambda failure: failure.trap(BadRequest))
            self.assertEqual((await gatherResults(tries)).count(BadRequest), 1)
            shared = await self.shared()
            self.assertLess(shared["target_temperature_low"], shared["target_temperature_high"])

    async def test_a_device_that_writes_meanwhile(self) -> None:
        puts = [
            ensureDeferred(self.put({"current_temperature": number, "target_change_pending": False}))
            for number in range(30)
        ]
        done = await gatherResults([self.started("set_temperature", 15 + n / 10) for n in range(30)])
        await gatherResults(puts)
        self.assertEqual(len({each.receipt.revision for each in done}), 30)

    async def test_a_device_that_always_is_quicker(self) -> None:
        """As long as somebody else writes between our looking and our writing; it ends, with nothing written."""
        tries = 0

        setpoint = rule_of("set_temperature")

        def decide(*args: Any) -> tuple[Change, ...]:
            nonlocal tries
            tries += 1
            return setpoint(*args)

        read = self.devices.read

        async def overtaken(*args: Any, **options: Any) -> Any:
            found = await read(*args, **options)
            await self.put({"current_temperature": tries})
            return found

        self.patch(self.devices, "read", overtaken)
        with self.assertRaises(Conflict):
            await self.control.command(WHO, SERIAL, "x", Rule(setpoint.reads, decide), 25)
        self.assertEqual(tries, 51)
        self.assertEqual((await read(SERIAL, self.now)).shared.values["target_temperature"], 20)
        self.assertEqual(len(self.control._turns), 0)

    async def test_one_who_gives_up_while_others_are_before_them(self) -> None:
        tries = [self.started("set_temperature", 10 + number / 10) for number in range(100)]
        while not self.control._turns:
            await deferLater(reactor, 0)
        for each in tries[50:90]:
            each.addErrback(lambda failure: failure.trap(CancelledError))
            each.cancel()
        await gatherResults(tries)
        self.assertEqual(len(self.control._turns), 0)
        await self.command("set_temperature", 21)

    async def test_given_away_meanwhile(self) -> None:
        """Who may not any more by the time it would be written does not."""
        await self.claimed(user="user_ann")
        ann = of_key("0" * 16, "ann's", ("read", "write"), "user_ann", None)
        await self.command("set_away", value=True, who=ann)
        read = self.devices.read

        async def too_late(*args: Any, **options: Any) -> Any:
            found = await read(*args, **options)
            if found.owner:
                await self.devices.unpair(SERIAL, None, self.now)
            return found

        self.patch(self.devices, "read", too_late)
        with self.assertRaises(Denied):
            await self.command("set_away", value=False, who=ann)
        self.patch(self.devices, "read", read)
        self.assertEqual((await self.device()).home.revision, 0)

    async def test_forgotten_meanwhile(self) -> None:
        read = self.devices.read

        async def too_late(*args: Any, **options: Any) -> Any:
            found = await read(*args, **options)
            await self.devices.forget(SERIAL, self.now)
            return found

        self.patch(self.devices, "read", too_late)
        with self.assertRaises(NotKnown):
            await self.command("set_temperature", 25)
        self.assertIsNone(await read(SERIAL, self.now))


class Order(ControlTestCase):
    """Commands for one device are carried out in the order in which they came."""

    async def setUp(self) -> None:
        await super().setUp()
        self.ended: list[int] = []

    def start(self, number: int, name: str, value: object, serial: str = SERIAL) -> "Deferred[Done]":
        started = self.started(name, value, serial=serial)
        started.addCallback(lambda done: self.ended.append(number) or done)
        return started

    def hinder(self) -> None:
        """Have the device write between each first look and its write, so that who came first starts over."""
        read, hindered = self.devices.read, set[int]()

        async def overtaken(serial: str, now: int, *args: Any, **options: Any) -> Any:
            found = await read(serial, now, *args, **options)
            if len(hindered) < 5:
                hindered.add(len(hindered))
                await self.put({"target_temperature_low": 10 + len(hindered) / 10})
            return found

        self.patch(self.devices, "read", overtaken)

    async def test_also_when_the_first_has_to_start_over(self) -> None:
        self.hinder()
        await gatherResults([self.start(n, "set_temperature", 10 + n / 10) for n in range(30)])
        self.assertEqual(self.ended, list(range(30)))
        self.assertEqual((await self.shared())["target_temperature"], 12.9)

    async def test_a_newcomer_goes_behind_those_who_wait(self) -> None:
        self.hinder()
        started = [self.start(n, "set_temperature", 10 + n / 10) for n in range(20)]
        await started[0]
        started.append(self.start(20, "set_temperature", 21))
        await gatherResults(started)
        self.assertEqual(self.ended, list(range(21)))
        self.assertEqual((await self.shared())["target_temperature"], 21)

    async def test_whatever_they_are(self) -> None:
        self.hinder()
        names = [("set_mode", "off"), ("set_temperature", 12), ("set_away", True), ("set_humidity", 40)]
        await gatherResults([self.start(n, *each) for n, each in enumerate(names * 5)])
        self.assertEqual(self.ended, list(range(20)))

    async def test_of_a_home_by_way_of_its_thermostats(self) -> None:
        await self.claimed()
        await self.claimed(OTHER)
        write, lost = self.devices.write, 0

        async def overtaken(serial: str, *args: Any) -> Any:
            nonlocal lost
            lost += 1
            # As if another process had been quicker.
            return None if serial == SERIAL and lost < 5 else await write(serial, *args)

        self.patch(self.devices, "write", overtaken)
        away = [(SERIAL, True), (OTHER, False)]
        await gatherResults(
            [self.start(n, "set_away", value, serial) for n, (serial, value) in enumerate(away)]
        )
        self.assertEqual(self.ended, [0, 1])
        self.assertFalse((await self.device()).home.values["manual_eco_all"])
        self.assertEqual(len(self.control._turns), 0)

    async def test_others_do_not_wait(self) -> None:
        read, gate = self.devices.read, Deferred[None]()

        async def slow(serial: str, *args: Any, **options: Any) -> Any:
            if serial == SERIAL:
                await gate
            return await read(serial, *args, **options)

        self.patch(self.devices, "read", slow)
        waiting = self.start(0, "set_temperature", 21)
        await self.start(1, "set_temperature", 21, OTHER)
        gate.callback(None)
        await waiting
        self.assertEqual(self.ended, [1, 0])

    def hang(self) -> "Deferred[None]":
        """Have the first look at a device hang until the Deferred fires."""
        read, gates = self.devices.read, [Deferred[None]()]
        gate = gates[0]

        async def slow(*args: Any, **options: Any) -> Any:
            if gates:
                await gates.pop()
            return await read(*args, **options)

        self.patch(self.devices, "read", slow)
        return gate

    async def test_a_store_that_hangs_and_comes_back(self) -> None:
        gate = self.hang()
        started = [self.start(n, "set_temperature", 20 + n / 10) for n in range(5)]
        self.clock.advance(4)
        started.append(self.start(5, "set_temperature", 25))
        gate.callback(None)
        await gatherResults(started)
        self.assertEqual(self.ended, list(range(6)))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    async def test_a_store_that_is_away(self) -> None:
        """Those who wait are told at once, in the first one's words; who comes later is served."""
        gate = self.hang()
        started = [self.start(n, "set_temperature", 20 + n / 10) for n in range(5)]
        gate.errback(StoreUnavailable("The store is away."))
        for each in started:
            with self.assertRaisesRegex(StoreUnavailable, "away"):
                await each
        await self.start(5, "set_temperature", 25)
        self.assertEqual((self.ended, len(self.control._turns)), ([5], 0))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    async def test_no_longer_than_it_is_any_use(self) -> None:
        gate = self.hang()
        first, second = (self.start(n, "set_temperature", 20 + n) for n in range(2))
        self.clock.advance(15)
        with self.assertRaisesRegex(Conflict, "earlier commands"):
            await second
        gate.callback(None)
        await first
        self.assertEqual((await self.shared())["target_temperature"], 20)

    async def test_no_more_than_a_line_holds(self) -> None:
        gate = self.hang()
        started = [self.start(n, "set_temperature", 10 + n / 20) for n in range(300)]
        for each in started[257:]:
            with self.assertRaises(Conflict):
                await each
        gate.callback(None)
        await gatherResults(started[:257])
        self.assertEqual(self.ended, list(range(257)))
        self.assertEqual(len(self.control._turns), 0)


class Waiting(ControlTestCase):
    async def test_until_the_device_has_it(self) -> None:
        waiting = self.started("set_temperature", 25, 30)
        await self.waits(waiting, 2)
        await self.claims(shared=1)
        newest = (await self.device()).shared.timestamp
        await self.claims(shared=newest)
        self.assertEqual((await waiting).delivery, "acknowledged")
        self.assertEqual(len(self.feed), 0)

    async def test_as_long_as_one_would(self) -> None:
        waiting = self.started("set_temperature", 25, 30)
        await self.waits(waiting, 2)
        await self.claims(shared=1)
        await self.ends(waiting)
        self.assertEqual((await waiting).delivery, "pushed")
        self.assertEqual((len(self.feed), self.clock.getDelayedCalls()), (0, []))

    async def test_one_who_goes_leaves_nothing(self) -> None:
        waits = [self.started("set_temperature", 15 + n / 20, 30) for n in range(200)]
        for n, each in enumerate(waits):
            each.addErrback(lambda failure: failure.trap(CancelledError))
            if n % 2:
                each.cancel()
        await until(lambda: len(self.control._turns) == 0 and len(self.feed) == 100)
        for each in waits:
            each.cancel()
        await gatherResults(waits)
        self.assertEqual((len(self.feed), self.clock.getDelayedCalls()), (0, []))

    async def test_no_longer_than_whoever_asked(self) -> None:
        """It is written; but a wait of 30 s does not outlive its client."""
        gone: Deferred[None] = Deferred()
        rule = rule_of("set_temperature")
        waiting = ensureDeferred(self.control.command(WHO, SERIAL, "x", rule, 25, wait=30, left=lambda: gone))
        await self.waits(waiting, 2)
        gone.callback(None)
        self.assertEqual((await waiting).receipt.revision, 2)
        self.assertEqual((len(self.feed), self.clock.getDelayedCalls()), (0, []))

    async def test_no_longer_for_what_will_not_be(self) -> None:
        """The dial was turned by somebody at home, or the device is given up: that is the answer, at once."""
        waiting = self.started("set_temperature", 25, 30)
        await self.waits(waiting, 2)
        await self.put({"target_temperature": 19})
        self.assertEqual((await waiting).delivery, "expired")
        waiting = self.started("set_temperature", 26, 30)
        await self.waits(waiting, 4)
        await self.devices.forget(SERIAL, self.now)
        self.assertEqual((await waiting).delivery, "expired")

    async def test_what_another_command_takes_the_place_of(self) -> None:
        """It has come as far as that one has: the device knows what was wanted last."""
        first = self.started("set_temperature", 25, 30)
        await self.waits(first, 2)
        second = await self.command("set_temperature", 26)
        await self.claims(shared=1)
        self.assertFalse(first.called)
        await self.claims(shared=second.receipt.timestamp)
        self.assertEqual((await first).delivery, "acknowledged")

    async def test_the_store_goes_away_meanwhile(self) -> None:
        """What was written is not said to have failed, and who waits is not kept for longer."""
        self.control = Control(
            Away(self.devices._scripts), self.feed, self.clock, lambda: self.now, lambda _: 0
        )
        waiting = self.started("set_temperature", 25, 30)
        await self.waits(waiting, 2)
        self.feed.missed()
        await self.ends(waiting)
        done = await waiting
        self.assertEqual((done.delivery, done.receipt.revision), ("queued", 2))

    async def test_the_daemon_stops(self) -> None:
        waiting = self.started("set_temperature", 25, 30)
        await self.waits(waiting, 2)
        await self.feed.stop()
        self.assertEqual((await waiting).delivery, "queued")
        self.assertEqual(self.clock.getDelayedCalls(), [])

    async def test_a_home_of_two(self) -> None:
        """Away is said to both, and each has its own way to go."""
        await self.claimed()
        await self.claimed(OTHER)
        waiting = self.started("set_away", value=True, wait=30)
        while not (await self.device()).home.values.get("manual_eco_all"):
            pass
        newest = (await self.device()).home.timestamp
        self.assertIn(str(HOME), await self.subscribe(SERIAL, 0))
        other = await self.devices.read(OTHER, self.now)
        self.assertTrue(other.home.values["manual_eco_all"])
        self.assertEqual({each.delivery for each in other.home.pending}, {"queued"})
        self.assertFalse(waiting.called)
        self.assertIn(str(HOME), await self.subscribe(OTHER, 0))
        self.assertNotIn(str(HOME), await self.subscribe(OTHER, newest))
        self.assertFalse(waiting.called, "the other has it, this one has not")
        await self.subscribe(SERIAL, newest)
        self.assertEqual((await waiting).delivery, "acknowledged")

    async def subscribe(self, serial: str, claim: int) -> list[str]:
        self.now += 1000
        opened = await self.buckets.subscribe(serial, [Listed(HOME, claim, {})], self.now)
        return [each.receipt.key for each in opened.updates]


class Pushes(ControlTestCase):
    async def test_a_dial_that_was_turned_is_not_turned_back(self) -> None:
        """The setpoint it overrules is never sent, whoever asks for it again."""
        await self.command("set_temperature", 25)
        await self.put({"target_temperature": 19})
        await self.devices.resend(SERIAL, self.now)
        told = await self.claims(shared=1)
        self.assertNotIn("target_temperature", json.dumps(told).replace("target_temperature_", ""))
        self.assertEqual((await self.shared())["target_temperature"], 19)

    async def test_nothing_twice(self) -> None:
        done = await self.command("set_temperature", 25)
        self.assertIn(str(SHARED), await self.claims(shared=1))
        self.assertEqual(await self.claims(shared=done.receipt.timestamp), {})
        self.assertEqual(await self.claims(shared=done.receipt.timestamp), {})
        # Asked for again and taken already: it is acknowledged, and no news.
        again = await self.command("set_temperature", 25)
        self.assertEqual((again.delivery, again.receipt), ("acknowledged", done.receipt))

    async def test_companions_go_with_their_setpoint(self) -> None:
        """What says that a setpoint is to come is not sent without one, nor waits for anybody."""
        await self.command("set_temperature", {"low": 17, "high": 25})
        await self.put({"target_temperature_low": 18.5})
        self.assertEqual(
            [each.fields for each in (await self.device()).pending],
            [("target_change_pending", "target_temperature_high", "touched_by")],
        )
        await self.put({"target_temperature_high": 24.5})
        self.assertEqual((await self.device()).pending, ())
        self.assertEqual(await self.claims(shared=1), {})

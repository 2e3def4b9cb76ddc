"""Who is forgotten leaves the store as it was before they came, and everybody else as they are (protocol e.5)."""

from collections.abc import Awaitable, Callable

from nled.domain.buckets import ObjectKey
from nled.domain.notice import Notice, parse
from nled.domain.people import HOUR, new_invite
from nled.domain.requests import Listed
from nled.store import keys
from nled.store.devices import Devices, Write
from nled.store.lan import Neighbours
from nled.store.pairing import Arrival
from nled.store.scripts import Scripts
from tests.store.test_access import AccessTestCase
from tests.store.test_buckets import LIMITS, Reaching, texts
from tests.store.test_pairing import OTHER, SERIAL

THIRD = "02AA01AC33140F63"
# What remembers that something was, and for how long is bounded by itself.
PAST = (keys.EVENTS,)


class LeftoversTestCase(AccessTestCase):
    async def setUp(self) -> None:
        await super().setUp()
        scripts = Scripts(self.client, LIMITS)
        self.devices, self.neighbours = Devices(scripts), Neighbours(scripts)
        # Two homes that have nothing to do with the third but for what is shared.
        for user in ("bob", "carl"):
            await self.people.ensure(user, f"{user}@example.org", self.now)
        await self.live(OTHER, "bob")

    async def live(self, serial: str, user: str) -> None:
        """Let a device have all that a device can have, and its owner all that an owner can."""
        await self.pairing.arrived(
            [Arrival(serial, {"model": "x"}, f"18B4{serial[-8:]}", reset=False, secret="s3cret")], self.now
        )
        await self.pairing.gate(serial, "the hash of its password", self.now)
        await self.told(serial, (f"shared.{serial}", 5), (f"device.{serial}", 6))
        for away in (True, False):
            # Before it is anybody's, with a home of its own, and then in one of theirs.
            device = await self.devices.read(serial, self.now)
            assert device is not None
            writes = [
                Write(device.home.key, texts({"away": away})),
                Write(ObjectKey("shared", serial), texts({"target_temperature": 20 + away})),
                Write(ObjectKey("schedule", serial), texts({"ver": 2, "days": {}})),
            ]
            await self.devices.write(serial, writes, self.now)
            await self.told(serial, (f"shared.{serial}", 5), (str(device.home.key), 0))
            if away:
                await self.paired(serial, user)
        await self.people.share(serial, "carl", "admin", self.now)
        await self.people.invite(serial, new_invite(self.draw), "read", self.now + HOUR, self.now)
        await self.neighbours.remember("192.168.1.5", serial, "https://example.org/entry")
        # Reset to factory state it shows a code again, while it is still somebody's.
        await self.pairing.arrived([Arrival(serial, {}, "", reset=True)], self.now)
        await self.key(serial)

    async def claimed_anew(self, user: str) -> None:
        code = await self.key(SERIAL)
        self.assertEqual(await self.pairing.claim(code.code, user, self.now), SERIAL)

    async def notices(self) -> list[Notice]:
        found = await self.client.command("XRANGE", keys.EVENTS, "-", "+")
        return [parse(at, head, fields) for at, (_, head, _, fields) in found]


class Leftovers(LeftoversTestCase):
    async def snapshot(self) -> dict[str, object]:
        everything = await self.everything()
        names = await self.client.command("KEYS", "*")
        return {name: everything.get(name) for name in sorted(names) if name not in PAST}

    async def test_a_device(self) -> None:
        await self.people.ensure("user_ann", None, self.now)
        before = await self.snapshot()
        await self.live(SERIAL, "user_ann")
        self.assertGreater(len(await self.snapshot()), len(before) + 15)
        self.assertEqual(await self.devices.forget(SERIAL, self.now), 2)
        self.assertEqual(await self.snapshot(), before)

    async def test_a_device_that_is_named_by_keys(self) -> None:
        await self.live(SERIAL, "user_ann")
        await self.made("both", devices=(SERIAL, OTHER))
        await self.made("one", devices=(SERIAL,))
        await self.devices.forget(SERIAL, self.now)
        # A key that was for this one only is for none, and not for all.
        self.assertEqual(
            {key.name: key.devices for key in await self.keys.all()}, {"both": (OTHER,), "one": ()}
        )
        self.assertEqual(await self.left_of(SERIAL), [])

    async def test_a_person(self) -> None:
        before = await self.snapshot()
        await self.live(SERIAL, "user_ann")
        await self.people.share(OTHER, "user_ann", "write", self.now)
        await self.made("hers", user="user_ann")
        self.assertEqual(await self.people.forget("user_ann", self.now), 1)
        self.assertEqual(await self.left_of("ann"), [])
        # Her device is there, and nobody's.
        self.assertIsNone((await self.devices.read(SERIAL, self.now)).owner)
        await self.devices.forget(SERIAL, self.now)
        self.assertEqual(await self.snapshot(), before)

    async def test_one_that_is_given_up(self) -> None:
        """Whoever claims it next sees nothing of what was in the home before."""
        await self.live(SERIAL, "user_ann")
        await self.told(SERIAL, (f"shared.{SERIAL}", 5))
        self.assertEqual(await self.client.command("EXISTS", keys.history(SERIAL)), 1)
        await self.devices.unpair(SERIAL, "user_ann", self.now)
        self.assertEqual(await self.client.command("EXISTS", keys.history(SERIAL)), 0)

    async def test_one_that_comes_into_other_hands(self) -> None:
        """The next owner hears nothing of the former, nor the former of the next."""
        await self.live(SERIAL, "user_ann")
        await self.claimed_anew("dora")
        left = await self.left_of("ann")
        self.assertEqual(
            {name for name in left if SERIAL in name}, set(), "what the device has says nothing of her"
        )
        device = await self.devices.read(SERIAL, self.now)
        self.assertEqual((device.owner, device.shares), ("dora", {}))
        self.assertEqual(await self.people.visible("carl"), frozenset({OTHER}))
        self.assertEqual(await self.client.command("EXISTS", keys.history(SERIAL)), 0)
        self.assertEqual(
            (await self.devices.read(OTHER, self.now)).home.values["devices"], [f"device.{OTHER}"]
        )

    async def test_a_device_that_still_lists_its_former_home(self) -> None:
        """It goes on asking for what it remembers, for as long as it does: nothing of that is kept."""
        await self.live(SERIAL, "user_ann")
        await self.people.ensure("dora", None, self.now)
        await self.people.transfer(SERIAL, "dora", self.now)
        listed = [Listed(ObjectKey(*key.split(".")), 5, {}) for key in ("user.user_ann", "structure.ann")]
        opened = await Reaching(Scripts(self.client, LIMITS)).subscribe(SERIAL, listed, self.now)
        self.assertEqual([each.receipt.key for each in opened.updates[:2]], ["user.dora", "structure.dora"])
        self.assertEqual({name for name in await self.left_of("ann") if SERIAL in name}, set())


class Past(LeftoversTestCase):
    """What was told and recorded of a device is nobody's business who has it later."""

    async def setUp(self) -> None:
        await super().setUp()
        await self.people.ensure("dora", None, self.now)

    def ends(self) -> dict[str, Callable[[], Awaitable[object]]]:
        """Give the ways in which the time of a device with user_ann ends."""
        return {
            "forgotten": lambda: self.devices.forget(SERIAL, self.now),
            "unpaired": lambda: self.devices.unpair(SERIAL, None, self.now),
            "owner deleted": lambda: self.people.forget("user_ann", self.now),
            "transferred": lambda: self.people.transfer(SERIAL, "dora", self.now),
            "claimed by another": lambda: self.claimed_anew("dora"),
        }

    async def test_nothing_of_it_is_told_again(self) -> None:
        for how, end in self.ends().items():
            await self.live(SERIAL, "user_ann")
            before = await self.notices()
            await end()
            after = await self.notices()
            self.assertEqual(
                # It was the last one of its home.
                [each for each in before if each.serial != SERIAL and each.home != "user_ann"],
                [each for each in after if each.place <= before[-1].place],
                how,
            )
            self.assertNotIn("ann", str(after), how)
            told = {each.what for each in after if each.serial == SERIAL}
            self.assertEqual("forgotten" in told, how == "forgotten")
            self.assertIn("access", told, how)
            await self.devices.forget(SERIAL, self.now)

    async def test_nothing_of_it_is_in_the_history(self) -> None:
        for how, end in self.ends().items():
            await self.live(SERIAL, "user_ann")
            names = (keys.history(SERIAL), f"nled:{{{SERIAL}}}:latest")
            self.assertEqual(await self.client.command("EXISTS", *names), 2, how)
            await end()
            self.assertEqual(await self.client.command("EXISTS", *names), 0, how)
            await self.devices.forget(SERIAL, self.now)

    async def test_claimed_anew_by_its_owner_it_keeps_it(self) -> None:
        await self.live(SERIAL, "user_ann")
        before = await self.notices()
        await self.claimed_anew("user_ann")
        self.assertEqual((await self.notices())[: len(before)], before)
        self.assertEqual(await self.client.command("EXISTS", keys.history(SERIAL)), 1)

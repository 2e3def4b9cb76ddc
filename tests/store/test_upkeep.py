"""What is swept for its age, against a real server: all of it, nothing else, and each kind as it should be."""

from attrs import evolve

from nled.domain.buckets import ObjectKey
from nled.domain.people import HOUR, INVITE_KEPT, new_invite
from nled.domain.requests import Listed
from nled.domain.wire import Update
from nled.store import keys, upkeep
from nled.store.devices import Write
from nled.store.pairing import Arrival, Pairing
from nled.store.scripts import Scripts
from nled.store.upkeep import Expired, Upkeep
from tests.store.test_buckets import DAY, LIMITS, Reaching, texts
from tests.store.test_leftovers import THIRD, LeftoversTestCase
from tests.store.test_pairing import OTHER, SERIAL


class UpkeepTestCase(LeftoversTestCase):
    async def setUp(self) -> None:
        await super().setUp()
        scripts = Scripts(self.client, evolve(LIMITS, devices=1000))
        self.upkeep, self.buckets = Upkeep(scripts), Reaching(scripts)
        self.pairing = Pairing(scripts, HOUR)

    async def later(self, ms: int) -> Expired:
        """Sweep after a time in which only carl's and bob's device was heard of."""
        self.now += ms
        await self.told(OTHER, (f"shared.{OTHER}", 5))
        return await self.upkeep.expire(self.now, LIMITS.ttl)

    async def stranger(self, serial: str) -> None:
        """A device that nobody owns, with all that such a one can have."""
        about = Arrival(serial, {"model": "x"}, f"18B4{serial[-8:]}", reset=False, secret="s3cret")
        await self.pairing.arrived([about], self.now)
        await self.pairing.gate(serial, "the hash of its password", self.now)
        await self.told(serial, (f"shared.{serial}", 5))
        await self.neighbours.remember("192.168.1.9", serial, "https://example.org/entry")
        await self.key(serial)


class Expiry(UpkeepTestCase):
    async def test_one_that_nobody_owns_is_forgotten(self) -> None:
        await self.later(0)
        before = await self.everything()
        await self.stranger(SERIAL)
        await self.made("for it", devices=(SERIAL,))
        self.assertEqual(await self.later(LIMITS.ttl), Expired([], []))
        self.assertEqual(await self.later(1), Expired([SERIAL], []))
        self.assertEqual([each.devices for each in await self.keys.all()], [()])
        after = await self.everything()
        self.assertEqual({name for name in after if "api-key" not in name}, set(before))
        self.assertEqual(await self.left_of(SERIAL), [])
        self.assertEqual([each.what for each in await self.notices() if each.serial == SERIAL], ["forgotten"])

    async def test_of_an_owned_one_only_the_state_goes(self) -> None:
        await self.live(SERIAL, "user_ann")
        self.assertEqual(await self.later(LIMITS.ttl + 1), Expired([], [SERIAL]))
        kept = ("owner", "shares", "invites", "previous", "key", "history", "latest")
        left = {name.rpartition(":")[2] for name in await self.client.command("KEYS", f"*{SERIAL}*")}
        self.assertEqual(left - set(kept), set())
        self.assertLessEqual({"owner", "shares", "invites", "previous"}, left)
        device = await self.devices.read(SERIAL, self.now)
        self.assertEqual((device.owner, device.shares, device.seen), ("user_ann", {"carl": "admin"}, None))
        self.assertEqual(device.shared.values, {})
        self.assertIsNone(await self.pairing.serial_of(f"18B4{SERIAL[-8:]}"))
        # It comes again as if it were new, and is still hers.
        await self.told(SERIAL, (f"shared.{SERIAL}", 5))
        self.assertEqual((await self.devices.read(SERIAL, self.now)).owner, "user_ann")

    async def test_some_at_a_time(self) -> None:
        self.patch(upkeep, "MOST_EXPIRED", 2)
        serials = (SERIAL, THIRD, "02AA01AC33140F64")
        for serial in serials:
            await self.stranger(serial)
        found = [await self.later(LIMITS.ttl + 1), await self.later(0), await self.later(0)]
        self.assertEqual([len(each.forgotten) for each in found], [2, 1, 0])
        self.assertEqual(sorted(each for one in found for each in one.forgotten), sorted(serials))

    async def test_a_contact_in_a_time_to_come_counts_as_one_of_now(self) -> None:
        await self.told(SERIAL, (f"shared.{SERIAL}", 5))
        self.now -= 365 * DAY
        await self.upkeep.expire(self.now, LIMITS.ttl)
        self.assertEqual(await self.client.command("ZSCORE", keys.DEVICES, SERIAL), str(self.now))


class Tidying(UpkeepTestCase):
    async def test_invites_that_ended_long_ago(self) -> None:
        await self.paired(SERIAL, "user_ann")
        long, short = new_invite(self.draw), new_invite(self.draw)
        for token, life in ((long, 2 * HOUR), (short, HOUR)):
            await self.people.invite(SERIAL, token, "read", self.now + life, self.now)
        now = self.now + HOUR + INVITE_KEPT + 1
        # The round goes through those that were met, and then through those that are owned.
        for _ in range(2):
            await self.upkeep.tidy(now, DAY)
        self.assertEqual([each.id for each in await self.people.invites(SERIAL, now)], [long.id])

    async def test_an_invite_of_a_clock_that_was_ahead_lasts_no_longer(self) -> None:
        await self.paired(SERIAL, "user_ann")
        ahead = self.now + 365 * DAY
        await self.people.invite(SERIAL, new_invite(self.draw), "read", ahead + HOUR, ahead)
        for _ in range(2):
            await self.upkeep.tidy(self.now, DAY)
        [invite] = await self.people.invites(SERIAL, self.now)
        self.assertEqual((invite.created, invite.expires), (self.now, self.now + HOUR))

    async def test_all_devices_get_their_turn(self) -> None:
        self.patch(upkeep, "_PAGE", 10)
        serials = [f"02AA01AD{number:08X}" for number in range(300)]
        for serial in serials:
            await self.told(serial, (f"shared.{serial}", 5))
        for _ in range(60):
            await self.upkeep.tidy(self.now + 2 * DAY, DAY)
        self.assertEqual(await self.client.command("KEYS", "*:history"), [])

    async def test_the_clocks_are_noted(self) -> None:
        self.assertIsNone(await self.upkeep.clocks("a host"))
        await self.upkeep.note_clocks("a host", "1 2 3 4")
        self.assertEqual(await self.upkeep.clocks("a host"), "1 2 3 4")
        self.assertIsNone(await self.upkeep.clocks("another"))

    async def test_a_store_of_its_own_syncs_again(self) -> None:
        own = Upkeep(Scripts(self.client, LIMITS), private=True)
        await own.sync_again("a host", "1 2 3 4")
        self.assertEqual(
            await self.client.command("CONFIG", "GET", "appendfsync"), ["appendfsync", "everysec"]
        )
        self.assertEqual(await own.clocks("a host"), "1 2 3 4")
        # Of others it is not ours to say.
        await self.upkeep.sync_again("another", "1 2 3 4")
        self.assertIsNone(await own.clocks("another"))


class Stepped(UpkeepTestCase):
    """What was stored by a clock that was ahead holds nothing up once that is right."""

    async def write_at(self, key: ObjectKey, **values: object) -> None:
        await self.devices.write(SERIAL, [Write(key, texts(values))], self.now)

    async def poll(self, key: ObjectKey, claim: int = 5) -> list[Update]:
        opened = await self.buckets.subscribe(SERIAL, [Listed(key, claim, {})], self.now)
        return list(opened.updates)

    async def ahead(self) -> None:
        self.now += 365 * DAY

    async def back(self) -> None:
        self.now -= 365 * DAY

    async def test_counters_of_a_minute(self) -> None:
        await self.pairing.count_claim("192.0.2.1")
        # As Redis has it after a step back of its clock.
        await self.client.command("PEXPIRE", keys.claims("192.0.2.1"), 365 * DAY)
        self.assertEqual(await self.pairing.count_claim("192.0.2.1"), 1)
        wrong = new_invite(self.draw)
        for _ in range(3):
            found = await self.keys.bearer(wrong, "192.0.2.1", self.now, 5, 2)
        self.assertEqual(found, "slow")
        await self.client.command("PEXPIRE", keys.failures("192.0.2.1"), 365 * DAY)
        self.assertEqual(await self.keys.bearer(wrong, "192.0.2.1", self.now, 5, 2), "wrong")

    async def test_a_key_is_used(self) -> None:
        token = await self.made()
        await self.ahead()
        await self.keys.bearer(token, "192.0.2.1", self.now, 5, 2)
        await self.back()
        await self.keys.bearer(token, "192.0.2.1", self.now, 5, 2)
        self.assertEqual((await self.keys.find(token.id)).used, self.now)

    async def test_a_code_ends_in_its_time(self) -> None:
        await self.ahead()
        code = await self.key(SERIAL)
        await self.back()
        again = await self.key(SERIAL)
        self.assertEqual(again.code, code.code)
        self.assertLessEqual(again.expires, self.now + HOUR)

    async def test_a_setpoint_does_not_jump(self) -> None:
        """How old it is nobody knows."""
        await self.told(SERIAL, (f"shared.{SERIAL}", 5))
        shared = ObjectKey("shared", SERIAL)
        await self.ahead()
        await self.write_at(shared, target_temperature=30)
        await self.back()
        self.assertEqual(await self.poll(shared), [])
        # Said again it is new, also where it is the same.
        await self.write_at(shared, target_temperature=30)
        self.assertEqual([each.values for each in await self.poll(shared)], [{"target_temperature": "30"}])

    async def test_a_setting_is_sent_and_taken(self) -> None:
        """Timestamps go on behind one that lies ahead."""
        device = ObjectKey("device", SERIAL)
        await self.told(SERIAL, (str(device), 5))
        await self.ahead()
        await self.write_at(device, temperature_scale="C")
        [first] = await self.poll(device)
        await self.back()
        await self.write_at(device, temperature_scale="F")
        [second] = await self.poll(device, first.receipt.timestamp)
        self.assertEqual(second.values, {"temperature_scale": '"F"'})
        self.assertGreater(second.receipt.timestamp, first.receipt.timestamp)
        self.assertEqual(await self.poll(device, second.receipt.timestamp), [])

    async def test_what_a_device_does_not_list_is_not_offered_for_ever(self) -> None:
        """It came to its entry by the wrong clock: what is offered after that is offered by the right one."""
        shared = ObjectKey("shared", SERIAL)
        await self.told(SERIAL, (str(shared), 5), (f"device.{SERIAL}", 5))
        await self.ahead()
        await self.pairing.arrived([Arrival(SERIAL, {}, "", reset=False)], self.now)
        await self.back()
        await self.write_at(ObjectKey("device", SERIAL), temperature_scale="F")
        self.assertEqual([len(await self.poll(shared)) for _ in range(5)], [1, 1, 1, 0, 0])

    async def test_one_that_took_nothing_is_offered_it_again(self) -> None:
        shared = ObjectKey("shared", SERIAL)
        await self.told(SERIAL, (str(shared), 5))
        await self.ahead()
        await self.write_at(shared, schedule_mode="HEAT")
        offered = [len(await self.poll(shared)) for _ in range(4)]
        self.assertEqual(offered, [1, 1, 1, 0])
        await self.back()
        self.assertEqual(len(await self.poll(shared)), 1)

    async def test_a_schedule_does_not_wait(self) -> None:
        schedule = ObjectKey("schedule", SERIAL)
        await self.told(SERIAL, (str(schedule), 5))
        await self.ahead()
        await self.write_at(schedule, ver=1)
        [first] = await self.poll(schedule)
        await self.back()
        await self.write_at(schedule, ver=2)
        self.assertEqual(len(await self.poll(schedule, first.receipt.timestamp)), 1)

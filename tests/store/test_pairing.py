"""Entry keys, claims, homes and the gate, against a real server: protocol a.5 and e."""

import json

from twisted.internet.defer import Deferred, gatherResults

from nled.domain.buckets import ObjectKey
from nled.domain.pairing import Claim, EntryKey, Tier, new_code
from nled.domain.requests import Listed, Put
from nled.store import keys
from nled.store.pairing import Arrival, Pairing
from nled.store.scripts import Scripts
from tests.store.support import StoreTestCase
from tests.store.test_buckets import LIMITS, MINUTE, NOW, SERIAL, Reaching

OTHER = "02AA01AC33140F62"
HOUR = 60 * MINUTE


class PairingTestCase(StoreTestCase):
    async def setUp(self) -> None:
        await super().setUp()
        scripts = Scripts(self.client, LIMITS)
        self.pairing = Pairing(scripts, HOUR)
        self.buckets = Reaching(scripts)
        self.numbers = iter(range(10**6))
        # Redis expires keys by its own clock, so these tests live in its present.
        seconds, micros = await self.client.command("TIME")
        self.now = int(seconds) * 1000 + int(micros) // 1000

    async def key(self, serial: str = SERIAL, fresh: str | None = None) -> EntryKey:
        code = fresh or new_code(next(self.numbers))
        key = await self.pairing.entry_key(serial, code, self.now)
        assert key is not None
        return key

    async def entry(self, serial: str = SERIAL, mac: str = "", *, reset: bool = False, **facts: str) -> None:
        await self.pairing.arrived([Arrival(serial, facts, mac, reset)], self.now)

    async def paired(self, serial: str = SERIAL, user: str = "user_ann") -> None:
        key = await self.key(serial)
        self.assertEqual(await self.pairing.claim(key.code, user, self.now), serial)

    async def told(self, serial: str = SERIAL, *claims: tuple[str, int]) -> dict[str, dict[str, object]]:
        listed = [Listed(ObjectKey(*key.split(".", 1)), claim, {}) for key, claim in claims]
        opened = await self.buckets.subscribe(serial, listed, self.now)
        return {
            update.receipt.key: {name: json.loads(text) for name, text in update.values.items()}
            for update in opened.updates
        }


class Keys(PairingTestCase):
    async def test_polled_for_two_hours(self) -> None:
        first = await self.key()
        start = self.now
        for minute in range(0, 120, 5):
            self.now = start + minute * MINUTE
            key = await self.key()
            self.assertEqual(key.code, first.code)
            self.assertGreaterEqual(key.expires, self.now + 30 * MINUTE)

    async def test_first_polls_at_once(self) -> None:
        answers = await gatherResults([Deferred.fromCoroutine(self.key()) for _ in range(20)])
        self.assertEqual(len({key.code for key in answers}), 1)

    async def test_a_code_is_one_devices(self) -> None:
        await self.key(SERIAL, "AAAAAAA")
        self.assertIsNone(await self.pairing.entry_key(OTHER, "AAAAAAA", self.now))
        self.assertEqual((await self.key(OTHER, "BBBBBBB")).code, "BBBBBBB")

    async def test_both_names_of_a_key_end_with_it(self) -> None:
        key = await self.key()
        for name in (keys.entry_key(SERIAL), keys.code(key.code)):
            self.assertTrue(HOUR - 5000 < await self.client.command("PTTL", name) <= HOUR)

    async def test_status(self) -> None:
        self.assertIsNone(await self.pairing.status(SERIAL, self.now))
        key = await self.key()
        self.assertEqual(await self.pairing.status(SERIAL, self.now), key)
        await self.pairing.claim(key.code, "ann", self.now)
        self.assertEqual(await self.pairing.status(SERIAL, self.now), Claim("ann", self.now))


class Claims(PairingTestCase):
    async def test_once(self) -> None:
        key = await self.key()
        tries = [
            Deferred.fromCoroutine(self.pairing.claim(key.code, f"user{n}", self.now)) for n in range(10)
        ]
        self.assertEqual(sorted(map(str, await gatherResults(tries))), [SERIAL] + ["None"] * 9)
        self.assertEqual(await self.pairing.status(SERIAL, self.now), Claim("user0", self.now))

    async def test_unknown_code(self) -> None:
        self.assertIsNone(await self.pairing.claim("AAAAAAA", "ann", self.now))

    async def test_expired(self) -> None:
        key = await self.key()
        self.assertIsNone(await self.pairing.claim(key.code, "ann", key.expires))

    async def test_an_owned_device_keeps_claimed(self) -> None:
        key = await self.key()
        await self.pairing.claim(key.code, "ann", self.now)
        again = await self.key()
        self.assertEqual(again.code, key.code)
        self.assertGreaterEqual(again.expires, self.now + 30 * MINUTE)
        self.assertIsInstance(await self.pairing.status(SERIAL, self.now), Claim)
        self.assertIsNone(await self.pairing.claim(key.code, "bob", self.now))

    async def test_the_home_is_told_user_first(self) -> None:
        await self.paired()
        told = await self.told()
        self.assertEqual(list(told), ["user.user_ann", "structure.ann"])
        self.assertEqual(told["user.user_ann"], {"name": "user_ann"})
        self.assertEqual(told["structure.ann"], {"name": "Home", "devices": [f"device.{SERIAL}"]})
        self.assertEqual(await self.told(), told)
        self.assertEqual(await self.told(), told)
        self.assertEqual(await self.told(), {}, "offered often enough")

    async def test_a_device_that_writes_to_it_learns_nothing_and_is_still_told(self) -> None:
        await self.paired()
        (written,) = await self.buckets.put(
            SERIAL, [Put(ObjectKey("structure", "ann"), None, None, {"name": '"Mine"'})], self.now
        )
        self.assertEqual((written.outcome, written.receipt.timestamp), ("refused", 0))
        self.assertEqual((await self.told())["structure.ann"]["name"], "Home")

    async def test_an_older_listing_is_updated_and_an_equal_one_is_not(self) -> None:
        await self.paired()
        await self.told()
        at = (await self.buckets.metadata(SERIAL, self.now))[0].timestamp
        self.assertEqual(await self.told(SERIAL, ("user.user_ann", at), ("structure.ann", at)), {})
        self.assertEqual(
            list(await self.told(SERIAL, ("user.user_ann", at), ("structure.ann", 1))), ["structure.ann"]
        )

    async def test_offered_again_after_an_entry(self) -> None:
        await self.paired()
        await self.told()
        self.now += 5
        await self.entry(model="Diamond-2.6")
        self.now += 5
        self.assertEqual(list(await self.told()), ["user.user_ann", "structure.ann"])

    async def test_one_home_for_all_its_devices(self) -> None:
        await self.paired()
        await self.told()
        await self.paired(OTHER)
        both = [f"device.{SERIAL}", f"device.{OTHER}"]
        self.assertEqual((await self.told(OTHER))["structure.ann"]["devices"], both)
        at = (await self.buckets.metadata(SERIAL, self.now))[0].timestamp
        self.assertEqual((await self.told(SERIAL, ("structure.ann", at)))["structure.ann"]["devices"], both)

    async def test_however_large_the_home_is_a_claim_writes_as_many_notices(self) -> None:
        wrote = []
        for number in range(4):
            before = await self.client.command("XLEN", keys.EVENTS)
            await self.paired(f"02AA01AC33140F7{number}")
            wrote.append(await self.client.command("XLEN", keys.EVENTS) - before)
        self.assertEqual(wrote, [wrote[0]] * 4)

    async def test_a_lost_home_comes_back(self) -> None:
        await self.paired()
        await self.client.command("DEL", *await self.client.command("KEYS", "nled:home:*"))
        self.assertEqual(list(await self.told()), ["user.user_ann", "structure.ann"])

    async def test_ownership_does_not_end(self) -> None:
        await self.paired()
        for key in [keys.owner(SERIAL), *await self.client.command("KEYS", "nled:home:*")]:
            self.assertEqual(await self.client.command("PTTL", key), -1, key)


class Reset(PairingTestCase):
    async def test_it_opens_an_owned_device(self) -> None:
        await self.paired()
        before = await self.key()
        await self.entry(reset=True)
        self.assertIsNone(await self.pairing.status(SERIAL, self.now))
        key = await self.key()
        self.assertNotEqual(key.code, before.code)
        self.assertEqual(await self.pairing.status(SERIAL, self.now), key)

    async def test_to_another_owner(self) -> None:
        await self.paired()
        await self.paired(OTHER)
        await self.client.command("HSET", keys.shares(SERIAL), "carol", "write")
        await self.entry(reset=True)
        await self.paired(SERIAL, "bob")
        self.assertEqual(await self.client.command("EXISTS", keys.shares(SERIAL)), 0)
        self.assertEqual(list(await self.told()), ["user.bob", "structure.bob"])
        self.assertEqual((await self.told(OTHER))["structure.ann"]["devices"], [f"device.{OTHER}"])
        self.assertNotIn(
            "structure.ann", [receipt.key for receipt in await self.buckets.metadata(SERIAL, NOW)]
        )

    async def test_to_the_same_owner(self) -> None:
        await self.paired()
        await self.entry(reset=True)
        await self.paired()
        self.assertEqual(list(await self.told()), ["user.user_ann", "structure.ann"])


class Gate(PairingTestCase):
    async def test_tiers(self) -> None:
        self.assertEqual(await self.pairing.gate(SERIAL, "", self.now), (Tier.UNKNOWN, True))
        await self.key()
        self.assertEqual(await self.pairing.gate(SERIAL, "", self.now), (Tier.PENDING, True))
        await self.paired()
        self.assertEqual(await self.pairing.gate(SERIAL, "", self.now), (Tier.PAIRED, True))

    async def test_the_first_password_is_kept(self) -> None:
        await self.key()
        fits = [(await self.pairing.gate(SERIAL, pin, self.now))[1] for pin in ("one", "two", "one")]
        self.assertEqual(fits, [True, False, True])
        self.assertGreater(await self.client.command("PTTL", keys.pin(SERIAL)), 0)

    async def test_that_of_a_stranger_is_not(self) -> None:
        self.assertTrue((await self.pairing.gate(SERIAL, "one", self.now))[1])
        self.assertEqual(await self.client.command("DBSIZE"), 0)


class Facts(PairingTestCase):
    async def test_kept(self) -> None:
        facts = {"model": "Diamond-2.6", "software_version": "5.9.3-5"}
        await self.pairing.arrived(
            [
                Arrival(SERIAL, facts, "18B430ABCDEF", reset=False),
                Arrival(OTHER, {"model": "x"}, "", reset=False),
            ],
            self.now,
        )
        stored = await self.client.command("HMGET", keys.facts(SERIAL), *facts)
        self.assertEqual(stored, list(facts.values()))
        self.assertEqual(await self.client.command("HGET", keys.facts(OTHER), "model"), "x")
        self.assertEqual(await self.pairing.serial_of("18B430ABCDEF"), SERIAL)
        self.assertIsNone(await self.pairing.serial_of(""))

    async def test_a_mac_stays_with_its_first_serial_and_a_serial_with_its_first_mac(self) -> None:
        await self.key()
        await self.key(OTHER)
        await self.pairing.learn("18B430ABCDEF", SERIAL, self.now)
        await self.pairing.learn("18B430ABCDEF", OTHER, self.now)
        await self.entry(OTHER, "18B430ABCDEF")
        await self.entry(SERIAL, "18B430000000")
        self.assertEqual(await self.pairing.serial_of("18B430ABCDEF"), SERIAL)
        self.assertIsNone(await self.pairing.serial_of("18B430000000"))

    async def test_nothing_is_learned_of_a_stranger(self) -> None:
        await self.pairing.learn("18B430ABCDEF", SERIAL, self.now)
        self.assertEqual(await self.client.command("DBSIZE"), 0)
        self.assertFalse(await self.pairing.knows(SERIAL))
        await self.key()
        self.assertFalse(await self.pairing.knows(SERIAL), "an arrival")
        await self.told()
        self.assertTrue(await self.pairing.knows(SERIAL))

    async def test_claims_are_counted_by_the_minute(self) -> None:
        self.assertEqual([await self.pairing.count_claim("10.0.0.7") for _ in range(3)], [1, 2, 3])
        self.assertTrue(0 < await self.client.command("TTL", keys.claims("10.0.0.7")) <= 60)

"""Export and import against a real server: what comes back is what was put away."""

import json

import msgspec
from attrs import evolve

from nled.domain.archive.checks import check
from nled.domain.archive.records import (
    BucketRecord,
    DeviceRecord,
    HistoryRecord,
    OwnerRecord,
    PersonRecord,
    UnitRecord,
)
from nled.domain.buckets import ObjectKey, encode
from nled.domain.errors import BadRequest, Full
from nled.domain.nolongerevil import COLUMNS, convert
from nled.domain.people import INVITE_KEPT, Token
from nled.domain.requests import Listed, Put
from nled.store import archive, keys
from nled.store.archive import Archive
from nled.store.devices import Devices, Write
from nled.store.lan import Neighbours
from nled.store.pairing import Arrival, Pairing
from nled.store.people import People
from nled.store.scripts import BACKSTOP, Scripts
from tests.store.test_buckets import LIMITS, SERIAL, Reaching
from tests.store.test_pairing import HOUR, OTHER, PairingTestCase

THIRD = "02AA01AC33140F63"
HASH = "ab" * 32


STRANGERS = (keys.PLACES, keys.STRANGERS, "nled:addresses:", "nled:weights", keys.POLLS)


class ArchiveTestCase(PairingTestCase):
    async def setUp(self) -> None:
        await super().setUp()
        self.use(LIMITS)

    def use(self, limits) -> None:
        scripts = Scripts(self.client, limits)
        self.archive = Archive(scripts)
        self.pairing, self.buckets = Pairing(scripts, HOUR), Reaching(scripts)
        self.devices = Devices(scripts)
        self.people, self.neighbours = People(scripts), Neighbours(scripts)

    async def everything(self):
        records, after = await self.archive.page(None, self.now)
        while after is not None:
            page, after = await self.archive.page(after, self.now)
            records += page
        check(records, self.now)
        return records

    async def restore(self, records) -> list[bool]:
        # As they come out of a file.
        read = [msgspec.json.decode(msgspec.json.encode(each), type=type(each)) for each in records]
        return [await self.archive.restore(each, self.now) for each in read]

    async def put(self, kind: str, serial: str = SERIAL, **values: object) -> None:
        texts = {name: encode(value) for name, value in values.items()}
        await self.buckets.put(serial, [Put(ObjectKey(kind, serial), None, None, texts)], self.now)

    async def write(self, **values: str) -> None:
        await self.devices.write(SERIAL, [Write(ObjectKey("shared", SERIAL), values)], self.now)

    async def dump(self) -> dict[str, object]:
        """Everything in the store but what an archive leaves out."""
        found = {}
        for key in sorted(await self.client.command("KEYS", "*")):
            if key in (keys.ONLINE, keys.EVENTS):
                continue
            kind = await self.client.command("TYPE", key)
            found[key] = await {
                "hash": lambda key: self.client.command("HGETALL", key),
                "set": lambda key: self.client.command("SMEMBERS", key),
                "string": lambda key: self.client.command("GET", key),
                "zset": lambda key: self.client.command("ZRANGE", key, 0, -1, "WITHSCORES"),
                "stream": lambda key: self.client.command("XRANGE", key, "-", "+"),
            }[kind](key)
            if kind == "hash":
                found[key] = dict(zip(found[key][::2], found[key][1::2], strict=True))
            if kind == "set":
                # How far it has come with its home may be listed or not.
                found[key] = sorted(
                    each for each in found[key] if not each.startswith(("user.", "structure."))
                )
        return found

    async def life(self) -> None:
        """An installation in which everything has happened."""
        await self.people.ensure("user_ann", "ann@example.org", self.now)
        for user in ("bob", "eve"):
            await self.people.ensure(user, None, self.now)
        for serial, mac in ((SERIAL, "18B430ABCDEF"), (OTHER, "18B430ABCDE0")):
            facts = {"model": "Diamond-2.6", "software_version": "5.9.3-5"}
            await self.pairing.arrived([Arrival(serial, facts, mac, reset=False, secret="aB3xK9")], self.now)
        await self.paired(SERIAL)
        await self.paired(OTHER)
        await self.told()
        await self.put("shared", current_temperature=21.0, name="Flur \u00fc")
        await self.put("device", eco={"mode": "schedule"}, local_ip="192.168.1.20", big=2**60)
        await self.put("shared", THIRD, current_temperature=19.5)
        await self.pairing.gate(SERIAL, HASH, self.now)
        await self.write(target_temperature_low="15")
        self.now += 3_700_000
        # By then that is stale; what comes now passes over it.
        await self.put("shared", current_temperature=21.5)
        for value in ("22.5", "23"):
            await self.write(target_temperature=value)
            self.now += 10
        await self.told(SERIAL, (f"shared.{SERIAL}", 5))
        await self.put("shared", current_temperature=22.25)
        await self.people.share(SERIAL, "bob", "write", self.now)
        await self.people.invite(SERIAL, Token("nli_x", HASH, "1f"), "read", self.now + HOUR, self.now)
        await self.people.share(SERIAL, "eve", "admin", self.now)
        await self.people.invite(
            SERIAL, Token("nli_y", HASH, "2f"), "read", self.now + HOUR, self.now, by="eve"
        )
        await self.client.command("SADD", keys.API_KEYS, "7f3a")
        key = ("hash", HASH, "name", "Home Assistant", "scopes", "read write", "created", str(self.now))
        await self.client.command("HSET", keys.api_key("7f3a"), *key, "devices", SERIAL)
        await self.neighbours.remember("192.168.1.20", SERIAL, "http://1.2.3.4:80/entry")
        await self.neighbours.remember("192.168.1.21", None, "http://1.2.3.5:80/entry")


class RoundTrip(ArchiveTestCase):
    async def test_all_of_it(self) -> None:
        await self.life()
        records, before = await self.everything(), await self.dump()
        await self.client.command("FLUSHALL")
        self.assertEqual(await self.restore(records), [True] * len(records))
        self.assertEqual(await self.everything(), records)
        after = await self.dump()
        # Where devices come from is found out anew, and which of them are made up.
        for gone in [key for key in before if key.startswith(("nled:code:", *STRANGERS))]:
            del before[gone]
        self.assertEqual({*before} - {*after}, {keys.entry_key(THIRD)} & {*before})
        for key, content in before.items():
            if key in after:
                self.assertEqual(after[key], content, key)

    async def test_twice_changes_nothing(self) -> None:
        await self.life()
        records, before = await self.everything(), await self.dump()
        self.assertEqual(await self.restore(records), [False] * len(records))
        self.assertEqual(await self.dump(), before)

    async def test_in_pages(self) -> None:
        await self.life()
        whole = await self.everything()
        self.patch(archive, "_PAGE_BYTES", 1)
        self.patch(archive, "_POINTS", 1)
        first, after = await self.archive.page(None, self.now)
        self.assertEqual((first, after), (whole[:1], "person bob"))
        pieces = await self.everything()
        self.assertGreater(len([each for each in pieces if isinstance(each, HistoryRecord)]), 2)
        self.assertEqual(
            [each for each in pieces if not isinstance(each, HistoryRecord)],
            [each for each in whole if not isinstance(each, HistoryRecord)],
        )
        points = [point for each in whole if isinstance(each, HistoryRecord) for point in each.points]
        self.assertEqual(
            [p for each in pieces if isinstance(each, HistoryRecord) for p in each.points], points
        )
        with self.assertRaises(BadRequest):
            await self.archive.page("nonsense", self.now)
        for point in ("nonsense", "1-1-1", "99999999999999999999-1", "- -"):
            with self.subTest(point=point), self.assertRaises(BadRequest):
                await self.archive.page(f"device {SERIAL} {point}", self.now)

    async def test_lives_anew(self) -> None:
        await self.life()
        records = await self.everything()
        await self.client.command("FLUSHALL")
        await self.restore(records)
        for key in await self.client.command("KEYS", f"nled:{{{SERIAL}}}:*"):
            life = await self.client.command("PTTL", key)
            forever = key.rsplit(":", 1)[-1] in ("owner", "shares", "invites", "previous")
            self.assertEqual(life == -1, forever, key)
        self.assertEqual(await self.pairing.serial_of("18B430ABCDEF"), SERIAL)
        # Redis 6.2 has no PEXPIRETIME.
        ends = "local t = redis.call('TIME') return t[1] * 1000 + t[2] / 1000 + redis.call('PTTL', KEYS[1])"
        ends_at = await self.client.command("EVAL", ends, 1, "nled:invite:1f")
        self.assertAlmostEqual(ends_at, self.now + HOUR + INVITE_KEPT + LIMITS.ttl + BACKSTOP, delta=1000)

    async def test_pending_writes_are_delivered_afterwards(self) -> None:
        await self.paired()
        await self.put("shared", current_temperature=21.0)
        await self.write(target_temperature="22.5")
        records = await self.everything()
        await self.client.command("FLUSHALL")
        await self.restore(records)
        told = await self.told(SERIAL, (f"shared.{SERIAL}", 5))
        self.assertEqual(told[f"shared.{SERIAL}"], {"target_temperature": 22.5})
        self.assertEqual(told["user.user_ann"], {"name": "user_ann"})

    async def test_a_large_bucket(self) -> None:
        self.use(evolve(LIMITS, device_bytes=2**22))
        for at in range(0, 3600, 900):
            await self.put("device", **{f"f{number}": number for number in range(at, at + 900)})
        records = await self.everything()
        await self.client.command("FLUSHALL")
        await self.restore(records)
        self.assertEqual(await self.everything(), records)


class Merge(ArchiveTestCase):
    async def test_what_is_there_stays(self) -> None:
        await self.life()
        await self.told(OTHER)
        records = await self.everything()
        await self.client.command("FLUSHALL")
        await self.put("shared", current_temperature=5.0)
        await self.key()
        await self.paired(OTHER, "eve")
        await self.restore(records)
        shared = (await self.devices.read(SERIAL, self.now)).shared
        self.assertEqual(shared.values, {"current_temperature": 5})
        self.assertEqual((await self.pairing.status(SERIAL, self.now)).user, "user_ann")
        self.assertEqual((await self.pairing.status(OTHER, self.now)).user, "eve")
        home = (await self.devices.read(SERIAL, self.now)).home
        self.assertIn(f"device.{SERIAL}", home.values["devices"])
        # How far a device has come with a home that it is not in is nobody's business there.
        theirs = await self.client.command("KEYS", f"nled:{{{OTHER}}}:bucket:*")
        self.assertEqual([name for name in theirs if "ann" in name], [])

    async def test_a_device_that_shows_its_code_meanwhile_is_told_whose_it_is(self) -> None:
        await self.paired()
        for _ in range(3):
            await self.told()
        records = await self.everything()
        has = {each.key: each.timestamp for each in await self.buckets.metadata(SERIAL, self.now)}
        await self.client.command("FLUSHALL")
        self.now += 1000
        await self.told(SERIAL, *has.items())
        await self.restore(records)
        told = await self.buckets.reread(SERIAL, has, self.now, self.now)
        self.assertEqual([each.receipt.key for each in told.updates], ["user.user_ann", "structure.ann"])

    async def test_empty(self) -> None:
        self.assertTrue(await self.archive.is_empty())
        await self.client.command("SADD", keys.API_KEYS, "7f3a")
        await self.key()
        self.assertTrue(await self.archive.is_empty(), "the key by which the import comes, and an arrival")
        await self.told()
        self.assertFalse(await self.archive.is_empty())

    async def test_full(self) -> None:
        self.use(evolve(LIMITS, devices=1))
        await self.told(OTHER)
        with self.assertRaises(Full):
            await self.restore([DeviceRecord(SERIAL, self.now)])
        self.assertIsNone(await self.client.command("ZSCORE", keys.DEVICES, SERIAL))
        self.assertEqual(
            await self.restore([DeviceRecord(SERIAL, self.now, owner=OwnerRecord("ann", 5))]), [True]
        )

    async def test_history_of_a_stranger(self) -> None:
        self.assertEqual(await self.restore([HistoryRecord(SERIAL, [("5-0", {"heat_x2": "1"})])]), [False])
        self.assertEqual(await self.client.command("DBSIZE"), 0)

    async def test_an_invite_of_who_may_not_make_one_any_more(self) -> None:
        await self.life()
        records = await self.everything()
        await self.people.share(SERIAL, "eve", "write", self.now)
        await self.client.command("DEL", "nled:invite:1f")
        self.assertTrue(any(await self.restore(records)))
        self.assertEqual(await self.client.command("KEYS", "nled:invite:*"), ["nled:invite:1f"])

    async def test_an_invite_that_has_ended(self) -> None:
        await self.life()
        records = await self.everything()
        await self.client.command("FLUSHALL")
        self.now += HOUR + INVITE_KEPT
        await self.restore(records)
        self.assertEqual(
            await self.client.command("EXISTS", "nled:invite:1f", f"nled:{{{SERIAL}}}:invites"), 0
        )


class UpToDate(ArchiveTestCase):
    async def test_a_device_that_has_it_all_is_held(self) -> None:
        at = self.now - 5000
        home = [
            BucketRecord(key, {"r": 3, "t": at, "w": at}, {"name": "x"}, {"name": (3, at, at, "s")})
            for key in ("user.ann", "structure.ann")
        ]
        own = BucketRecord(f"shared.{SERIAL}", {"r": 9, "t": at}, {"target_temperature": 20.5})
        views = [BucketRecord(each.key, {"a": at}) for each in home]
        device = DeviceRecord(SERIAL, at, owner=OwnerRecord("ann", at), buckets=[*views, own])
        await self.restore([PersonRecord("ann", at, "", home), device])
        claims = [("user.ann", at), ("structure.ann", at), (f"shared.{SERIAL}", at)]
        listed = [Listed(ObjectKey(*key.split(".")), claim, {}) for key, claim in claims]
        self.assertEqual((await self.buckets.subscribe(SERIAL, listed, self.now)).updates, ())

    async def test_after_nolongerevil(self) -> None:
        at = self.now - 86_400_000
        states = {
            "user.user_ann": {"name": "user_ann"},
            "structure.ann": {"name": "Home", "devices": [SERIAL], "manual_eco_timestamp": 5, "away": False},
            f"shared.{SERIAL}": {"target_temperature": 20.5, "target_change_pending": True},
            f"device.{SERIAL}": {"fan_timer_timeout": 0, "eco": {"mode": "schedule"}},
        }
        names = COLUMNS["states"]
        rows = [
            dict(zip(names, (SERIAL, key, 7, at + number, json.dumps(value), at), strict=True))
            for number, (key, value) in enumerate(states.items())
        ]
        owners = [{"serial": SERIAL, "userId": "user_ann", "createdAt": at}]
        done = convert({"states": rows, "deviceOwners": owners}, self.now)
        self.assertEqual(done.left_out, [])
        await self.restore(done.records)

        listed = [
            Listed(ObjectKey(*row["object_key"].split(".")), row["object_timestamp"], {}) for row in rows
        ]
        for _ in range(3):
            opened = await self.buckets.subscribe(SERIAL, listed, self.now)
            self.assertEqual(opened.updates, ())
            self.now += 300_000
        self.assertEqual((await self.pairing.status(SERIAL, self.now)).user, "user_ann")
        # A command goes on from there, and what it lost it is told anew: settings only.
        await self.write(target_temperature="22.5")
        told = await self.told(
            SERIAL, *((each.key.kind + "." + each.key.id, each.timestamp) for each in listed)
        )
        self.assertEqual(told, {f"shared.{SERIAL}": {"target_temperature": 22.5}})
        home = (await self.told(SERIAL, *((str(each.key), 0) for each in listed)))["structure.ann"]
        self.assertEqual(home, {"name": "Home", "devices": [SERIAL], "away": False})

    async def test_units(self) -> None:
        self.assertEqual(await self.restore([UnitRecord("10.0.0.9", "http://1.2.3.4:80/entry")]), [True])
        self.assertEqual(await self.neighbours.previous("10.0.0.9", None), "http://1.2.3.4:80/entry")

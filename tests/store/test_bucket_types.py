"""What each type of bucket is said to be, it is in the store: one test for all rows of the table."""

from attrs import evolve

from nled.domain.buckets import BUCKET_TYPES, BucketType, ObjectKey
from nled.domain.pairing import home_keys
from nled.domain.requests import Listed, Put
from nled.store import keys
from nled.store.devices import Devices
from nled.store.scripts import Scripts
from tests.store.test_buckets import SERIAL, Reaching, texts
from tests.store.test_devices import LIMITS, DeviceTestCase

USER = "user_ann"


class BucketTypes(DeviceTestCase):
    async def setUp(self) -> None:
        await super().setUp()
        scripts = Scripts(self.client, evolve(LIMITS, buckets=len(BUCKET_TYPES)))
        self.buckets, self.devices = Reaching(scripts), Devices(scripts)
        await self.claimed()

    def key(self, kind: str, each: BucketType) -> ObjectKey:
        ids = {"serial": SERIAL, "user": USER, "structure": "ann", "own": "17"}
        return ObjectKey(kind, ids[each.id])

    def test_a_home_has_a_user_and_a_structure(self) -> None:
        # What is said of a home's users in other places names these two.
        self.assertEqual(home_keys(USER), ("user.user_ann", "structure.ann"))

    async def test_where_it_is_kept_and_found(self) -> None:
        wanted = dict.fromkeys(BUCKET_TYPES, ("x",))
        for kind, each in BUCKET_TYPES.items():
            await self.write((self.key(kind, each), {"x": kind}))
        found = (await self.device(wanted=wanted)).buckets
        self.assertEqual(
            {key: bucket.values for key, bucket in found.items()},
            {str(self.key(kind, each)): {"x": kind} for kind, each in BUCKET_TYPES.items()},
        )
        for kind, each in BUCKET_TYPES.items():
            key = str(self.key(kind, each))
            place = keys.home_bucket(USER, key) if each.of_home else keys.bucket(SERIAL, key)
            self.assertEqual(await self.client.command("HGET", place, "v:x"), f'"{kind}"')
            if each.id != "own":
                self.assertEqual(str((await self.device()).bucket(kind).key), key)

    async def test_who_may_write_it(self) -> None:
        for kind, each in BUCKET_TYPES.items():
            key = self.key(kind, each)
            (answer,) = await self.buckets.put(SERIAL, [Put(key, None, None, texts({"x": 1}))], self.now)
            self.assertEqual(answer.outcome == "refused", each.server_owned, kind)

    async def test_what_becomes_of_the_rest_of_it(self) -> None:
        for kind, each in BUCKET_TYPES.items():
            key = self.key(kind, each)
            await self.write((key, {"x": 1, "y": 1}))
            await self.write((key, {"x": 2}))
            values = (await self.device()).buckets[str(key)].values
            self.assertEqual("y" not in values, each.replaced, kind)

    async def test_what_is_recorded_of_it(self) -> None:
        stream = keys.history(SERIAL)
        for kind, each in BUCKET_TYPES.items():
            for name in (*each.recorded, "x"):
                await self.client.command("DEL", stream, stream.replace("history", "latest"))
                await self.write((self.key(kind, each), {name: 1}))
                points = await self.client.command("XRANGE", stream, "-", "+")
                series = each.recorded.get(name)
                told = [point[1][0] for point in points]
                self.assertEqual(told, [series] if series else [], (kind, name))

    async def test_what_keeps_its_distance(self) -> None:
        for kind, each in BUCKET_TYPES.items():
            key, due = self.key(kind, each), []
            # Far from the types before.
            self.now += 60_000
            for number in (1, 2):
                await self.write((key, {"x": number}))
                listed = [Listed(key, 0, {})]
                due.append((await self.buckets.subscribe(SERIAL, listed, self.now)).due)
            self.assertEqual(due, [None, each.spacing - 1000 if each.spacing else None], kind)

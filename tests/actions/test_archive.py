"""Export and import as use cases: nothing is written unless all of it can be."""

from twisted.trial.unittest import SynchronousTestCase

from nled.actions.archive import Archives, Imported
from nled.domain.archive.records import (
    BucketRecord,
    DeviceRecord,
    HistoryRecord,
    InviteRecord,
    KeyRecord,
    PersonRecord,
    UnitRecord,
)
from nled.domain.errors import BadRequest, Conflict
from nled.store.client import StoreRefused, StoreUnavailable
from nled.store.errors import from_reply

NOW = 1_760_000_000_000
FAR = NOW + 20 * 365 * 86_400_000
SERIAL = "02AA01AC33140F61"
HASH = "ab" * 32


class Memory:
    """The store's side of it."""

    def __init__(self, *, empty: bool = True, room: int = 1000, full: Exception | None = None) -> None:
        self.empty, self.room, self.full = empty, room, full
        self.restored = []

    async def is_empty(self) -> bool:
        return self.empty

    async def restore(self, record, now) -> bool:
        if len(self.restored) == self.room:
            raise self.full
        self.restored.append(record)
        return len(self.restored) != 2


def bucket(key=f"shared.{SERIAL}", marks=None, **more) -> DeviceRecord:
    return DeviceRecord(
        SERIAL, buckets=[BucketRecord(key, {"r": 1, "t": 5} if marks is None else marks, **more)]
    )


class ArchivesTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.memory = Memory()
        self.archives = Archives(self.memory, lambda: NOW)

    def restore(self, *records, merge=False) -> Imported:
        return self.successResultOf(self.archives.restore(records, merge=merge))

    def test_counts(self) -> None:
        self.assertEqual(
            self.restore(PersonRecord("ann", 1), PersonRecord("bob", 1), DeviceRecord(SERIAL)), Imported(2, 1)
        )

    def test_a_store_that_is_full_in_the_middle(self) -> None:
        """It says that nothing was changed only as long as that is so."""
        full = from_reply("OOM command not allowed")
        people = [PersonRecord("ann", 1), PersonRecord("bob", 1)]
        for room, kind in ((0, StoreRefused), (1, StoreUnavailable)):
            self.memory = Memory(room=room, full=full)
            self.archives = Archives(self.memory, lambda: NOW)
            failure = self.failureResultOf(self.archives.restore(people, merge=False), StoreUnavailable)
            self.assertIs(type(failure.value), kind)

    def test_not_into_a_store_that_is_not_empty(self) -> None:
        self.memory.empty = False
        failure = self.failureResultOf(self.archives.restore([DeviceRecord(SERIAL)], merge=False), Conflict)
        self.assertIn("merge", str(failure.value))
        self.assertEqual(self.memory.restored, [])
        self.assertEqual(self.restore(DeviceRecord(SERIAL), merge=True).imported, 1)

    def test_what_nled_would_not_have_written(self) -> None:
        key = KeyRecord("7f", HASH, "phone", ["read"], 1)
        for record in (
            PersonRecord("a b", 1),
            PersonRecord("ann", 1, "no address"),
            PersonRecord("ann", 1, buckets=[BucketRecord("user.bob", {"r": 1, "t": 1})]),
            PersonRecord("ann", 1, buckets=[BucketRecord("shared.ann", {"r": 1, "t": 1})]),
            KeyRecord("a b", HASH, "phone", ["read"], 1),
            KeyRecord("7f", "abc", "phone", ["read"], 1),
            KeyRecord("7f", HASH, "", ["read"], 1),
            KeyRecord("7f", HASH, "phone", [], 1),
            KeyRecord("7f", HASH, "phone", ["root"], 1),
            KeyRecord("7f", HASH, "phone", ["admin"], 1, user="ann"),
            KeyRecord("7f", HASH, "phone", ["read"], 1, devices=["x"]),
            UnitRecord("localhost", "http://x"),
            UnitRecord("10.0.0.9", "a\nb"),
            DeviceRecord(SERIAL.lower()),
            DeviceRecord("x\n"),
            DeviceRecord(SERIAL, FAR),
            DeviceRecord(SERIAL, facts={"bytes": "1"}),
            DeviceRecord(SERIAL, facts={"a b": "1"}),
            DeviceRecord(SERIAL, facts={"first": "soon"}),
            DeviceRecord(SERIAL, facts={"model": "x" * 300}),
            DeviceRecord(SERIAL, pin="secret"),
            DeviceRecord(SERIAL, secret="a\0b"),
            DeviceRecord(SERIAL, shares={"a b": "read"}),
            DeviceRecord(SERIAL, invites=[InviteRecord("1", "x", "read", 1, 2, "pending")]),
            DeviceRecord(SERIAL, invites=[InviteRecord("1", HASH, "read", 1, FAR, "pending")]),
            DeviceRecord(SERIAL, invites=[InviteRecord("1", HASH, "read", 1, 2, "pending", "a b")]),
            bucket("nonsense"),
            bucket("shared.02AA01AC33140F62"),
            bucket(f"shared.{SERIAL.lower()}"),
            bucket(marks={"r": 1, "x": 1}),
            bucket(marks={"r": 1, "t": FAR}),
            bucket(marks={}, values={"a": 1}),
            bucket(values={"a": [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}),
            bucket(values={f"f{number}": 1 for number in range(4001)}),
            bucket(stamps={"a": (1, 5, 5, "s")}),
            bucket(values={"a": 1}, stamps={"a": (2, 5, 5, "s")}),
            bucket(values={"a": 1}, stamps={"a": (1, 6, 5, "s")}),
            bucket(values={"a": 1}, stamps={"a": (1, 5, FAR, "s")}),
            HistoryRecord("x", []),
            HistoryRecord(SERIAL, [("5", {"a": "1"})]),
            HistoryRecord(SERIAL, [("5-0", {})]),
            HistoryRecord(SERIAL, [("5-1", {"a": "1"}), ("5-0", {"a": "1"})]),
            HistoryRecord(SERIAL, [(f"{FAR}-0", {"a": "1"})]),
            HistoryRecord(SERIAL, [("5-0", {"@": "1"})]),
        ):
            # Those before a bad one are not written either.
            failure = self.failureResultOf(self.archives.restore([key, record], merge=False), BadRequest)
            self.assertTrue(str(failure.value).isprintable(), failure.value)
        self.assertEqual(self.memory.restored, [])

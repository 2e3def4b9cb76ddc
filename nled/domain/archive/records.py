"""The records of an archive: what nled keeps of a device, a person, a key, a unit."""

import re
from typing import Annotated, Any, Literal, get_args

from msgspec import Meta, Struct

from nled.domain.access import Scope
from nled.domain.buckets import Kind
from nled.domain.device import Permission
from nled.domain.people import InviteState
from nled.domain.shapes import Email, KeyName, UserId

# As much as an import takes at once: a record can be as large as a device may be, 1 MiB by default. What is
# around a record takes a few bytes of it.
MOST_BODY = 4 * 1024 * 1024
MOST_LINE = MOST_BODY - 1024
# Whole numbers that every reader of JSON takes for the same.
Whole = Annotated[int, Meta(ge=0, le=2**53)]
Bit = Literal[0, 1]
HASH = re.compile(r"[0-9a-f]{64}")
ID = re.compile(r"[0-9A-Za-z_\-]{1,64}")
CODE = re.compile(r"[A-Z0-9]{7}")
POINT = re.compile(r"[0-9]{1,15}-[0-9]{1,15}")
_SERIAL = re.compile(r"[0-9A-Z]{10,32}")


def _like(pattern: re.Pattern[str]) -> Meta:
    """Tell the description what `check` checks."""
    return Meta(extra_json_schema={"pattern": f"^{pattern.pattern}$"})


Hash = Annotated[str, _like(HASH)]
Id = Annotated[str, _like(ID)]
Upper = Annotated[str, _like(_SERIAL)]
Code = Annotated[str, _like(CODE)]
ScopeName = Annotated[str, Meta(extra_json_schema={"enum": get_args(Scope)})]
Point = Annotated[str, _like(POINT)]


class _Record(Struct, forbid_unknown_fields=True, omit_defaults=True, tag_field="kind"):
    """What all records share; times in ms since the epoch."""


class BucketRecord(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """One bucket, or how far a device has come with one of its home: then it has marks only.

    `stamps` are the server's writes by field: revision, timestamp, when they were written, and
    their kind (`nled.domain.buckets.Kind`). `missed` are those that went stale before the device
    took them: revision by field.
    """

    key: str
    marks: dict[str, Whole]
    values: dict[str, Any] = {}
    stamps: dict[str, tuple[Whole, Whole, Whole, Kind]] = {}
    missed: dict[str, Whole] = {}


class OwnerRecord(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """Whose a device is, since when, by which code; `open` since a factory reset to a new claim."""

    user: UserId
    at: Whole
    code: Code | None = None
    open: Bit = 0


class InviteRecord(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """An invite to a device, and which user made it; the token itself is kept nowhere, only its hash."""

    id: Id
    hash: Hash
    permission: Permission
    created: Whole
    expires: Whole
    state: InviteState
    by: UserId | None = None


class PersonRecord(_Record, tag="person"):
    """Somebody, and the buckets of their home."""

    user: UserId
    created: Whole
    email: Email = ""
    buckets: list[BucketRecord] = []


class KeyRecord(_Record, tag="key"):
    """An API key, by its hash."""

    id: Id
    hash: Hash
    name: KeyName
    scopes: Annotated[list[ScopeName], Meta(extra_json_schema={"minItems": 1})]
    created: Whole
    user: UserId | None = None
    devices: list[Upper] | None = None
    expires: Whole | None = None
    used: Whole | None = None


class UnitRecord(_Record, tag="unit"):
    """Where a unit at an address, whose serial was not known, looked for its server before."""

    ip: str
    url: str


class DeviceRecord(_Record, tag="device"):
    """A device with its buckets, its people and its secrets: the hash of its pin, and its password."""

    serial: Upper
    seen: Whole | None = None
    facts: dict[str, str] = {}
    owner: OwnerRecord | None = None
    shares: dict[str, Permission] = {}
    invites: list[InviteRecord] = []
    pin: Hash | None = None
    secret: str | None = None
    previous: str | None = None
    buckets: list[BucketRecord] = []


class HistoryRecord(_Record, tag="history"):
    """Some points of a device's history, by their ids in order: JSON texts by name of the series."""

    serial: Upper
    points: list[tuple[Point, dict[str, str]]]


Record = PersonRecord | KeyRecord | UnitRecord | DeviceRecord | HistoryRecord


def name_of(record: Record) -> str:
    """Call a record by what it is of, for sentences."""
    match record:
        case PersonRecord():
            what = f"person {record.user}"
        case KeyRecord():
            what = f"key {record.id}"
        case UnitRecord():
            what = f"unit {record.ip}"
        case DeviceRecord():
            what = f"device {record.serial}"
        case HistoryRecord():
            what = f"history of {record.serial}"
    return "".join(char if char.isprintable() else "?" for char in what[:80])

"""Everything nled keeps, as records to put away and bring back; docs/store.md says what is not among them.

A file of them is lines of JSON: a header, the records, and a trailer by which a file that was cut short or
changed is noticed before anything of it is imported. The same records make one file and no other, but for
the header's `made`.
"""

import re
from collections.abc import Iterable
from hashlib import sha256
from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import Meta, Struct

from nled.domain.access import Scope
from nled.domain.buckets import TEN_YEARS, Kind, is_foreign, parse_key
from nled.domain.device import Permission
from nled.domain.errors import BadRequest
from nled.domain.pairing import parse_user, structure_id
from nled.domain.people import INVITE_KEPT, InviteState, parse_email, parse_name, parse_scopes
from nled.domain.requests import DEEPEST, MOST_FIELDS, deeper
from nled.domain.serials import sanitize
from nled.domain.shapes import Email, KeyName, UserId

VERSION = 1
# As much as an import takes at once: a record can be as large as a device may be, 1 MiB by default. What is
# around a record takes a few bytes of it.
MOST_BODY = 4 * 1024 * 1024
MOST_LINE = MOST_BODY - 1024
# Whole numbers that every reader of JSON takes for the same.
Whole = Annotated[int, Meta(ge=0, le=2**53)]
Bit = Literal[0, 1]
# Names of a bucket's revision, timestamps and marks (store/keys.py).
_MARKS = frozenset({"r", "t", "w", "c", "a", "p", "pa", "n"})
_TIMES = ("t", "w", "c", "a", "p", "pa")
_FACT = re.compile(r"[a-z][a-z0-9_]{0,39}")
_HASH = re.compile(r"[0-9a-f]{64}")
_ID = re.compile(r"[0-9A-Za-z_\-]{1,64}")
_CODE = re.compile(r"[A-Z0-9]{7}")
_MOMENT = re.compile(r"[0-9]{1,15}")
_POINT = re.compile(r"[0-9]{1,15}-[0-9]{1,15}")
_SERIAL = re.compile(r"[0-9A-Z]{10,32}")
_LONGEST = 256


def _like(pattern: re.Pattern[str]) -> Meta:
    """Tell the description what `check` checks."""
    return Meta(extra_json_schema={"pattern": f"^{pattern.pattern}$"})


Hash = Annotated[str, _like(_HASH)]
Id = Annotated[str, _like(_ID)]
Upper = Annotated[str, _like(_SERIAL)]
Code = Annotated[str, _like(_CODE)]
ScopeName = Annotated[str, Meta(extra_json_schema={"enum": get_args(Scope)})]
Point = Annotated[str, _like(_POINT)]


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


class Header(Struct, forbid_unknown_fields=True):
    """The first line of a file; `made` in ms."""

    nled: Literal["export"]
    version: int
    made: int


class Trailer(Struct, forbid_unknown_fields=True):
    """The last line of a file: how many records there are, and the SHA-256 of their lines."""

    nled: Literal["end"]
    records: int
    sha256: str


def check(records: Iterable[Record], now: int) -> None:
    """See that records hold nothing that nled would not have written.

    Raises:
        BadRequest: which record, and what is wrong with it.
    """
    for record in records:
        try:
            match record:
                case PersonRecord():
                    _check_person(record, now)
                case KeyRecord():
                    _check_key(record)
                case UnitRecord():
                    _check_text(record.url, "url")
                    _demand(re.fullmatch(r"[0-9.]{7,15}", record.ip), "ip is not possible")
                case DeviceRecord():
                    _check_device(record, now)
                case HistoryRecord():
                    _check_history(record, now)
        except BadRequest as problem:
            raise BadRequest(f"{name_of(record)}: {problem}") from None


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


class Seal:
    """Counts and hashes the lines of records as they are written or read."""

    def __init__(self) -> None:
        self._count = 0
        self._hash = sha256()

    def add(self, line: bytes) -> None:
        """Take the line of one record, without its end."""
        self._count += 1
        self._hash.update(line + b"\n")

    def trailer(self) -> Trailer:
        """Say what was taken so far."""
        return Trailer("end", self._count, self._hash.hexdigest())


def read_header(line: bytes) -> Header:
    """Read the first line of a file.

    Raises:
        BadRequest: it is not that of an export, or of one that a newer nled made.
    """
    try:
        header = msgspec.json.decode(line, type=Header)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadRequest("This is no file of `nledctl export`: its first line is another.") from None
    _demand(header.version == VERSION, f"This file has version {header.version}; this nled reads {VERSION}")
    return header


def read_record(line: bytes) -> Record:
    """Read the line of one record.

    Raises:
        BadRequest: it is none.
    """
    try:
        record: Record = msgspec.json.decode(line, type=Record)
    except RecursionError:
        raise BadRequest("It is nested too deeply.") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadRequest(f"It is no record: {error}.") from None
    return record


def read_trailer(line: bytes) -> Trailer | None:
    """Read the last line of a file; None if it is another line."""
    try:
        return msgspec.json.decode(line, type=Trailer)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _check_person(record: PersonRecord, now: int) -> None:
    parse_user(record.user)
    if record.email:
        parse_email(record.email, record.user)
    home = (f"user.{record.user}", f"structure.{structure_id(record.user)}")
    for bucket in record.buckets:
        _demand(bucket.key in home, f"{bucket.key[:80]} is no bucket of this home")
        check_bucket(bucket, now)


def _check_key(record: KeyRecord) -> None:
    _demand(_ID.fullmatch(record.id), "id is not possible")
    _demand(_HASH.fullmatch(record.hash), "hash must be 64 hex digits")
    parse_name(record.name)
    parse_scopes(record.scopes, record.user, record.devices)
    if record.user is not None:
        parse_user(record.user)
    for serial in record.devices or ():
        _check_serial(serial)


def _check_device(record: DeviceRecord, now: int) -> None:
    _check_serial(record.serial)
    _demand((record.seen or 0) <= now + TEN_YEARS, "seen is too far ahead")
    _demand(record.pin is None or _HASH.fullmatch(record.pin), "pin must be 64 hex digits")
    for name in ("secret", "previous"):
        if (text := getattr(record, name)) is not None:
            _check_text(text, name)
    for name, fact in record.facts.items():
        _demand(_FACT.fullmatch(name) and name != "bytes", f"facts has {name[:40]!r}")
        _check_text(fact, f"facts.{name}")
        _demand(name not in ("first", "entry") or _MOMENT.fullmatch(fact), f"facts.{name} is no moment")
    if record.owner is not None:
        parse_user(record.owner.user)
        _demand(record.owner.code is None or _CODE.fullmatch(record.owner.code), "owner.code is not possible")
    for user in record.shares:
        parse_user(user)
    for invite in record.invites:
        _demand(_ID.fullmatch(invite.id), "an invite's id is not possible")
        _demand(_HASH.fullmatch(invite.hash), "an invite's hash must be 64 hex digits")
        _demand(invite.expires <= now + INVITE_KEPT * 10, "an invite's end is too far ahead")
        if invite.by is not None:
            parse_user(invite.by)
    for bucket in record.buckets:
        key = parse_key(bucket.key, record.serial)
        _demand(key is not None and str(key) == bucket.key, f"{bucket.key[:80]!r} is no bucket")
        _demand(key is None or not is_foreign(key, record.serial), f"{bucket.key} is another device's")
        check_bucket(bucket, now)


def check_bucket(bucket: BucketRecord, now: int) -> None:
    """See that a bucket is one that can be brought back at `now` (ms); raises BadRequest."""
    where = bucket.key[:80]
    _demand(_MARKS.issuperset(bucket.marks), f"{where}.marks has an unknown name")
    _demand(all(bucket.marks.get(name, 0) <= now + TEN_YEARS for name in _TIMES), f"{where} is too far ahead")
    _demand("r" in bucket.marks or not bucket.values, f"{where} has values and no revision")
    _demand(len(bucket.values) <= 4 * MOST_FIELDS, f"{where} has too many fields")
    _demand(not deeper(bucket.values, DEEPEST), f"{where} is nested too deeply")
    _demand(bucket.stamps.keys() <= bucket.values.keys(), f"{where}.stamps names a field without a value")
    _demand(len(bucket.missed) <= MOST_FIELDS, f"{where}.missed has too many fields")
    for revision, timestamp, at, _ in bucket.stamps.values():
        _demand(
            revision <= bucket.marks.get("r", 0)
            and timestamp <= bucket.marks.get("t", 0)
            and at <= now + TEN_YEARS,
            f"{where}.stamps has one that is newer than the bucket",
        )


def _check_history(record: HistoryRecord, now: int) -> None:
    _check_serial(record.serial)
    last = (-1, -1)
    for identifier, point in record.points:
        _demand(_POINT.fullmatch(identifier), "a point's id is not possible")
        ms, _, count = identifier.partition("-")
        _demand(last < (last := (int(ms), int(count))), "points are not in order")
        _demand(last[0] <= now + TEN_YEARS, "a point is too far ahead")
        _demand(bool(point), "a point is empty")
        for name, text in point.items():
            _demand(_FACT.fullmatch(name), f"a point has {name[:40]!r}")
            _check_text(text, name)


def _check_serial(serial: str) -> None:
    _demand(sanitize(serial) == serial, "a serial has 10 to 32 capital letters and digits")


def _check_text(text: str, name: str) -> None:
    _demand(len(text) <= _LONGEST and text.isprintable(), f"{name} must be {_LONGEST} printable characters")


def _demand(fine: object, sentence: str) -> None:
    if not fine:
        raise BadRequest(f"{sentence}.")

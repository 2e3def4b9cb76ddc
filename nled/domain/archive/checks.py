"""What a record must be for nled to bring it back: nothing that nled would not have written."""

import re
from collections.abc import Iterable

from nled.domain.archive.records import (
    CODE,
    HASH,
    ID,
    POINT,
    BucketRecord,
    DeviceRecord,
    HistoryRecord,
    KeyRecord,
    PersonRecord,
    Record,
    UnitRecord,
    name_of,
)
from nled.domain.buckets import TEN_YEARS, is_foreign, parse_key
from nled.domain.errors import BadRequest
from nled.domain.pairing import home_keys, parse_user
from nled.domain.people import parse_email, parse_name, parse_scopes
from nled.domain.requests import DEEPEST, MOST_FIELDS, deeper
from nled.domain.serials import sanitize

# Names of a bucket's revision, timestamps and marks (store/keys.py).
_TIMES = ("t", "w", "c", "a", "p", "pa", "o", "u", "q", "qa")
_MARKS = frozenset({"r", "n", *_TIMES})
_FACT = re.compile(r"[a-z][a-z0-9_]{0,39}")
_MOMENT = re.compile(r"[0-9]{1,15}")
_LONGEST = 256


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


def _check_person(record: PersonRecord, now: int) -> None:
    parse_user(record.user)
    if record.email:
        parse_email(record.email, record.user)
    home = home_keys(record.user)
    for bucket in record.buckets:
        _demand(bucket.key in home, f"{bucket.key[:80]} is no bucket of this home")
        check_bucket(bucket, now)


def _check_key(record: KeyRecord) -> None:
    _demand(ID.fullmatch(record.id), "id is not possible")
    _demand(HASH.fullmatch(record.hash), "hash must be 64 hex digits")
    parse_name(record.name)
    parse_scopes(record.scopes, record.user, record.devices)
    if record.user is not None:
        parse_user(record.user)
    for serial in record.devices or ():
        _check_serial(serial)


def _check_device(record: DeviceRecord, now: int) -> None:
    _check_serial(record.serial)
    _demand((record.seen or 0) <= now + TEN_YEARS, "seen is too far ahead")
    _demand(record.pin is None or HASH.fullmatch(record.pin), "pin must be 64 hex digits")
    for name in ("secret", "previous"):
        if (text := getattr(record, name)) is not None:
            _check_text(text, name)
    for name, fact in record.facts.items():
        _demand(_FACT.fullmatch(name) and name != "bytes", f"facts has {name[:40]!r}")
        _check_text(fact, f"facts.{name}")
        _demand(name not in ("first", "entry") or _MOMENT.fullmatch(fact), f"facts.{name} is no moment")
    if record.owner is not None:
        parse_user(record.owner.user)
        _demand(record.owner.code is None or CODE.fullmatch(record.owner.code), "owner.code is not possible")
    for user in record.shares:
        parse_user(user)
    for invite in record.invites:
        _demand(ID.fullmatch(invite.id), "an invite's id is not possible")
        _demand(HASH.fullmatch(invite.hash), "an invite's hash must be 64 hex digits")
        _demand(invite.expires <= now + TEN_YEARS, "an invite's end is too far ahead")
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
        _demand(POINT.fullmatch(identifier), "a point's id is not possible")
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

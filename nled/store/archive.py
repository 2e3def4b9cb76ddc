"""Everything in the store as records, page by page, and back (docs/store.md)."""

import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from nled.domain.archive.records import (
    BucketRecord,
    DeviceRecord,
    HistoryRecord,
    InviteRecord,
    KeyRecord,
    OwnerRecord,
    PersonRecord,
    Record,
    UnitRecord,
)
from nled.domain.buckets import encode
from nled.domain.errors import BadRequest
from nled.domain.pairing import home_keys, structure_id
from nled.domain.people import INVITE_KEPT
from nled.store import keys
from nled.store.scripts import READING, Scripts, load, refuse_when_full

# A page holds at least one record, and no more once it has so many bytes.
_PAGE_BYTES = 1024 * 1024
_POINTS = 500
# How far the history of a device was told: not begun, or the id of a point.
_PLACE = re.compile("-?|[0-9]{1,15}-[0-9]{1,15}")
_NO_PLACE = "after must be the `next` of the page before."


class Archive:
    """Export and import; every one raises StoreUnavailable when the store cannot be had."""

    def __init__(self, scripts: Scripts) -> None:
        self._scripts = scripts
        self._client = scripts.client

    async def page(self, after: str | None, now: int) -> tuple[list[Record], str | None]:
        """Return the records that follow a place, and the place behind them; None at the end.

        Each record is what was true at one moment, all of them together are not: of what changes meanwhile
        some may be in and some not.

        Raises:
            BadRequest: `after` is no place that was returned.
        """
        records: list[Record] = []
        size = 0
        async for place, record in self._from(after, now):
            records.append(record)
            size += len(msgspec.json.encode(record))
            if size >= _PAGE_BYTES:
                return records, place
        return records, None

    async def is_empty(self) -> bool:
        """Whether there are no devices and no people."""
        names = (keys.DEVICES, keys.OWNED, keys.PEOPLE)
        found: int = await self._client.command("EXISTS", *names)
        return found == 0

    async def restore(self, record: Record, now: int) -> bool:
        """Bring a record back; False where all of it was there already, which is left as it is.

        What has a lifetime begins it anew; invites and API keys end when they would have.

        Raises:
            Full: a device nobody owns, and no more are taken.
        """
        serial = record.serial if isinstance(record, DeviceRecord | HistoryRecord) else ""
        outcome = await self._scripts.ask(_RESTORE, serial, now, record=_request(record))
        refuse_when_full(outcome)
        return bool(outcome == "stored")

    async def _from(self, after: str | None, now: int) -> AsyncIterator[tuple[str, Record]]:
        section, _, rest = (after or f"{_SECTIONS[0]} ").partition(" ")
        if section not in _SECTIONS:
            raise BadRequest(_NO_PLACE)
        read: dict[str, Callable[[str, int], AsyncIterator[tuple[str, Record]]]] = {
            "person": self._people,
            "key": self._keys,
            "unit": self._units,
            "device": self._devices,
        }
        for name in _SECTIONS[_SECTIONS.index(section) :]:
            async for place, record in read[name](rest if name == section else "", now):
                yield f"{name} {place}", record

    async def _people(self, after: str, now: int) -> AsyncIterator[tuple[str, Record]]:
        del now
        people = _pairs(await self._client.command("HGETALL", keys.PEOPLE))
        for user in sorted(each for each in people if each > after):
            created, _, email = people[user].partition(" ")
            home = home_keys(user)
            flats = [await self._client.command("HGETALL", keys.home_bucket(user, key)) for key in home]
            buckets = [_bucket(key, flat) for key, flat in zip(home, flats, strict=True) if flat]
            yield user, PersonRecord(user, int(created), email, buckets)

    async def _keys(self, after: str, now: int) -> AsyncIterator[tuple[str, Record]]:
        del now
        for each in sorted(await self._client.command("SMEMBERS", keys.API_KEYS)):
            if each > after:
                fields = _pairs(await self._client.command("HGETALL", keys.api_key(each)))
                if fields:
                    yield each, _key(each, fields)

    async def _units(self, after: str, now: int) -> AsyncIterator[tuple[str, Record]]:
        del now
        for ip, url in sorted(_pairs(await self._client.command("HGETALL", keys.LAN)).items()):
            if ip > after:
                yield ip, UnitRecord(ip, url)

    async def _devices(self, after: str, now: int) -> AsyncIterator[tuple[str, Record]]:
        # Of a device with more history than fits, `after` also has the id of the last point.
        last, _, point = after.partition(" ")
        if not _PLACE.fullmatch(point):
            raise BadRequest(_NO_PLACE)
        known = [await self._client.command("ZRANGE", name, 0, -1) for name in (keys.DEVICES, keys.OWNED)]
        for serial in sorted({*known[0], *known[1]}):
            if serial < last:
                continue
            if serial > last:
                found = await self._scripts.ask(_EXPORT, serial, now)
                if found is None:
                    continue
                yield f"{serial} -", _device(serial, found)
            since = f"({point}" if serial == last and point not in ("", "-") else "-"
            async for place, record in self._history(serial, since):
                yield f"{serial} {place}", record

    async def _history(self, serial: str, since: str) -> AsyncIterator[tuple[str, Record]]:
        while True:
            page = await self._client.command("XRANGE", keys.history(serial), since, "+", "COUNT", _POINTS)
            if page:
                since = f"({page[-1][0]}"
                yield page[-1][0], HistoryRecord(serial, [(each, _pairs(flat)) for each, flat in page])
            if len(page) < _POINTS:
                return


_SECTIONS = ("person", "key", "unit", "device")


def _device(serial: str, found: Sequence[Any]) -> DeviceRecord:
    seen, facts, owner, shares, pin, secret, previous, buckets, invites = found
    said = _pairs(facts)
    said.pop("bytes", None)
    record = {
        "seen": None if seen is None else int(seen),
        "facts": dict(sorted(said.items())),
        "shares": dict(sorted(_pairs(shares).items())),
        "owner": _owner(_pairs(owner)),
        "invites": [_invite(each, _pairs(flat)) for each, flat in _two(invites) if flat],
        "pin": pin,
        "secret": secret,
        "previous": previous,
        "buckets": [_bucket(key, flat) for key, flat in _two(buckets) if flat],
    }
    return DeviceRecord(serial, **record)


def _owner(fields: Mapping[str, str]) -> OwnerRecord | None:
    if not fields:
        return None
    return OwnerRecord(fields["user"], int(fields["at"]), fields.get("code"), 1 if "open" in fields else 0)


def _invite(identifier: str, fields: Mapping[str, str]) -> InviteRecord:
    known = {name: fields[name] for name in _OF_INVITE if name in fields}
    return msgspec.convert({"id": identifier, **known}, InviteRecord, strict=False)


def _key(identifier: str, fields: Mapping[str, str]) -> KeyRecord:
    lists = {name: fields[name].split() for name in ("scopes", "devices") if name in fields}
    texts = {name: fields[name] for name in ("hash", "name", "user") if name in fields}
    times = {name: int(fields[name]) for name in ("created", "expires", "used") if name in fields}
    return msgspec.convert({"id": identifier, **texts, **lists, **times}, KeyRecord)


def _bucket(key: str, flat: Sequence[str]) -> BucketRecord:
    marks: dict[str, int] = {}
    values: dict[str, Any] = {}
    stamps: dict[str, Any] = {}
    missed: dict[str, int] = {}
    for name, text in sorted(_pairs(flat).items()):
        if name.startswith("v:"):
            values[name[2:]] = msgspec.json.decode(text)
        elif name.startswith("s:"):
            *numbers, kind = text.split()
            stamps[name[2:]] = (*map(int, numbers), kind)
        elif name == "x":
            missed = msgspec.json.decode(text)
        else:
            marks[name] = int(text)
    return BucketRecord(key, marks, values, stamps, missed)


def _request(record: Record) -> dict[str, object]:
    """Write a record as the script takes it: hashes flat, all numbers as text, since Lua rounds them."""
    match record:
        case PersonRecord():
            return {
                "kind": "person",
                "user": record.user,
                "person": f"{record.created} {record.email}",
                "buckets": _buckets(record.buckets),
            }
        case KeyRecord():
            lists = {"scopes": record.scopes, "devices": record.devices}
            fields = {name: " ".join(each) for name, each in lists.items() if each is not None}
            return {"kind": "key", "id": record.id, "fields": _flat(fields) + _texts(record, _OF_KEY)}
        case UnitRecord():
            return {"kind": "unit", "ip": record.ip, "url": record.url}
        case HistoryRecord():
            return {"kind": "history", "points": [(each, _flat(point)) for each, point in record.points]}
        case DeviceRecord():
            return _device_request(record)


def _device_request(record: DeviceRecord) -> dict[str, object]:
    owner = None
    if record.owner is not None:
        of = record.owner
        more = {
            "at": str(of.at),
            **({"code": of.code} if of.code else {}),
            **({"open": "1"} if of.open else {}),
        }
        owner = {"user": of.user, "structure": structure_id(of.user), "at": of.at, "more": _flat(more)}
    return {
        "kind": "device",
        "seen": record.seen,
        "facts": _flat(record.facts),
        "owner": owner,
        "shares": record.shares,
        "invites": [
            (each.id, each.expires + INVITE_KEPT, each.by, _texts(each, _OF_INVITE))
            for each in record.invites
        ],
        "pin": record.pin,
        "secret": record.secret,
        "previous": record.previous,
        "buckets": _buckets(record.buckets),
    }


_OF_KEY = ("hash", "name", "user", "created", "expires", "used")
_OF_INVITE = ("hash", "permission", "created", "expires", "state", "by")


def _buckets(buckets: Sequence[BucketRecord]) -> list[tuple[str, list[str]]]:
    return [(bucket.key, list(_fields(bucket))) for bucket in buckets]


def _fields(bucket: BucketRecord) -> Iterator[str]:
    for name, mark in bucket.marks.items():
        yield from (name, str(mark))
    for name, value in bucket.values.items():
        yield from (f"v:{name}", encode(value))
    for name, stamp in bucket.stamps.items():
        yield from (f"s:{name}", " ".join(map(str, stamp)))
    if bucket.missed:
        yield from ("x", encode(bucket.missed))


def _texts(record: KeyRecord | InviteRecord, names: Sequence[str]) -> list[str]:
    """Write those of the fields that there are."""
    values = {name: getattr(record, name) for name in names}
    return _flat({name: str(value) for name, value in values.items() if value is not None})


def _flat(fields: Mapping[str, str]) -> list[str]:
    return [text for pair in fields.items() for text in pair]


def _pairs(flat: Sequence[str]) -> dict[str, str]:
    return dict(_two(flat))


def _two(flat: Sequence[Any]) -> Iterator[tuple[Any, Any]]:
    return zip(flat[::2], flat[1::2], strict=True)


_EXPORT, _RESTORE = load("export", READING, writes=False), load("restore")

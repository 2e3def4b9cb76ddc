"""The rows of NoLongerEvil-SelfHosted's database as records to import (protocol i).

Nothing is paired anew: owners stay, and the buckets keep the timestamps that the thermostats already have,
so one that is up to date is simply held at its next subscribe. What was the thermostat's own is told to
nobody; only users and structures, which there is one of for each home here, are the server's.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from attrs import define, field

from nled.domain.archive.checks import check, check_bucket
from nled.domain.archive.records import (
    MOST_LINE,
    BucketRecord,
    DeviceRecord,
    OwnerRecord,
    PersonRecord,
    Record,
    name_of,
)
from nled.domain.buckets import (
    NO_HOME,
    TEN_YEARS,
    ObjectKey,
    bucket_type,
    encode,
    is_foreign,
    kind_of,
    parse_key,
)
from nled.domain.device import Permission
from nled.domain.errors import BadRequest
from nled.domain.pairing import home_keys, parse_user
from nled.domain.people import HOUR, parse_email
from nled.domain.requests import REVISIONS
from nled.domain.serials import sanitize

Row = Mapping[str, Any]

# What is read, by the names of tables and columns; the spelling is theirs.
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "states": ("serial", "object_key", "object_revision", "object_timestamp", "value", "updatedAt"),
    "deviceOwners": ("serial", "userId", "createdAt"),
    "users": ("clerkId", "email", "createdAt"),
    "deviceShares": ("ownerId", "sharedWithUserId", "serial", "permissions"),
}
# What is not, and why; said only where there are rows.
NOT_TAKEN: Mapping[str, str] = {
    "entryKeys": "a thermostat asks for a new code by itself",
    "seviceShareInvites": "their tokens are of another kind; invite again with `nledctl people`",
    "apiKeys": "they are of another kind; make new ones with `nledctl keys create`",
    "integrations": "they are settings here, in nled.yaml",
}
_PERMISSIONS: Mapping[str, Permission] = {
    "read": "read",
    "write": "write",
    "control": "write",
    "admin": "admin",
}
# A moment in seconds is below this, and one in ms of this century above.
_SECONDS = 10**11
# What limits.device_bytes is by default; a single bucket cannot have more either.
MOST_BYTES = 256 * 1024
_TOO_LARGE = "its value is larger than a thermostat may have here."


@define
class Conversion:
    """What came of it: records in the order in which to import them, and why each other row was left out."""

    records: list[Record] = field(factory=list)
    left_out: list[str] = field(factory=list)


@define
class _State:
    """One row of `states` that could be read; times in ms."""

    key: ObjectKey
    revision: int
    timestamp: int
    updated: int | None
    values: dict[str, Any]


def convert(tables: Mapping[str, Sequence[Row]], now: int) -> Conversion:
    """Turn the rows of a database into records; tables that are missing are empty."""
    return _Converter(now).convert(tables)


class _Converter:
    def __init__(self, now: int) -> None:
        self._now = now
        self._done = Conversion()
        self._states: dict[str, dict[str, _State]] = {}
        self._owners: dict[str, OwnerRecord] = {}
        self._people: dict[str, PersonRecord] = {}
        self._shares: dict[str, dict[str, Permission]] = {}

    def convert(self, tables: Mapping[str, Sequence[Row]]) -> Conversion:
        for table, take in (
            ("states", self._take_state),
            ("deviceOwners", self._take_owner),
            ("users", self._take_user),
            ("deviceShares", self._take_share),
        ):
            for row in tables.get(table, ()):
                try:
                    take(row)
                except BadRequest as problem:
                    self._left(f"{table} {_shown(row, COLUMNS[table])}: {problem}")
        for table, why in NOT_TAKEN.items():
            if count := len(tables.get(table, ())):
                self._left(f"{table}: {count} of them; {why}.")
        homes = {user: self._home(user) for user in sorted({each.user for each in self._owners.values()})}
        for user, person in sorted(self._people.items()):
            self._add(PersonRecord(user, person.created, person.email, homes.get(user, [])))
        for serial in sorted({*self._states, *self._owners}):
            self._add(self._device(serial))
        return self._done

    def _left(self, sentence: str) -> None:
        self._done.left_out.append(sentence)

    def _add(self, record: Record) -> None:
        try:
            check([record], self._now)
        except BadRequest as problem:
            self._left(str(problem))
            return
        if len(msgspec.json.encode(record)) > MOST_LINE:
            self._left(f"{name_of(record)}: it is larger than nled takes at once.")
            return
        self._done.records.append(record)

    def _take_state(self, row: Row) -> None:
        serial = _serial(row)
        key = parse_key(row["object_key"], serial)
        if key is None or is_foreign(key, serial):
            raise BadRequest("its object_key is not one that the thermostat can have.")
        if bucket_type(key.kind).transient:
            raise BadRequest("dialogs are shown anew where they are needed.")
        timestamp, updated = self._moment(row["object_timestamp"]), self._moment(row["updatedAt"])
        if updated is not None:
            updated = min(updated, self._now)
        revision = row["object_revision"]
        if not isinstance(revision, int) or not 0 < revision < REVISIONS:
            revision = 1
        state = _State(key, revision, timestamp or updated or 1, updated, _values(row["value"]))
        marks = {"r": state.revision, "t": state.timestamp}
        check_bucket(BucketRecord(str(key), marks, state.values), self._now)
        known = self._states.setdefault(serial, {})
        # The same serial in another case is the same thermostat: the newest row holds.
        other = known.get(str(key))
        if other is not None:
            self._left(f"states {serial} {key}: it is there twice; the newer one was taken.")
        if other is None or other.timestamp < state.timestamp:
            known[str(key)] = state

    def _take_owner(self, row: Row) -> None:
        serial, user = _serial(row), parse_user(row["userId"])
        owner = OwnerRecord(user, self._moment(row["createdAt"]) or self._now)
        other = self._owners.get(serial)
        if other is not None:
            self._left(f"deviceOwners {serial}: it is there twice; the newer owner was taken.")
        if other is None or other.at < owner.at:
            self._owners[serial] = owner
        self._people.setdefault(user, PersonRecord(user, owner.at))

    def _take_user(self, row: Row) -> None:
        user = parse_user(row["clerkId"])
        known = self._people.get(user)
        created = self._moment(row["createdAt"]) or (known.created if known else self._now)
        self._people[user] = PersonRecord(user, created)
        if row["email"]:
            # What is no address costs only itself.
            self._people[user].email = parse_email(
                row["email"] if isinstance(row["email"], str) else "?", user
            )

    def _take_share(self, row: Row) -> None:
        serial, user = _serial(row), parse_user(row["sharedWithUserId"])
        owner = self._owners.get(serial)
        if owner is None or owner.user != row["ownerId"]:
            raise BadRequest("it is not of the thermostat's owner.")
        if user not in self._people or user == owner.user:
            raise BadRequest("it is with nobody else who is known.")
        permission = _PERMISSIONS.get(str(row["permissions"]).lower())
        if permission is None:
            raise BadRequest("its permission is none.")
        self._shares.setdefault(serial, {})[user] = permission

    def _device(self, serial: str) -> DeviceRecord:
        states = self._states.get(serial, {})
        owner = self._owners.get(serial)
        heard = [each.updated for each in states.values() if each.updated is not None]
        buckets = []
        for text, state in sorted(states.items()):
            if owner is not None and text in home_keys(owner.user):
                # It had this much of its home; what is newer there is sent.
                at = state.timestamp
                buckets.append(BucketRecord(text, {"c": at, "a": at, "p": at}))
            elif not bucket_type(state.key.kind).of_home:
                buckets.append(BucketRecord(text, {"r": state.revision, "t": state.timestamp}, state.values))
            elif owner is None and state.key.id == NO_HOME:
                buckets.append(self._of_server(state, state.timestamp))
            else:
                self._left(f"states {serial} {text}: it is not of the home that the thermostat is in.")
        self._leave_out_the_largest(serial, buckets)
        facts = {"first": str(min(heard))} if heard else {}
        # Here none has been heard of yet, not even one that the other server had a minute ago.
        seen = min(max(heard, default=self._now), self._now - HOUR) if states else None
        return DeviceRecord(
            serial, seen, facts, owner, dict(sorted(self._shares.get(serial, {}).items())), buckets=buckets
        )

    def _leave_out_the_largest(self, serial: str, buckets: list[BucketRecord]) -> None:
        """Of a device that would have more than it may, which could store nothing any more."""
        sizes = {bucket.key: _size(bucket.values) for bucket in buckets}
        while sum(sizes.values()) > MOST_BYTES:
            largest = max(buckets, key=lambda bucket: sizes[bucket.key])
            buckets.remove(largest)
            del sizes[largest.key]
            self._left(f"states {serial} {largest.key}: with it the device has more than {MOST_BYTES} bytes.")

    def _home(self, user: str) -> list[BucketRecord]:
        """Make the buckets of a home out of those of its devices: the newest of each."""
        members = sorted(serial for serial, owner in self._owners.items() if owner.user == user)
        buckets = []
        for key in home_keys(user):
            found = [self._states[each][key] for each in members if key in self._states.get(each, {})]
            if not found:
                continue
            newest = max(found, key=lambda each: each.timestamp)
            bucket = self._of_server(newest, max(each.timestamp for each in found))
            if newest.key.kind == "user" and not bucket.values.get("name"):
                # Without a name a thermostat goes on showing that it is not paired.
                _write(bucket, "name", user)
            if newest.key.kind == "structure" and not _lists(bucket.values.get("devices"), members):
                _write(bucket, "devices", [f"device.{each}" for each in members])
            # With its stamps it can be larger than its value.
            if len(msgspec.json.encode(bucket)) > MOST_BYTES:
                self._left(f"home of {user} {key}: it is larger than a home may have here.")
                continue
            buckets.append(bucket)
        return buckets

    def _of_server(self, state: _State, newest: int) -> BucketRecord:
        at = min(newest, self._now)
        marks = {"r": state.revision, "t": newest, "w": newest}
        if state.key.id == NO_HOME:
            marks |= {"c": newest, "a": newest, "p": newest}
        stamps = {name: (state.revision, newest, at, kind_of(state.key.kind, name)) for name in state.values}
        return BucketRecord(str(state.key), marks, state.values, stamps)

    def _moment(self, value: object) -> int | None:
        """Read a time as ms; None for what cannot be one."""
        if not isinstance(value, int | float) or isinstance(value, bool) or value != value:  # noqa: PLR0124 - NaN
            return None
        if not 0 < value <= self._now + TEN_YEARS:
            return None
        return int(value * 1000) if value < _SECONDS else int(value)


def _serial(row: Row) -> str:
    serial = sanitize(row["serial"]) if isinstance(row["serial"], str) else None
    if serial is None:
        raise BadRequest("its serial is none.")
    return serial


def _values(text: object) -> dict[str, Any]:
    if isinstance(text, str) and len(text) > MOST_BYTES:
        raise BadRequest(_TOO_LARGE)
    try:
        # NaN, which only Python writes, becomes null.
        value = json.loads(text, parse_constant=lambda _: None) if isinstance(text, str) else None
        size = _size(value)
    except (ValueError, RecursionError):
        # Half a pair of surrogates, too: it can be read, but not be written.
        value, size = None, 0
    if not isinstance(value, dict):
        raise BadRequest("its value is no JSON object.")
    if size > MOST_BYTES:
        raise BadRequest(_TOO_LARGE)
    return value


def _size(value: object) -> int:
    return len(encode(value))


def _lists(devices: object, members: Iterable[str]) -> bool:
    """Whether a structure lists exactly some devices, in either way of naming them."""
    if not isinstance(devices, list) or not all(isinstance(each, str) for each in devices):
        return False
    return sorted(each.removeprefix("device.").upper() for each in devices) == list(members)


def _write(bucket: BucketRecord, name: str, value: object) -> None:
    """Write a field as newer than everything the devices have."""
    revision, timestamp = bucket.marks["r"] + 1, bucket.marks["t"] + 1
    bucket.marks.update(r=revision, t=timestamp, w=timestamp)
    bucket.values[name] = value
    bucket.stamps[name] = (revision, timestamp, timestamp, "s")


def _shown(row: Row, columns: Iterable[str]) -> str:
    texts = [str(row[name])[:60] for name in columns if name in ("serial", "object_key", "clerkId", "userId")]
    return " ".join("".join(c if c.isprintable() else "?" for c in text) for text in texts)

"""Buckets in Redis: what devices and the server write, and what a device has yet to learn.

Each operation is one round trip and one step for everybody else; the rules are in lua/write.lua and home.lua.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec
from attrs import frozen

from nled.domain.buckets import COMPANIONS, REPLACED, SERVER_OWNED, ObjectKey, is_momentary
from nled.domain.errors import NotKnown
from nled.domain.requests import Listed, Put
from nled.domain.wire import Receipt, Update
from nled.store import keys
from nled.store.scripts import Scripts, load, refuse_when_full

Outcome = Literal["stored", "same", "conflict", "refused", "full"]


@frozen
class Written:
    """What became of one write, and where the bucket stands now."""

    outcome: Outcome
    receipt: Receipt


@frozen
class Opened:
    """What a new subscribe found: what the device has yet to learn, and where it starts from.

    `baselines` are (key, timestamp in ms) of stored buckets that the device did not list.
    """

    updates: tuple[Update, ...]
    baselines: tuple[tuple[str, int], ...]


@frozen
class Stored:
    """A bucket as it stands; revision 0 and no values if there is none."""

    revision: int
    timestamp: int
    values: Mapping[str, Any]


class Buckets:
    """The bucket operations; every one raises StoreUnavailable when the store cannot be had."""

    def __init__(self, scripts: Scripts) -> None:
        self._scripts = scripts

    async def subscribe(self, serial: str, listed: Sequence[Listed], now: int) -> Opened:
        """Record contact, claims and inline values of a subscribe, and find what is newer.

        Raises:
            Full: a device nobody has met, and no more are taken.
        """
        request = [_listing(entry) for entry in listed]
        reply = await self._scripts.ask(_SUBSCRIBE, serial, now, listed=request)
        refuse_when_full(reply[0])
        return Opened(_updates(reply[1]), tuple(zip(reply[2][::2], reply[2][1::2], strict=True)))

    async def reread(self, serial: str, claims: Mapping[str, int], now: int) -> tuple[Update, ...]:
        """Find what is newer than the timestamps (ms, by object key) a held poll has by now."""
        return _updates(await self._scripts.ask(_REREAD, serial, now, claims=list(claims.items())))

    async def put(self, serial: str, puts: Sequence[Put], now: int) -> tuple[Written, ...]:
        """Apply a device's PUT in order, each bucket on its own.

        Raises:
            Full: a device nobody has met, and no more are taken.
        """
        reply = await self._scripts.ask(_PUT, serial, now, writes=[_write(put) for put in puts])
        refuse_when_full(reply[0])
        return tuple(_written(put.key, each) for put, each in zip(puts, reply[1:], strict=True))

    async def write(
        self, serial: str, key: ObjectKey, values: Mapping[str, str], now: int, expect: int | None = None
    ) -> Written:
        """Write fields (JSON text by name) for a device, if `expect` is still the revision.

        Raises:
            NotKnown: nobody has met the device.
        """
        fields = [
            (name, text, "m" if is_momentary(key.kind, name) else "s", name in COMPANIONS)
            for name, text in values.items()
        ]
        write = {"key": str(key), "values": fields, "expect": expect, "replace": key.kind in REPLACED}
        reply = await self._scripts.ask(_COMMAND, serial, now, write=write)
        if reply[0] == "unknown":
            raise NotKnown("Device not found")
        return _written(key, reply)

    async def metadata(self, serial: str, now: int) -> tuple[Receipt, ...]:
        """List where the buckets of a device stand; empty for one nobody has met."""
        return tuple(Receipt(*each) for each in await self._scripts.ask(_METADATA, serial, now))

    async def read(self, serial: str, key: ObjectKey) -> Stored:
        """Read one of a device's own buckets as it stands."""
        flat = await self._scripts.client.command("HGETALL", keys.bucket(serial, str(key)))
        fields = dict(zip(flat[::2], flat[1::2], strict=True))
        values = {n[2:]: msgspec.json.decode(text) for n, text in fields.items() if n.startswith("v:")}
        return Stored(int(fields.get("r", 0)), int(fields.get("t", 0)), values)


def _listing(entry: Listed) -> tuple[object, ...]:
    refused = entry.key.kind in SERVER_OWNED
    values = list(entry.values.items()) if entry.values and not refused else None
    return str(entry.key), entry.timestamp, values, entry.key.kind in REPLACED


def _write(put: Put) -> dict[str, object]:
    return {
        "key": str(put.key),
        "values": list(put.values.items()),
        "base": put.base,
        "expect": put.expect,
        "refused": put.key.kind in SERVER_OWNED,
        # Nothing sent is nothing to replace with (b.4.2: a receipt even for empty values).
        "replace": put.key.kind in REPLACED and bool(put.values),
    }


def _written(key: ObjectKey, reply: Sequence[Any]) -> Written:
    return Written(reply[0], Receipt(reply[1], reply[2], str(key)))


def _updates(reply: Sequence[Any]) -> tuple[Update, ...]:
    return tuple(
        Update(Receipt(revision, timestamp, key), dict(zip(fields[::2], fields[1::2], strict=True)))
        for revision, timestamp, key, fields in reply
    )


_SUBSCRIBE, _REREAD, _PUT = load("subscribe"), load("reread"), load("put")
_COMMAND, _METADATA = load("command"), load("metadata")

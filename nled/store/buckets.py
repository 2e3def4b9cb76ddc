"""Buckets in Redis as devices see them: what they write, and what they have yet to learn.

Each operation is one round trip and one step for everybody else; the rules are in lua/write.lua and home.lua.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from attrs import frozen

from nled.domain.buckets import ObjectKey, bucket_type
from nled.domain.hosts import host_of
from nled.domain.requests import Listed, Put
from nled.domain.wire import Receipt, Update
from nled.store.scripts import HOMES, READING, WRITING, Scripts, load, refuse_when_full

Outcome = Literal["stored", "same", "conflict", "refused", "full", "crowded"]


@frozen
class Written:
    """What became of one write, and where the bucket stands now."""

    outcome: Outcome
    receipt: Receipt


@frozen
class Newer:
    """What a device has yet to learn.

    Attributes:
        due: in how many ms there is more, which must keep its distance from what was pushed; or None.
    """

    updates: tuple[Update, ...]
    due: int | None = None


class Buckets:
    """The bucket operations; every one raises StoreUnavailable when the store cannot be had."""

    def __init__(self, scripts: Scripts) -> None:
        self._scripts = scripts

    async def subscribe(self, serial: str, listed: Sequence[Listed], now: int, sender: str = "") -> Newer:
        """Record contact, claims and inline values of a subscribe, and find what is newer.

        Raises:
            Full: a device nobody has met, and no more are taken.
        """
        request = [_listing(entry) for entry in listed]
        reply = await self._scripts.ask(_SUBSCRIBE, serial, now, listed=request, sender=host_of(sender))
        refuse_when_full(reply[0])
        return Newer(_updates(reply[1]), reply[2])

    async def reread(self, serial: str, claims: Mapping[str, int], opened: int, now: int) -> Newer:
        """Find what is newer than what a poll held since `opened` has: timestamps (ms) by object key."""
        request = {"claims": list(claims.items()), "opened": opened}
        updates, due = await self._scripts.ask(_REREAD, serial, now, **request)
        return Newer(_updates(updates), due)

    async def pushed(self, serial: str, updates: Sequence[Update], opened: int, now: int) -> None:
        """Note that updates were written to a socket of the device, for a poll held since `opened`."""
        pushed = [
            (each.receipt.key, each.receipt.revision, each.receipt.timestamp, list(each.values))
            for each in updates
        ]
        await self._scripts.ask(_PUSHED, serial, now, pushed=pushed, opened=opened)

    async def put(self, serial: str, puts: Sequence[Put], now: int, sender: str = "") -> tuple[Written, ...]:
        """Apply a device's PUT in order, each bucket on its own.

        Raises:
            Full: a device nobody has met, and no more are taken.
        """
        writes, host = [_write(put) for put in puts], host_of(sender)
        reply = await self._scripts.ask(_PUT, serial, now, writes=writes, sender=host)
        refuse_when_full(reply[0])
        return tuple(_written(put.key, each) for put, each in zip(puts, reply[1:], strict=True))

    async def metadata(self, serial: str, now: int, sender: str = "") -> tuple[Receipt, ...]:
        """List where the buckets of a device stand; empty for one nobody has met."""
        reply = await self._scripts.ask(_METADATA, serial, now, sender=host_of(sender))
        return tuple(Receipt(*each) for each in reply)


def _listing(entry: Listed) -> tuple[object, ...]:
    about = bucket_type(entry.key.kind)
    values = list(entry.values.items()) if entry.values and not about.server_owned else None
    return str(entry.key), entry.timestamp, values, about.replaced


def _write(put: Put) -> dict[str, object]:
    about = bucket_type(put.key.kind)
    return {
        "key": str(put.key),
        "values": list(put.values.items()),
        "base": put.base,
        "expect": put.expect,
        "refused": about.server_owned,
        # Nothing sent is nothing to replace with (protocol b.4.2: a receipt even for empty values).
        "replace": about.replaced and bool(put.values),
    }


def _written(key: ObjectKey, reply: Sequence[Any]) -> Written:
    return Written(reply[0], Receipt(reply[1], reply[2], str(key)))


def _updates(reply: Sequence[Any]) -> tuple[Update, ...]:
    return tuple(
        Update(
            Receipt(revision, timestamp, key),
            dict(zip(fields[::3], fields[1::3], strict=True)),
            dict(zip(fields[::3], fields[2::3], strict=True)),
        )
        for revision, timestamp, key, fields in reply
    )


_SUBSCRIBE, _REREAD, _PUT = load("subscribe", HOMES), load("reread", HOMES), load("put", WRITING)
_PUSHED, _METADATA = load("pushed", READING), load("metadata", writes=False)

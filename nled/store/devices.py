"""Devices in Redis as people see them: read as they stand, written by commands, given up.

Each operation is one round trip and one step for everybody else; the rules are in lua/write.lua and home.lua.
"""

from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal

import msgspec
from attrs import frozen
from twisted.internet.defer import Deferred

from nled.domain.buckets import ObjectKey, bucket_type, encode, kind_of
from nled.domain.device import Bucket, Delivery, Device, Pending, slowest
from nled.domain.errors import Full, NotKnown
from nled.domain.wire import Receipt
from nled.store import keys
from nled.store.client import Script
from nled.store.scripts import READING, WRITING, Scripts, load, together

# The fields wanted of a device's buckets, by the kind of bucket; of other kinds nothing is read.
Wanted = Mapping[str, tuple[str, ...]]

# So many devices are read in one step, which takes a ms or two: others wait for it.
STEP = 25
_HEAD = ("r", "t", "w", "a", "p", "x")


@frozen
class Write:
    """Fields to be written into one bucket, as JSON text by name, if `expect` is still its revision."""

    key: ObjectKey
    values: Mapping[str, str]
    expect: int | None = None


@frozen
class Written:
    """What became of one write, and where its bucket stands now.

    Attributes:
        fields: those that were to be written, companions left out.
        minted: the timestamp (ms) the fields were written with, 0 where the device has said the same.
    """

    outcome: Literal["stored", "same"]
    receipt: Receipt
    delivery: Delivery
    fields: tuple[str, ...]
    minted: int


class Devices:
    """The operations; every one raises StoreUnavailable when the store cannot be had."""

    def __init__(self, scripts: Scripts) -> None:
        self._scripts = scripts

    async def read(
        self, serial: str, now: int, wanted: Wanted | None = None, *, pending: bool = True
    ) -> Device | None:
        """Read a device, with all of its buckets or the wanted fields; None if nobody met or owns it.

        With `pending` also what it has yet to take, which the store has to look for.
        """
        found = await self._snapshot([serial], now, wanted, pending=pending)
        return found[0] if found else None

    async def each(
        self, serials: Sequence[str], now: int, wanted: Wanted | None = None
    ) -> AsyncIterator[Device]:
        """Read devices in the order given, without those that nobody met or owns, or whose state expired."""
        asked: deque[Deferred[list[Device]]] = deque()
        try:
            for start in range(0, len(serials), STEP):
                asked.append(
                    Deferred.fromCoroutine(self._snapshot(serials[start : start + STEP], now, wanted))
                )
                # The store works on one while the one before is looked at here; with more than that ahead of
                # them, thermostats would wait.
                if len(asked) > 1:
                    for device in await asked.popleft():
                        if not device.expired:
                            yield device
            while asked:
                for device in await asked.popleft():
                    if not device.expired:
                        yield device
        finally:
            for each in asked:
                each.addErrback(lambda _: None)
                each.cancel()

    async def serials(self) -> list[str]:
        """List the devices that were met or are owned, sorted; some may be forgotten by now."""
        return sorted(await self._scripts.client.command("ZUNION", 2, keys.DEVICES, keys.OWNED))

    async def contacts(self, now: int) -> dict[str, int | None]:
        """Tell when each device was last heard of (ms), without those of which nothing is left."""
        client = self._scripts.client
        flat, owned = await together(
            client.command("ZRANGE", *each)
            for each in ((keys.DEVICES, 0, -1, "WITHSCORES"), (keys.OWNED, 0, -1))
        )
        seen = {serial: int(float(at)) for serial, at in zip(flat[::2], flat[1::2], strict=True)}
        heard = {serial: at for serial, at in seen.items() if at > now - self._scripts.ttl}
        silent = [serial for serial in {**seen, **dict.fromkeys(owned)} if serial not in heard]
        kept = await together(client.command("EXISTS", keys.facts(serial)) for serial in silent)
        return {
            **heard,
            **{serial: seen.get(serial) for serial, there in zip(silent, kept, strict=True) if there},
        }

    async def owned(self, user: str | None) -> list[tuple[str, int]]:
        """List the devices of a user, or of all, each with when it was claimed (ms); newest first."""
        names = [keys.OWNED] if user is None else [keys.OWNED, keys.home_devices(user)]
        flat = await self._scripts.client.run(_OWNED, names)
        found = [(serial, int(float(at))) for serial, at in zip(flat[::2], flat[1::2], strict=True)]
        return sorted(found, key=lambda each: (-each[1], each[0]))

    async def write(self, serial: str, writes: Sequence[Write], now: int) -> tuple[Written, ...] | None:
        """Write fields into buckets of a device and its home, all of it or nothing.

        An unclaimed device gets the home `structure.default` with the first write to it. A bucket that
        holds all the values already is left alone.

        Returns:
            What became of each write; None when nothing was written because a revision is not the
            expected one, or a home not the device's any more: read again, and decide anew.

        Raises:
            NotKnown: nobody has met or owns the device.
            Full: the device would have more than it may.
        """
        reply = await self._scripts.ask(_COMMAND, serial, now, writes=[_write(each) for each in writes])
        match reply[0]:
            case "unknown":
                raise NotKnown("Device not found")
            case "full":
                raise Full(
                    f"{serial} has as much as it may (limits.buckets_per_device, limits.device_bytes)."
                )
            case "conflict":
                return None
        return tuple(_written(write, each) for write, each in zip(writes, reply[1:], strict=True))

    async def delivery(self, serial: str, written: Sequence[Written], now: int) -> Delivery:
        """Say how far the device has come with writes: as far as with the one it is slowest to take."""
        asked = [(each.receipt.key, each.fields, each.minted) for each in written]
        return slowest(await self._scripts.ask(_DELIVERY, serial, now, writes=asked))

    async def resend(self, serial: str, now: int) -> int:
        """Offer again what the server wrote and the device still needs; returns of how many buckets.

        Never its telemetry, nor a setpoint that it has taken or that went stale.
        """
        offered: int = await self._scripts.ask(_RESEND, serial, now)
        return offered

    async def dismiss(self, serial: str, now: int) -> bool:
        """Empty the pairing dialog on a device's screen (protocol e.4); False if it shows none."""
        device = await self.read(serial, now, {_DIALOG: ("dialog_id",)})
        key = ObjectKey(_DIALOG, serial)
        if device is None or not (shown := device.buckets.get(str(key))) or not shown.values.get("dialog_id"):
            return False
        await self.write(serial, [Write(key, {"dialog_id": '""', "dialog_data": '""'})], now)
        return True

    async def unpair(self, serial: str, user: str | None, now: int) -> bool:
        """Take a device from `user`, or from whoever owns it, and from all it is shared with.

        Returns:
            Whether it was theirs.
        """
        return bool(await self._scripts.ask(_UNPAIR, serial, now, user=user))

    async def forget(self, serial: str, now: int) -> int | None:
        """Delete all there is of a device (protocol e.5); returns how many buckets, None if unknown."""
        objects: int | None = await self._scripts.ask(_FORGET, serial, now)
        return objects

    async def _snapshot(
        self, serials: Sequence[str], now: int, wanted: Wanted | None, *, pending: bool = True
    ) -> list[Device]:
        script = _snapshot_of(None if wanted is None else tuple(wanted.items()))
        reply = await self._scripts.ask(script, "", now, serials=serials, pending=pending)
        return [_device(each) for each in reply]


@lru_cache(maxsize=32)
def _snapshot_of(wanted: tuple[tuple[str, tuple[str, ...]], ...] | None) -> Script:
    """Make the script that reads the wanted fields: their names with each request would be most of it."""
    if wanted is None:
        return Script("snapshot", ("local WANTED", *_SNAPSHOT), writes=False)
    kinds = []
    for kind, names in wanted:
        fields = ", ".join(f"'{name}'" for name in (*_HEAD, *(f"v:{name}" for name in names)))
        heads = ", ".join(f"',\"{name}\":'" for name in names)
        kinds.append(f"{{ '{kind}', '{bucket_type(kind).id}', {{ {fields} }}, {{ {heads} }} }},")
    return Script("snapshot", ("local WANTED = {", *kinds, "}", *_SNAPSHOT), writes=False)


def _write(write: Write) -> dict[str, object]:
    kind = write.key.kind
    return {
        "key": str(write.key),
        "values": [(name, text, kind_of(kind, name)) for name, text in write.values.items()],
        "expect": write.expect,
        "replace": bucket_type(kind).replaced,
    }


def _written(write: Write, reply: Sequence[Any]) -> Written:
    outcome, revision, timestamp, delivery, minted = reply
    receipt = Receipt(revision, timestamp, str(write.key))
    companions = bucket_type(write.key.kind).companions
    fields = tuple(name for name in write.values if name not in companions)
    return Written(outcome, receipt, delivery, fields, minted)


def _device(reply: Sequence[Any]) -> Device:
    serial, owner, structure, seen, shares, buckets, expired = reply
    return Device(
        serial,
        owner,
        structure,
        int(float(seen)) if seen else None,
        dict(zip(shares[::2], shares[1::2], strict=True)),
        {
            key: Bucket(
                ObjectKey(*key.split(".", 1)),
                int(revision),
                int(timestamp),
                _decoded(values),
                _pending(key, pending) if pending else (),
            )
            for key, revision, timestamp, values, pending in zip(*[iter(buckets)] * 5, strict=True)
        },
        expired == 1,
    )


def _decoded(values: str | Sequence[str]) -> dict[str, Any]:
    """Decode the values of a bucket, in one piece: each by itself would take many times as long."""
    if isinstance(values, str):
        members = values[1:]
    else:
        stored = zip(values[::2], values[1::2], strict=True)
        members = ",".join([f"{encode(name[2:])}:{text}" for name, text in stored if name.startswith("v:")])
    decoded: dict[str, Any] = msgspec.json.decode(f"{{{members}}}")
    return decoded


def _pending(key: str, flat: Sequence[Any]) -> tuple[Pending, ...]:
    """Group the writes that wait: name, revision, timestamp, written at, delivery, and so on."""
    groups: dict[tuple[int, Delivery], list[tuple[str, int, int]]] = {}
    for start in range(0, len(flat), 5):
        name, revision, timestamp, at, delivery = flat[start : start + 5]
        groups.setdefault((at, delivery), []).append((name, revision, timestamp))
    return tuple(
        Pending(
            key,
            tuple(sorted(name for name, _, _ in group)),
            max(revision for _, revision, _ in group),
            max(timestamp for _, _, timestamp in group),
            at,
            delivery,
        )
        for (at, delivery), group in sorted(groups.items())
    )


_DIALOG = "device_alert_dialog"
_SNAPSHOT, _DELIVERY = load("snapshot", READING).parts, load("delivery", READING, writes=False)
_COMMAND, _RESEND, _UNPAIR, _FORGET = load("command", WRITING), load("resend"), load("unpair"), load("forget")
_OWNED = Script(
    "owned",
    """if not KEYS[2] then return redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES') end
    local answer = {}
    for _, serial in ipairs(redis.call('SMEMBERS', KEYS[2])) do
      local at = redis.call('ZSCORE', KEYS[1], serial)
      if at then
        answer[#answer + 1], answer[#answer + 2] = serial, at
      end
    end
    return answer""",
    writes=False,
)

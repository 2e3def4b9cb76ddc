"""The Lua scripts, each with what they share put in front, and how they are asked.

A script gets one JSON text and says in it which device it is about; its single key only names the
device's slot.
"""

from collections.abc import Coroutine, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from pkgutil import get_data
from typing import Any, Protocol, TypeVar

import msgspec
from attrs import frozen
from twisted.internet.defer import Deferred, FirstError, gatherResults

from nled import __version__
from nled.domain.buckets import BUCKET_TYPES, NO_HOME
from nled.domain.errors import Full
from nled.domain.history import FLAGS
from nled.domain.requests import MOST_FIELDS
from nled.store import keys
from nled.store.client import Script
from nled.store.errors import Reason

T = TypeVar("T")
_DAY = 86_400_000
# Redis expires keys by its own clock, which may be wrong for a while: it keeps everything for so much longer
# than nled does. What is past its days nled deletes itself, once it trusts the clock (nled/housekeeping.py).
BACKSTOP = 400 * _DAY
# When this version was made, in ms: it cannot be earlier.
_YEAR, _MONTH = (int(part) for part in __version__.split(".")[:2])
_RELEASED = int(datetime(2000 + _YEAR, _MONTH, 1, tzinfo=UTC).timestamp()) * 1000
# What scripts share, each with what it builds on: the server makes every function of it each time one runs.
READING = ("common", "state")
WRITING = (*READING, "room", "history", "write")
HOMES = (*WRITING, "home")
_ALL = (*HOMES, "access")
# In which the bytes of devices that are not kept are counted, as room.lua has it.
BLOCK = 4096


@lru_cache
def _text(name: str) -> str:
    # By pkgutil, since importlib.resources brings zip and temporary files along, and with them 1 MB.
    return (get_data(__name__, f"lua/{name}.lua") or b"").decode("ascii")


@lru_cache
def _bucket_types() -> str:
    """Write what scripts look up by the type of a bucket as Lua; a run makes only the tables it asks for."""
    types = BUCKET_TYPES.items()
    home = ", ".join(f"'{kind}.' .. {each.id}" for kind, each in types if each.of_home)
    lines = (
        f"local NO_HOME = '{NO_HOME}'",
        f"local function keys_of_home(user, structure) return {{ {home} }} end",
        _look_up("is_of_home", {kind: "true" for kind, each in types if each.of_home}),
        _look_up("spacing_of", {kind: str(each.spacing) for kind, each in types if each.spacing}),
        _look_up("recorded_of", {kind: _series(each.recorded) for kind, each in types if each.recorded}),
    )
    return "\n".join(lines)


def _series(recorded: Mapping[str, str]) -> str:
    members = (f"{name} = '{'?' * (part in FLAGS)}{part}'" for name, part in recorded.items())
    return f"{{ {', '.join(members)} }}"


def _look_up(name: str, answers: Mapping[str, str]) -> str:
    cases = (f"if kind == '{kind}' then return {text} end" for kind, text in answers.items())
    return "\n".join((f"local function {name}(kind)", *cases, "end"))


def load(name: str, shared: Sequence[str] = _ALL, *, writes: bool = True) -> Script:
    """Load `lua/NAME.lua`; what is not about one device's buckets does without what those share."""
    parts = (_bucket_types(), *map(_text, shared)) if shared else ()
    return Script(name, (keys.LUA, *parts, _text(name)), writes=writes)


class Runner(Protocol):
    """What the operations need of a client; `nled.store.client.Client` is one."""

    @property
    def refusal(self) -> Reason | None:
        """Why nothing can be written just now, although the store is connected; None while it can."""

    async def command(self, *args: str | bytes | int) -> Any:
        """Send one command that reads; raises StoreUnavailable."""

    async def run(self, script: Script, keys: Sequence[str], *args: str | bytes | int) -> Any:
        """Run one script; raises StoreUnavailable."""


@frozen
class Limits:
    """What one installation and one device may take up, and for how long (ms).

    Attributes:
        history, points: how long a device's history is kept, and how many points of it at most.
        arrival: how long an arrival is kept.
        per_address: devices of one address that are not kept; None for half of what those that are leave,
            0 for any number.
        stranger_bytes: what all devices that are not kept may take up together.
    """

    devices: int
    buckets: int
    device_bytes: int
    ttl: int
    momentary: int
    history: int
    points: int
    arrival: int = 86_400_000
    per_address: int | None = None
    stranger_bytes: int = 2**40


class Scripts:
    """Asks scripts on behalf of one device at a time."""

    def __init__(self, client: Runner, limits: Limits) -> None:
        self.client = client
        self.ttl = limits.ttl
        # The part of each request that is always the same, encoded once.
        self._same = msgspec.json.encode(
            {
                "ttl": limits.ttl + BACKSTOP,
                "released": _RELEASED,
                "momentary": limits.momentary,
                "history": limits.history + BACKSTOP,
                "points": limits.points,
                "arrival_ttl": limits.arrival,
                "most_devices": limits.devices,
                "per_address": limits.per_address,
                "most_blocks": limits.stranger_bytes // BLOCK,
                "most_buckets": limits.buckets,
                "most_bytes": limits.device_bytes,
                "most_fields": MOST_FIELDS,
            }
        )

    async def ask(self, script: Script, serial: str, now: int, **request: object) -> Any:
        """Run a script for one device at `now` ms; returns its reply, numbers as int.

        Raises:
            StoreUnavailable: the store cannot be had now.
        """
        request["serial"], request["now"] = serial, now
        if self.client.refusal:
            # Scripts that are let through all the same leave out what need not be written.
            request["refused"] = True
        text = b"%b,%b" % (self._same[:-1], msgspec.json.encode(request)[1:])
        return await self.client.run(script, [keys.facts(serial)], text)


async def together(asked: Iterable[Coroutine[Deferred[Any], Any, T]]) -> list[T]:
    """Ask several things in one go, and return the replies in order; raises as the first that fails."""
    try:
        return await gatherResults([Deferred.fromCoroutine(each) for each in asked], consumeErrors=True)
    except FirstError as first:
        first.subFailure.raiseException()


def refuse_when_full(status: str) -> None:
    """Raise Full if a script found that no more devices are taken."""
    if status == "full":
        raise Full("No more devices are taken (limits.devices, limits.strangers_per_address).")

"""Devices that nobody keeps, and arrivals, in Redis: listed, forgotten, and put in order (lua/room.lua)."""

from collections.abc import Sequence
from typing import Any, Literal

from attrs import frozen

from nled.domain.strangers import Stranger
from nled.store.client import StoreRefused, StoreUnavailable
from nled.store.scripts import Scripts, load

Why = Literal["arrivals", "address", "devices", "bytes"]
# So many are looked at in one step, for which others wait.
_AT_ONCE = 20
_FORGOTTEN_AT_ONCE = 100


@frozen
class Pressure:
    """That somebody had to give way or was turned away: when (ms), for want of what, by whose doing."""

    at: int
    why: Why
    address: str


class Strangers:
    """The operations; every one raises StoreUnavailable when the store cannot be had."""

    def __init__(self, scripts: Scripts) -> None:
        self._scripts = scripts

    async def settle(self, now: int) -> tuple[bool, Pressure | None]:
        """Let arrivals go whose day is over, and give places to devices that have none.

        Returns:
            Whether there may be more to do, and what the last pressure was.
        """
        more, at, why, address = await self._scripts.ask(_SETTLE, "", now, most=_AT_ONCE)
        return bool(more), None if at is None else Pressure(int(at), why, address)

    async def arrivals(self, now: int, *, waiting: bool = False) -> list[Stranger]:
        """List the arrivals, the longest unheard first; with `waiting` also the devices that nobody owns."""
        found = await self._scripts.ask(_STRANGERS, "", now, arrivals=True, waiting=waiting)
        return sorted(_strangers(found), key=lambda each: each.seen)

    async def unowned(self, now: int) -> list[Stranger]:
        """List the devices that nobody owns or has commanded, the longest unheard first."""
        return _strangers(await self._scripts.ask(_STRANGERS, "", now, arrivals=False))

    async def forget(self, now: int) -> int:
        """Forget the devices that `unowned` lists, in steps; returns how many there were."""
        forgotten = 0
        try:
            while step := int(await self._scripts.ask(_FORGET, "", now, most=_FORGOTTEN_AT_ONCE)):
                forgotten += step
        except StoreRefused as error:
            if not forgotten:
                raise
            # It would say that nothing was changed.
            raise StoreUnavailable(str(error.reason)) from error
        return forgotten


def _strangers(reply: Sequence[Any]) -> list[Stranger]:
    return [Stranger(serial, grade, address, int(float(at))) for serial, grade, address, at in reply]


_SETTLE, _FORGET = load("settle"), load("forget_strangers")
_STRANGERS = load("strangers", writes=False)

"""The stream of notices in Redis: the memory of what was told, and how every process hears of it."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

import msgspec
from attrs import frozen

from nled.domain.notice import GAP, Notice, parse
from nled.store import keys
from nled.store.scripts import together


class Connection(Protocol):
    """What notices are read over; `nled.store.client.Client` is one."""

    def command(self, *args: str | bytes | int) -> Awaitable[Any]:
        """Send one command that reads."""


@frozen
class Events:
    """The notices, asked for over one connection; every method raises what that raises.

    Attributes:
        now: ms since the epoch.
    """

    _connection: Connection
    now: Callable[[], int]

    async def since(self, identifier: str, most: int) -> list[Notice] | None:
        """Return up to `most` notices behind the one with that id, oldest first.

        None when that one is no longer kept, and with it perhaps some that came after it.
        """
        found = await self._connection.command("XRANGE", keys.EVENTS, identifier, "+", "COUNT", most + 1)
        if not found or found[0][0] != identifier:
            return None
        return await self._notices(found[1:])

    async def after(self, identifier: str, most: int, ms: int) -> list[Notice]:
        """Return up to `most` notices behind an id as soon as there is one; none after `ms` without.

        If there are `most`, they may begin anywhere: the stream may have gone past the first ones.
        """
        found = await self._connection.command(
            "XREAD", "COUNT", most, "BLOCK", ms, "STREAMS", keys.EVENTS, identifier
        )
        return await self._notices(found[0][1]) if found else []

    async def last(self) -> str | None:
        """Return the id of the newest notice, None when there was none yet."""
        found = await self._connection.command("XREVRANGE", keys.EVENTS, "+", "-", "COUNT", 1)
        return found[0][0] if found else None

    async def _notices(self, entries: Sequence[Any]) -> list[Notice]:
        notices = [_notice(*entry) for entry in entries]
        if homes := {each.home for each in notices if each.home}:
            found = await together([self._members(home) for home in homes])
            members = dict(zip(homes, found, strict=True))
            now = self.now()
            notices = [each.expand(members[each.home], now) if each.home else each for each in notices]
        return notices

    async def _members(self, home: str) -> dict[str, int]:
        """Give the devices of a home, by when they were claimed (ms)."""
        found = await self._connection.command(
            "ZINTER", 2, keys.home_devices(home), keys.OWNED, "WEIGHTS", 0, 1, "WITHSCORES"
        )
        return {serial: int(float(at)) for serial, at in zip(found[::2], found[1::2], strict=True)}


def _notice(identifier: str, entry: list[str]) -> Notice:
    try:
        _, head, _, fields = entry
        return parse(identifier, head, fields)
    except ValueError:
        # Not from nled, or from a newer one: whatever it says, it is safe to look at everything anew.
        return msgspec.structs.replace(GAP, id=identifier)

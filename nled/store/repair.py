"""A damaged append-only file, as a power cut or a full disk leaves it: cut, the piece kept, and told of."""

import os
from collections.abc import Sequence
from pathlib import Path
from shlex import quote
from typing import Any, Final

from twisted.internet.task import deferLater
from twisted.logger import Logger

from nled.store.appendonly import manifest
from nled.store.cutoff import drop_old, keep, sync
from nled.store.errors import StartError
from nled.store.gaps import MOST_LOST, Gap, Survey

_SINGLE: Final = "appendonly.aof"
_FOLDER: Final = "appendonlydir"
_MANIFEST: Final = "appendonly.aof.manifest"
_CHUNK: Final = 2**20
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
        # To read large files again every few seconds would say nothing new.
        self._hopeless: tuple[object, StartError] | None = None

    async def before_start(self) -> None:
        """Mend an end that shows at a glance to be damaged; the server finds the rest.

        Raises:
            StartError: The server would start without data that were there, or nled cannot mend it.
        """
        paths = self._appended()
        if paths and not _ends_a_line(paths[-1]):
            await self._mend(paths)

    async def after_refusal(self) -> bool:
        """Mend what a server refused to load; False if no damage was found.

        Raises:
            StartError: nled cannot mend it.
        """
        return await self._mend(self._appended())

    def _appended(self) -> list[Path]:
        """Give the files to whose end the server wrote, in order; it writes to the last one."""
        folder, single = self._directory / _FOLDER, self._directory / _SINGLE
        record = folder / _MANIFEST
        if not record.exists():
            # A start that was cut off may leave an empty base without its manifest.
            if sum(each.stat().st_size for each in folder.glob(f"{_SINGLE}.*")) > _EMPTY_BASE:
                raise self._beyond(f"{record} is gone, and without it the server would start empty")
            return [single] if single.exists() else []
        try:
            parts = [each for each in manifest(record.read_text(errors="replace")) if each.kind != "h"]
        except ValueError as error:
            raise self._beyond(f"{record}, the list of files, is damaged ({error})") from None
        for each in parts:
            path = folder / each.name
            # The server was stopped just when it moved the file of an older version.
            if not path.exists() and each.name == _SINGLE and single.exists():
                return [single]
            if not path.exists():
                raise self._beyond(f"{path} is gone")
            if each.name.endswith(".rdb") and path.stat().st_size == 0:
                raise self._beyond(f"{path} is empty, and with it the server would start empty")
        return [folder / each.name for each in parts if each.kind == "i" or each is parts[-1]]

    async def _mend(self, paths: Sequence[Path]) -> bool:
        seen = [(path, about.st_size, about.st_mtime_ns) for path in paths for about in [_about(path)]]
        if self._hopeless is not None and self._hopeless[0] == seen:
            raise self._hopeless[1]
        damaged = [(path, gaps) for path in paths if (gaps := await self._gaps(path))]
        try:
            self._judge(damaged, paths[-1:])
        except StartError as error:
            self._hopeless = seen, error
            raise
        for path, gaps in damaged:
            await self._cut(path, gaps)
        return bool(damaged)

    async def _gaps(self, path: Path) -> Sequence[Gap]:
        survey = Survey()
        with path.open("rb") as file:
            for _ in survey.run(file, _about(path).st_size):
                await deferLater(self._reactor, 0)
        return survey.gaps

    def _judge(self, damaged: Sequence[tuple[Path, Sequence[Gap]]], last: Sequence[Path]) -> None:
        """Refuse what would cost too much.

        What follows a gap is replayed, though something is missing before it. It was acknowledged, too: to
        leave it out would lose more, and what is missing the server itself took away. A transaction holds
        the values that a script wrote, not the script, so it is right by itself. What is given up: a value
        that only the missing one set is the one before it, and a counter that it added to misses that.
        """
        lost = 0
        for path, gaps in damaged:
            lost += sum(gap.lost for gap in gaps)
            # A file to which more was appended ends with a torn transaction, or it is damaged otherwise.
            odd = path not in last and not all(gap.torn for gap in gaps)
            # Other files than those of what was appended since a rewrite have all that there is.
            nothing_left = gaps[0].start == 0 and not path.name.endswith(".incr.aof")
            if lost > MOST_LOST or odd or nothing_left:
                raise self._beyond(
                    f"{path} is damaged from byte {gaps[0].start} of {path.stat().st_size} on, and nled by "
                    "itself cuts off at most 1 MiB, never all, and amid the data only what was not written "
                    "to its end"
                )

    async def _cut(self, path: Path, gaps: Sequence[Gap]) -> None:
        about = _about(path)
        stretches = [(gap.start, gap.zeros) for gap in gaps if gap.zeros > gap.start]
        piece = keep(self._directory, path, stretches, about, gaps[0].written) if stretches else None
        # Only now: whatever happens before, the whole file is still there.
        if gaps[0].end == about.st_size:
            with path.open("r+b") as file:
                file.truncate(gaps[0].start)
                os.fsync(file.fileno())
        else:
            await self._copy_sound(path, gaps, about.st_size)
        if zeros := sum(gap.end - gap.zeros for gap in gaps):
            self._log.warn(
                "{size} zeros were taken out of {path}, which the store left there when its disk was full. "
                "See that the settings of that time are as they should be.",
                size=zeros,
                path=str(path),
            )
        if piece:
            drop_old(self._directory, piece)
            self._log.warn(
                "{piece} See that the settings of that time are as they should be, then remove it.",
                piece=piece,
            )

    async def _copy_sound(self, path: Path, gaps: Sequence[Gap], size: int) -> None:
        """Put a copy without the gaps in place of a file; it needs room for that."""
        mended = path.with_name("mended")
        starts, ends = [0, *(gap.end for gap in gaps)], [*(gap.start for gap in gaps), size]
        try:
            with path.open("rb") as file, mended.open("wb") as copy:
                for start, end in zip(starts, ends, strict=True):
                    file.seek(start)
                    while chunk := file.read(min(_CHUNK, end - file.tell())):
                        copy.write(chunk)
                        await deferLater(self._reactor, 0)
                copy.flush()
                os.fsync(copy.fileno())
            mended.rename(path)
        finally:
            # On a full disk above all, nothing may stay behind.
            mended.unlink(missing_ok=True)
        sync(path.parent)

    def _beyond(self, why: str) -> StartError:
        return beyond_repair(self._directory, why)


def _about(path: Path) -> os.stat_result:
    return path.stat()


def _ends_a_line(path: Path) -> bool:
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 2))
        return size == 0 or file.read() == b"\r\n"

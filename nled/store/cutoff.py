"""The pieces that were cut out of a damaged append-only file: kept beside it for whoever wants to look."""

import os
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from attrs import frozen

_KEPT: Final = "cut-off"
_MOST_KEPT: Final = 4 * 2**20
_PIECES: Final = 3
_TIME: Final = "%Y%m%dT%H%M%SZ"
_NAME: Final = re.compile(r"(unknown|\d{8}T\d{6}Z)-(\d{8}T\d{6}Z)-(\d+)\.(.+)")


@frozen
class Piece:
    """What was cut off, and where it is kept.

    Attributes:
        size: how many bytes were cut off.
        since: when the first of them was written at the earliest, None if unknown.
        until: when the file was last written.
    """

    path: Path
    size: int
    since: datetime | None
    until: datetime

    def __str__(self) -> str:
        if self.since is None:
            when = f"last at {self.until:%Y-%m-%d %H:%M:%S} UTC, since when is not known"
        else:
            when = f"between {self.since:%Y-%m-%d %H:%M:%S} and {self.until:%Y-%m-%d %H:%M:%S} UTC"
        return (
            f"The store's append-only file was damaged: {self.size} bytes, written {when}, were cut off "
            f"and are kept in {self.path}."
        )


def pieces(directory: Path) -> list[Piece]:
    """List what was cut off the files in a store's directory, the oldest first."""
    found = []
    for path in (directory / _KEPT).glob("*"):
        if match := _NAME.fullmatch(path.name):
            since = None if match[1] == "unknown" else _time(match[1])
            found.append(Piece(path, int(match[3]), since, _time(match[2])))
    return sorted(found, key=lambda each: (each.until, each.path))


def keep(
    directory: Path,
    path: Path,
    stretches: Sequence[tuple[int, int]],
    about: os.stat_result,
    written: int | None,
) -> Piece:
    """Copy some stretches of a file, one after the other; they are on the disk when this returns.

    Args:
        directory: that of the store.
        path: the file, to which nobody writes.
        stretches: where each begins and ends.
        about: size and time of the file.
        written: when what stands before the first was written, in s since the epoch; None if unknown.
    """
    size = sum(end - start for start, end in stretches)
    since = None if written is None else datetime.fromtimestamp(written, UTC)
    until = datetime.fromtimestamp(int(about.st_mtime), UTC)
    folder = directory / _KEPT
    folder.mkdir(mode=0o700, exist_ok=True)
    first = f"{since:{_TIME}}" if since else "unknown"
    # The same name when this is done again because it was interrupted.
    kept = folder / f"{first}-{until:{_TIME}}-{size}.{path.name}"
    lost = b""
    with path.open("rb") as file:
        for start, end in stretches:
            file.seek(start)
            lost += file.read(min(end - start, _MOST_KEPT - len(lost)))
    fresh = folder / "new"
    with fresh.open("wb") as file:
        file.write(lost)
        file.flush()
        os.fsync(file.fileno())
    fresh.rename(kept)
    for each in (folder, directory):
        sync(each)
    return Piece(kept, size, since, until)


def drop_old(directory: Path, fresh: Piece) -> None:
    """Remove all but the newest pieces; the clock may call the one just kept an old one."""
    others = [each for each in pieces(directory) if each.path != fresh.path]
    for old in others[: 1 - _PIECES]:
        old.path.unlink()


def _time(text: str) -> datetime:
    return datetime.strptime(text, _TIME).replace(tzinfo=UTC)


def sync(folder: Path) -> None:
    """Have the names in a folder on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

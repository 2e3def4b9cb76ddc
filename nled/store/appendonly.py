"""The append-only file of Redis and Valkey: how far it is sound, and which files it consists of."""

import re
from collections.abc import Iterator
from typing import BinaryIO, Final

from attrs import define, frozen

# Magics of a snapshot, which Redis puts before the commands when it rewrites the file.
_SNAPSHOT: Final = (b"REDIS", b"VALKEY")
# A snapshot ends with this byte and a checksum; the first command after it follows at once. Inside of one
# there is no such place: nled stores JSON texts, in which neither this byte nor a line end can be.
_SNAPSHOT_END: Final = re.compile(rb"\xff.{8}(?=\*\d+\r\n\$\d+\r\n[A-Za-z]+\r\n)", re.DOTALL)
_OVERLAP: Final = 64
_CHUNK: Final = 2**20
# As the server reads it.
_LONGEST_LINE: Final = 127
_HEAD: Final = re.compile(rb"([*$])(\d{1,9})\r\n")
_TIMESTAMP: Final = re.compile(rb"#TS:(\d{1,12})\r\n")
# Commands and annotations between two chances for others to do something: some milliseconds of work.
_AT_A_TIME: Final = 500


@frozen
class Part:
    """One of the files; `kind` is "b" for the base, "i" for what was appended since, "h" for a former one."""

    name: str
    kind: str


def manifest(text: str) -> list[Part]:
    """Read the list of files that servers from 7.0 keep, in the order in which they are loaded.

    Raises:
        ValueError: It is damaged.
    """
    parts = []
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        words = line.split()
        about = dict(zip(words[::2], words[1::2], strict=False))
        name, kind = about.get("file", ""), about.get("type", "")
        if not name or "/" in name or kind not in ("b", "i", "h"):
            raise ValueError(f"a line is {line[:40]!r}")
        parts.append(Part(name, kind))
    if not parts:
        raise ValueError("it is empty")
    return parts


@define
class Scan:
    """How far a file is sound, from `whole` on.

    A script's writes stand between MULTI and EXEC: either all of them are taken or none.

    Attributes:
        whole: where the last whole transaction or lone command ends.
        sound: where the last whole command ends, perhaps one of an unfinished transaction.
        written: when the last of `whole` was written at the earliest, in s since the epoch; None if unknown.
        opaque: whether there is only a snapshot, whose end cannot be found without the server.
    """

    whole: int = 0
    sound: int = 0
    written: int | None = None
    opaque: bool = False

    def run(self, file: BinaryIO) -> Iterator[None]:
        """Read a file to its end or its first defect; the caller may do something else at each step."""
        if self.whole == 0:
            yield from self._pass_snapshot(file)
        else:
            file.seek(self.whole)
        inside, noted = False, self.written
        for count, name in enumerate(commands(file)):
            if count % _AT_A_TIME == 0:
                yield
            if isinstance(name, int):
                noted = name
            elif name in (b"multi", b"exec"):
                if inside == (name == b"multi"):
                    return
                inside = not inside
            self.sound = file.tell()
            if not inside:
                self.whole, self.written = self.sound, noted

    def _pass_snapshot(self, file: BinaryIO) -> Iterator[None]:
        before = file.read(_OVERLAP)
        file.seek(0)
        if not before.startswith(_SNAPSHOT):
            return
        rest, start = b"", 0
        while chunk := file.read(_CHUNK):
            rest += chunk
            if found := _SNAPSHOT_END.search(rest):
                self.whole = self.sound = file.seek(start + found.end())
                return
            start += max(0, len(rest) - _OVERLAP)
            rest = rest[-_OVERLAP:]
            yield
        self.opaque = True


def commands(file: BinaryIO) -> Iterator[bytes | int]:
    """Give the name of each command in small letters, and each time that is noted, until the first defect."""
    while line := file.readline(_LONGEST_LINE):
        if line.startswith(b"#") and line.endswith(b"\n"):
            time = _TIMESTAMP.fullmatch(line)
            yield int(time[1]) if time else line
            continue
        words = _number(line, b"*")
        name = _word(file)
        if words < 1 or name is None or not name.isalpha():
            return
        for _ in range(words - 1):
            length = _number(file.readline(_LONGEST_LINE), b"$")
            if length < 0:
                return
            file.seek(length, 1)
            if file.read(2) != b"\r\n":
                return
        yield name.lower()


def _word(file: BinaryIO) -> bytes | None:
    length = _number(file.readline(_LONGEST_LINE), b"$")
    if not 0 < length <= _LONGEST_LINE:
        return None
    word = file.read(length)
    return word if file.read(2) == b"\r\n" else None


def _number(line: bytes, mark: bytes) -> int:
    found = _HEAD.fullmatch(line)
    return int(found[2]) if found and found[1] == mark else -1

"""Where a file of the append-only log is damaged, and what stands sound behind the damage.

A server can leave holes of zeros amid a file when its disk is full. A file that it opened for a rewrite it
does not append to (Redis from 7.0, Valkey): it takes a short write back with ftruncate, but writes the same
again from where the short write ended. So nothing is missing there. It forgets the hole, however: after the
next short write it cuts the file too early by the length of the hole. Then the end of what it had written
before is gone, and what follows, behind another hole or in the next file, is sound again.
"""

import errno
import io
import os
import re
from collections.abc import Generator, Iterator
from typing import BinaryIO, Final

from attrs import Factory, define, frozen

from nled.store.appendonly import Scan, commands

MOST_LOST: Final = 2**20
_CHUNK: Final = 2**20
_BLOCK: Final = 4096
# Neither zeros nor line ends are in the texts that nled stores.
_COMMAND: Final = re.compile(rb"\*\d{1,9}\r\n\$\d{1,3}\r\n[A-Za-z]+\r\n|#TS:\d{1,12}\r\n")
_LONGEST_HEAD: Final = 127


@frozen
class Gap:
    """A stretch that is to be taken out: a piece, and perhaps zeros, which the server put there.

    Attributes:
        start: where the last whole transaction or lone command before it ends.
        zeros: where the piece ends and the zeros begin.
        end: where the next whole one begins, or where the file ends.
        lost: how much of the piece counts as lost; of a transaction that was never all there it is little.
        torn: whether the piece is the beginning of a transaction, and no more.
        written: when what stands before it was written, in s since the epoch; None if unknown.
    """

    start: int
    zeros: int
    end: int
    lost: int
    torn: bool
    written: int | None


@define
class Survey:
    """All gaps of a file, the first one first."""

    gaps: list[Gap] = Factory(list)

    def run(self, file: BinaryIO, size: int) -> Iterator[None]:
        """Look through a file; the caller may do something else at each step."""
        scan = Scan()
        while True:
            yield from scan.run(file)
            if scan.opaque or scan.whole == size:
                return
            gap = yield from _gap(file, scan, size)
            self.gaps.append(gap)
            if gap.end == size:
                return
            scan = Scan(gap.end, gap.end, gap.written)


def _gap(file: BinaryIO, scan: Scan, size: int) -> Generator[None, None, Gap]:
    """Judge what follows the sound part of a file."""
    file.seek(scan.sound)
    piece, zero, _ = file.read(MOST_LOST).partition(b"\0")
    torn = _is_torn(piece)
    if zero and torn:
        zeros = scan.sound + len(piece)
        end = yield from _after_zeros(file, zeros)
        file.seek(end)
        if _COMMAND.match(file.read(_LONGEST_HEAD)):
            return Gap(scan.whole, zeros, end, len(piece), torn, scan.written)
        if end == size and _nothing_from(file, zeros):
            return Gap(scan.whole, zeros, size, len(piece), torn, scan.written)
        torn = end == size
    return Gap(scan.whole, size, size, size - scan.sound, torn, scan.written)


def _is_torn(piece: bytes) -> bool:
    """Whether this is the beginning of one command, and no whole one."""
    begins = not piece or piece.startswith((b"*", b"#"))
    return begins and not _COMMAND.search(piece, 1) and next(commands(io.BytesIO(piece)), None) is None


def _nothing_from(file: BinaryIO, at: int) -> bool:
    """Whether the zeros at the end of a file are a hole: no block of the disk holds them."""
    start = at + -at % _BLOCK
    if start >= os.fstat(file.fileno()).st_size:
        return False
    try:
        os.lseek(file.fileno(), start, os.SEEK_DATA)
    except OSError as error:
        return error.errno == errno.ENXIO
    return False


def _after_zeros(file: BinaryIO, at: int) -> Generator[None, None, int]:
    file.seek(at)
    while chunk := file.read(_CHUNK):
        if rest := chunk.lstrip(b"\0"):
            return file.tell() - len(rest)
        yield
    return file.tell()

"""A file of records: lines of JSON.

A header, the records, and a trailer by which a file that was cut short or changed is noticed before anything
of it is imported. The same records make one file and no other, but for the header's `made`.
"""

from hashlib import sha256
from typing import Literal

import msgspec
from msgspec import Struct

from nled.domain.archive.records import Record
from nled.domain.errors import BadRequest

# Goes up when an older nled could not read the file: with each new kind of record, and each new field of one.
# Files of all earlier versions can be read.
VERSION = 2


class Header(Struct):
    """The first line of a file; `made` in ms.

    Fields that it does not know are passed over, so that the version of a newer file is seen.
    """

    nled: Literal["export"]
    version: int
    made: int


class Trailer(Struct, forbid_unknown_fields=True):
    """The last line of a file: how many records there are, and the SHA-256 of their lines."""

    nled: Literal["end"]
    records: int
    sha256: str


class Seal:
    """Counts and hashes the lines of records as they are written or read."""

    def __init__(self) -> None:
        self._count = 0
        self._hash = sha256()

    def add(self, line: bytes) -> None:
        """Take the line of one record, without its end."""
        self._count += 1
        self._hash.update(line + b"\n")

    def trailer(self) -> Trailer:
        """Say what was taken so far."""
        return Trailer("end", self._count, self._hash.hexdigest())


def read_header(line: bytes) -> Header:
    """Read the first line of a file.

    Raises:
        BadRequest: it is not that of an export, or of one that a newer nled made.
    """
    try:
        header = msgspec.json.decode(line, type=Header)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadRequest("This is no file of `nledctl export`: its first line is another.") from None
    if not 1 <= header.version <= VERSION:
        raise BadRequest(
            f"This file has version {header.version}, and this nled reads {VERSION}: import it with the nled "
            "that wrote it, or a newer one."
        )
    return header


def read_record(line: bytes) -> Record:
    """Read the line of one record.

    Raises:
        BadRequest: it is none.
    """
    try:
        record: Record = msgspec.json.decode(line, type=Record)
    except RecursionError:
        raise BadRequest("It is nested too deeply.") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadRequest(f"It is no record: {error}.") from None
    return record


def read_trailer(line: bytes) -> Trailer | None:
    """Read the last line of a file; None if it is another line."""
    try:
        return msgspec.json.decode(line, type=Trailer)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None

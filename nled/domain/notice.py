"""What the processes of nled tell each other of one device: something changed, arrived, came or went.

A notice travels as one line, `SERIAL KEY REVISION TIMESTAMP WHAT ID FIELDS` (docs/store.md), on a channel
that every process hears, and a stream remembers the last ones.
"""

import re
from typing import Literal, cast

import msgspec

_ID = re.compile(r"(\d{1,20})-(\d{1,20})", re.ASCII)

What = Literal[
    "server",
    "device",
    "pushed",
    "acknowledged",
    "met",
    "forgotten",
    "unpaired",
    "online",
    "offline",
    "access",
    "gap",
]


class Notice(msgspec.Struct, frozen=True):
    """One notice. A Struct and no attrs class: one is made for each change, and this costs a third.

    Attributes:
        key: of the bucket; `device.SERIAL` where the notice is of the device itself.
        revision, timestamp: of the bucket, the latter in ms; 0 where there is none.
        what: `server` and `device` are who wrote; `pushed` and `acknowledged` how far what the server
            wrote has come; `gap` is never sent, but heard where notices may have been lost.
        id: its place among all notices, as the store numbers them.
        fields: the names of the fields concerned, as a JSON array.
    """

    serial: str
    key: str
    revision: int
    timestamp: int
    what: What
    id: str
    fields: str = "[]"

    @property
    def names(self) -> tuple[str, ...]:
        """The fields concerned, at most 32 of them."""
        return msgspec.json.decode(self.fields, type=tuple[str, ...])

    @property
    def place(self) -> tuple[int, int]:
        """The id as it sorts."""
        return place(self.id)


GAP = Notice("", "", 0, 0, "gap", "0-0")


def parse(line: str) -> Notice:
    """Read a notice as it travels; raises ValueError for a line that is none."""
    serial, key, revision, timestamp, what, identifier, fields = line.split(" ", 6)
    return Notice(serial, key, int(revision), int(timestamp), cast("What", what), identifier, fields)


def place(identifier: str) -> tuple[int, int]:
    """Read an id, `ms-number`, as it sorts; raises ValueError for a text that is none."""
    if not (match := _ID.fullmatch(identifier)) or max(parts := (int(match[1]), int(match[2]))) >= 2**64:
        raise ValueError("An id of a notice has the form ms-number, both of 64 bits.")
    return parts

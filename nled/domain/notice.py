"""What the processes of nled tell each other: a device or a home changed, arrived, came or went.

A notice is an entry of a stream that every process follows (docs/store.md): its id there, a head
`DEVICE KEY REVISION TIMESTAMP WHAT`, and FIELDS. Where a bucket of a home changed, DEVICE is `@USER`: there
is one notice for all devices of the home, and whoever reads it looks up which they are.
"""

import re
from collections.abc import Container, Mapping
from typing import Literal, cast

import msgspec

_ID = re.compile(r"(\d{1,20})-(\d{1,20})", re.ASCII)
# Milliseconds by which the clocks of two machines may differ.
_SKEW = 60_000

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
        serial: of the device; empty in a notice of a home.
        key: of the bucket; `device.SERIAL` where the notice is of the device itself.
        revision, timestamp: of the bucket, the latter in ms; 0 where there is none.
        what: `server` and `device` are who wrote; `pushed` and `acknowledged` how far what the server
            wrote has come; `gap` is never sent, but heard where notices may have been lost.
        id: its place among all notices, as the store numbers them; empty in a part that is not the last one.
        fields: the names of the fields concerned, as a JSON array.
        home: the user whose home it is of.
        members: the devices of that home when the notice was read.
        parts: the notice as it is told of each of them, except those that joined later.
    """

    serial: str
    key: str
    revision: int
    timestamp: int
    what: What
    id: str
    fields: str = "[]"
    home: str = ""
    members: tuple[str, ...] = ()
    parts: tuple["Notice", ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The fields concerned, at most 32 of them."""
        return msgspec.json.decode(self.fields, type=tuple[str, ...])

    @property
    def place(self) -> tuple[int, int]:
        """The id as it sorts."""
        return place(self.id)

    def concerns(self, serials: Container[str]) -> bool:
        """Whether it is of one of these devices, or of a home that has one."""
        return self.serial in serials or any(member in serials for member in self.members)

    def expand(self, members: Mapping[str, int], now: int) -> "Notice":
        """Return a notice of a home with the home's devices, by when they were claimed (ms).

        What the home did before a device joined is not told of that device: others may read it.
        """
        written = self.place[0]
        # A claim in a time to come was made by a wrong clock, nobody knows when.
        told = [serial for serial, at in sorted(members.items()) if at <= written + _SKEW or at > now + _SKEW]
        parts = tuple(msgspec.structs.replace(self, serial=serial, id="", home="") for serial in told)
        return msgspec.structs.replace(self, members=tuple(sorted(members)), parts=parts)


GAP = Notice("", "", 0, 0, "gap", "0-0")


def parse(identifier: str, head: str, fields: str) -> Notice:
    """Read the entry with this id; raises ValueError for one that is not a notice."""
    whose, key, revision, timestamp, what = head.split(" ")
    serial, home = ("", whose[1:]) if whose.startswith("@") else (whose, "")
    return Notice(serial, key, int(revision), int(timestamp), cast("What", what), identifier, fields, home)


def place(identifier: str) -> tuple[int, int]:
    """Read an id, `ms-number`, as it sorts; raises ValueError for a text that is none."""
    if not (match := _ID.fullmatch(identifier)) or max(parts := (int(match[1]), int(match[2]))) >= 2**64:
        raise ValueError("An id of a notice has the form ms-number, both of 64 bits.")
    return parts

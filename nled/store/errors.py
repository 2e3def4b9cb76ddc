"""What the store can answer besides a value, and the sentences that tell an operator what to do."""

import re
from typing import Final

from attrs import frozen


@frozen
class Reason:
    """Why the store cannot be used, or takes no writes.

    Attributes:
        word: what kind of reason it is; two with the same word are the same news.
        seen: what is wrong, as a sentence.
        fix: what to do about it, as a sentence.
        told: what clients are told of a write that was refused for it; "" where it may have been done.
    """

    word: str
    seen: str
    fix: str
    told: str = ""

    def __str__(self) -> str:
        return f"{self.seen} {self.fix}"


class StoreUnavailable(Exception):
    """The store cannot be used just now; str() is one sentence with cause and cure, never a secret."""


class StoreRefused(StoreUnavailable):
    """The store takes no writes just now, so nothing was changed; it can be read.

    str() is the sentence for clients, `reason` has the one for operators.
    """

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.told)
        self.reason = reason


class StoreUnsuitable(StoreUnavailable):
    """The store is none that nled can use."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(str(reason))
        self.reason = reason


class StoreError(Exception):
    """The store refused a command for a reason that waiting does not cure: a fault in nled."""


class StartError(Exception):
    """The private store cannot be started; str() is one sentence that says why."""


# A server that answers one of these is there and will be ready without anybody's help.
PASSING: Final = frozenset({"LOADING", "BUSY", "MASTERDOWN"})
# The server became a replica: the master has to be looked for anew.
DEMOTED: Final = "READONLY"

_DISK_FULL: Final = "The server's disk is full. Nothing was changed."
DISK: Final = Reason(
    "disk",
    "The store cannot save to its disk, which is full or read-only, so it refuses writes.",
    "Free space, then look at its log.",
    _DISK_FULL,
)
# Those with a `told` the server gives before the first write of a script, or not at all: one that has
# written is let go on to its end. So what it refuses for them is never half done.
_REASONS: Final = {
    "BUSY": Reason("busy", "The store is busy with a long script.", "Wait, or end it with SCRIPT KILL."),
    "CLUSTERDOWN": Reason(
        "cluster", "The store is a cluster that is down.", "nled wants a single server or Sentinel."
    ),
    "LOADING": Reason("loading", "The store is still loading its data.", "Wait until it has finished."),
    "MASTERDOWN": Reason(
        "replicas",
        "The store is a replica that lost its master.",
        "Start the master, or name it in redis.url.",
    ),
    "MISCONF": DISK,
    "NOAUTH": Reason("auth", "The store wants a password.", "Put user and password into redis.url."),
    "NOPERM": Reason("auth", "The store's user lacks a right that nled needs.", "Extend its ACL."),
    "NOREPLICAS": Reason(
        "replicas",
        "The store misses the replicas it wants for a write, so it refuses writes.",
        "Start them.",
        "The server's replicas are away. Nothing was changed.",
    ),
    "OOM": Reason(
        "memory",
        "The store's memory is full, so it refuses writes.",
        "Raise redis.maxmemory_mb (with redis.url: its maxmemory), or forget devices that are not yours.",
        "The server's memory is full. Nothing was changed.",
    ),
    "READONLY": Reason(
        "read-only",
        "The store is a read-only replica.",
        "Make it the master, or name the master in redis.url.",
        "The server's store is a read-only replica. Nothing was changed.",
    ),
    "UNKILLABLE": Reason("busy", "The store hangs in a script that has written.", "It needs a restart."),
    "WRONGPASS": Reason("auth", "The store refused user or password.", "Correct them in redis.url."),
}
# Servers before 7.0 wrap what a command inside a script answered: "ERR Error running script ...: -OOM ...".
_CODE: Final = re.compile(rf"(?:^|-)({'|'.join(_REASONS)})\b")


def low_disk(free: int, least: int, where: str) -> Reason:
    """Say that nled refuses writes since too little of a disk is free; both in bytes."""
    return Reason(
        "disk",
        f"Only {free >> 20} MB are free on the disk of {where}, so nled refuses writes.",
        f"Free space until there are more than {least >> 20} MB (redis.least_free_mb).",
        _DISK_FULL,
    )


def code_of(text: str) -> str | None:
    """Find which known condition an error reply names, None for any other."""
    found = _CODE.search(text)
    return found[1] if found else None


def reason_of(text: str) -> Reason | None:
    """Find which known condition an error reply names, as the reason that it is."""
    code = code_of(text)
    return _REASONS[code] if code else None


def from_reply(text: str) -> StoreUnavailable | StoreError:
    """Turn the text of an error reply into the exception to raise."""
    reason = reason_of(text)
    if reason is None:
        return StoreError(text)
    return StoreRefused(reason) if reason.told else StoreUnavailable(str(reason))

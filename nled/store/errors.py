"""What the store can answer besides a value, and the sentence that tells an operator what to do."""

import re
from typing import Final


class StoreUnavailable(Exception):
    """The store cannot be used just now; str() is one sentence with cause and cure, never a secret."""


class StoreError(Exception):
    """The store refused a command for a reason that waiting does not cure: a fault in nled."""


class StartError(Exception):
    """The private store cannot be started; str() is one sentence that says why."""


# A server that answers one of these is there and will be ready without anybody's help.
PASSING: Final = frozenset({"LOADING", "BUSY", "MASTERDOWN"})
# The server became a replica: the master has to be looked for anew.
DEMOTED: Final = "READONLY"

_SENTENCES: Final = {
    "BUSY": "The store is busy with a long script; wait, or end it with SCRIPT KILL.",
    "CLUSTERDOWN": "The store is a cluster that is down; nled wants a single server or Sentinel.",
    "LOADING": "The store is still loading its data; wait until it has finished.",
    "MASTERDOWN": "The store is a replica that lost its master; start the master or name it in redis.url.",
    "MISCONF": "The store cannot save to its disk (full or read-only); free space, then look at its log.",
    "NOAUTH": "The store wants a password; put user and password into redis.url.",
    "NOPERM": "The store's user lacks a right that nled needs; extend its ACL.",
    "NOREPLICAS": "The store misses the replicas it wants for a write; start them.",
    "OOM": "The store's memory is full; raise its maxmemory.",
    "READONLY": "The store is a read-only replica; make it the master, or name the master in redis.url.",
    "UNKILLABLE": "The store hangs in a script that has written; it needs a restart.",
    "WRONGPASS": "The store refused user or password; correct them in redis.url.",
}
# Servers before 7.0 wrap what a command inside a script answered: "ERR Error running script ...: -OOM ...".
_CODE: Final = re.compile(rf"(?:^|-)({'|'.join(_SENTENCES)})\b")


def code_of(text: str) -> str | None:
    """Find which known condition an error reply names, None for any other."""
    found = _CODE.search(text)
    return found[1] if found else None


def from_reply(text: str) -> StoreUnavailable | StoreError:
    """Turn the text of an error reply into the exception to raise."""
    code = code_of(text)
    return StoreUnavailable(_SENTENCES[code]) if code else StoreError(text)

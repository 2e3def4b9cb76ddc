"""The version of the data in the store: noted at the first start, and looked at before anything else is read.

By the next connection there may be another store behind the address, so it is looked at over each.

`VERSION` goes up when an older nled would misread what this one writes. Data of an older version is then
brought up to date in `check`, in steps that can be done again after an interruption. `tests/data` has data of
each release, and every later one has to start on it.
"""

from contextlib import suppress
from typing import Final

import txredisapi

from nled.store import keys
from nled.store.client import Script
from nled.store.errors import Reason, StartError, StoreUnavailable, StoreUnsuitable
from nled.store.redis.wire import Wire
from nled.store.scripts import Runner

VERSION = 1


async def check(client: Runner) -> None:
    """See that this nled understands the data, and note its version where there is none yet.

    Raises:
        StartError: a newer nled wrote it. Nothing was changed.
        StoreUnavailable: the store cannot be had now.
    """
    found = await client.command("GET", keys.SCHEMA)
    if found is None:
        # Nothing at all, or data of 26.11.0, which did not note version 1 yet. A store whose memory or disk
        # is full takes no note; with what it has, people can be served all the same.
        with suppress(StoreUnavailable):
            await client.run(_NOTE, [keys.SCHEMA], VERSION)
    elif found not in _READABLE:
        raise StartError(f"{_newer(found)} {_FIX} Nothing was changed.")


async def greet(wire: Wire) -> None:
    """Do the same over a new connection of a nled that has started already.

    Raises:
        StoreUnsuitable: a newer nled wrote the data.
    """
    found = await wire.execute_command("GET", keys.SCHEMA)
    if found is None:
        with suppress(txredisapi.ResponseError):
            await wire.execute_command("SET", keys.SCHEMA, VERSION, "NX")
    elif found not in _READABLE:
        raise StoreUnsuitable(Reason("data", _newer(found), _FIX))


def _newer(found: str) -> str:
    return f"A newer nled wrote the data in the store (data version {found[:20]}; this nled reads {VERSION})."


_FIX: Final = (
    "Install that nled or a newer one, or give this one an empty store and import an export that its own "
    "version made."
)
_NOTE = Script("note_version", "return redis.call('SET', KEYS[1], ARGV[1], 'NX')")
_READABLE = frozenset(str(version) for version in range(1, VERSION + 1))

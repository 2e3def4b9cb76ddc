"""What a server is asked first over each new connection: its version."""

import re
from typing import Any, Final

import txredisapi

from nled.store.errors import Reason, StoreUnsuitable
from nled.store.version import Version

_INFO: Final = re.compile(r"^redis_version:(\d+)\.(\d+)\.(\d+)", re.MULTILINE)


async def refuse_old(protocol: Any) -> None:
    """Ask a server for its version over a new connection.

    Raises:
        StoreUnsuitable: It is too old. One that may not be asked is taken.
    """
    version = await _hello(protocol) or await _info(protocol)
    if version is not None and version.too_old:
        seen = f"The store is {version}, which is too old for nled."
        raise StoreUnsuitable(Reason("version", seen, "Upgrade it to Redis 6.2 or newer, or to any Valkey."))


async def _hello(protocol: Any) -> Version | None:
    # Users without "dangerous" commands, such as INFO, may still use this one.
    try:
        flat = await protocol.ask("HELLO")
    except txredisapi.ResponseError:
        return None
    try:
        told = dict(zip(flat[::2], flat[1::2], strict=True))
        return Version.parse(f"{told['server']} {told['version']}")
    except (KeyError, TypeError, ValueError):
        return None


async def _info(protocol: Any) -> Version | None:
    # Redis before 6.0 does not know HELLO.
    try:
        found = _INFO.search(str(await protocol.ask("INFO", "server")))
    except txredisapi.ResponseError:
        return None
    return Version("redis", (int(found[1]), int(found[2]), int(found[3]))) if found else None

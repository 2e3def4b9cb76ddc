"""What comes first over each new connection: who we are, and whether the server is ready and one for nled."""

from collections.abc import Callable
from typing import Final

import txredisapi
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from nled.store.address import Address
from nled.store.errors import PASSING, Reason, StoreUnsuitable, code_of, reason_of
from nled.store.redis.wire import Wire
from nled.store.version import Version

_PAUSE: Final = 0.1
_NOT_MASTER: Final = Reason("read-only", "The server that the Sentinels name is not the master yet.", "Wait.")


async def greet(wire: Wire, address: Address, clock: IReactorTime, waits: Callable[[Reason], None]) -> None:
    """Log in, and wait until the server is ready; `waits` is told for what.

    Raises:
        ResponseError: It refused.
        StoreUnsuitable: It is not the master, or too old. One that may not be asked is taken.
        TimeoutError: It did not answer.
    """
    if address.password is not None:
        await wire.auth(address.password, address.username)
    while (reason := await _passing(wire)) is not None:
        waits(reason)
        await deferLater(clock, _PAUSE)
    if address.database:
        await wire.select(address.database)
    if address.service is not None and (await wire.role())[0] != "master":
        raise StoreUnsuitable(_NOT_MASTER)
    version = await _hello(wire) or await _info(wire)
    if version is not None and version.too_old:
        seen = f"The store is {version}, which is too old for nled."
        raise StoreUnsuitable(Reason("version", seen, "Upgrade it to Redis 6.2 or newer, or to any Valkey."))


async def _passing(wire: Wire) -> Reason | None:
    """Say why the server is not ready, if it will be by itself."""
    try:
        await wire.ping()
    except txredisapi.ResponseError as error:
        reason = reason_of(str(error))
        if reason is None or code_of(str(error)) not in PASSING:
            raise
        return reason
    return None


async def _hello(wire: Wire) -> Version | None:
    # Users without "dangerous" commands, such as INFO, may still use this one.
    try:
        flat = await wire.execute_command("HELLO")
    except txredisapi.ResponseError:
        return None
    try:
        told = dict(zip(flat[::2], flat[1::2], strict=True))
        return Version.parse(f"{told['server']} {told['version']}")
    except (KeyError, TypeError, ValueError):
        return None


async def _info(wire: Wire) -> Version | None:
    # Redis before 6.0 does not know HELLO.
    try:
        told = await wire.info("server")
    except txredisapi.ResponseError:
        return None
    return Version.parse(f"redis {told.get('redis_version')}")

"""The store as its typed operations see it: commands and scripts, each with a deadline."""

from collections.abc import Sequence
from functools import partial
from hashlib import sha1
from typing import Any

import txredisapi
from attrs import field, frozen
from twisted.internet import defer

from nled.store.address import Address
from nled.store.errors import DEMOTED, StoreError, StoreUnavailable, code_of, from_reply
from nled.store.greeting import refuse_old
from nled.store.link import Link
from nled.store.wire import Wire

__all__ = ["Client", "Script", "StoreError", "StoreUnavailable"]


def _parts(text: str | tuple[str, ...]) -> tuple[str, ...]:
    return (text,) if isinstance(text, str) else text


@frozen
class Script:
    """A Lua script, with the hash by which the server remembers it.

    It is kept in the parts it was made of, most of which many scripts share.
    """

    name: str
    parts: tuple[str, ...] = field(repr=False, converter=_parts)
    sha: str = field(init=False, repr=False)

    @sha.default
    def _hash(self) -> str:
        return sha1(self.source.encode(), usedforsecurity=False).hexdigest()

    @property
    def source(self) -> str:
        """The whole text, which the server needs once."""
        return "\n".join(self.parts)


class Client:
    """One connection to the store; commands arrive there in the order in which they were awaited.

    Every call either returns the reply (texts as str, integers as int, arrays as list) or raises
    StoreUnavailable no later than `deadline` seconds after it was made, or StoreError. A command that
    had to wait for a connection and did not get one is not sent later; one that was sent when the
    connection ended, or whose reply came too late, may have run or not.
    """

    def __init__(self, reactor: Any, address: Address, *, deadline: float = 5.0) -> None:
        self._clock = reactor
        self._deadline = deadline
        self._link = Link(
            reactor,
            address,
            partial(Wire, reactor, deadline),
            name="commands",
            deadline=deadline,
            greet=refuse_old,
        )

    @property
    def trouble(self) -> str | None:
        """The sentence why the store cannot be used just now, None while it can."""
        return None if self._link.live else self._link.trouble

    async def start(self, patience: float = 60.0) -> None:
        """Connect and wait until the server is ready to work.

        Raises:
            StoreUnavailable: It was not within `patience` seconds.
        """
        await self._link.start(patience)

    async def stop(self) -> None:
        """Close the connection; calls under way end with StoreUnavailable."""
        await self._link.stop()

    async def command(self, *args: str | bytes | int) -> Any:
        """Send one command, for example `command("HGET", key, name)`."""
        expires = self._clock.seconds() + self._deadline
        return await self._send(await self._wire(expires), expires, args)

    async def run(self, script: Script, keys: Sequence[str], *args: str | bytes | int) -> Any:
        """Run a script by its hash; with its source the first time on each connection, or where it is lost.

        To try by its hash and then again would let what is sent meanwhile get ahead of it.
        """
        expires = self._clock.seconds() + self._deadline
        wire = await self._wire(expires)
        if script.sha in wire.scripts:
            try:
                return await self._send(wire, expires, ("EVALSHA", script.sha, len(keys), *keys, *args))
            except StoreError as error:
                if not str(error).startswith("NOSCRIPT"):
                    raise
        wire.scripts.add(script.sha)
        return await self._send(wire, expires, ("EVAL", script.source, len(keys), *keys, *args))

    async def _wire(self, expires: float) -> Wire:
        wire: Wire = self._link.live or await self._link.wait(expires - self._clock.seconds())
        return wire

    async def _send(self, wire: Wire, expires: float, args: tuple[str | bytes | int, ...]) -> Any:
        try:
            return await wire.call(args, expires)
        except txredisapi.ResponseError as error:
            answer = from_reply(str(error))
            if code_of(str(error)) == DEMOTED:
                self._link.drop(str(answer))
            raise answer from error
        except txredisapi.ConnectionError as error:
            raise StoreUnavailable("The connection to the store was lost; see that it runs.") from error
        except defer.TimeoutError as error:
            raise StoreUnavailable(
                f"The store did not answer within {self._deadline:g} s; see whether it hangs."
            ) from error

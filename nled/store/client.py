"""The store as its typed operations see it: commands and scripts, each with a deadline."""

from collections.abc import Awaitable, Callable, Sequence
from hashlib import sha1
from typing import Any, Final

import txredisapi
from attrs import field, frozen
from twisted.internet import defer

from nled.store import keys
from nled.store.address import Address
from nled.store.errors import (
    DEMOTED,
    Reason,
    StoreError,
    StoreRefused,
    StoreUnavailable,
    code_of,
    from_reply,
    reason_of,
)
from nled.store.redis.link import Link
from nled.store.redis.wire import Wire

__all__ = ["Client", "Script", "StoreError", "StoreRefused", "StoreUnavailable"]

# A write that changes nothing, as there is no such key: PING works on a server that refuses every write.
_PROBE: Final = ("SET", keys.PROBE, "", "XX")
# So many of these in a row have to go well until the server counts as taking writes again: where memory is
# just full, each key that ends makes room for one write.
_CONVINCING: Final = 2


def _parts(text: str | tuple[str, ...]) -> tuple[str, ...]:
    return (text,) if isinstance(text, str) else text


@frozen
class Script:
    """A Lua script, with the hash by which the server remembers it.

    It is kept in the parts it was made of, most of which many scripts share.

    Attributes:
        writes: whether it fails where nothing can be written.
    """

    name: str
    parts: tuple[str, ...] = field(repr=False, converter=_parts)
    writes: bool = field(default=True, kw_only=True)
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

    def __init__(
        self,
        reactor: Any,
        address: Address,
        *,
        deadline: float = 5.0,
        changed: Callable[[Reason | None], None] = lambda _: None,
    ) -> None:
        """Make a client; `changed` is told why the store cannot be used or written, None when it can."""
        self._clock = reactor
        self._deadline = deadline
        self._changed = changed
        self._told: str | None = None
        self._refusal: Reason | None = None
        self._good_beats = 0
        self._closed: Reason | None = None
        self.written: Callable[[], None] = lambda: None
        """Called after each script that may have written."""
        self.back: Callable[[], None] = lambda: None
        """Called when the store may take writes again, before anything that waited for it is sent."""
        self.examine: Callable[[Wire], Awaitable[None]] | None = None
        """Looks at what the store holds, over each new connection; raises StoreUnsuitable."""
        self._link = Link(
            reactor,
            address,
            deadline=deadline,
            greet=self._greet,
            changed=self._moved,
            beat=_PROBE,
            beaten=self._beaten,
        )

    @property
    def trouble(self) -> Reason | None:
        """Why the store cannot be used just now, None while it can."""
        return None if self._link.live else self._link.reason

    @property
    def refusal(self) -> Reason | None:
        """Why nothing can be written, although the store can be read; None while it can."""
        refused = self._refusal is not None and self._refusal.told
        return self._closed or (self._refusal if refused else None)

    def close_to_writes(self, why: Reason | None) -> None:
        """Refuse writes from now on, before the server has to; None lets them through again."""
        self._closed = why
        self._tell()
        if why is None:
            self.back()

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
        """Send one command that reads, for example `command("HGET", key, name)`."""
        expires = self._clock.seconds() + self._deadline
        return await self._send(await self._wire(expires), expires, args)

    async def run(self, script: Script, keys: Sequence[str], *args: str | bytes | int) -> Any:
        """Run a script.

        Raises:
            StoreRefused: It writes, and nothing can be written just now.
        """
        if script.writes and self._closed is not None:
            raise StoreRefused(self._closed)
        reply = await self._evaluate(script, (len(keys), *keys, *args))
        if script.writes:
            self.written()
            if self._refusal is not None:
                self.back()
        return reply

    async def _evaluate(self, script: Script, args: tuple[str | bytes | int, ...]) -> Any:
        """Run a script by its hash; with its source the first time on each connection, or where it is lost.

        To try by its hash and then again would let what is sent meanwhile get ahead of it.
        """
        expires = self._clock.seconds() + self._deadline
        wire = await self._wire(expires)
        if script.sha in wire.scripts:
            try:
                return await self._send(wire, expires, ("EVALSHA", script.sha, *args))
            except StoreError as error:
                if not str(error).startswith("NOSCRIPT"):
                    raise
        wire.scripts.add(script.sha)
        return await self._send(wire, expires, ("EVAL", script.source, *args))

    async def _wire(self, expires: float) -> Wire:
        return self._link.live or await self._link.wait(expires - self._clock.seconds())

    async def _send(self, wire: Wire, expires: float, args: tuple[str | bytes | int, ...]) -> Any:
        try:
            return await wire.call(args, expires)
        except txredisapi.ResponseError as error:
            self._heard(str(error))
            raise from_reply(str(error)) from error
        except txredisapi.ConnectionError as error:
            raise StoreUnavailable("The connection to the store was lost; see that it runs.") from error
        except defer.TimeoutError as error:
            seen = f"The store did not answer within {self._deadline:g} s."
            reason = Reason("hung", seen, "See whether it hangs.")
            self._note(reason)
            raise StoreUnavailable(str(reason)) from error

    async def _greet(self, wire: Wire) -> None:
        if self.examine is not None:
            await self.examine(wire)

    def _moved(self) -> None:
        """Take note that the connection came or went, or why there is none."""
        if self._link.live and self._refusal is not None and not self._refusal.told:
            # It has just answered on a new connection.
            self._refusal = None
        self._tell()
        if self._link.live:
            self.back()

    def _beaten(self, error: str | None) -> None:
        if error is not None:
            self._heard(error)
        elif self._refusal is not None:
            self._good_beats += 1
            if self._good_beats >= _CONVINCING:
                self._refusal = None
                self._tell()
                self.back()

    def _heard(self, error: str) -> None:
        """Learn from an error reply how the server is."""
        reason = reason_of(error)
        if reason is None:
            return
        self._note(reason)
        if code_of(error) == DEMOTED:
            self._link.drop(reason)

    def _note(self, reason: Reason) -> None:
        """Take down what a connected server is prevented by; heartbeats that go well end it."""
        self._refusal, self._good_beats = reason, 0
        self._tell()

    def _tell(self) -> None:
        """Pass a reason on when it is another one: once, and not with each call that fails for it."""
        reason = self.trouble or self._closed or self._refusal
        word = None if reason is None else reason.word
        if word != self._told:
            self._told = word
            self._changed(reason)

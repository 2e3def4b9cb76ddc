"""The server as one device knows it: its URLs, what to ask there, how each answer has to look."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from attrs import define, field

from nled.simulator import rules
from nled.simulator.errors import Late, Lost, Trouble, Unreadable

if TYPE_CHECKING:
    from collections.abc import Callable

    from nled.simulator.client import Client
    from nled.simulator.facts import Identity
    from nled.simulator.poll import Limits
    from nled.simulator.wire import Answer, Heard

_OK = 200
_NO_FAULT = {401, 403, 429, 503}
"""Statuses that a well-formed request may meet: pairing required, a limit, the store away."""


@define(eq=False)
class Cloud:
    """What one device asks for; every method raises `Trouble` when it gets no usable answer.

    Args:
        now: ms since the epoch.
        url: where the device was told to find its cloud, without the ``/entry``.
        broken: told what was asked and the rule that the answer broke.

    Attributes:
        urls: the service URLs of the last entry.
        code: the entry code, or an empty string; ``claimed`` is true once somebody used it.
        reached: whether the server ever answered.
    """

    url: str
    _identity: Identity
    _client: Client
    _now: Callable[[], int]
    _limits: Limits
    _broken: Callable[[str, str], None]
    urls: dict[str, str] = field(factory=dict, init=False)
    code: str = field(default="", init=False)
    claimed: bool = field(default=False, init=False)
    reached: bool = field(default=False, init=False)
    _expires: int = field(default=0, init=False)
    _requests: int = field(default=0, init=False)

    async def entry(self) -> None:
        """Learn the service URLs (protocol a.3)."""
        complain = partial(self._broken, "entry")
        self._requests += 1
        form = urlencode(self._identity.entry_form(self._requests)).encode()
        url = self.url.rstrip("/") + "/entry"
        answer = await self._ask("POST", url, form, "application/x-www-form-urlencoded")
        rules.plain(answer, complain)
        self.urls = rules.entry(answer.body, complain)

    async def passphrase(self) -> None:
        """Get the entry code; one that a device would not show leaves the last one (protocol a.5)."""
        complain = partial(self._broken, "passphrase")
        answer = await self._ask("GET", self._service("passphrase_url"))
        rules.plain(answer, complain)
        now = self._now()
        key = rules.passphrase(answer.body, now, complain)
        if key is None:
            return
        if self.code not in {"", key[0]} and now < self._expires and not self.claimed:
            complain(f"the code changed from {self.code} to {key[0]} before its time")
        self.code, self._expires = key

    async def status(self) -> bool:
        """Ask whether the code has been claimed (protocol a.5)."""
        complain = partial(self._broken, "status")
        answer = await self._ask("GET", self._service("passphrase_url") + "/status")
        rules.plain(answer, complain)
        return rules.status(answer.body, complain)

    async def metadata(self) -> list[rules.Sent]:
        """Ask which buckets the server has (protocol a.6)."""
        answer = await self._ask("GET", self._transport(f"device/device.{self._identity.serial}"))
        return self._receipts(answer, "metadata")

    async def put(self, body: dict[str, Any]) -> list[rules.Sent]:
        """Send a PUT and return its receipts (protocol a.9)."""
        answer = await self._ask("POST", self._transport("put"), self._json(body))
        return self._receipts(answer, "put")

    async def subscribe(self, objects: list[dict[str, Any]], heard: Heard) -> Answer:
        """Open a poll and return its answer when it has ended (protocol a.7).

        It is for ``heard`` to judge the answer, and to give it longer than its headers may take.
        """
        body = self._json({"chunked": True, "objects": objects})
        url, deadline = self._transport("subscribe"), self._limits.give_up
        return await self._ask("POST", url, body, deadline=deadline, heard=heard)

    def _json(self, body: dict[str, Any]) -> bytes:
        return json.dumps({"session": self._identity.session, **body}, separators=(",", ":")).encode()

    def _service(self, name: str) -> str:
        try:
            return self.urls[name]
        except KeyError:
            raise Trouble(f"entry told no {name}") from None

    def _transport(self, what: str) -> str:
        # The segment is opaque to the server; v7 is what real units send.
        return f"{self._service('transport_url')}/v7/{what}"

    def _receipts(self, answer: Answer, what: str) -> list[rules.Sent]:
        complain = partial(self._broken, what)
        rules.plain(answer, complain)
        rules.transport(answer, self._now() / 1000, complain)
        return rules.read_objects(answer.body, rules.RECEIPT, complain)

    async def _ask(
        self,
        method: str,
        url: str,
        body: bytes = b"",
        content_type: str = "application/json",
        *,
        deadline: float | None = None,
        heard: Heard | None = None,
    ) -> Answer:
        path = urlsplit(url).path
        try:
            answer = await self._client.ask(
                method, url, body, content_type, deadline=deadline or self._limits.answer, heard=heard
            )
        except (Unreadable, Late) as problem:
            self._broken(path, str(problem))
            raise Trouble(f"{path}: {problem}") from problem
        except Lost as problem:
            raise Trouble(f"{path}: {problem}") from problem
        self.reached = True
        if answer.status != _OK:
            if answer.status not in _NO_FAULT:
                self._broken(
                    path, f"a well-formed {method} was answered {answer.status}: {answer.body[:80]!r}"
                )
            raise Trouble(f"{path}: answered {answer.status}")
        return answer

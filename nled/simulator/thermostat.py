"""A strict thermostat: every step of a device's life, and a complaint for every broken rule."""

from __future__ import annotations

from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

from attrs import Factory, define, field
from twisted.internet.defer import CancelledError, Deferred, DeferredList, DeferredSemaphore
from twisted.internet.error import ConnectingCancelledError
from twisted.internet.task import deferLater
from twisted.logger import Logger

from nled.clocks import wall
from nled.simulator import facts, life
from nled.simulator.client import Client, Connect, tcp
from nled.simulator.cloud import Cloud
from nled.simulator.errors import Trouble
from nled.simulator.events import Observed
from nled.simulator.memory import Bucket, Memory
from nled.simulator.poll import Limits, Poll

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from twisted.internet.interfaces import IReactorTime
    from twisted.python.failure import Failure

    from nled.simulator.rules import Sent
    from nled.simulator.wire import Answer

_log = Logger()
_REPORT = ("schedule", "shared", "device")
"""The order in which a device reports its buckets (protocol a.9.1)."""


@define(eq=False)
class Thermostat(Observed):
    """One device; take its steps one by one, or let it `run`. The steps raise `Trouble`.

    Args:
        clock: the reactor; or a Clock, together with ``connect``.
        url: where the device was told to find its cloud, without the ``/entry``.
        now: the device's wall clock, in ms.
        rng: gives the device its habits; the same seed, the same habits.
        connect: makes an endpoint for a host and port; TCP when left out.
        on_event: told ``(kind, detail)``; kinds are state, entry, code, claimed, push, refused,
            put, dropped, gone and violation.
        claim_polls: how often, every ``claim_interval`` seconds, a boot asks whether the code was
            claimed; then the device goes on unclaimed.
        doze: seconds between two polls.
        activity: mean seconds between two things the device does of itself; 0: it does nothing.
        drop_rate: the part of these, 0 to 1, that is to lose its connection.
        retry: seconds before the first retry, doubled each time up to a minute.
        gate: shared by many devices, it bounds how many of them boot at the same time.

    Attributes:
        state: booting, unclaimed, awake, held, away or stopped.
        claimed: whether the device has an owner.
        reported: whether the server took the complete state.
        pushes: objects received and applied.
        refused: objects received that were not newer than what the device had.
        trouble: why the server was last lost, or an empty string.
        violations: one sentence for each rule that the server broke.
        cloud: the server as the device knows it, with the service URLs.
    """

    clock: IReactorTime
    url: str
    serial: str
    rng: Random = Factory(lambda self: Random(self.serial), takes_self=True)  # noqa: S311
    connect: Connect = Factory(lambda self: tcp(self.clock), takes_self=True)
    now: Callable[[], int] = wall
    limits: Limits = field(factory=Limits)
    claim_polls: int = 3
    claim_interval: float = 2.0
    doze: float = 0.1
    activity: float = 60.0
    drop_rate: float = 0.0
    retry: float = 1.0
    gate: DeferredSemaphore = Factory(lambda: DeferredSemaphore(1))

    reported: bool = field(default=False, init=False)
    pushes: int = field(default=0, init=False)
    refused: int = field(default=0, init=False)
    trouble: str = field(default="", init=False)
    cloud: Cloud = field(init=False)

    _client: Client = field(init=False)
    _memory: Memory = field(init=False)
    _bounces: int = field(default=0, init=False)
    _poll: Poll | None = field(default=None, init=False)
    _dropping: bool = field(default=False, init=False)
    _errands: set[Deferred[None]] = field(factory=set, init=False)

    def __attrs_post_init__(self) -> None:
        identity = facts.Identity.of(self.serial)
        self._client = Client(self.clock, self.connect, identity.headers())
        self.cloud = Cloud(self.url, identity, self._client, self.now, self.limits, self.complain)
        values = facts.boot(identity, self.rng)
        buckets = {f"{name}.{self.serial}": Bucket(value=value) for name, value in values.items()}
        self._memory = Memory(self.serial, partial(self.complain, "bucket"), buckets)

    @property
    def code(self) -> str:
        """The entry code, seven characters, or an empty string."""
        return self.cloud.code

    @property
    def claimed(self) -> bool:
        """Whether the device has an owner."""
        return self.cloud.claimed

    @property
    def buckets(self) -> dict[str, Bucket]:
        """All buckets the device knows, by key."""
        return self._memory.buckets

    def bucket(self, name: str) -> Bucket:
        """A bucket by its key; ``shared`` stands for ``shared.SERIAL``."""
        return self.buckets[self._memory.key(name)]

    async def entry(self) -> None:
        """Learn the service URLs."""
        await self.cloud.entry()
        self.tell("entry", self.cloud.urls.get("transport_url", "no transport_url"))

    async def passphrase(self) -> str:
        """Get the entry code; empty when there is none that a device would show."""
        await self.cloud.passphrase()
        self.tell("code", self.code)
        return self.code

    async def status(self) -> bool:
        """Ask whether the code has been claimed."""
        if await self.cloud.status():
            self._become_claimed()
        return self.claimed

    async def metadata(self) -> list[Sent]:
        """Learn which buckets the server has; those new to the device join its polls."""
        listed = await self.cloud.metadata()
        for entry in listed:
            self.buckets.setdefault(entry.key, Bucket())
        return listed

    async def put(self, changes: Mapping[str, Mapping[str, Any]], *, compare: bool = False) -> list[Sent]:
        """Change own fields and report them; returns the receipts.

        Args:
            changes: fields by bucket; ``shared`` stands for ``shared.SERIAL``.
            compare: use the bucket-keyed form with ``if_object_revision`` (protocol a.9.1).
        """
        puts = {self._memory.key(name): fields for name, fields in changes.items()}
        before = {key: self.buckets[key].timestamp for key in puts}
        receipts = await self.cloud.put(self._memory.change(puts, compare=compare))
        # To a device that is not paired yet the server may give no receipt at all, if it lets
        # nobody else in (protocol e.1): what was reported is then not kept.
        if [receipt.key for receipt in receipts] != list(puts) and (receipts or self.claimed):
            self.complain("put", f"receipts for {[each.key for each in receipts]}, put were {list(puts)}")
        for receipt in receipts:
            if receipt.key in puts:
                self._memory.adopt(receipt, before[receipt.key], compared=compare)
        self.tell("put", ", ".join(puts))
        return receipts

    async def report(self) -> None:
        """Send the complete state, as after every boot."""
        self.reported = bool(await self.put({name: dict(self.bucket(name).value) for name in _REPORT}))

    async def boot(self) -> None:
        """From power-on until the first poll can be opened."""
        self.become("booting")
        await self.entry()
        await self.passphrase()
        if not await self.status():
            self.become("unclaimed")
            for _ in range(self.claim_polls - 1):
                await deferLater(self.clock, self.claim_interval)
                if await self.status():
                    break
        await self.report()
        await self.metadata()
        self.become("awake")

    async def subscribe_once(self) -> Answer:
        """Hold one poll to its end, apply what is pushed, report what follows from that.

        Returns the answer, which is not ``whole`` when `drop` cut it off.
        """
        claims = {key: bucket.timestamp for key, bucket in self.buckets.items()}
        follow_ups: list[Deferred[None]] = []
        self._poll = poll = Poll(
            claims,
            self.limits,
            lambda: self.now() / 1000,
            partial(self.complain, "subscribe"),
            apply=lambda sent: self._take(sent, follow_ups),
            held=partial(self.become, "held"),
        )
        self._dropping = False
        try:
            answer = await self.cloud.subscribe(self._memory.listing(), poll.heard)
        except Trouble:
            if poll.answer is None:
                raise
            if not self._dropping:
                poll.ended(poll.answer)
                raise
            answer = poll.answer
        else:
            poll.ended(answer)
        finally:
            self._poll = None
        self.become("awake")
        self._bounces = self._bounces + 1 if poll.bounced else 0
        if self._bounces > 1:
            self.complain("subscribe", "polls end again and again at once, with nothing in them")
        await DeferredList(follow_ups)
        return answer

    def drop(self) -> None:
        """Cut the held poll as if the Wi-Fi had failed."""
        if self._poll is not None and self._poll.answer is not None:
            self._dropping = True
            self.tell("dropped", "by the device")
            self._poll.answer.drop()

    async def run(self) -> None:
        """Live, through every loss of the server, until `stop`."""
        if self.activity:
            self._errand(life.act(self))
        await self._errand(life.live(self))

    async def stop(self) -> None:
        """End all it does; returns when every connection has ended."""
        self.become("stopped")
        for errand in list(self._errands):
            errand.cancel()
        await self._client.close()

    def away(self, trouble: Trouble) -> None:
        """The server is gone, or wants nothing from this device."""
        self.trouble = str(trouble)
        self.become("away")
        self.tell("gone", self.trouble)

    def _become_claimed(self) -> None:
        if not self.cloud.claimed:
            self.cloud.claimed = True
            self.tell("claimed", self.code)

    def _take(self, sent: Sent, follow_ups: list[Deferred[None]]) -> None:
        if not self._memory.take(sent):
            self.refused += 1
            self.tell("refused", sent.key)
            return
        self.pushes += 1
        if sent.key.startswith("user.") and self.bucket(sent.key).value.get("name"):
            self._become_claimed()
        if (sent.value or {}).get("target_change_pending") is True:
            follow_ups.append(self._errand(self._clear_pending(sent)))
        self.tell("push", sent.key)

    async def _clear_pending(self, sent: Sent) -> None:
        if await self.put({sent.key: {"target_change_pending": False}}):
            self.buckets[sent.key].cleared = sent.timestamp

    def _errand(self, coroutine: Coroutine[Deferred[Any], Any, None]) -> Deferred[None]:
        errand = Deferred.fromCoroutine(coroutine)
        self._errands.add(errand)

        def ended(result: Failure | None) -> None:
            self._errands.discard(errand)
            problem = result and result.value
            if isinstance(problem, Trouble):
                self.tell("gone", str(problem))
            elif problem is not None and not isinstance(problem, CancelledError | ConnectingCancelledError):
                _log.failure("The simulated device {serial} failed", result, serial=self.serial)

        return errand.addBoth(ended)

"""What is done every few seconds: the clocks compared, silent devices told of, old state swept."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from attrs import frozen
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from nled.domain.agreement import TRUSTED, Agreement, Sample
from nled.store.client import StoreRefused, StoreUnavailable
from nled.store.upkeep import Upkeep
from nled.troubles import Troubles

EVERY = 2.0
# How often the clocks are noted for the next process, in ms.
_NOTE = 60_000
# So long after a step nothing is said of it any more, in ms.
_CALM = 3_600_000
_CLOCK = "clock"
_FIX = (
    "See that the time is right and that something sets it (timedatectl, chrony). What is past its days is "
    "deleted again once the clock has gone on evenly for a day."
)


@frozen
class Ages:
    """After how many ms a device counts as silent, and its state and a point of its history are swept."""

    silent: int
    state: int
    history: int


class Housekeeping:
    """The timer. Each process has one; the store sees to it that a device is told of once.

    Args:
        clock: the reactor, whose clock never steps.
        now: the wall clock, in ms since the epoch.
        host: whose clocks these are; processes of one host go on from each other's comparison.
        settle: puts in order who has a place here; returns whether there is more to do.
    """

    _log = Logger()

    def __init__(  # noqa: PLR0917 - what it needs, each once
        self,
        clock: IReactorTime,
        now: Callable[[], int],
        store: Upkeep,
        troubles: Troubles,
        ages: Ages,
        host: str,
        settle: Callable[[], Awaitable[bool]],
    ) -> None:
        self._clock = clock
        self._now = now
        self._store = store
        self._troubles = troubles
        self._ages = ages
        self._host = host
        self._settle = settle
        self._agreement: Agreement | None = None
        # Whether devices have yet to be given the time that a step took from them.
        self._stepped = False
        self._noted: int | None = None
        self._loop = LoopingCall(self._begin)
        self._loop.clock = clock
        self._ended: Deferred[LoopingCall] | None = None

    def start(self) -> None:
        """Look now, and again every few seconds."""
        self._ended = self._loop.start(EVERY)

    async def stop(self) -> None:
        """Look no more; returns when a look under way has ended."""
        if self._ended is not None:
            self._loop.stop()
            await self._ended

    def _begin(self) -> Deferred[None]:
        return Deferred.fromCoroutine(self._look())

    async def _look(self) -> None:
        # Whatever it is, it must not end here: LoopingCall would never look again.
        try:
            agreement = await self._compare()
            # Not the time of each question: the clock might be stepped between it and the comparison.
            now = agreement.last.wall
            # What follows only takes away, so it may end what these are refused for.
            with suppress(StoreRefused):
                await self._tell_silent(now, agreement)
            while await self._settle():
                pass
            if agreement.lasted(_CALM):
                self._troubles.clear(_CLOCK)
            if agreement.lasted(TRUSTED):
                await self._sweep(now)
            if self._noted is None:
                self._noted = agreement.last.steady
            elif agreement.last.steady - self._noted >= _NOTE:
                await self._store.note_clocks(self._host, agreement.saved())
                self._noted = agreement.last.steady
        except StoreUnavailable:
            self._log.debug("Could not look for silent devices: the store is away.")
        except Exception:  # noqa: BLE001 - see above
            self._log.failure("Could not look for silent devices")

    async def _tell_silent(self, now: int, agreement: Agreement) -> None:
        while await self._store.tell_silent(now, self._ages.silent, stepped=self._stepped):
            pass
        if self._stepped:
            await self._store.sync_again(self._host, agreement.saved())
        self._stepped = False

    async def _compare(self) -> Agreement:
        """Compare the clocks, and say by how much the wall clock was stepped if it was."""
        before = self._agreement
        if before is None:
            noted = await self._store.clocks(self._host)
            before = Agreement.recalled(noted, self._sample())
        sample = self._sample()
        step = before.step(sample)
        self._agreement = before.then(sample)
        if step:
            self._stepped = True
            way = "ahead" if step > 0 else "back"
            by, to = timedelta(seconds=abs(step) // 1000), datetime.fromtimestamp(sample.wall / 1000, UTC)
            self._troubles.report(
                _CLOCK, f"The clock was stepped {way} by {by}, to {to:%Y-%m-%d %H:%M:%S} UTC.", _FIX
            )
        return self._agreement

    async def _sweep(self, now: int) -> None:
        expired = await self._store.expire(now, self._ages.state)
        for serial in expired.forgotten:
            self._log.info(
                "{serial}: forgotten, silent for longer than retention.object_ttl_days.", serial=serial
            )
        for serial in expired.emptied:
            self._log.info(
                "{serial}: state dropped, silent for longer than retention.object_ttl_days; it stays paired.",
                serial=serial,
            )
        await self._store.tidy(now, self._ages.history)

    def _sample(self) -> Sample:
        return Sample(self._now(), int(self._clock.seconds() * 1000))

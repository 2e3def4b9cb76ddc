"""Any number of thermostats in one process."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Self

from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred, DeferredList, DeferredSemaphore
from twisted.internet.task import deferLater

from nled.simulator.screen import FEW, Screen
from nled.simulator.thermostat import Thermostat

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TextIO

    from twisted.internet.interfaces import IReactorTime

BOOTING_AT_ONCE = 50
"""More would measure how long they wait for each other."""

OK, COMPLAINTS, UNREACHED = 0, 1, 2
"""What `Fleet.run` returns: no complaint, some, or the server was never reached."""


def serials(count: int) -> list[str]:
    """Serials like real ones, the same each time."""
    return [f"02AA01AC{index:08X}" for index in range(1, count + 1)]


@define(eq=False)
class Fleet:
    """Runs thermostats until it is stopped and sums up what they have to complain about."""

    _clock: IReactorTime
    devices: Sequence[Thermostat]
    _out: TextIO
    _screen: Screen = field(init=False)
    _stopping: bool = field(default=False, init=False)
    _stopped: Deferred[None] = field(factory=Deferred, init=False)

    def __attrs_post_init__(self) -> None:
        self._screen = Screen(self.devices, self._out)
        for device in self.devices:
            device.on_event = partial(self._screen.event, device)

    @classmethod
    def of(
        cls, reactor: IReactorTime, url: str, serials: Sequence[str], drop_rate: float, out: TextIO
    ) -> Self:
        """One device for each serial, all with the server at ``url``."""
        few = len(serials) <= FEW
        make = partial(
            Thermostat,
            reactor,
            url,
            drop_rate=drop_rate,
            gate=DeferredSemaphore(BOOTING_AT_ONCE),
            # A crowd waits for no one to claim it, nor does it chat more than a server would see.
            claim_polls=3 if few else 1,
            activity=60.0 if few else 600.0,
        )
        return cls(reactor, [make(serial) for serial in serials], out)

    async def run(self, seconds: float = 0) -> int:
        """Run for some seconds, or with 0 until `stop`; returns the exit status."""
        lives = [Deferred.fromCoroutine(device.run()) for device in self.devices]
        drawing = Deferred.fromCoroutine(self._draw()).addErrback(
            lambda problem: problem.trap(CancelledError)
        )
        timer = self._clock.callLater(seconds, self._stop_now) if seconds else None
        await self._stopped
        await DeferredList(lives)
        drawing.cancel()
        if timer is not None and timer.active():
            timer.cancel()
        return self._verdict()

    async def stop(self) -> None:
        """Stop every device; `run` then returns."""
        if self._stopping:
            return
        self._stopping = True
        self._screen.sum_up()
        await DeferredList([Deferred.fromCoroutine(device.stop()) for device in self.devices])
        self._stopped.callback(None)

    def _stop_now(self) -> None:
        Deferred.fromCoroutine(self.stop())

    async def _draw(self) -> None:
        while not self._stopping:
            self._screen.draw()
            await deferLater(self._clock, self._screen.interval)

    def _verdict(self) -> int:
        complaints = Counter(sentence for device in self.devices for sentence in device.violations)
        for sentence, times in complaints.most_common(20):
            self._out.write(f"{times:6} x {sentence}\n")
        if not any(device.cloud.reached for device in self.devices):
            self._out.write(f"Nothing answered at {self.devices[0].url}; is nled running there?\n")
            return UNREACHED
        return COMPLAINTS if complaints else OK

"""What a person sees of simulated thermostats: a line for each of a few, one line for many."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from attrs import define, field

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TextIO

    from nled.simulator.thermostat import Thermostat

FEW = 10
"""Up to this many devices get a line each."""
_NOTEWORTHY = {"state", "code", "claimed", "push", "dropped", "gone"}
_MOST_COMPLAINTS = 50
"""Complaints written out one by one; a broken server must not flood the terminal."""
_MOST_REASONS = 10


def line(device: Thermostat) -> str:
    """One device in one line."""
    shared = device.bucket("shared").value
    code = f"{device.code[:3]}-{device.code[3:]}" if device.code else "no code"
    temperatures = f"{shared['current_temperature']:.1f} °C to {shared['target_temperature']:.1f} °C"
    return (
        f"{device.serial}  {code:8}  {'claimed' if device.claimed else 'unclaimed':9}  {device.state:9}  "
        f"{temperatures}  {device.pushes} pushes, {len(device.violations)} complaints"
    )


def progress(devices: Sequence[Thermostat]) -> str:
    """All devices in one line."""
    booted = sum(device.reported for device in devices)
    held = sum(device.state == "held" for device in devices)
    pushes = sum(device.pushes for device in devices)
    complaints = sum(len(device.violations) for device in devices)
    size = f"{len(devices)} device{'s' * (len(devices) > 1)}"
    return f"{size}: {booted} booted, {held} held, {pushes} pushes, {complaints} complaints"


@define(eq=False)
class Screen:
    """Writes to ``out``: lines drawn again and again on a terminal, plain log lines elsewhere."""

    devices: Sequence[Thermostat]
    out: TextIO
    _drawn: int = field(default=0, init=False)
    _complaints: int = field(default=0, init=False)

    @property
    def interval(self) -> float:
        """Seconds between two calls of `draw`."""
        return 0.5 if self.out.isatty() else 10.0

    def event(self, device: Thermostat, kind: str, detail: str) -> None:
        """Something happened to a device."""
        if kind == "violation":
            self._complaints += 1
            if self._complaints <= _MOST_COMPLAINTS:
                self._write([f"{device.serial} complains about {detail}"])
        elif (
            device.state != "stopped"
            and kind in _NOTEWORTHY
            and len(self.devices) <= FEW
            and not self.out.isatty()
        ):
            self._write([f"{line(device)}  ({kind}: {detail})"])

    def draw(self) -> None:
        """Bring what is seen up to date."""
        few, tty = len(self.devices) <= FEW, self.out.isatty()
        if few and tty:
            self._write([line(device) for device in self.devices], again=True)
        elif not few:
            self._write([progress(self.devices)], again=tty)

    def sum_up(self) -> None:
        """Say how all devices are now, and why the server is lost to some."""
        away = Counter(
            device.trouble
            for device in self.devices
            if device.state in {"away", "booting"} and device.trouble
        )
        reasons = [f"{times:6} x {trouble}" for trouble, times in away.most_common(_MOST_REASONS)]
        self._write([progress(self.devices), *reasons])

    def _write(self, lines: list[str], *, again: bool = False) -> None:
        # Back over what was drawn last and away with it, so that complaints scroll by above.
        self.out.write(f"\x1b[{self._drawn}A\x1b[J" if self._drawn else "")
        self.out.write("".join(text + "\n" for text in lines))
        self.out.flush()
        self._drawn = len(lines) if again else 0

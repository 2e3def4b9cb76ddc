"""The daemon as a real process under a tiny supervisor, which starts it again as systemd would."""

import os
import random
import re
import socket
from collections.abc import Mapping
from pathlib import Path

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from tests.live.support import FAULTS, LiveDaemon

_RESTART = 0.2
# Lines of the log, below which nobody has to do anything.
_GRAVE = ("#warn]", "#error]", "#critical]")
# What the private store says itself: Redis calls the steps of each start a warning.
_PASSED_ON = "[nled.store.process."
# As much as so many devices may take: with less, each start would warn of it.
MAXMEMORY = 4096 * 2**20


class Service(LiveDaemon):
    """`twistd nled` on ports that stay the same over its restarts.

    Attributes:
        hold: while true, an ended daemon is not started again.
        ends: the exit statuses of those that ended.
    """

    def __init__(
        self, clock: IReactorTime, *, state: Path | None = None, environ: Mapping[str, str] | None = None
    ) -> None:
        self.hold = False
        self.ends: list[int] = []
        self._clock = clock
        ports = _free_ports()
        settings = {
            "device": {"port": ports[0]},
            "control": {"port": ports[1]},
            "redis": {"maxmemory_mb": MAXMEMORY >> 20},
            "transport": {"suspend_time_max": 30},
            "pairing": {"claims_per_minute": 1000},
            "api": {"rate_limit": 0},
            # For the crowds, which come from one address.
            "limits": {"devices": 4000, "strangers_per_address": 0},
        }
        super().__init__(settings, state=state, ready=False, environ=environ)
        self.device, self.control = ports
        self._supervision = Deferred.fromCoroutine(self._supervise()).addErrback(
            lambda failure: failure.trap(CancelledError)
        )

    @property
    def log_size(self) -> int:
        """How long the log is; a place in it."""
        return self.log_file.stat().st_size

    def log_since(self, place: int) -> list[str]:
        """The lines of the log since a place in it."""
        with self.log_file.open("rb") as file:
            file.seek(place)
            return file.read().decode(errors="replace").splitlines()

    def said(self, line: str, place: int) -> bool:
        """Whether the log has had a line since a place in it, given as a regular expression."""
        return any(re.search(line, each) for each in self.log_since(place))

    @property
    def ready(self) -> bool:
        """Whether it has said that it is ready since its last start."""
        return "is ready: thermostats on" in self.log

    @property
    def descriptors(self) -> int:
        """How many it has open."""
        return sum(1 for _ in Path(f"/proc/{self.process.pid}/fd").iterdir())

    @property
    def store_rss(self) -> int:
        """Resident memory of its store in bytes."""
        return int(Path(f"/proc/{self.store_pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")

    def set_maxmemory(self, size: int) -> None:
        """Change how much its store may hold."""
        self.ask_store(f"CONFIG SET maxmemory {size}")

    def stop(self) -> None:
        """End it for good."""
        self._supervision.cancel()
        super().stop()

    async def _supervise(self) -> None:
        while True:
            if self.process.poll() is not None and not self.hold:
                self.ends.append(self.process.returncode)
                await deferLater(self._clock, _RESTART)
                self.start(ready=False)
            await deferLater(self._clock, 0.02)


def grave(lines: list[str]) -> list[str]:
    """The lines in which nled tells somebody of something."""
    return [line for line in lines if any(level in line for level in _GRAVE) and _PASSED_ON not in line]


def faulty(lines: list[str]) -> list[str]:
    """The lines that speak of a fault in nled itself."""
    return [line for line in lines if any(fault in line for fault in FAULTS)]


def _free_ports() -> list[int]:
    # Below those that the kernel gives to outgoing connections: one of these could take the port of a
    # daemon that was killed.
    found: list[socket.socket] = []
    while len(found) < 2:
        sock = socket.socket()
        try:
            sock.bind(("127.0.0.1", random.SystemRandom().randrange(10_000, 30_000)))
        except OSError:
            sock.close()
        else:
            found.append(sock)
    ports = [sock.getsockname()[1] for sock in found]
    for sock in found:
        sock.close()
    return ports

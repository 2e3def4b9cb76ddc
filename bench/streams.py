"""Event streams: how long it takes until everybody who listens has heard of a change."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import quantiles

from bench import requests
from bench.endpoints import prepare
from bench.load import BenchError, Client, Loop, connect, send_all
from bench.servers import Daemon, room_for

_CHANGED = re.compile(rb'"serial":"(\w+)","kind":"changed"')
# How long an event may take before it counts as lost, and the beginning of a stream before it is an error.
_PATIENCE = 5.0


@dataclass
class Streams:
    """How long changes took to reach the last listener, in microseconds.

    Attributes:
        changes: commands, each for another device, of which every listener is told.
        cpu: processor time of the daemon for a change, the command included.
        lost: events that a listener did not get.
    """

    listeners: int
    changes: int
    rate: float
    p50: float
    p99: float
    worst: float
    cpu: float
    lost: int
    load_busy: float


class Listener:
    """Follows the event stream, and tells of each device that changed.

    Attributes:
        begun: whether the stream has begun.
    """

    def __init__(self, loop: Loop, port: int, heard: Callable[[str], None]) -> None:
        self.begun = False
        self._heard = heard
        self._seen: set[bytes] = set()
        self._data = b""
        self._sock = connect(port)
        self._sock.settimeout(0)
        loop.watch(self._sock, self._readable)
        send_all(self._sock, requests.events())

    def _readable(self, _events: int) -> None:
        received = self._sock.recv(65536)
        if not received:
            raise BenchError("The server hung up on an event stream.")
        *whole, self._data = (self._data + received).split(b"\n\n")
        # The first event only says where the stream begins.
        self.begun = self.begun or bool(whole)
        for event in whole:
            if found := _CHANGED.search(event):
                if found[1] in self._seen:
                    raise BenchError(f"An event was sent twice: {event!r}.")
                self._seen.add(found[1])
                self._heard(found[1].decode())


def measure(core: int, store_core: int, count: int, commands_per_second: int, seconds: float) -> Streams:
    """Let so many listen on a daemon of its own, and change something so often."""
    changes = int(commands_per_second * seconds)
    settings = room_for(changes)
    with Daemon(core, store_core, settings=settings) as daemon:
        devices = prepare(daemon, changes)
        loop = Loop()
        missing: dict[str, int] = {}
        sent: dict[str, float] = {}
        times: list[float] = []

        def heard(serial: str) -> None:
            missing[serial] -= 1
            if not missing[serial]:
                times.append(time.perf_counter() - sent[serial])

        def turn_until(end: float) -> None:
            while (left := end - time.perf_counter()) > 0:
                loop.turn(left)

        try:
            listeners = [Listener(loop, daemon.control, heard) for _ in range(count)]
            end = time.perf_counter() + _PATIENCE
            while not all(each.begun for each in listeners):
                loop.turn(0.1)
                if time.perf_counter() > end:
                    raise BenchError("Not all event streams have begun.")
            client = Client(loop, daemon.control)
            cpu, busy, start = daemon.cpu(), time.process_time(), time.perf_counter()
            for number, device in enumerate(devices):
                turn_until(start + number / commands_per_second)
                serial = device.identity.serial
                missing[serial], sent[serial] = count, time.perf_counter()
                client.ask(requests.command(device.identity, number), lambda _: None)
            busy = (time.process_time() - busy) / (time.perf_counter() - start)
            end = time.perf_counter() + _PATIENCE
            while len(times) < changes and time.perf_counter() < end:
                loop.turn(0.1)
            cpu = 1e6 * (daemon.cpu() - cpu) / changes
        finally:
            loop.end()
    if len(times) < 2:
        raise BenchError(f"Of {changes} changes only {len(times)} reached all listeners.")
    cuts = quantiles(times, n=100)
    worst, lost = 1e6 * max(times), sum(missing.values())
    return Streams(
        count, changes, commands_per_second, 1e6 * cuts[49], 1e6 * cuts[98], worst, cpu, lost, busy
    )

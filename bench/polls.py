"""Thousands of held polls: what they cost, how fast a push arrives, and a storm of reconnects."""

import errno
import random
import select
import socket
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median, quantiles

from bench import requests
from bench.endpoints import Device, prepare
from bench.load import HERE, BenchError, Client, Loop, drive, exchange, send_all
from bench.servers import Daemon, Floor

# Of the polls under way while a fleet is opened at leisure, and in one turn of a storm.
AT_ONCE = 64
_PATIENCE = 60.0
# How long a push may take before it counts as lost.
_LOST = 5.0


class Poll:
    """A thermostat on its poll; it asks again on the same connection when an answer has ended."""

    def __init__(self, fleet: "Fleet", device: Device) -> None:
        self.device = device
        self.held = False
        self._fleet = fleet
        self._data = b""
        self._sock: socket.socket

    def open(self) -> None:
        """Connect and ask."""
        self._sock = socket.socket()
        self._sock.settimeout(0)
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sock.connect_ex((HERE, self._fleet.port))
        self._fleet.loop.watch(self._sock, self._ready)
        self._ask()

    def close(self) -> None:
        """Hang up."""
        self._fleet.loop.close(self._sock)
        self._leave()

    def _ask(self) -> None:
        self._data = b""
        try:
            send_all(self._sock, requests.subscribe(self.device.identity, self.device.stamps))
        except BlockingIOError:
            # Not connected yet.
            self._fleet.loop.change(self._sock, select.EPOLLOUT)

    def _leave(self) -> None:
        if self.held:
            self.held = False
            self._fleet.held -= 1

    def _ready(self, events: int) -> None:
        if events & select.EPOLLOUT:
            self._fleet.loop.change(self._sock, select.EPOLLIN)
            self._ask()
            return
        try:
            received = self._sock.recv(65536)
        except OSError as error:
            raise BenchError(f"A poll was lost: {errno.errorcode[error.errno or 0]}.") from None
        if not received:
            raise BenchError("The server hung up on a poll.")
        self._data += received
        if not self.held:
            head, end, self._data = self._data.partition(b"\r\n\r\n")
            if not end:
                self._data = head
                return
            if not head.startswith(b"HTTP/1.1 200 "):
                raise BenchError(f"A poll was answered {head!r}.")
            self.held = True
            self._fleet.held += 1
        self._take_chunks()

    def _take_chunks(self) -> None:
        while b"\r\n" in self._data:
            size, _, rest = self._data.partition(b"\r\n")
            length = int(size, 16)
            if len(rest) < length + 2:
                return
            chunk, self._data = rest[:length], rest[length + 2 :]
            if not length:
                self._leave()
                self._ask()
                return
            self.device.stamps.update(requests.stamps_of(chunk))
            self._fleet.pushed(self.device)


class Fleet:
    """All the polls of one server.

    Attributes:
        held: how many have the head of their answer.
        pushed: called for each chunk.
    """

    def __init__(self, port: int, devices: Sequence[Device]) -> None:
        self.port = port
        self.loop = Loop()
        self.held = 0
        self.pushed: Callable[[Device], None] = lambda _: None
        self.polls = [Poll(self, device) for device in devices]

    def fill(self, at_once: int) -> float:
        """Open all polls, so many at once; returns the seconds until all are held."""
        waiting = deque(self.polls)
        start = time.perf_counter()
        while self.held < len(self.polls):
            opened = 0
            # Even in a storm, what has come is looked at now and then.
            while waiting and opened < AT_ONCE and len(self.polls) - len(waiting) - self.held < at_once:
                waiting.popleft().open()
                opened += 1
            self.loop.turn(0 if waiting and opened == AT_ONCE else 0.1)
            if time.perf_counter() > start + _PATIENCE:
                raise BenchError(
                    f"After {_PATIENCE:g} s only {self.held} polls of {len(self.polls)} are held."
                )
        return time.perf_counter() - start

    def settle(self, seconds: float) -> None:
        """Go on for a while."""
        end = time.perf_counter() + seconds
        while (left := end - time.perf_counter()) > 0:
            self.loop.turn(left)


@dataclass
class Push:
    """How long commands took to reach their devices, in microseconds."""

    commands: int
    rate: float
    p50: float
    p99: float
    worst: float
    lost: int
    load_busy: float


@dataclass
class Held:
    """What N held polls cost.

    Attributes:
        idle: bytes of the daemon before anybody came.
        each, floor_each: bytes per poll.
        opening, floor_opening: polls per second.
        trip: microseconds of a bare HTTP round trip, one right after the other.
        paced_trip: the same, at the pace of the commands.
        storm: seconds until all polls were held again after all had hung up.
        storm_ping: the longest that a ping took meanwhile, in seconds.
    """

    count: int
    idle: int
    resident: int
    each: float
    floor_each: float
    opening: float
    floor_opening: float
    trip: float
    paced_trip: float
    push: Push
    storm: float
    storm_ping: float
    storm_pings: int


def measure(core: int, store_core: int, count: int, commands_per_second: int, seconds: float) -> Held:
    """Measure on a daemon of its own, that has done nothing else before."""
    with Daemon(core, store_core, devices=count + 100) as daemon:
        time.sleep(1)
        idle = daemon.rss()
        devices = prepare(daemon, count)
        time.sleep(1)
        before = daemon.rss()
        fleet = Fleet(daemon.port, devices)
        try:
            opening = count / fleet.fill(AT_ONCE)
            fleet.settle(1)
            resident = daemon.rss()
            push = _push(fleet, daemon.control, commands_per_second, seconds)
            # The polls that got something end, and come back.
            fleet.settle(3.5)
            storm, pings = _storm(fleet)
        finally:
            fleet.loop.end()
        answer = exchange(daemon.control, [requests.command(devices[0].identity, 0)])[0]
    floor_each, floor_opening = _floor(core, devices)
    with Floor(len(answer.partition(b"\r\n\r\n")[2]), core) as floor:
        ask = requests.command(devices[0].identity, 0)
        trips = [
            _trip(floor.port, ask, int(commands_per_second * seconds / 2), pause)
            for pause in (0, 1 / commands_per_second)
        ]
    return Held(
        count,
        idle,
        resident,
        (resident - before) / count,
        floor_each,
        opening,
        floor_opening,
        *trips,
        push,
        storm,
        max(pings),
        len(pings),
    )


def _floor(core: int, devices: Sequence[Device]) -> tuple[float, float]:
    with Floor(0, core, held=True) as floor:
        # What the server takes once, and not for each poll.
        first = [iter([requests.subscribe(each.identity, each.stamps)]) for each in devices[:32]]
        drive(floor.port, first, 5, held=True)
        before = floor.rss()
        fleet = Fleet(floor.port, devices)
        try:
            opening = len(devices) / fleet.fill(AT_ONCE)
            fleet.settle(0.5)
            return (floor.rss() - before) / len(devices), opening
        finally:
            fleet.loop.end()


def _trip(port: int, request: bytes, count: int, pause: float) -> float:
    loop = Loop()
    client = Client(loop, port)
    times: list[float] = []
    try:
        while len(times) < count:
            start = time.perf_counter()
            client.ask(request, lambda _, start=start: times.append(time.perf_counter() - start))
            asked = len(times)
            while len(times) == asked:
                loop.turn(1)
            time.sleep(pause)
    finally:
        loop.end()
    return 1e6 * median(times)


def _push(fleet: Fleet, control: int, rate: int, seconds: float) -> Push:
    sent: dict[str, float] = {}
    times: list[float] = []

    def pushed(device: Device) -> None:
        if start := sent.pop(device.identity.serial, 0.0):
            times.append(time.perf_counter() - start)

    fleet.pushed = pushed
    idle = [Client(fleet.loop, control) for _ in range(16)]

    def send(device: Device, number: int) -> None:
        if not idle:
            raise BenchError("16 commands at once got no answer.")
        client = idle.pop()
        sent[device.identity.serial] = time.perf_counter()
        client.ask(requests.command(device.identity, number), lambda _: idle.append(client))

    order = [poll.device for poll in fleet.polls]
    random.Random(0).shuffle(order)
    commands = int(rate * seconds)
    cpu, start = time.process_time(), time.perf_counter()
    for number in range(commands):
        fleet.settle(start + number / rate - time.perf_counter())
        # Another temperature for a device whose turn comes again.
        send(order[number % len(order)], number + number // len(order))
    busy = (time.process_time() - cpu) / (time.perf_counter() - start)
    end = time.perf_counter() + _LOST
    while sent and time.perf_counter() < end:
        fleet.loop.turn(0.1)
    if len(times) < 2:
        raise BenchError(f"Of {commands} commands only {len(times)} reached their devices.")
    cuts = quantiles(times, n=100)
    return Push(commands, rate, 1e6 * cuts[49], 1e6 * cuts[98], 1e6 * max(times), len(sent), busy)


def _storm(fleet: Fleet) -> tuple[float, list[float]]:
    pings: list[float] = []
    pinger = Client(fleet.loop, fleet.port)
    ask = requests.get(fleet.polls[0].device.identity, "/nest/ping")
    asked = 0.0

    def ping(_answer: bytes = b"") -> None:
        nonlocal asked
        now = time.perf_counter()
        if asked:
            pings.append(now - asked)
        asked = now
        pinger.ask(ask, ping)

    ping()
    start = time.perf_counter()
    for poll in fleet.polls:
        poll.close()
    fleet.fill(len(fleet.polls))
    return time.perf_counter() - start, pings

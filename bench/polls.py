"""Thousands of held polls: what they cost, how fast a push arrives, and a storm of reconnects."""

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import quantiles

from bench import requests
from bench.endpoints import Device, prepare
from bench.fleet import AT_ONCE, Fleet
from bench.load import BenchError, Client, Pinger, drive, exchange, round_trip
from bench.servers import Daemon, Floor, room_for

# How long a push may take before it counts as lost.
_LOST = 5.0


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
        idle: bytes of a daemon without any settings, before anybody came.
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
    with Daemon(core, store_core) as daemon:
        time.sleep(1)
        idle = daemon.rss()
    settings = room_for(count + 100)
    with Daemon(core, store_core, settings=settings) as daemon:
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
        count_trips = int(commands_per_second * seconds / 2)
        trip = round_trip(floor.port, ask, count_trips)
        paced_trip = round_trip(floor.port, ask, count_trips, 1 / commands_per_second)
    return Held(
        count,
        idle,
        resident,
        (resident - before) / count,
        floor_each,
        opening,
        floor_opening,
        trip,
        paced_trip,
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
    pinger = Pinger(fleet.loop, fleet.port, requests.get(fleet.polls[0].device.identity, "/nest/ping"))
    start = time.perf_counter()
    for poll in fleet.polls:
        poll.close()
    fleet.fill(len(fleet.polls))
    return time.perf_counter() - start, pinger.times

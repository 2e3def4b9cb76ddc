"""Each endpoint against a bare `twisted.web` server that is asked the same and answers as much."""

import time
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from itertools import cycle
from pathlib import Path
from pstats import Stats
from statistics import median

from bench import requests
from bench.load import drive, exchange
from bench.requests import Stamps
from bench.servers import Daemon, Floor, cpu_of
from nled.simulator.facts import Identity

# Enough that the daemon has work while the store has, which answers in batches.
AT_ONCE = 96
# A key has no more than 100 requests a minute otherwise.
SETTINGS = "api: {rate_limit: 0}\n"


@dataclass
class Device:
    """A thermostat, where its buckets stand, and an API key that may see it."""

    identity: Identity
    stamps: Stamps
    key: str


@dataclass(frozen=True)
class Endpoint:
    """What is sent, and the least share of the floor's rate that is to be reached.

    Attributes:
        requests: what one device sends, over and over.
        held: the answer is held, so every request takes a connection of its own.
        control: it is the people's, on the control port.
    """

    name: str
    target: float | None
    requests: Callable[[Device], list[bytes]]
    held: bool = False
    control: bool = False


ENDPOINTS = (
    Endpoint("entry", 0.65, lambda d: [requests.entry(d.identity)]),
    Endpoint("passphrase", 0.4, lambda d: [requests.get(d.identity, "/nest/passphrase")]),
    Endpoint("passphrase-status", 0.4, lambda d: [requests.get(d.identity, "/nest/passphrase/status")]),
    Endpoint("put", 0.3, lambda d: [requests.put_four(d.identity, n) for n in range(2)]),
    Endpoint("subscribe", 0.3, lambda d: [requests.subscribe(d.identity, d.stamps)], held=True),
    Endpoint("subscribe-once", None, lambda d: [requests.subscribe(d.identity, d.stamps, chunked=False)]),
    Endpoint("ping", None, lambda d: [requests.get(d.identity, "/nest/ping")]),
    Endpoint("command", 0.3, lambda d: [requests.command(d.identity, n) for n in range(2)], control=True),
    Endpoint("status", 0.3, lambda d: [requests.status(d.identity)], control=True),
    Endpoint("v1-status", None, lambda d: [requests.hosted_status(d.identity, d.key)], control=True),
)


@dataclass
class Sample:
    """Requests per second, and the processor time of one in microseconds.

    Attributes:
        load_busy: the share of a core that the load took.
    """

    rate: float
    cpu: float
    store_cpu: float
    load_busy: float


@dataclass
class Rate:
    """How fast an endpoint is beside the floor."""

    name: str
    target: float | None
    fraction: float
    nled: Sample
    floor: Sample


@dataclass
class StoreTrip:
    """Microseconds of a tiny script: alone right after each other, alone at 100 per second, many at once."""

    alone_us: float
    paced_us: float
    at_once: int
    at_once_us: float


def prepare(daemon: Daemon, count: int) -> list[Device]:
    """Let thermostats boot: they report everything and get a code to show."""
    devices = requests.identities(count)
    receipts = exchange(daemon.port, [requests.put_all(each) for each in devices])
    key = requests.key_of(exchange(daemon.socket, [requests.new_key()])[0])
    return [
        Device(each, requests.stamps_of(receipt), key)
        for each, receipt in zip(devices, receipts, strict=True)
    ]


def measure(
    endpoint: Endpoint, daemon: Daemon, devices: Sequence[Device], core: int, rounds: Sequence[float]
) -> Rate:
    """Measure an endpoint and the floor in turn, so that what slows the machine slows both.

    Args:
        rounds: the seconds of each round; the first only warms up.
    """
    port = daemon.control if endpoint.control else daemon.port
    kinds = [endpoint.requests(each) for each in devices]
    size = 0
    if not endpoint.held:
        size = len(exchange(port, kinds[0])[0].partition(b"\r\n\r\n")[2])
    ours: list[Sample] = []
    bare: list[Sample] = []
    with Floor(size, core, held=endpoint.held) as floor:
        for seconds in rounds:
            for server, where, samples in ((floor, floor.port, bare), (daemon, port, ours)):
                cpu, store_cpu = server.cpu(), cpu_of(daemon.store)
                run = drive(where, [cycle(each) for each in kinds], seconds, held=endpoint.held)
                # What the last hang-ups cost belongs to it.
                time.sleep(0.05)
                each = 1e6 / run.count
                spent = each * (server.cpu() - cpu), each * (cpu_of(daemon.store) - store_cpu)
                samples.append(Sample(run.rate, spent[0], spent[1], run.busy))
    nled, floors = _median(ours[1:]), _median(bare[1:])
    fraction = median(our.rate / its.rate for our, its in zip(ours[1:], bare[1:], strict=True))
    return Rate(endpoint.name, endpoint.target, fraction, nled, floors)


def _median(samples: Sequence[Sample]) -> Sample:
    return Sample(*map(median, zip(*map(astuple, samples), strict=True)))


def profile(endpoint: Endpoint, core: int, store_core: int, folder: Path, seconds: float) -> None:
    """Print where the daemon spends its time on an endpoint."""
    file = folder / "profile"
    with Daemon(core, store_core, settings=SETTINGS, profile=file) as daemon:
        devices = prepare(daemon, AT_ONCE)
        port = daemon.control if endpoint.control else daemon.port
        run = drive(port, [cycle(endpoint.requests(each)) for each in devices], seconds, held=endpoint.held)
    print(f"{run.count} requests to {endpoint.name} under cProfile, which itself takes much of the time:")
    Stats(str(file)).sort_stats("tottime").print_stats(25)

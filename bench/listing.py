"""The list of all thermostats: what it takes when there are many, and what others wait for meanwhile."""

from dataclasses import dataclass

from bench import requests
from bench.endpoints import prepare
from bench.load import Client, Loop, Pinger, round_trip
from bench.servers import Daemon, room_for


@dataclass
class Listing:
    """How long the list took, in microseconds.

    Attributes:
        few, many: numbers of devices.
        longest: that a device waited for a small answer while the list of many was made, in seconds.
    """

    few: int
    many: int
    few_us: float
    many_us: float
    longest: float
    meanwhile: int


def measure(core: int, store_core: int, few: int, many: int, tries: int) -> Listing:
    """Measure on a daemon of its own, first with few devices."""
    settings = room_for(many)
    with Daemon(core, store_core, settings=settings) as daemon:
        prepare(daemon, few)
        few_us = round_trip(daemon.control, requests.devices(), tries)
        devices = prepare(daemon, many)
        many_us = round_trip(daemon.control, requests.devices(), tries)
        # One that the store has to be asked for.
        small = requests.get(devices[0].identity, "/nest/passphrase/status")
        waits = _waits_meanwhile(daemon, small, tries)
    return Listing(few, many, few_us, many_us, max(waits), len(waits))


def _waits_meanwhile(daemon: Daemon, small: bytes, tries: int) -> list[float]:
    loop = Loop()
    lists: list[bytes] = []
    try:
        pinger = Pinger(loop, daemon.port, small)
        client = Client(loop, daemon.control)
        for count in range(1, tries + 1):
            client.ask(requests.devices(), lists.append)
            while len(lists) < count:
                loop.turn(1)
        return pinger.times
    finally:
        loop.end()

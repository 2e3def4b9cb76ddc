"""The store's bare round trip by nled's own client, `python -m bench.store SOCKET SECONDS`."""

import json
import sys
import time
from statistics import median
from typing import Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import deferLater, react

from nled.store.address import Address
from nled.store.client import Client, Script

TINY = Script("tiny", "return 1")
AT_ONCE = 32


async def round_trip(reactor: Any, client: Client, count: int, pause: float) -> float:
    """Run the tiny script so many times, one at a time; returns the median in microseconds."""
    times = []
    for _ in range(count):
        start = time.perf_counter()
        await client.run(TINY, [], "x")
        times.append(time.perf_counter() - start)
        if pause:
            await deferLater(reactor, pause)
    return 1e6 * median(times)


async def calls_per_second(client: Client, seconds: float, at_once: int) -> float:
    """Run the tiny script for so long, so many at once."""
    start = time.perf_counter()
    count = 0

    async def caller() -> None:
        nonlocal count
        while time.perf_counter() < start + seconds:
            await client.run(TINY, [], "x")
            count += 1

    await gatherResults([Deferred.fromCoroutine(caller()) for _ in range(at_once)])
    return count / (time.perf_counter() - start)


async def measure(reactor: Any, path: str, seconds: float) -> None:
    client = Client(reactor, Address(path=path))
    await client.start()
    try:
        # The first ones only warm up.
        await calls_per_second(client, seconds / 4, AT_ONCE)
        result = {
            "alone_us": await round_trip(reactor, client, int(2000 * seconds), 0),
            "paced_us": await round_trip(reactor, client, int(200 * seconds), 0.01),
            "at_once": AT_ONCE,
            "at_once_us": 1e6 / await calls_per_second(client, seconds, AT_ONCE),
        }
    finally:
        await client.stop()
    print(json.dumps(result))


if __name__ == "__main__":
    react(
        lambda reactor: Deferred.fromCoroutine(measure(reactor, sys.argv[1], float(sys.argv[2]))),
    )

"""The store's bare round trip by nled's own client, `python -m bench.store SOCKET SECONDS`."""

import json
import sys
import time
from typing import Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import react

from nled.store.address import Address
from nled.store.client import Client, Script

TINY = Script("tiny", "return 1")
AT_ONCE = 32


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
        await calls_per_second(client, seconds / 4, 1)
        result = {
            "alone_us": 1e6 / await calls_per_second(client, seconds, 1),
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

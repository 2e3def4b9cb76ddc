"""`python -m bench`: measure, and print one table."""

import argparse
import json
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from bench import bodies, endpoints, listing, polls, report, simulated, streams
from bench.endpoints import ENDPOINTS, StoreTrip
from bench.load import BenchError, raise_file_limit
from bench.report import Report
from bench.servers import Daemon, pin, store_round_trip

NAMES = [each.name for each in ENDPOINTS]
OTHERS = ("store", "devices", "events", "polls", "bodies", "simulated")


@dataclass
class Effort:
    """How long to measure what."""

    rounds: int
    seconds: float
    polls: int
    push_seconds: float
    devices: int
    streams_seconds: float
    simulated: int
    simulated_seconds: float
    body_rounds: int = 3
    commands_per_second: int = 100
    listeners: int = 100
    changes_per_second: int = 40


WHOLE = Effort(
    rounds=10,
    seconds=0.4,
    polls=5000,
    push_seconds=10,
    devices=1000,
    streams_seconds=10,
    simulated=1000,
    simulated_seconds=30,
)
QUICK = Effort(
    rounds=1,
    seconds=0.1,
    polls=500,
    push_seconds=1,
    devices=200,
    streams_seconds=1,
    simulated=50,
    simulated_seconds=5,
    body_rounds=1,
)


def main() -> None:
    options = _options()
    # Or the daemon would go on when somebody ends us.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        _run(options)
    except BenchError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a glance, in half a minute")
    parser.add_argument(
        "--only",
        action="append",
        choices=[*NAMES, *OTHERS],
        metavar="NAME",
        help=f"measure only this, may be repeated: {', '.join((*NAMES, *OTHERS))}",
    )
    parser.add_argument("--polls", type=int, metavar="N", help="held polls [5000]")
    parser.add_argument("--store-core", type=int, metavar="CORE", help="core of the store [that of the load]")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all numbers to a file, too")
    parser.add_argument(
        "--profile", choices=NAMES, metavar="ENDPOINT", help="print where its time goes instead"
    )
    return parser.parse_args()


def _run(options: argparse.Namespace) -> None:
    effort = QUICK if options.quick else WHOLE
    effort.polls = options.polls or effort.polls
    raise_file_limit(effort.polls + 200)
    cores = sorted(os.sched_getaffinity(0))
    core, load_core = cores[0], cores[-1]
    store_core = load_core if options.store_core is None else options.store_core
    if core == load_core:
        _say("There is only one core: all share it, and the figures say little.")
    pin(os.getpid(), load_core)
    if options.profile:
        with tempfile.TemporaryDirectory() as folder:
            endpoint = ENDPOINTS[NAMES.index(options.profile)]
            endpoints.profile(endpoint, core, store_core, Path(folder), 10 * effort.seconds)
        return
    result = Report(core, load_core, store_core, os.getloadavg()[0], [])
    if result.load_average > 1:
        _say(f"The load average is {result.load_average:.2f}; others disturb the figures.")
    _measure(result, effort, lambda name: not options.only or name in options.only)
    print(report.text(result))
    if options.json:
        options.json.write_text(json.dumps(asdict(result), indent=1) + "\n")


def _measure(result: Report, effort: Effort, wanted: Callable[[str], bool]) -> None:
    chosen = [each for each in ENDPOINTS if wanted(each.name)]
    if chosen or wanted("store"):
        with Daemon(result.core, result.store_core, settings=endpoints.SETTINGS) as daemon:
            rounds = [effort.seconds] * (effort.rounds + 1)
            devices = endpoints.prepare(daemon, endpoints.AT_ONCE)
            for endpoint in chosen:
                _say(f"{endpoint.name} ...")
                rate = endpoints.measure(endpoint, daemon, devices, result.core, rounds)
                result.rates.append(rate)
            if wanted("store"):
                _say("store ...")
                measured = store_round_trip(daemon, result.core, effort.seconds)
                result.store = StoreTrip(**json.loads(measured))
    if wanted("devices"):
        _say(f"{effort.devices} devices ...")
        result.listing = listing.measure(
            result.core, result.store_core, effort.devices // 10, effort.devices, 2 * effort.rounds
        )
    if wanted("events"):
        _say(f"{effort.listeners} event streams ...")
        result.streams = streams.measure(
            result.core,
            result.store_core,
            effort.listeners,
            effort.changes_per_second,
            effort.streams_seconds,
        )
    if wanted("polls"):
        _say(f"{effort.polls} polls ...")
        result.held = polls.measure(
            result.core, result.store_core, effort.polls, effort.commands_per_second, effort.push_seconds
        )
    if wanted("bodies"):
        _say("large bodies ...")
        result.bodies = bodies.measure(result.core, result.store_core, effort.body_rounds)
    if wanted("simulated"):
        _say(f"{effort.simulated} simulated thermostats ...")
        cores = result.core, result.load_core, result.store_core
        result.simulated = simulated.measure(*cores, effort.simulated, effort.simulated_seconds)


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()

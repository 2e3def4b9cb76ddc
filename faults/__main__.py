"""`python -m faults`: break nled in all ways that there are, and print what became of it."""

import argparse
import signal
import sys
from random import Random, SystemRandom
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.task import react

from bench.load import raise_file_limit
from faults import report, run
from faults.kind import Kind
from faults.kinds import KINDS, clock
from faults.kinds.store import DiskFull
from faults.report import Report
from faults.run import Result
from faults.world import Failed, World

NAMES = [kind.name for kind in KINDS]
# For the polls, and what else is open.
_DESCRIPTORS = 4000
_DISK = 128 << 20


@define(eq=False)
class Runner:
    """Does one fault after the other, in rounds of all kinds, until the time is over."""

    _reactor: Any
    _options: argparse.Namespace
    _random: Random
    report: Report = field(factory=Report)
    _worlds: dict[str, World] = field(factory=dict)

    async def run(self) -> None:
        """Run; at least one round is finished."""
        kinds = [kind for kind in KINDS if not self._options.only or kind.name in self._options.only]
        for kind in kinds:
            if missing := kind().missing():
                self.report.skipped[kind.name] = missing
        kinds = [kind for kind in kinds if kind.name not in self.report.skipped]
        end = self._reactor.seconds() + self._options.seconds
        try:
            while True:
                self._random.shuffle(kinds)
                for kind in sorted(kinds, key=lambda each: each.world):
                    await self._do(kind)
                    if self.report.results and self._reactor.seconds() > end > self._first_round(kinds):
                        return
                self.report.rounds += 1
                if self._reactor.seconds() > end:
                    return
        finally:
            for world in self._worlds.values():
                await world.end()

    def _first_round(self, kinds: list[type[Kind]]) -> float:
        done = len(self.report.results) >= len(kinds)
        return 0 if done else float("inf")

    async def _do(self, kind: type[Kind]) -> None:
        began = self._reactor.seconds()
        try:
            world = self._worlds.get(kind.world) or await self._make(kind.world)
        except Failed as failed:
            result = Result(kind.name, problems=[f"at the start, {failed}"])
        else:
            result = await run.run(kind(), world)
        self.report.add(result, self._reactor.seconds(), kind.world)
        _say(report.line(result, self._reactor.seconds() - began))
        if result.broken:
            await self._worlds.pop(kind.world).end()

    async def _make(self, name: str) -> World:
        world = World(self._reactor, Random(self._random.random()), self._options.homes)
        if name == DiskFull.world and not DiskFull().missing():
            world.disk = _DISK
        if name == clock.ClockStepped.world:
            world.environment = clock.environment(world.folder / "clock")
        self._worlds[name] = world
        try:
            await world.begin()
        except BaseException:
            await self._worlds.pop(name).end()
            raise
        return world


def main() -> None:
    """Run from the command line."""
    options = _options()
    # Or the daemons would go on when somebody ends us.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    raise_file_limit(_DESCRIPTORS)
    _say(f"seed {options.seed}")
    react(lambda reactor: Deferred.fromCoroutine(_main(reactor, options)))


async def _main(reactor: Any, options: argparse.Namespace) -> None:
    runner = Runner(reactor, options, Random(options.seed))
    await runner.run()
    print(report.table(runner.report))
    if runner.report.failed:
        raise SystemExit(1)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m faults", description=__doc__)
    length = parser.add_mutually_exclusive_group()
    length.add_argument(
        "--short", action="store_const", dest="seconds", const=0, help="each kind once [the default]"
    )
    length.add_argument(
        "--long", action="store_const", dest="seconds", const=1800, help="30 minutes; memory has to stay flat"
    )
    length.add_argument("--seconds", type=float, help="so long, but each kind once")
    parser.add_argument(
        "--only",
        action="append",
        choices=NAMES,
        metavar="KIND",
        help=f"only this kind, may be repeated: {', '.join(NAMES)}",
    )
    parser.add_argument(
        "--seed", type=int, default=SystemRandom().randrange(10**6), help="of all that is random"
    )
    parser.add_argument("--homes", type=int, default=5, metavar="N", help="thermostats with their people [5]")
    parser.set_defaults(seconds=0)
    return parser.parse_args()


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()

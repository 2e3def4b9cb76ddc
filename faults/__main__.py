"""`python -m faults`: break nled in all ways that there are, and print what became of it."""

import argparse
import sys
from random import Random, SystemRandom
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import react

from bench.load import raise_file_limit
from faults import report, run
from faults.kind import Kind
from faults.kinds import KINDS
from faults.kinds.clock import ClockStepped
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
    """Does the faults of each daemon one after the other; the daemons run side by side."""

    _reactor: Any
    _options: argparse.Namespace
    report: Report = field(factory=Report)
    _worlds: dict[str, World] = field(factory=dict)
    _runs: list[Deferred[None]] = field(factory=list)

    async def run(self) -> None:
        """Run; at least one round is finished."""
        wanted: dict[str, list[type[Kind]]] = {}
        for kind in KINDS:
            if self._options.only and kind.name not in self._options.only:
                continue
            if missing := kind().missing():
                self.report.skipped[kind.name] = missing
            else:
                wanted.setdefault(kind.world, []).append(kind)
        end = self._reactor.seconds() + self._options.seconds
        self._runs = [
            Deferred.fromCoroutine(self._repeat(kinds, Random(f"{self._options.seed} {world}"), end))
            for world, kinds in wanted.items()
        ]
        try:
            await gatherResults(self._runs, consumeErrors=True)
        finally:
            await self.end()

    async def end(self) -> None:
        """End all daemons, also in the middle of something."""
        for each in self._runs:
            each.cancel()
        while self._worlds:
            await self._worlds.popitem()[1].end()

    async def _repeat(self, kinds: list[type[Kind]], random: Random, end: float) -> None:
        """Do one daemon's kinds in rounds, until the time is over; each at least once."""
        # A daemon that was not broken in a whole round has taken what memory it needs.
        warm = whole = False
        first = True
        while first or self._reactor.seconds() < end:
            random.shuffle(kinds)
            warm, whole = whole, True
            for kind in kinds:
                if not first and self._reactor.seconds() >= end:
                    break
                if not await self._do(kind, random, warm=warm):
                    warm = whole = False
            first = False

    async def _do(self, kind: type[Kind], random: Random, *, warm: bool) -> bool:
        """Do one; returns whether nled got over it."""
        began = self._reactor.seconds()
        try:
            world = self._worlds.get(kind.world) or await self._make(kind.world, random)
        except Failed as failed:
            result = Result(kind.name, problems=[f"at the start, {failed}"])
        else:
            result = await run.run(kind(), world)
        self.report.results.append(result)
        if warm and kind.world == Kind.world:
            self.report.memory.append((self._reactor.seconds(), result.after))
        _say(report.line(result, self._reactor.seconds() - began))
        if result.broken:
            if kind.world == Kind.world:
                self.report.memory.clear()
            if broken := self._worlds.pop(kind.world, None):
                await broken.end()
        return not result.broken

    async def _make(self, name: str, random: Random) -> World:
        world = World(self._reactor, Random(random.random()), self._options.homes)
        if name == DiskFull.world and not DiskFull().missing():
            world.disk = _DISK
        if name == ClockStepped.world:
            world.fake_clock = True
        self._worlds[name] = world
        try:
            await world.begin()
        except BaseException:
            # Unless all of them were ended meanwhile.
            if self._worlds.pop(name, None):
                await world.end()
            raise
        return world


def main() -> None:
    """Run from the command line."""
    options = _options()
    raise_file_limit(_DESCRIPTORS)
    _say(f"seed {options.seed}")
    react(lambda reactor: Deferred.fromCoroutine(_main(reactor, options)))


async def _main(reactor: Any, options: argparse.Namespace) -> None:
    runner = Runner(reactor, options)
    # Or the daemons would go on when somebody ends us.
    reactor.addSystemEventTrigger("before", "shutdown", lambda: Deferred.fromCoroutine(runner.end()))
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

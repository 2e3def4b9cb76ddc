"""nledctl: what a person does with nled from a shell."""

from __future__ import annotations

import argparse
import resource
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred
from twisted.internet.task import react

from nled import __version__
from nled.simulator.fleet import Fleet, serials

if TYPE_CHECKING:
    from collections.abc import Sequence

_SIMULATE = """examples:
  nledctl simulate                      one thermostat with nled on this machine
  nledctl simulate --count 3 --seconds 600 --drop-rate 0.1
  nledctl simulate --url http://192.168.1.5:8000 --serial 02AA01AC33140F61

exit status: 0 all was well, 1 the server broke a rule, 2 the server was never reached"""


def main(argv: Sequence[str] | None = None) -> None:
    """The console script; ends with `SystemExit`."""
    arguments = _parser().parse_args(argv)
    arguments.run(arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="nledctl", description="Work with nled from the shell.")
    commands = parser.add_subparsers(required=True, metavar="command")

    version = commands.add_parser("version", help="say which nled this is")
    version.set_defaults(run=_version)

    simulate = commands.add_parser(
        "simulate",
        help="be one thermostat, or thousands, and complain about broken rules",
        description="Be thermostats: boot, show an entry code, report, wait for changes; "
        "complain about every rule of the protocol that the server breaks.",
        epilog=_SIMULATE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = simulate.add_argument
    add("--url", default="http://127.0.0.1:8000", help="the device port of nled (default: %(default)s)")
    add("--count", type=_count, help="how many devices (default: one, or one for each --serial)")
    add("--serial", action="append", default=[], help="the serial of a device; may be given again")
    add("--seconds", type=_seconds, default=0.0, help="stop after so long (default: 0, at Ctrl-C)")
    help_text = "how many of a device's own doings are to lose its connection, 0 to 1 (default: 0)"
    add("--drop-rate", type=_rate, default=0.0, help=help_text)
    simulate.set_defaults(run=_simulate)
    return parser


def _version(_arguments: argparse.Namespace) -> None:
    sys.stdout.write(f"nled {__version__}\n")


def _simulate(arguments: argparse.Namespace) -> None:
    chosen = [serial.upper() for serial in arguments.serial]
    # The default serials fill up what --serial leaves of --count.
    more = (serial for serial in serials(arguments.count or 1) if serial not in chosen)
    while len(chosen) < (arguments.count or 1):
        chosen.append(next(more))
    _allow_open_files(2 * len(chosen) + 100)
    react(partial(_run, arguments=arguments, serials=chosen))


async def _run(reactor: Any, arguments: argparse.Namespace, serials: list[str]) -> None:
    fleet = Fleet.of(reactor, arguments.url, serials, arguments.drop_rate, sys.stdout)
    # The reactor waits for this, so that Ctrl-C too ends with the summary and the exit status.
    reactor.addSystemEventTrigger("before", "shutdown", lambda: Deferred.fromCoroutine(fleet.stop()))
    raise SystemExit(await fleet.run(arguments.seconds))


def _allow_open_files(wanted: int) -> None:
    # Most systems start a shell with 1024, far fewer than the hard limit allows.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        reachable = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (reachable, hard))


def _count(text: str) -> int:
    if not 1 <= int(text) <= 30_000:  # noqa: PLR2004 - one address has no more ports to call from
        raise argparse.ArgumentTypeError("must be from 1 to 30000")
    return int(text)


def _seconds(text: str) -> float:
    if not 0 <= float(text) < 10**9:
        raise argparse.ArgumentTypeError("must be 0 or more")
    return float(text)


def _rate(text: str) -> float:
    if not 0 <= float(text) <= 1:
        raise argparse.ArgumentTypeError("must be from 0 to 1")
    return float(text)

"""`nledctl simulate`: thermostats that speak the protocol, to see whether a server does."""

import resource
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from nled.ctl.command import command
from nled.ctl.errors import UNREACHABLE
from nled.ctl.values import SERIAL, URL

if TYPE_CHECKING:
    from nled.simulator.fleet import Fleet

# One address has no more ports to call from.
_MOST = 30_000


@command(
    "simulate",
    daemon=False,
    writes_json=False,
    short_help="Be one thermostat, or thousands, and complain about broken rules.",
    examples="""
    nledctl simulate
    nledctl simulate --count 3 --seconds 600 --drop-rate 0.1
    nledctl simulate --url http://192.168.1.5:8000 --serial 02AA01AC33140F61""",
)
@click.option(
    "--url",
    type=URL,
    default="http://127.0.0.1:8000",
    show_default=True,
    help="The device port of nled.",
)
@click.option(
    "--count", type=click.IntRange(1, _MOST), help="How many devices: one, or one for each --serial."
)
@click.option("--serial", "given", type=SERIAL, multiple=True, help="Of a device; may be given again.")
@click.option(
    "--seconds",
    type=click.FloatRange(0, 1e9),
    default=0.0,
    show_default=True,
    help="Stop after so long; 0 is at Ctrl-C.",
)
@click.option(
    "--drop-rate",
    type=click.FloatRange(0, 1),
    default=0.0,
    show_default=True,
    help="How many of a device's own doings are to lose its connection.",
)
def simulate(url: str, count: int | None, given: tuple[str, ...], seconds: float, drop_rate: float) -> None:
    """Be thermostats: boot, show an entry code, report, wait for changes.

    Complains about every rule of the protocol that the server breaks; the exit status is then 1.
    """
    # Twisted is half a second on a small machine, and no other command needs it.
    from twisted.internet.task import react  # noqa: PLC0415

    from nled.simulator.fleet import Fleet, serials  # noqa: PLC0415

    chosen = list(dict.fromkeys(given))
    # The default serials fill up what --serial leaves of --count.
    more = (serial for serial in serials(count or 1) if serial not in chosen)
    while len(chosen) < (count or 1):
        chosen.append(next(more))
    _allow_open_files(2 * len(chosen) + 100)
    react(partial(_run, lambda reactor: Fleet.of(reactor, url, chosen, drop_rate, sys.stdout), seconds))


async def _run(make: Any, seconds: float, reactor: Any) -> None:
    from twisted.internet.defer import Deferred  # noqa: PLC0415

    from nled.clocks import steady  # noqa: PLC0415
    from nled.ext.twisted import run_timers_on  # noqa: PLC0415
    from nled.simulator.fleet import UNREACHED  # noqa: PLC0415

    run_timers_on(reactor, steady)
    fleet: Fleet = make(reactor)
    # The reactor waits for this, so that Ctrl-C too ends with the summary and the exit status.
    reactor.addSystemEventTrigger("before", "shutdown", lambda: Deferred.fromCoroutine(fleet.stop()))
    status = await fleet.run(seconds)
    raise SystemExit(UNREACHABLE if status == UNREACHED else status)


def _allow_open_files(wanted: int) -> None:
    # Most systems start a shell with 1024, far fewer than the hard limit allows.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        reachable = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (reachable, hard))

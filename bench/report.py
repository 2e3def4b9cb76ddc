"""The table."""

import os
import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import nled
import twisted
from bench.bodies import Bodies
from bench.endpoints import Rate, StoreTrip
from bench.listing import Listing
from bench.polls import Held
from bench.simulated import Simulated
from bench.streams import Streams

KB, MB = 1000, 1_000_000
MOST_EACH, MOST_IDLE, MOST_TRIPS = 12 * KB, 60 * MB, 4.0
MOST_TIMES_FEW = 10.0
# What bodies under way may take, for each byte that was sent; and what may be left of them.
MOST_FOR_BODIES, MOST_LEFT = 1.5, 16 * MB
# Beyond this share of its core the load may be what is measured.
_BUSY = 0.9


@dataclass
class Report:
    """All that one run found.

    Attributes:
        load_average: of the minute before it began.
    """

    core: int
    load_core: int
    store_core: int
    load_average: float
    rates: list[Rate]
    store: StoreTrip | None = None
    listing: Listing | None = None
    streams: Streams | None = None
    held: Held | None = None
    bodies: Bodies | None = None
    simulated: Simulated | None = None


def text(report: Report) -> str:
    """Write a report as Markdown."""
    return "\n".join(
        (
            *_about(report),
            *_rates(report),
            *_store(report),
            *_listing(report),
            *_streams(report),
            *_held(report),
            *_bodies(report),
            *_simulated(report),
            "",
        )
    )


def _about(report: Report) -> Iterator[str]:
    yield f"# nled {nled.__version__} on {_processor()}"
    yield ""
    yield (
        f"{platform.system()} {platform.release()}, {os.cpu_count()} cores, "
        f"Python {platform.python_version()}, Twisted {twisted.__version__}. "
        f"Daemon and floor on core {report.core}, load on core {report.load_core}, "
        f"private store moved to core {report.store_core}. "
        f"Load average before the run: {report.load_average:.2f}."
    )


def _rates(report: Report) -> Iterator[str]:
    if not report.rates:
        return
    yield ""
    yield "Floor: a bare `twisted.web` resource, same request, answer of the same size, same core, in turn."
    yield "CPU is the process's own, user and system, per request. `subscribe` opens a connection each time."
    yield "By CPU and by rate: what is reached of the floor; the target is on the rate."
    yield ""
    yield from _table(
        (
            "endpoint",
            "req/s",
            "CPU µs",
            "store CPU µs",
            "floor req/s",
            "floor CPU µs",
            "by CPU",
            "by rate",
            "target",
            "",
        ),
        [
            (
                each.name,
                f"{each.nled.rate:,.0f}",
                f"{each.nled.cpu:.0f}",
                f"{each.nled.store_cpu:.0f}",
                f"{each.floor.rate:,.0f}",
                f"{each.floor.cpu:.0f}",
                f"{each.floor.cpu / each.nled.cpu:.2f}",
                f"{each.fraction:.2f}",
                "" if each.target is None else f"{each.target:.2f}",
                "" if each.target is None else _verdict(each.fraction >= each.target),
            )
            for each in report.rates
        ],
    )
    for each in report.rates:
        store_busy = each.nled.rate * each.nled.store_cpu / 1e6
        shared = report.store_core == report.load_core
        busy = max(each.nled.load_busy + (store_busy if shared else 0), each.floor.load_busy)
        if busy > _BUSY:
            yield f"\n{each.name}: the core of the load was {busy:.0%} busy and may have held the daemon up."


def _store(report: Report) -> Iterator[str]:
    if report.store is None:
        return
    yield ""
    store = report.store
    yield (
        f"Store, bare round trip of a tiny script by nled's client: {store.alone_us:.0f} µs, paced "
        f"{store.paced_us:.0f} µs; {store.at_once_us:.0f} µs per script with {store.at_once} at once."
    )


def _listing(report: Report) -> Iterator[str]:
    listing = report.listing
    if listing is None:
        return
    times = listing.many_us / listing.few_us
    yield ""
    yield (
        f"The list of {listing.many:,} devices: {listing.many_us / 1000:.1f} ms, {times:.1f} times that of "
        f"{listing.few:,} ({listing.few_us / 1000:.1f} ms); at most {MOST_TIMES_FEW:g}: "
        f"{_verdict(times <= MOST_TIMES_FEW)}. Slowest small answer to a device meanwhile: "
        f"{listing.longest * 1000:.0f} ms (of {listing.meanwhile})."
    )


def _streams(report: Report) -> Iterator[str]:
    streams = report.streams
    if streams is None:
        return
    yield ""
    yield (
        f"{streams.changes:,} changes, {streams.rate:g}/s, until all {streams.listeners} event streams "
        f"had each: p50 {streams.p50 / 1000:.1f} ms, p99 {streams.p99 / 1000:.1f} ms, worst "
        f"{streams.worst / 1000:.1f} ms; CPU of a change {streams.cpu / 1000:.1f} ms; lost {streams.lost} of "
        f"{streams.changes * streams.listeners:,}: {_verdict(streams.lost == 0)}."
    )
    if streams.load_busy > _BUSY:
        yield f"\nThe load took {streams.load_busy:.0%} of its core and may have delayed the events."


def _held(report: Report) -> Iterator[str]:
    held = report.held
    if held is None:
        return
    push = held.push
    yield ""
    yield f"{held.count:,} held polls, on a daemon of their own:"
    yield ""
    rows = [
        (
            "idle daemon, without the store",
            f"{held.idle / MB:.1f} MB",
            "60 MB",
            _verdict(held.idle <= MOST_IDLE),
        ),
        (
            "RSS per held poll",
            f"{held.each / KB:.1f} KB (bare: {held.floor_each / KB:.1f})",
            "12 KB",
            _verdict(held.each <= MOST_EACH),
        ),
        ("RSS with all held", f"{held.resident / MB:.1f} MB", "", ""),
        ("opening", f"{held.opening:,.0f} polls/s (bare: {held.floor_opening:,.0f})", "", ""),
        (
            "bare HTTP round trip",
            f"{held.trip:.0f} µs, paced {held.paced_trip:.0f} µs",
            "",
            "",
        ),
        (
            f"push p50, {push.rate:g} commands/s",
            f"{push.p50:.0f} µs = {_trips(push.p50, report)}",
            "4 paced HTTP",
            _verdict(push.p50 <= MOST_TRIPS * held.paced_trip),
        ),
        ("push p99", f"{push.p99:.0f} µs = {_trips(push.p99, report)}", "", ""),
        ("push worst", f"{push.worst / 1000:.1f} ms", "", ""),
        ("lost pushes", f"{push.lost} of {push.commands:,}", "0", _verdict(push.lost == 0)),
        ("reconnect storm, all held again", f"{held.storm:.2f} s", "", ""),
        ("slowest ping meanwhile", f"{held.storm_ping * 1000:.0f} ms (of {held.storm_pings})", "", ""),
    ]
    yield from _table(("", "", "target", ""), rows)
    yield ""
    yield "A push is timed from sending the command to its chunk on the device's socket. A bare round trip"
    yield "is HTTP to the floor, or a tiny script to the store: one at a time on one connection, in this run."
    yield "Paced: as many per second as there are commands. Each step then wakes an idle machine, as those of"
    yield "a push do, so the target is held against that."
    if push.load_busy > _BUSY:
        yield f"\nThe load took {push.load_busy:.0%} of its core during the pushes and may have delayed them."


def _bodies(report: Report) -> Iterator[str]:
    bodies = report.bodies
    if bodies is None:
        return
    well = bodies.peak <= MOST_FOR_BODIES * bodies.sent and bodies.left <= MOST_LEFT
    yield ""
    yield (
        f"{bodies.sent / MB:.0f} MB of bodies under way, {bodies.rounds} times: RSS grows by "
        f"{bodies.peak / MB:.1f} MB (at most {MOST_FOR_BODIES:g} times as much), and is back to within "
        f"{bodies.left / MB:.1f} MB after them (at most {MOST_LEFT / MB:.0f}): {_verdict(well)}."
    )


def _simulated(report: Report) -> Iterator[str]:
    fleet = report.simulated
    if fleet is None:
        return
    well = fleet.complaints == 0 and fleet.booted == fleet.count
    yield ""
    yield (
        f"{fleet.count:,} strict simulated thermostats for {fleet.seconds:g} s: {fleet.booted:,} booted, "
        f"{fleet.held:,} held at the end, {fleet.complaints} complaints about the protocol: {_verdict(well)}."
    )


def _trips(microseconds: float, report: Report) -> str:
    assert report.held is not None
    paced, tight = microseconds / report.held.paced_trip, microseconds / report.held.trip
    http = f"{paced:.1f} paced HTTP ({tight:.1f} not paced)"
    return http if report.store is None else f"{http}, {microseconds / report.store.paced_us:.1f} paced store"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for row in (head, ["-" * width for width in widths], *rows):
        yield f"| {' | '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))} |"


def _verdict(good: bool) -> str:  # noqa: FBT001 - it is all there is to say
    return "pass" if good else "FAIL"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()

"""`nledctl history`: what was, as a plot, as CSV or as JSON."""

import csv
import json
import shutil
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import click

from nled.ctl.command import Session, command, pass_session
from nled.ctl.output import show_table, span
from nled.ctl.values import DURATION
from nled.domain.history import NUMBERS, SERIES

_PLOTTED = ("temperature", "target")
# What the thermostat only heeds in mode range.
_IN_RANGE = ("low", "high")
_LISTED = tuple(name for name in SERIES if name not in NUMBERS)
_HEIGHT = 20
_TIME = "%Y-%m-%d %H:%M:%S"


@command(
    "history",
    examples="""
    nledctl history 02AA01AC33140F61
    nledctl history 02AA01AC33140F61 --last 7d --field humidity
    nledctl history 02AA01AC33140F61 --from 2026-11-01 --to 2026-12-01 --csv > november.csv""",
)
@click.argument("serial")
@click.option("--last", type=DURATION, help="How far back, such as 12h or 7d; 24h if not given.")
@click.option("--from", "start", metavar="TIME", help="From when: 2026-11-22, 2026-11-22T06:30, or ms.")
@click.option("--to", "end", metavar="TIME", help="Until when; now if not given.")
@click.option(
    "--field",
    "fields",
    multiple=True,
    metavar="NAME",
    help=f"Only this; may be given again. {', '.join(NUMBERS)} are plotted, {', '.join(_LISTED)} listed.",
)
@click.option("--csv", "as_csv", is_flag=True, help="Write CSV: time (UTC), field, value.")
@pass_session
def history(
    session: Session,
    serial: str,
    *,
    last: float | None,
    start: str | None,
    end: str | None,
    fields: tuple[str, ...],
    as_csv: bool,
) -> None:
    """Plot temperatures over time, and say how long heating, cooling and fan ran each day."""
    if as_csv and session.json:
        raise click.UsageError("Give --csv or --json, not both.")
    if last is not None:
        if start is not None or end is not None:
            raise click.UsageError("Give --last, or --from and --to; not both.")
        start = str(max(0, round((time.time() - last) * 1000)))
    query = {"serial": serial, "from": start, "to": end, "fields": ",".join(fields) or None}
    answer = session.client.send("GET", "/api/history", query=query)
    if as_csv:
        _write_csv(answer["points"])
    else:
        session.show(answer, lambda: _show(answer, fields))


def _write_csv(points: Mapping[str, list[tuple[int, Any]]]) -> None:
    writer = csv.writer(sys.stdout)
    writer.writerow(("time", "field", "value"))
    rows = sorted((at, name, value) for name, series in points.items() for at, value in series)
    for at, name, value in rows:
        moment = datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds")
        writer.writerow(
            (moment.replace("+00:00", "Z"), name, value if isinstance(value, str) else json.dumps(value))
        )


def _show(answer: Mapping[str, Any], fields: tuple[str, ...]) -> None:
    # It takes time that other commands need not spend.
    from nled.ctl.plot import plot, zone_of  # noqa: PLC0415

    points = answer["points"]
    listed = sorted(
        (at, name, value) for name in fields if name in _LISTED for at, value in points.get(name, ())
    )
    if not fields:
        ranged = any(mode == "range" for _, mode in points.get("mode", ()))
        fields = (*_PLOTTED, *_IN_RANGE) if ranged else _PLOTTED
    numbers = {name: points[name] for name in fields if name in NUMBERS and points.get(name)}
    until = min(answer["to"], time.time() * 1000)
    if numbers:
        width = shutil.get_terminal_size((100, 24)).columns
        click.echo(
            plot(numbers, until, answer.get("time_zone"), (width, _HEIGHT), colour=sys.stdout.isatty())
        )
    if listed:
        zone = zone_of(answer.get("time_zone"))
        times = [datetime.fromtimestamp(at / 1000, zone).strftime(_TIME) for at, _, _ in listed]
        show_table(
            ("time", "field", "value"),
            [(each, name, value) for each, (_, name, value) in zip(times, listed, strict=True)],
            "",
        )
    if not numbers and not listed:
        click.echo("Nothing was recorded in that time.", err=True)
    ran = [
        (each["day"], *(span(each[name]) if each[name] else None for name in ("heating", "cooling", "fan")))
        for each in answer.get("run_times", ())
    ]
    if ran:
        click.echo()
        show_table(("day", "heating", "cooling", "fan"), ran, "")

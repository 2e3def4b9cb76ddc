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

_PLOTTED = ("temperature", "target")
# What the thermostat only heeds in mode range.
_IN_RANGE = ("low", "high")
_HEIGHT = 20


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
@click.option("--field", "fields", multiple=True, metavar="NAME", help="Only this; may be given again.")
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
    if last is not None:
        if start is not None or end is not None:
            raise click.UsageError("Give --last, or --from and --to; not both.")
        start = str(round((time.time() - last) * 1000))
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
    # Half of this command's time, and nothing that the other commands need.
    from nled.ctl.plot import plot  # noqa: PLC0415

    points = answer["points"]
    if not fields:
        ranged = any(mode == "range" for _, mode in points.get("mode", ()))
        fields = (*_PLOTTED, *_IN_RANGE) if ranged else _PLOTTED
    numbers = {name: points[name] for name in fields if _is_numeric(points.get(name, ()))}
    until = min(answer["to"], time.time() * 1000)
    if numbers:
        width = shutil.get_terminal_size((100, 24)).columns
        click.echo(
            plot(numbers, until, answer.get("time_zone"), (width, _HEIGHT), colour=sys.stdout.isatty())
        )
    elif any(points.get(name) for name in fields):
        click.echo(f"{', '.join(fields)} cannot be plotted; --csv and --json show it.", err=True)
    else:
        click.echo("Nothing was recorded in that time.", err=True)
    ran = [
        (each["day"], *(span(each[name]) if each[name] else None for name in ("heating", "cooling", "fan")))
        for each in answer.get("run_times", ())
    ]
    if ran:
        click.echo()
        show_table(("day", "heating", "cooling", "fan"), ran, "")


def _is_numeric(series: Any) -> bool:
    return bool(series) and all(
        isinstance(value, int | float) and not isinstance(value, bool) for _, value in series
    )

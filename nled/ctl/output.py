"""What people read (tables, lines) and what programs read (JSON)."""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import click

_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def printable(value: object) -> str:
    """Write a value on one line; nothing that a thermostat calls itself may steer the terminal."""
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(printable, value)) or "-"
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in str(value))


def shortened(text: str, most: int) -> str:
    """Cut a text that has more letters."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def show_json(value: object, *, indent: int | None = 2) -> None:
    """Write JSON; all of it ASCII, so that no terminal and no locale makes anything else of it."""
    click.echo(json.dumps(value, indent=indent))


def show_table(heads: Sequence[str], rows: Iterable[Sequence[object]], nothing: str) -> None:
    """Write a table; `nothing` is the sentence for none at all, which goes to standard error."""
    texts = [[printable(each) for each in row] for row in rows]
    if not texts:
        click.echo(nothing, err=True)
        return
    table = [[head.upper() for head in heads], *texts]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        click.echo("  ".join(map(str.ljust, row, widths)).rstrip())


def show_facts(facts: Iterable[tuple[str, object]]) -> None:
    """Write one fact per line, the names aligned."""
    texts = [(name, printable(value)) for name, value in facts]
    width = max(len(name) for name, _ in texts)
    for name, value in texts:
        click.echo(f"{name:{width}}  {value}")


def degrees(value: object) -> str:
    """Write a temperature in °C; "-" for none."""
    return f"{value:.1f} °C" if isinstance(value, int | float) else "-"


def moment(ms: object) -> str:
    """Write a time given in ms, in the time zone of this machine; "never" for none."""
    if not isinstance(ms, int | float):
        return "never"
    try:
        return datetime.fromtimestamp(ms / 1000, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    except (OverflowError, OSError, ValueError):
        return str(ms)


def ago(iso: object, now: float) -> str:
    """Write how long before `now` (s) a time in ISO 8601 was."""
    try:
        then = datetime.fromisoformat(str(iso)).timestamp()
    except (ValueError, OverflowError):
        return "never"
    if then <= 0:
        return "never"
    return f"{span(max(0.0, now - then))} ago"


def span(seconds: float) -> str:
    """Write a length of time, in its largest unit that makes sense."""
    for size, unit in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"

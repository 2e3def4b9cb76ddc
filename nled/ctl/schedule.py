"""`nledctl schedule`: the week of a thermostat."""

from collections.abc import Iterator, Mapping
from typing import IO, Any

import click
import msgspec

from nled.ctl.command import Session, group, pass_session
from nled.ctl.errors import Failure
from nled.ctl.orders import send_order, wait_option
from nled.ctl.output import show_json, show_table

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
# A full week as `get` writes it has some 200 KiB; the API counts it without its white space.
_MOST_BYTES = 1024 * 1024


@group(
    "schedule",
    short_help="Show or replace a thermostat's schedule.",
    examples="""
    nledctl schedule 02AA01AC33140F61 get
    nledctl schedule 02AA01AC33140F61 get week.json
    nledctl schedule 02AA01AC33140F61 put week.json --wait""",
)
@click.argument("serial")
@click.pass_context
def schedule(ctx: click.Context, serial: str) -> None:
    """Show or replace the week of a thermostat."""
    ctx.meta["serial"] = serial


@schedule.command("get", examples="nledctl schedule 02AA01AC33140F61 get week.json")
@click.argument("file", type=click.File("w", lazy=True), required=False)
@click.pass_context
@pass_session
def get(session: Session, ctx: click.Context, file: IO[str] | None) -> None:
    """Show the schedule, or write it to FILE (- for standard output) as `put` reads it."""
    answer = session.client.get("/api/schedule", serial=ctx.meta["serial"])
    found = answer["schedule"]
    if found is None:
        raise Failure(f"{answer['serial']} has no schedule yet.")
    if file is not None:
        file.write(msgspec.json.format(msgspec.json.encode(found), indent=2).decode() + "\n")
        return
    session.show(answer, lambda: _show(found))


@schedule.command("put", examples="nledctl schedule 02AA01AC33140F61 put week.json")
@click.argument("file", type=click.File("rb"))
@wait_option
@click.pass_context
@pass_session
def put(session: Session, ctx: click.Context, file: IO[bytes], wait: float | None) -> None:
    """Replace the schedule by the one in FILE (- for standard input), as `get` writes it."""
    text = file.read(_MOST_BYTES + 1)
    if len(text) > _MOST_BYTES:
        raise Failure(f"{file.name} is no schedule: it has more than {_MOST_BYTES} bytes.")
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Failure(f"{file.name} is not JSON: {error}.") from None
    if isinstance(value, dict) and isinstance(value.get("schedule"), dict):
        # What `get --json` wrote.
        value = value["schedule"]
    send_order(session, ctx.meta["serial"], "set_schedule", value, wait)


def _show(found: Mapping[str, Any]) -> None:
    try:
        rows = list(_rows(found["days"]))
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError):
        # Whatever a thermostat has sent as its schedule.
        rows = []
    if not rows:
        show_json(found)
        return
    click.echo(f"mode {found.get('schedule_mode')}")
    show_table(("day", "time", "set to", "type", "entry"), rows, "")


def _rows(days: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    for number, day in enumerate(_DAYS):
        entries = days.get(str(number), {})
        for entry in sorted(entries.values(), key=lambda each: each["time"]):
            minutes = int(entry["time"]) // 60
            low, high, one = entry.get("temp-min"), entry.get("temp-max"), entry.get("temp")
            what = f"{low} to {high} °C" if one is None else f"{one:g} °C"
            time = f"{minutes // 60:02}:{minutes % 60:02}"
            yield day, time, what, str(entry.get("type")), str(entry.get("entry_type", "setpoint"))

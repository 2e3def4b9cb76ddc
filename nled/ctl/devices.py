"""`nledctl devices`, `status`: what there is, and how it is."""

import time
from collections.abc import Mapping
from typing import Any

import click

from nled.ctl.command import Session, command, confirm, group, pass_session
from nled.ctl.output import ago, degrees, moment, printable, shortened, show_facts, show_table, span

# One long name makes all rows long.
_LONGEST_NAME = 40


@group(
    "devices",
    invoke_without_command=True,
    short_help="List the thermostats, or forget one.",
    examples="""
    nledctl devices
    nledctl devices --json
    nledctl devices --arrivals
    nledctl devices forget 02AA01AC33140F61""",
)
@click.option("--arrivals", is_flag=True, help="List who waits to be claimed and is not in the other list.")
@pass_session
@click.pass_context
def devices(ctx: click.Context, session: Session, *, arrivals: bool) -> None:
    """List the thermostats, or forget one."""
    if ctx.invoked_subcommand is not None:
        return
    now = time.time()
    if arrivals:
        _show_arrivals(session, now)
        return
    answer = session.client.get("/api/devices")

    def rows() -> None:
        show_table(
            ("serial", "name", "state", "now", "set to", "mode", "seen", "waiting"),
            [
                (
                    each["serial"],
                    shortened(printable(each["name"]), _LONGEST_NAME),
                    "online" if each["is_available"] else "offline",
                    degrees(_told(each, "current_temperature")),
                    _target(each),
                    _mode(each),
                    ago(each["last_seen"], now),
                    len(each.get("pending", ())) or None,
                )
                for each in answer["devices"]
            ],
            "No thermostat has come yet. `nledctl devices --arrivals` lists those that wait to be claimed; "
            "`nledctl doctor` says whether one could come.",
        )

    session.show(answer, rows)


def _show_arrivals(session: Session, now: float) -> None:
    answer = session.client.get("/api/arrivals")

    def rows() -> None:
        show_table(
            ("serial", "address", "seen"),
            [
                (
                    each["serial"],
                    each["address"] or "-",
                    f"{span(max(0.0, now - each['last_seen'] / 1000))} ago",
                )
                for each in reversed(answer["arrivals"])
            ],
            "Nobody asked for a code within the last day who is not in `nledctl devices`.",
        )

    session.show(answer, rows)


@devices.command(
    "forget",
    examples="""
    nledctl devices forget 02AA01AC33140F61 --yes
    nledctl devices forget --unowned""",
)
@click.argument("serial", required=False)
@click.option("--unowned", is_flag=True, help="All that nobody owns or has ever set.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@pass_session
def forget(session: Session, serial: str | None, *, unowned: bool, yes: bool) -> None:
    """Forget a thermostat: its state, history, owner and shares. Or all that nobody owns or has ever set."""
    if unowned == (serial is not None):
        raise click.UsageError("Name one SERIAL, or say --unowned.")
    if unowned:
        _forget_unowned(session, yes=yes)
        return
    if not yes:
        confirm(f"Forget everything about {serial}, its owner and history too?")
    answer = session.client.send("DELETE", "/api/device", body={"serial": serial})
    session.show(answer, lambda: click.echo(f"{answer['serial']} is forgotten."))


def _forget_unowned(session: Session, *, yes: bool) -> None:
    if not yes:
        count = len(session.client.get("/api/unowned-devices")["devices"])
        confirm(f"Forget {_thermostats(count)} that nobody owns or has ever set, with all they have told?")
    answer = session.client.send("DELETE", "/api/unowned-devices")
    session.show(answer, lambda: click.echo(f"{_thermostats(answer['forgotten'])} forgotten."))


def _thermostats(count: int) -> str:
    return f"{count} thermostat" if count == 1 else f"{count} thermostats"


@command("status", examples="nledctl status 02AA01AC33140F61")
@click.argument("serial")
@pass_session
def status(session: Session, serial: str) -> None:
    """Show one thermostat."""
    answer = session.client.get("/status", serial=serial)
    session.show(answer, lambda: _show(answer, time.time()))


def _show(one: Mapping[str, Any], now: float) -> None:
    state = "online" if one["is_available"] else "offline"
    show_facts(
        [
            ("serial", one["serial"]),
            ("name", one["name"]),
            ("state", f"{state}, seen {ago(one['last_seen'], now)}"),
            ("owner", one.get("owner")),
            ("temperature", degrees(_told(one, "current_temperature"))),
            ("set to", _target(one)),
            ("mode", _mode(one)),
            ("doing", one.get("action")),
            ("humidity", f"{one['humidity']} %"),
            ("fan", _fan(one, now)),
            ("lock", _lock(one)),
            ("software", one["software_version"]),
            ("address", one.get("local_ip")),
        ]
    )
    if not one["complete"]:
        click.echo("It has not told all of itself yet; restart it if that stays so.")
    for each in one.get("pending", ()):
        fields = printable(each["fields"])
        click.echo(f"{each['delivery']} since {moment(each['timestamp'])}: {fields} of {each['key']}")


def _target(one: Mapping[str, Any]) -> str:
    eco = one.get("eco_temperatures")
    if one["mode"] == "off":
        return "-"
    if one.get("eco_mode", "schedule") != "schedule" and eco:
        return f"{eco['low']:.1f} to {degrees(eco['high'])}"
    low, high = one.get("target_temperature_low"), one.get("target_temperature_high")
    if one["mode"] == "range" and None not in (low, high):
        return f"{low:.1f} to {degrees(high)}"
    return degrees(_told(one, "target_temperature"))


def _told(one: Mapping[str, Any], name: str) -> float | None:
    """Give a temperature; None where 0 only stands for what the thermostat has not told (protocol n.1)."""
    degrees: float = one[name]
    return degrees if one["complete"] or degrees else None


def _mode(one: Mapping[str, Any]) -> str:
    eco = one.get("eco_mode", "schedule")
    return str(one["mode"]) if eco == "schedule" else f"{one['mode']}, eco"


def _fan(one: Mapping[str, Any], now: float) -> str:
    if not one.get("has_fan"):
        return "none"
    if not one["fan_timer_active"]:
        return "auto"
    return f"on for {max(0, one['fan_timer_timeout'] - now) / 60:.0f} min"


def _lock(one: Mapping[str, Any]) -> str:
    if not one.get("temperature_lock"):
        return "off"
    low, high = one.get("temperature_lock_low_temp"), one.get("temperature_lock_high_temp")
    return f"{degrees(low)} to {degrees(high)}"

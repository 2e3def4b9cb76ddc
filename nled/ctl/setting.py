"""`nledctl set`: everything that is set on a thermostat, but for its schedule and its lock."""

from math import ceil
from typing import Any

import click
import msgspec

from nled.ctl.command import Session, group, pass_session
from nled.ctl.orders import send_order, wait_option
from nled.ctl.values import DURATION, TEMPERATURE

_MODES = ("off", "heat", "cool", "heat-cool", "range", "auto", "emergency")
_ON_OFF = click.Choice(("on", "off"))


@group(
    "set",
    short_help="Set a temperature, the mode, away, the fan, ...",
    examples="""
    nledctl set 02AA01AC33140F61 temperature 21.5
    nledctl set 02AA01AC33140F61 range 19 23 --wait
    nledctl set 02AA01AC33140F61 mode heat
    nledctl set 02AA01AC33140F61 away on
    nledctl set 02AA01AC33140F61 fan 15m
    nledctl set 02AA01AC33140F61 eco 15 28
    nledctl set 02AA01AC33140F61 humidity 40
    nledctl set 02AA01AC33140F61 setting temperature_scale=F""",
)
@click.argument("serial")
@click.pass_context
def set_(ctx: click.Context, serial: str) -> None:
    """Set something on a thermostat; it is kept for one that sleeps or is away."""
    ctx.meta["serial"] = serial


@set_.command("temperature", examples="nledctl set 02AA01AC33140F61 temperature 21.5 --wait")
@click.argument("degrees", type=TEMPERATURE)
@wait_option
@pass_session
def temperature(session: Session, degrees: float, wait: float | None) -> None:
    """Set the temperature, in °C (21.5) or °F (70F)."""
    _send(session, "set_temperature", degrees, wait)


@set_.command("range", examples="nledctl set 02AA01AC33140F61 range 19 23")
@click.argument("low", type=TEMPERATURE)
@click.argument("high", type=TEMPERATURE)
@wait_option
@pass_session
def range_(session: Session, low: float, high: float, wait: float | None) -> None:
    """Set the temperatures below which to heat and above which to cool."""
    _send(session, "set_temperature", {"low": low, "high": high}, wait)


@set_.command("mode", examples="nledctl set 02AA01AC33140F61 mode heat")
@click.argument("mode", metavar="MODE", type=click.Choice(_MODES, case_sensitive=False))
@wait_option
@pass_session
def mode(session: Session, mode: str, wait: float | None) -> None:
    """Set what the thermostat does: heat, cool, emergency, both (heat-cool, range, auto are one), or off."""
    _send(session, "set_mode", mode, wait)


@set_.command("away", examples="nledctl set 02AA01AC33140F61 away on")
@click.argument("state", type=_ON_OFF)
@wait_option
@pass_session
def away(session: Session, state: str, wait: float | None) -> None:
    """Keep the whole home at its eco temperatures, or no longer."""
    _send(session, "set_away", state == "on", wait)


@set_.command("fan", examples="nledctl set 02AA01AC33140F61 fan 15m")
@click.argument("state", metavar="on|auto|DURATION")
@wait_option
@click.pass_context
@pass_session
def fan(session: Session, ctx: click.Context, state: str, wait: float | None) -> None:
    """Let the fan run for a time (15m, 2h), for its usual time (on), or only as needed (auto)."""
    value: object = state if state in ("on", "auto") else ceil(DURATION.convert(state, None, ctx))
    _send(session, "set_fan", value, wait)


@set_.command("eco", examples="nledctl set 02AA01AC33140F61 eco 15 28")
@click.argument("low", type=TEMPERATURE)
@click.argument("high", type=TEMPERATURE)
@wait_option
@pass_session
def eco(session: Session, low: float, high: float, wait: float | None) -> None:
    """Set the eco temperatures, which are kept while everybody is away."""
    _send(session, "set_eco_temperatures", {"low": low, "high": high}, wait)


@set_.command("humidity", examples="nledctl set 02AA01AC33140F61 humidity 40")
@click.argument("percent", metavar="PERCENT|off")
@wait_option
@pass_session
def humidity(session: Session, percent: str, wait: float | None) -> None:
    """Keep the air at a humidity, in %, or leave it as it is (off)."""
    if percent == "off":
        value: dict[str, object] = {"enabled": False}
    else:
        if not percent.removesuffix("%").isdecimal():
            raise click.UsageError(f"{percent!r} is neither a whole percentage nor off.")
        value = {"target": int(percent.removesuffix("%")), "enabled": True}
    _send(session, "set_humidity", value, wait)


@set_.command("hot-water", examples="nledctl set 02AA01AC33140F61 hot-water 1h")
@click.argument("state", metavar="on|off|DURATION")
@wait_option
@click.pass_context
@pass_session
def hot_water(session: Session, ctx: click.Context, state: str, wait: float | None) -> None:
    """Heat water now for a time (1h) or 30 minutes (on), or no longer than its schedule says (off)."""
    value: object = state if state in ("on", "off") else ceil(DURATION.convert(state, None, ctx))
    _send(session, "set_hot_water", value, wait)


@set_.command("schedule-mode", examples="nledctl set 02AA01AC33140F61 schedule-mode HEAT")
@click.argument("mode", type=click.Choice(("HEAT", "COOL", "RANGE"), case_sensitive=False))
@wait_option
@pass_session
def schedule_mode(session: Session, mode: str, wait: float | None) -> None:
    """Say which kind of schedule the thermostat follows."""
    _send(session, "set_schedule_mode", mode, wait)


@set_.command(
    "setting",
    examples="nledctl set 02AA01AC33140F61 setting temperature_scale=F sunlight_correction_enabled=true",
)
@click.argument("pairs", metavar="NAME=VALUE...", nargs=-1, required=True)
@wait_option
@pass_session
def setting(session: Session, pairs: tuple[str, ...], wait: float | None) -> None:
    """Set any of the thermostat's own settings; a VALUE is JSON, or else text.

    The names are those of DeviceSettings in docs/api.md.
    """
    values = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not (name and equals):
            raise click.UsageError(f"{pair!r} is not NAME=VALUE.")
        values[name] = _parsed(text)
    _send(session, "set_device_setting", values, wait)


def _send(session: Session, command: str, value: object, wait: float | None) -> None:
    send_order(session, click.get_current_context().meta["serial"], command, value, wait)


def _parsed(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return text

"""`nledctl lock`, `unlock`: the PIN never leaves this process, only its hash does."""

import sys

import click

from nled.ctl.client import read_secret
from nled.ctl.command import Session, command, pass_session
from nled.ctl.errors import Failure
from nled.ctl.orders import send_order, wait_option
from nled.ctl.values import SERIAL, TEMPERATURE
from nled.domain.errors import BadRequest
from nled.domain.lock import pin_hash


@command("lock", examples="nledctl lock 02AA01AC33140F61 --min 18 --max 24")
@click.argument("serial", type=SERIAL)
@click.option("--min", "low", type=TEMPERATURE, required=True, help="The coldest that can be set.")
@click.option("--max", "high", type=TEMPERATURE, required=True, help="The warmest that can be set.")
@click.option(
    "--pin-file", metavar="FILE", help="Read the PIN from this file (- for standard input), do not ask."
)
@wait_option
@pass_session
def lock(
    session: Session, serial: str, *, low: float, high: float, pin_file: str | None, wait: float | None
) -> None:
    """Have the thermostat ask for a PIN before it is set beyond some limits.

    The four digits are asked for twice, and hashed here: nled never sees them.
    """
    try:
        hashed = pin_hash(_pin(pin_file), serial)
    except BadRequest as error:
        raise Failure(str(error)) from None
    value = {"pin_hash": hashed, "temp_min": low, "temp_max": high}
    send_order(session, serial, "set_lock", value, wait)


@command("unlock", examples="nledctl unlock 02AA01AC33140F61")
@click.argument("serial")
@wait_option
@pass_session
def unlock(session: Session, serial: str, wait: float | None) -> None:
    """Have the thermostat ask for no PIN any more; none is needed for this."""
    send_order(session, serial, "clear_lock", None, wait)


def _pin(file: str | None) -> str:
    if file == "-":
        return sys.stdin.readline(100).strip()
    if file is not None:
        return read_secret(file)
    if not sys.stdin.isatty():
        raise Failure("There is no terminal to ask for the PIN on: give it with --pin-file.")
    pin: str = click.prompt("PIN (four digits)", hide_input=True, confirmation_prompt="Again", err=True)
    return pin

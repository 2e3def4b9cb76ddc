"""Sending a command to a thermostat, and saying how far it has come."""

from collections.abc import Callable
from typing import Any

import click

from nled.ctl.command import Session
from nled.ctl.errors import Late
from nled.ctl.output import printable
from nled.ctl.values import DURATION

# What the API waits at most; longer waiting is what `nledctl watch` is for.
MOST_WAIT = 30
_DELIVERY = {
    "queued": "stored; the thermostat gets it when it comes next",
    "pushed": "sent to the thermostat, which has not acknowledged it yet",
    "acknowledged": "the thermostat has it",
    "expired": "the thermostat did not take it in time, and it was dropped",
}


def _check_wait(_ctx: click.Context, _param: click.Parameter, value: float | None) -> float | None:
    if value is not None and not 0 < value <= MOST_WAIT:
        raise click.BadParameter(f"must be more than 0 and at most {MOST_WAIT} s.")
    return value


def wait_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--wait [SECONDS]`."""
    return click.option(
        "--wait",
        type=DURATION,
        is_flag=False,
        flag_value=float(MOST_WAIT),
        callback=_check_wait,
        metavar="[SECONDS]",
        help=f"Wait until the thermostat has it (default {MOST_WAIT} s, and no more); exit status 4 if it "
        "has not by then.",
    )(function)


def send_order(session: Session, serial: str, command: str, value: object, wait: float | None) -> None:
    """Send a command and show what became of it.

    Raises:
        Late: it was to be waited for, and the thermostat has not acknowledged it.
    """
    answer = session.client.send(
        "POST",
        "/command",
        body={"serial": serial, "command": command, "value": value},
        query={"wait": wait},
    )
    data = answer["data"]
    delivery = data["delivery"]

    def lines() -> None:
        # What else goes along is for the thermostat, and a whole week does not fit on a line.
        told = [
            f"{name} = {printable(each)}"
            for name, each in data["values"].items()
            if name != "target_change_pending" and not isinstance(each, dict)
        ]
        click.echo(f"{data['object_key']}: {', '.join(told) or 'changed'}")
        click.echo(f"{delivery}: {_DELIVERY.get(delivery, 'see nledctl status')}")

    session.show(data, lines)
    if wait is not None and delivery != "acknowledged":
        raise Late(f"{serial} has not acknowledged within {wait:g} s; what was set is {delivery}.")

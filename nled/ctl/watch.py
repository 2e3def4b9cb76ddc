"""`nledctl watch`: what happens, as it happens."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import click

from nled.ctl.command import Session, command, pass_session
from nled.ctl.events import follow
from nled.ctl.output import printable, show_json


@command(
    "watch",
    examples="""
    nledctl watch
    nledctl watch 02AA01AC33140F61
    nledctl watch --json | jq .""",
)
@click.argument("serials", metavar="[SERIAL]...", nargs=-1)
@pass_session
def watch(session: Session, serials: tuple[str, ...]) -> None:
    """Show what happens to all thermostats, or to some, until Ctrl-C."""
    wanted = {serial.upper() for serial in serials}
    for event in follow(session.client, lambda sentence: click.echo(sentence, err=True)):
        said = event.data
        if said is None or (wanted and said.get("serial") not in ("", *wanted)):
            continue
        if session.json:
            show_json(said, indent=None)
        else:
            now = datetime.now().astimezone().strftime("%H:%M:%S")
            click.echo(f"{now}  {printable(said.get('serial'))}  {_told(said)}")


def _told(said: Mapping[str, Any]) -> str:
    kind, fields = said.get("kind"), printable(said.get("fields", ()))
    match kind:
        case "changed":
            by = "the thermostat" if said.get("origin") == "device" else "people"
            return f"{printable(said.get('key'))} changed by {by}: {fields}"
        case "delivery":
            return f"{printable(said.get('key'))} {printable(said.get('delivery'))}: {fields}"
        case "availability":
            return "online" if said.get("available") else "offline"
        case "met":
            return "is new here"
        case "forgotten":
            return "is forgotten"
        case "access":
            return "has other people now"
        case "gap":
            return "some events were lost; look with nledctl devices"
    return printable(kind)

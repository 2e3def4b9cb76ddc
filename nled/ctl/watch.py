"""`nledctl watch`: what happens, as it happens."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import click

from nled.ctl.command import Session, command, pass_session
from nled.ctl.events import follow
from nled.ctl.output import printable, show_json

_PLAIN = {
    "met": "is new here",
    "forgotten": "is forgotten",
    "unpaired": "belongs to nobody now",
    "access": "has other people now",
    "gap": "some events were lost; see nledctl devices",
}


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
    kind, key, fields = said.get("kind"), printable(said.get("key")), printable(said.get("fields", ()))
    if kind == "changed":
        by = "the thermostat" if said.get("origin") == "device" else "people"
        return f"{key} changed by {by}: {fields}"
    if kind == "delivery":
        return f"{key} {printable(said.get('delivery'))}: {fields}"
    if kind == "availability":
        return "online" if said.get("available") else "offline"
    return _PLAIN.get(str(kind), printable(kind))

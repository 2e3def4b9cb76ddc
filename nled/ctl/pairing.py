"""`nledctl pair`, `unpair`: whose a thermostat is."""

import click

from nled.ctl.command import Session, command, pass_session
from nled.ctl.errors import Failure


@command("pair", examples="nledctl pair A3X-R7M2 --owner alice")
@click.argument("code")
@click.option(
    "--owner", metavar="NAME", default="homeassistant", show_default=True, help="Whose it is to be."
)
@pass_session
def pair(session: Session, code: str, owner: str) -> None:
    """Claim the thermostat that shows CODE."""
    answer = session.client.send("POST", "/api/register", body={"code": code, "userId": owner})
    session.show(answer, lambda: click.echo(f"{answer['serial']} belongs to {owner} now."))


@command("unpair", examples="nledctl unpair 02AA01AC33140F61")
@click.argument("serial")
@pass_session
def unpair(session: Session, serial: str) -> None:
    """Take a thermostat from its owner; its state is kept, and it can be paired again."""
    status = session.client.get("/status", serial=serial)
    owner = status.get("owner")
    if owner is None:
        raise Failure(f"{status['serial']} belongs to nobody.")
    answer = session.client.send(
        "DELETE", "/api/registered-devices", status["serial"], query={"userId": owner}
    )
    session.show(answer, lambda: click.echo(f"{status['serial']} belongs to {owner} no longer."))

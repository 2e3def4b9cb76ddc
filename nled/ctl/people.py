"""`nledctl people`: who there is, and who may do what with whose thermostat."""

import sys

import click

from nled.ctl.client import read_secret
from nled.ctl.command import Session, confirm, group, pass_session
from nled.ctl.errors import Failure
from nled.ctl.output import moment, show_table

_PERMISSION = click.Choice(("read", "write", "admin"))


@group(
    "people",
    invoke_without_command=True,
    short_help="List and add people; share, invite, transfer.",
    examples="""
    nledctl people
    nledctl people add bob
    nledctl people share 02AA01AC33140F61 bob read
    nledctl people invite 02AA01AC33140F61 write --hours 24
    nledctl people accept --as bob
    nledctl people revoke 02AA01AC33140F61 bob
    nledctl people transfer 02AA01AC33140F61 bob
    nledctl people delete bob""",
)
@click.pass_context
def people(ctx: click.Context) -> None:
    """List people, and say who may do what with whose thermostat."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_)


@people.command("list", examples="nledctl people list --json")
@pass_session
def list_(session: Session) -> None:
    """List people with what they own and what is shared with them."""
    answer = session.client.get("/api/people")

    def rows() -> None:
        show_table(
            ("person", "email", "owns", "shared with them"),
            [
                (
                    each["userId"],
                    each["email"],
                    each["devices"],
                    [f"{one['serial']} ({one['permission']})" for one in each["shared"]],
                )
                for each in answer["people"]
            ],
            "Nobody owns a thermostat here.",
        )

    session.show(answer, rows)


@people.command("add", examples="nledctl people add bob --email bob@example.org")
@click.argument("person")
@click.option("--email", help="Where they can be reached; nothing is sent there.")
@pass_session
def add(session: Session, person: str, email: str | None) -> None:
    """Make somebody known, so that a thermostat can be shared with them or given to them."""
    body = {"userId": person, **({"email": email} if email else {})}
    answer = session.client.send("POST", "/api/ensure-user", body=body)
    session.show(
        answer, lambda: click.echo(f"{person} is known{' now' if answer['created'] else ' already'}.")
    )


@people.command("delete", examples="nledctl people delete bob --yes")
@click.argument("person")
@click.option("--yes", is_flag=True, help="Do not ask.")
@pass_session
def delete(session: Session, person: str, *, yes: bool) -> None:
    """Delete a person with their keys and shares; their thermostats belong to nobody then."""
    if not yes:
        confirm(f"Delete {person} and all that was shared by or with them?")
    answer = session.client.send("DELETE", "/api/people", person)
    session.show(answer, lambda: click.echo(f"{person} is deleted."))


@people.command("shares", examples="nledctl people shares 02AA01AC33140F61")
@click.argument("serial")
@pass_session
def shares(session: Session, serial: str) -> None:
    """List with whom a thermostat is shared, and who is invited."""
    answer = session.client.get("/api/shares", serial=serial)

    def rows() -> None:
        given = [(each["userId"], each["permission"], None, None) for each in answer["shares"]]
        asked = [
            (f"invite {each['id']}", each["permission"], each.get("state"), moment(each["expires"]))
            for each in answer["invites"]
        ]
        show_table(("who", "may", "state", "expires"), [*given, *asked], "It is shared with nobody.")

    session.show(answer, rows)


@people.command("share", examples="nledctl people share 02AA01AC33140F61 bob write")
@click.argument("serial")
@click.argument("person")
@click.argument("permission", type=_PERMISSION, default="read")
@pass_session
def share(session: Session, serial: str, person: str, permission: str) -> None:
    """Let somebody else see (read), set (write) or also share (admin) a thermostat."""
    body = {"serial": serial, "userId": person, "permission": permission}
    answer = session.client.send("POST", "/api/shares", body=body)
    session.show(answer, lambda: click.echo(f"{person} has {permission} access to {serial.upper()} now."))


@people.command("invite", examples="nledctl people invite 02AA01AC33140F61 read --hours 24")
@click.argument("serial")
@click.argument("permission", type=_PERMISSION, default="read")
@click.option("--hours", type=click.IntRange(min=1), help="How long it can be accepted; 72 if not given.")
@pass_session
def invite(session: Session, serial: str, permission: str, hours: int | None) -> None:
    """Make an invite; its token is shown once, on standard output."""
    body = {"serial": serial, "permission": permission, **({"hours": hours} if hours else {})}
    answer = session.client.send("POST", "/api/invites", body=body)

    def lines() -> None:
        click.echo(answer["token"])
        click.echo(
            f"Give it to whom you invite; it is not shown again. It lasts until {moment(answer['expires'])}, "
            f"and its id is {answer['id']}.",
            err=True,
        )

    session.show(answer, lines)


@people.command("accept", examples="nledctl people accept --as bob")
@click.option("--as", "person", metavar="NAME", required=True, help="Who accepts.")
@click.option(
    "--token-file", metavar="FILE", help="Read the token from this file (- for standard input), do not ask."
)
@pass_session
def accept(session: Session, person: str, token_file: str | None) -> None:
    """Accept an invite; asks for its token."""
    if token_file == "-":  # noqa: S105 - standard input
        token = sys.stdin.readline(200).strip()
    elif token_file is not None:
        token = read_secret(token_file)
    elif not sys.stdin.isatty():
        raise Failure("There is no terminal to ask for the token on: give it with --token-file.")
    else:
        token = click.prompt("Token", hide_input=True, err=True)
    answer = session.client.send("POST", "/api/invites/accept", body={"token": token, "userId": person})
    session.show(answer, lambda: click.echo(f"{person} has access to {answer['serial']} now."))


@people.command(
    "revoke",
    examples="""
    nledctl people revoke 02AA01AC33140F61 bob
    nledctl people revoke --invite 3c0ffee123456789""",
)
@click.argument("serial", required=False)
@click.argument("person", required=False)
@click.option("--invite", "invite_id", metavar="ID", help="Revoke this invite instead.")
@pass_session
def revoke(session: Session, serial: str | None, person: str | None, invite_id: str | None) -> None:
    """Take back a share, or an invite that nobody has accepted."""
    if invite_id is not None and serial is None:
        answer = session.client.send("DELETE", "/api/invites", invite_id)
        session.show(answer, lambda: click.echo(f"Invite {invite_id} is revoked."))
    elif serial is not None and person is not None and invite_id is None:
        answer = session.client.send("DELETE", "/api/shares", serial, person)
        session.show(answer, lambda: click.echo(f"{person} has no access to {serial.upper()} any more."))
    else:
        raise click.UsageError("Give SERIAL and PERSON, or --invite ID.")


@people.command("transfer", examples="nledctl people transfer 02AA01AC33140F61 bob --yes")
@click.argument("serial")
@click.argument("person")
@click.option("--yes", is_flag=True, help="Do not ask.")
@pass_session
def transfer(session: Session, serial: str, person: str, *, yes: bool) -> None:
    """Give a thermostat to another owner."""
    if not yes:
        confirm(f"Give {serial.upper()} to {person}?")
    answer = session.client.send("POST", "/api/transfer", body={"serial": serial, "userId": person})
    session.show(answer, lambda: click.echo(f"{serial.upper()} belongs to {person} now."))

"""`nledctl keys`: API keys for programs, apps and other machines."""

import click

from nled.ctl.command import Session, group, pass_session
from nled.ctl.output import moment, show_table

_PATH = "/api/keys"


@group(
    "keys",
    invoke_without_command=True,
    short_help="List, create or revoke API keys.",
    examples="""
    nledctl keys
    nledctl keys create phone --scope read --scope write
    nledctl keys create guest --scope read --owner alice --device 02AA01AC33140F61 --days 30
    nledctl keys revoke 7f3a09c1d2e45b68""",
)
@click.pass_context
def keys(ctx: click.Context) -> None:
    """List, create or revoke API keys."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_)


@keys.command("list", examples="nledctl keys list --json")
@pass_session
def list_(session: Session) -> None:
    """List the keys; the keys themselves are kept nowhere."""
    answer = session.client.get(_PATH)

    def rows() -> None:
        show_table(
            ("id", "name", "scopes", "owner", "devices", "expires", "last used"),
            [
                (
                    each["id"],
                    each["name"],
                    each["scopes"],
                    each.get("userId") or "everybody",
                    each.get("devices") or "all",
                    moment(each.get("expires")),
                    moment(each.get("lastUsed")),
                )
                for each in answer["keys"]
            ],
            "There are no keys.",
        )

    session.show(answer, rows)


@keys.command("create", examples="nledctl keys create phone --scope read --scope write")
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice(("read", "write", "admin")),
    multiple=True,
    default=("read",),
    show_default=True,
    help="What it may do; may be given again. admin is for keys, people and backups.",
)
@click.option("--owner", metavar="NAME", help="Only for what this person may see.")
@click.option(
    "--device", "devices", metavar="SERIAL", multiple=True, help="Only for this one; may be given again."
)
@click.option("--days", type=click.IntRange(min=1), help="How long it lasts; for ever if not given.")
@pass_session
def create(
    session: Session,
    name: str,
    *,
    scopes: tuple[str, ...],
    owner: str | None,
    devices: tuple[str, ...],
    days: int | None,
) -> None:
    """Make a key; it is shown once, on standard output."""
    wanted = {"name": name, "scopes": scopes, "userId": owner, "devices": devices or None, "days": days}
    body = {each: value for each, value in wanted.items() if value is not None}
    answer = session.client.send("POST", _PATH, body=body)

    def lines() -> None:
        click.echo(answer["key"])
        click.echo(f"Keep it now: it is not shown again. Its id is {answer['id']}.", err=True)

    session.show(answer, lines)


@keys.command("revoke", examples="nledctl keys revoke 7f3a09c1d2e45b68")
@click.argument("key_id", metavar="ID")
@pass_session
def revoke(session: Session, key_id: str) -> None:
    """End a key at once, by its id."""
    answer = session.client.send("DELETE", _PATH, key_id)
    session.show(answer, lambda: click.echo(f"Key {key_id} is revoked."))

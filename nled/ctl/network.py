"""`nledctl scan`, `configure`, `restore`: thermostats on the local network (protocol g.5, g.6)."""

import sys
from typing import Any

import click

from nled.ctl.client import read_secret
from nled.ctl.command import Session, command, pass_session
from nled.ctl.errors import Failure, Refused
from nled.ctl.output import show_table

# A thermostat answers within 5 s, a scan of four networks of 254 addresses takes 4 s for each 32 of them.
_SCAN_PATIENCE = 180.0

_key_option = click.option(
    "--thermostat-key-file",
    "key_file",
    metavar="FILE",
    help="File with the key of the thermostat's settings page (- for standard input); only needed where nled "
    "does not know it.",
)


@command("scan", examples="nledctl scan")
@pass_session
def scan(session: Session) -> None:
    """Look for thermostats on the networks of the machine that nled runs on."""
    if not session.json:
        click.echo("Looking...", err=True)
    answer = session.client.send("POST", "/api/scan-network", patience=_SCAN_PATIENCE)

    def rows() -> None:
        show_table(
            ("address", "serial", "looks for its server at", "here"),
            [
                (each["ip"], each.get("serial"), each["cloudregisterurl"], each["configured"])
                for each in answer["devices"]
            ],
            f"No thermostat answered in {', '.join(answer.get('subnets') or [answer['subnet']])}.",
        )

    session.show(answer, rows)


@command("configure", examples="nledctl configure 192.168.1.23")
@click.argument("ip")
@_key_option
@pass_session
def configure(session: Session, ip: str, key_file: str | None) -> None:
    """Point the thermostat at an address to this server."""
    _point(session, "/api/configure-nest", ip, key_file)


@command("restore", examples="nledctl restore 192.168.1.23")
@click.argument("ip")
@_key_option
@pass_session
def restore(session: Session, ip: str, key_file: str | None) -> None:
    """Point the thermostat at an address back to where it was before `configure`."""
    _point(session, "/api/restore-nest", ip, key_file)


def _point(session: Session, path: str, ip: str, key_file: str | None) -> None:
    body = {"ip": ip}
    if key_file == "-":
        body["api_key"] = sys.stdin.readline(500).strip()
    elif key_file is not None:
        body["api_key"] = read_secret(key_file)
    try:
        answer: Any = session.client.send("POST", path, body=body)
    except Refused as error:
        if not error.key_of_thermostat or "api_key" in body:
            raise
        if not sys.stdin.isatty():
            raise Failure(f"{error.message} It goes into a file for --thermostat-key-file.") from None
        body["api_key"] = click.prompt("Key of the thermostat's settings page", hide_input=True, err=True)
        answer = session.client.send("POST", path, body=body)
    session.show(
        answer,
        lambda: click.echo(
            f"{answer.get('device_name') or ip} looks for its server at {answer['cloudregisterurl']} now."
        ),
    )

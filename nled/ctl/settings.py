"""`nledctl check-config`, and the settings as the daemon would read them."""

import os
from collections.abc import Mapping

import click

from nled.config import Config, ConfigError, load
from nled.ctl.command import Session, command, exists, pass_session
from nled.ctl.errors import FAILED
from nled.ctl.output import show_json

USUAL_FILE = "/etc/nled/nled.yaml"


def usual_file() -> str | None:
    """The file that the daemon reads where none is named; None without one."""
    return USUAL_FILE if exists(USUAL_FILE) else None


def read(file: str | None, environ: Mapping[str, str] = os.environ) -> Config:
    """Read the settings; raises ConfigError. Nothing is started or changed."""
    return load(file or usual_file(), environ)


@command(
    "check-config",
    daemon=False,
    examples="""
    nledctl check-config
    nledctl check-config etc/nled.yaml""",
)
@click.argument("file", required=False)
@pass_session
def check_config(session: Session, file: str | None) -> None:
    """Say whether nled would start with the settings in FILE (/etc/nled/nled.yaml) and the environment."""
    problems: list[str] = []
    warnings: tuple[str, ...] = ()
    try:
        warnings = read(file).warnings
    except ConfigError as error:
        problems = str(error).splitlines()
    if session.json:
        show_json({"file": file or usual_file(), "problems": problems, "warnings": warnings})
    else:
        for sentence in (*problems, *warnings):
            click.echo(sentence, err=True)
        if not problems:
            click.echo(f"The settings of {file or usual_file() or 'the environment'} are good.")
    if problems:
        raise SystemExit(FAILED)

"""stub"""

import click
from nled.ctl.command import command


@command("doctor", examples="nledctl doctor")
def doctor() -> None:
    """x"""

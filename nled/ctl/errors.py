"""What ends nledctl early: one sentence on standard error, and an exit status for programs."""

from typing import IO, Any

import click

from nled.ctl.output import printable

# 2 is a wrong command line, which click itself tells.
FAILED, UNREACHABLE, LATE, INTERRUPTED = 1, 3, 4, 130


class Failure(click.ClickException):
    """What was asked for was refused, or did not work."""

    exit_code = FAILED

    def show(self, file: IO[Any] | None = None) -> None:
        """Write the sentence."""
        # Daemons, files and thermostats have a word in it.
        click.echo(f"nledctl: {printable(self.message)}", file=file, err=file is None)


class Refused(Failure):
    """The daemon refused.

    Attributes:
        status: that of HTTP.
        again: seconds after which to try again, 0 where that was not said.
        key_of_thermostat: whether it was a thermostat that wants a key, not the daemon.
    """

    def __init__(
        self, sentence: str, status: int, *, again: float = 0.0, key_of_thermostat: bool = False
    ) -> None:
        super().__init__(sentence)
        self.status = status
        self.again = again
        self.key_of_thermostat = key_of_thermostat


class Unreachable(Failure):
    """The daemon was not reached, or gave no answer."""

    exit_code = UNREACHABLE


class Declined(Failure):
    """Whoever was asked did not agree, or nobody could be asked."""

    exit_code = INTERRUPTED


class Late(Failure):
    """The daemon has the command, but the thermostat has not acknowledged it in time."""

    exit_code = LATE

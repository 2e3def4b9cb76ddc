"""nledctl: what a person does with nled from a shell.

It talks HTTP to the daemon, through a unix socket by default, and imports Twisted only to simulate.
"""

import os
import sys
from collections.abc import Sequence
from copy import copy
from typing import NoReturn

import click

from nled import __version__
from nled.ctl.archive import export, import_
from nled.ctl.command import Session, command, group, pass_session
from nled.ctl.completion import completion
from nled.ctl.devices import devices, status
from nled.ctl.doctor import doctor
from nled.ctl.errors import FAILED, INTERRUPTED
from nled.ctl.history import history
from nled.ctl.keys import keys
from nled.ctl.lock import lock, unlock
from nled.ctl.network import configure, restore, scan
from nled.ctl.nolongerevil import import_nolongerevil
from nled.ctl.pairing import pair, unpair
from nled.ctl.people import people
from nled.ctl.schedule import schedule
from nled.ctl.setting import set_
from nled.ctl.settings import check_config
from nled.ctl.simulate import simulate
from nled.ctl.watch import watch


@group(
    "nledctl",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit status: 0 done; 1 refused or failed; 2 wrong command line; 3 nled was not reached; 4 the "
    "thermostat did not acknowledge in time (--wait); 130 interrupted, or not confirmed.",
    examples="""
    nledctl devices
    nledctl set 02AA01AC33140F61 temperature 21.5 --wait
    nledctl set --help""",
)
def nledctl() -> None:
    """Work with nled, the server for Nest thermostats, from the shell."""


@command("version", daemon=False, examples="nledctl version --json")
@pass_session
def version(session: Session) -> None:
    """Say which nled this is."""
    session.show({"version": __version__}, lambda: click.echo(f"nled {__version__}"))


for each in (
    devices,
    status,
    set_,
    schedule,
    lock,
    unlock,
    pair,
    unpair,
    keys,
    people,
    watch,
    history,
    scan,
    configure,
    restore,
    export,
    import_,
    import_nolongerevil,
    check_config,
    doctor,
    simulate,
    version,
    completion,
):
    nledctl.add_command(each)

# Said of one key, it comes to the tongue without the s.
_key = copy(keys)
_key.hidden = True
nledctl.add_command(_key, "key")


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run the console script; ends with `SystemExit`."""
    if sys.stdout is None:
        sys.exit("nledctl: Standard output is closed; there is nowhere to write to.")
    try:
        # Help and the like give their status, commands None.
        status = nledctl.main(argv, prog_name="nledctl", standalone_mode=False)
        sys.stdout.flush()
    except click.Abort:
        sys.exit(INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # Python would complain once more when it flushes at its end.
        _silence()
        sys.exit(FAILED)
    except OSError as error:
        _silence()
        what = error.filename or "Cannot write all of it"
        sys.exit(f"nledctl: {what}: {error.strerror or error}.")
    sys.exit(status if isinstance(status, int) else 0)


def _silence() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

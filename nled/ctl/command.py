"""What all commands of nledctl share: where the daemon is, `--json`, and an example in every help."""

import os
import sys
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import click
from attrs import define, field

from nled.ctl.client import Client, read_secret
from nled.ctl.errors import Declined, Failure, Unreachable
from nled.ctl.output import show_json
from nled.ctl.values import URL

# Where systemd has it.
_SYSTEM = Path("/run/nled")


@define(slots=False)
class Session:
    """One run of nledctl."""

    socket: str | None = None
    url: str | None = None
    key: str | None = field(default=None, repr=False)
    key_file: str | None = None
    json: bool = False

    @cached_property
    def client(self) -> Client:
        """The daemon; raises Unreachable where there is no trace of one."""
        if self.url is not None:
            # A file of Windows ends its lines with more than one character.
            key = (read_secret(self.key_file) if self.key_file else self.key or "").strip()
            if not (key.isascii() and key.isprintable()):
                raise Failure("The API key has characters that none has: it is nle_ and 64 hex digits.")
            return Client(url=self.url, key=key or None)
        if self.socket:
            return Client(socket=self.socket)
        tried = [path for path in usual_sockets() if not exists(path)]
        if len(tried) == len(usual_sockets()):
            raise Unreachable(
                f"nled is not running here: there is no socket at {' or '.join(tried)}. Start it, or name "
                "another place with --socket or --url."
            )
        return Client(socket=next(path for path in usual_sockets() if path not in tried))

    def show(self, value: object, for_people: Callable[[], object]) -> None:
        """Write a value as JSON if that was asked for, else as people read it."""
        if self.json:
            show_json(value)
        else:
            for_people()


def usual_sockets() -> list[str]:
    """Where the daemon's socket is to be expected, the likeliest first."""
    state = os.environ.get("NLED_STATE_DIR")
    places = [_SYSTEM, *([Path(state)] if state else []), Path("var")]
    return [str(place / "control.sock") for place in places]


def exists(path: str) -> bool:
    """Whether there is something at a path, or at least nothing says that there is not."""
    try:
        Path(path).stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        # It may not be looked at; whoever uses it is told so.
        return True
    return True


def _remember(ctx: click.Context, param: click.Parameter, value: object) -> None:
    if value is not None and param.name is not None:
        setattr(ctx.find_root().ensure_object(Session), param.name, value)


_COMMON: dict[str, Any] = {"expose_value": False, "callback": _remember}


def _daemon_options(*, root: bool) -> list[click.Parameter]:
    """Where the daemon is: may stand before a command or, unlisted there, after it."""
    where: dict[str, Any] = {**_COMMON, "hidden": not root}

    def environment(name: str) -> str | None:
        # Read once: after a command only what was typed there may count.
        return name if root else None

    return [
        click.Option(
            ["--socket"],
            metavar="PATH",
            envvar=environment("NLED_SOCKET"),
            help="The daemon's unix socket [env NLED_SOCKET; default: the first of /run/nled/control.sock, "
            "$NLED_STATE_DIR/control.sock and ./var/control.sock].",
            **where,
        ),
        click.Option(["--url"], type=URL, help="The daemon's control port, instead of its socket.", **where),
        click.Option(
            ["--key"],
            metavar="KEY",
            envvar=environment("NLED_KEY"),
            help="API key for --url. Other users of this machine can see it here: better use the "
            "environment's NLED_KEY, or --key-file.",
            **where,
        ),
        click.Option(["--key-file"], metavar="FILE", help="File with the API key for --url.", **where),
    ]


def _json_option() -> click.Parameter:
    return click.Option(["--json"], is_flag=True, default=None, help="Write JSON, for programs.", **_COMMON)


class _Shared(click.Command):
    """A command with the shared options and examples.

    Attributes:
        examples: command lines.
    """

    def __init__(
        self, *args: Any, examples: str, daemon: bool = True, writes_json: bool = True, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.examples = [line.strip() for line in examples.strip().splitlines()]
        self._daemon = daemon
        self._writes_json = writes_json
        self._shared: list[click.Parameter] | None = None

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """All parameters, the shared ones next to the last, which is --help."""
        if self._shared is None:
            # Kept, for click tells parameters apart by identity.
            self._shared = _daemon_options(root=ctx.parent is None) if self._daemon else []
            self._shared += [_json_option()] if self._writes_json else []
        *own, last = super().get_params(ctx)
        return [*own, *self._shared, last]

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples, as they are."""
        super().format_epilog(ctx, formatter)
        if self.examples:
            with formatter.section("Examples"):
                for line in self.examples:
                    formatter.write(f"{'':{formatter.current_indent}}{line}\n")


class Command(_Shared):
    """One command."""


class Group(_Shared, click.Group):
    """A command with commands below it."""

    command_class = Command
    group_class = type

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; `set temperature --help` is taken for what is meant, with the serial left out."""
        if args[0] in ctx.help_option_names:
            click.echo(ctx.get_help())
            ctx.exit()
        return super().resolve_command(ctx, args)


def command(name: str, *, examples: str, **settings: Any) -> Callable[[Callable[..., Any]], Command]:
    """Make a function a command of nledctl."""
    return click.command(name, cls=Command, examples=examples, **settings)


def group(name: str, *, examples: str, **settings: Any) -> Callable[[Callable[..., Any]], Group]:
    """Make a function a command with others below it."""
    return click.group(name, cls=Group, examples=examples, **settings)


def confirm(question: str) -> None:
    """Ask whether to do something that cannot be undone; raises Declined."""
    try:
        agreed = click.confirm(question, err=True)
    except click.Abort:
        if sys.stdin.isatty():
            raise
        # Behind the question, as a line typed there would end.
        click.echo(err=True)
        agreed = False
    if not agreed:
        raise Declined("Nothing was done. With --yes there is no question.")


pass_session = click.make_pass_decorator(Session, ensure=True)

"""The manual page, written from the commands themselves: python -m nled.ctl.manual > docs/nledctl.1."""

from collections.abc import Iterator

import click

from nled.ctl import nledctl
from nled.ctl.command import Command, Group

_HEAD = """\
.\\" Written by `python -m nled.ctl.manual`; do not change it here.
.TH NLEDCTL 1 "" nled "nled"
.SH NAME
nledctl \\- work with nled, the server for Nest thermostats, from the shell
.SH SYNOPSIS
.B nledctl
.RI [ OPTIONS ]
.I COMMAND
.RI [ ARGUMENTS ]
.SH DESCRIPTION
nledctl talks to a running nled: through its unix socket, which needs no key but the right to use it, or
over the network with
.B \\-\\-url
and an API key. Temperatures are in \\(deC unless they end in F.
.SH EXIT STATUS
0 done; 1 refused or failed; 2 wrong command line; 3 nled was not reached; 4 the thermostat did not
acknowledge in time (\\fB\\-\\-wait\\fR); 130 interrupted.
.SH ENVIRONMENT
.TP
.B NLED_SOCKET
the unix socket, as \\fB\\-\\-socket\\fR
.TP
.B NLED_KEY
the API key for \\fB\\-\\-url\\fR; nobody else can see it there
.TP
.B NLED_STATE_DIR
nled's state directory, which has the socket when nled runs without systemd
.SH OPTIONS
"""
_TAIL = """\
.SH FILES
/run/nled/control.sock, $NLED_STATE_DIR/control.sock, ./var/control.sock
.br
/etc/nled/nled.yaml
.SH SEE ALSO
.BR twistd (1),
/openapi.json on nled's control port
"""


def manual() -> str:
    """Write the whole page."""
    root = click.Context(nledctl, info_name="nledctl")
    lines = [_HEAD, *_options(nledctl, root), ".SH COMMANDS\n"]
    for context, command in _commands(nledctl, root):
        names = context.command_path.replace("-", "\\-")
        usage = " ".join(command.collect_usage_pieces(context))
        lines.append(f".SS {names} {_escaped(usage.removeprefix('[OPTIONS]').strip())}\n")
        lines.append("\n.PP\n".join(map(_escaped, (command.help or "").split("\n\n"))) + "\n")
        lines += _options(command, context)
        if isinstance(command, Command | Group):
            lines += [".PP\n.RS\n.nf\n", *(f"{_escaped(each)}\n" for each in command.examples), ".fi\n.RE\n"]
    return "".join([*lines, _TAIL])


def _commands(group: click.Group, context: click.Context) -> Iterator[tuple[click.Context, click.Command]]:
    for name in sorted(group.list_commands(context)):
        command = group.get_command(context, name)
        if command is None or command.hidden:
            continue
        below = click.Context(command, info_name=name, parent=context)
        yield below, command
        if isinstance(command, click.Group):
            yield from _commands(command, below)


def _options(command: click.Command, context: click.Context) -> Iterator[str]:
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context) if isinstance(parameter, click.Option) else None
        # Every command has these two.
        if record is not None and (command is nledctl or not {"--help", "--json"} & set(parameter.opts)):
            yield f".TP\n.B {_escaped(record[0])}\n{_escaped(record[1])}\n"


def _escaped(text: str) -> str:
    # roff takes a hyphen for a dash to break lines at, and a leading dot or quote for a request.
    escaped = " ".join(text.split()).replace("\\", "\\e").replace("-", "\\-").replace("°", "\\(de")
    return f"\\&{escaped}" if escaped.startswith((".", "'")) else escaped


if __name__ == "__main__":
    click.echo(manual(), nl=False)

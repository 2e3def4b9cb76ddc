"""`nledctl completion`: scripts that let a shell complete commands and options."""

import click
from click.shell_completion import get_completion_class

from nled.ctl.command import command
from nled.ctl.errors import Failure


@command(
    "completion",
    daemon=False,
    writes_json=False,
    examples="""
    nledctl completion bash > /etc/bash_completion.d/nledctl
    nledctl completion zsh > /usr/local/share/zsh/site-functions/_nledctl
    nledctl completion fish > ~/.config/fish/completions/nledctl.fish""",
)
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Write the script with which a shell completes nledctl."""
    kind = get_completion_class(shell)
    if kind is None:
        raise Failure(f"This click cannot complete for {shell}; update it.")
    click.echo(kind(ctx.find_root().command, {}, "nledctl", "_NLEDCTL_COMPLETE").source())

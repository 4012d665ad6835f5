"""``vsmnp completion``: print the script by which a shell completes commands and options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from ..command import with_examples
from ..values import NameChoice


@with_examples("""
  eval "$(vsmnp completion bash)"
  vsmnp completion fish > ~/.config/fish/completions/vsmnp.fish
""")
@click.argument("shell", type=NameChoice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print the completion script for SHELL."""
    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(ctx.find_root().command, {}, "vsmnp", "_VSMNP_COMPLETE").source())

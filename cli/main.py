"""The group of all commands, which turns every failure into a sentence and an exit code."""

from __future__ import annotations

import sys
import warnings
from importlib import import_module
from typing import IO, Any

import click

from vsmnp import __version__
from vsmnp.errors import Interrupted, StorageError, VsmnpError, suggestion
from vsmnp.parallel.launch import place

from .command import note_unknown_variables
from .process import interrupts_without_traceback
from .streams import is_of_output, silent_unless, streams_of_any_text

#: Names of the commands; each is in the module of its name, which is imported when the command is used.
COMMANDS = (
    "train",
    "sweep",
    "evaluate",
    "compare",
    "list",
    "classifier",
    "sample",
    "encode",
    "decode",
    "plot",
    "verify",
    "reproduce",
    "bench",
    "info",
    "data",
    "completion",
)


class _Failure(click.ClickException):
    """A failure as click shows it, with the exit code of its kind."""

    def __init__(self, error: VsmnpError) -> None:
        super().__init__(str(error))
        self.exit_code = error.exit_code  # type: ignore[misc]
        self.stopped = isinstance(error, Interrupted)

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the sentence, without 'Error:' if the run was stopped on request."""
        if self.stopped:
            click.echo(self.message, err=True)
        else:
            super().show(file)


class _Commands(click.Group):
    """A group that imports a command when it is used, so that ``vsmnp --help`` loads no heavy library."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"vsmnp.cli.commands.{cmd_name}").command
        return command

    def main(self, *args: Any, **extra: Any) -> Any:
        words = args[0] if args and args[0] is not None else sys.argv[1:]
        speaks = place()[0] == 0 or list(words[:1]) != ["train"]
        with interrupts_without_traceback(), streams_of_any_text(), silent_unless(speaks):
            return super().main(*args, **extra)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; a misspelt one gets a suggestion."""
        name = args[0]
        if name not in COMMANDS and not name.startswith("-") and not ctx.resilient_parsing:
            raise click.UsageError(
                f"There is no command '{name}'{suggestion(name, COMMANDS)}: choose one of "
                f"{', '.join(COMMANDS)}.",
                ctx,
            )
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        note_unknown_variables(self, ctx)
        try:
            with warnings.catch_warnings():  # a number that is not finite is seen as such in the results
                warnings.simplefilter("ignore", RuntimeWarning)
                return super().invoke(ctx)
        except VsmnpError as error:
            raise _Failure(error) from error
        except OSError as error:
            if is_of_output(error):
                raise
            what = "A file" if error.filename is None else error.filename
            raise _Failure(
                StorageError(
                    f"{what} could not be read or written ({error.strerror or error}): see to its disk and "
                    "its permissions."
                )
            ) from error


@click.group(
    cls=_Commands,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "auto_envvar_prefix": "VSMNP",
        "max_content_width": 110,
        "show_default": True,
    },
    epilog="""\b
Examples:
  vsmnp train                            train on built-in data, evaluate and draw
  vsmnp train --objective m2 --steps 500 train another objective for fewer steps
  vsmnp evaluate runs/NAME --json        print every metric of a trained run

Every option can also be set by an environment variable, such as VSMNP_TRAIN_LR=1e-4.
""",
)
@click.version_option(__version__, prog_name="vsmnp")
def main() -> None:
    """Train Gaussian VAEs by hand-derived gradients: ELBO, M1, M2, M3 and the Fisher autoencoder."""

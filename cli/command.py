"""The class of all commands: options in groups on the help page, and errors that name their variable."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from typing import Any

import click

from vsmnp.errors import ConfigError, suggestion
from vsmnp.settings.settings import Settings
from vsmnp.settings.values import GROUPS

from .console import note

#: Variables beside those of options: the folder of the data, and the shell's request to complete a word.
_OTHER_VARIABLES = ("VSMNP_DATA",)

#: Options that determine how much memory a command needs.
_MEMORY = ("--batch-size", "--samples", "--hidden", "--number", "--draws", "--iwae-samples", "--fid-samples")


def with_examples(examples: str) -> Callable[[Callable[..., Any]], click.Command]:
    """Return a decorator that makes a command whose help page ends with these lines of examples."""
    return click.command(cls=Command, epilog=f"\b\nExamples:{examples}")


def records(command: click.Command, ctx: click.Context) -> list[tuple[str, list[tuple[str, str]]]]:
    """List the options of a command with their help by groups; none if few of them are settings."""
    group_of = {spec.name: spec.metadata["group"] for spec in fields(Settings)}
    options = [each for each in command.get_params(ctx) if isinstance(each, click.Option)]
    if sum(each.name in group_of for each in options) <= len(options) / 2:
        return []
    found = []
    for group in GROUPS:
        members = [each for each in options if group_of.get(each.name or "", GROUPS[-1]) == group]
        found.append((group, [record for each in members if (record := each.get_help_record(ctx))]))
    return [(group, members) for group, members in found if members]


class Command(click.Command):
    """A command whose help page lists the settings by their groups."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, in the groups of the table of the settings if most options are settings."""
        groups = records(self, ctx)
        if not groups:
            return super().format_options(ctx, formatter)
        for group, found in groups:
            with formatter.section(group):
                formatter.write_dl(found)
        return None

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments; an invalid value of the environment is reported with its variable."""
        try:
            return super().parse_args(ctx, args)
        except click.BadParameter as error:
            variable = error.param and _variable(ctx, error.param)
            if not variable:
                raise
            sentence = f"{error.message} It is the value of the environment variable {variable}."
            raise click.BadParameter(sentence, error.ctx, error.param, error.param_hint) from error

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; an invalid setting of the environment is reported with its variable."""
        try:
            with _naming_variables(ctx):
                return super().invoke(ctx)
        except (MemoryError, OverflowError) as error:
            options = [option for each in self.params for option in each.opts if option in _MEMORY]
            remedy = f"lower {' or '.join(options)}" if options else "use fewer data"
            raise click.ClickException(f"This needs more memory than the machine has: {remedy}.") from error


@contextmanager
def _naming_variables(ctx: click.Context) -> Iterator[None]:
    """Add to a ConfigError the variables of the environment whose options it names."""
    try:
        yield
    except ConfigError as error:
        words = str(error).replace(",", " ").replace(":", " ").replace(".", " ").split()
        named = [
            variable for each in ctx.command.params
            if (variable := _variable(ctx, each)) and any(option in words for option in each.opts)
        ]  # fmt: skip
        if not named:
            raise
        raise ConfigError(f"{error} It was set by the environment: {', '.join(named)}.") from error


def _variable(ctx: click.Context, parameter: click.Parameter) -> str | None:
    """Return the variable from which the value of a parameter was read, or None for another source."""
    source = ctx.get_parameter_source(parameter.name or "")
    return _name(ctx, parameter) if source is click.core.ParameterSource.ENVIRONMENT else None


def _name(ctx: click.Context, parameter: click.Parameter) -> str:
    return f"{ctx.auto_envvar_prefix}_{(parameter.name or '').upper()}"


def note_unknown_variables(group: click.Group, ctx: click.Context) -> None:
    """Print a note on every variable ``VSMNP_*`` of the environment that sets no option of any command."""
    prefix = f"{ctx.auto_envvar_prefix}_"
    for variable in sorted(os.environ):
        if not variable.startswith(prefix) or variable in _OTHER_VARIABLES:
            continue
        commands = [
            each for each in group.list_commands(ctx) if variable.startswith(f"{prefix}{each.upper()}_")
        ]
        known = [
            f"{prefix}{each.upper()}_{(parameter.name or '').upper()}"
            for each in commands or ["train"]
            if (command := group.get_command(ctx, each))
            for parameter in command.params
            if isinstance(parameter, click.Option)
        ]
        if variable not in known:
            like = suggestion(variable, [*known, *_OTHER_VARIABLES])
            note(f"The environment variable {variable} has no effect{like}.")

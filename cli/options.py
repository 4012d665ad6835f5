"""Command-line options: one for each field of the settings, and those that several commands share."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, TypeVar

import click

from vsmnp.settings.settings import Settings
from vsmnp.settings.values import option_name

from .values import DATASET, PATH, IntegerList, NameChoice

F = TypeVar("F", bound=Callable[..., Any])


def with_options(*options: Callable[[F], F]) -> Callable[[F], F]:
    """Return a decorator that gives a command these options, in this order."""

    def decorate(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def settings_options(*names: str) -> Callable[[F], F]:
    """Return a decorator that gives a command an option for each named setting, or for all settings."""
    specs = [spec for spec in dataclasses.fields(Settings) if not names or spec.name in names]
    return with_options(*map(_option, specs))


def _option(spec: dataclasses.Field[Any]) -> Callable[[F], F]:
    default, text, choices = spec.default, spec.metadata["help"], spec.metadata["choices"]
    name = option_name(spec.name)
    if isinstance(default, bool):
        return click.option(f"{name}/--no-{name[2:]}", default=default, help=text)
    kind: Any = IntegerList() if isinstance(default, tuple) else type(default)
    if choices:
        kind = NameChoice(choices)
    if spec.name == "dataset":
        kind = DATASET
    if isinstance(default, tuple):
        default = ",".join(map(str, default))
    return click.option(name, type=kind, default=default, show_default=default != "", help=text)


def choices_of(setting: str, *left_out: str) -> NameChoice:
    """Return the type of an option that accepts the choices of a setting, without those left out."""
    choices = Settings.__dataclass_fields__[setting].metadata["choices"]
    return NameChoice([choice for choice in choices if choice not in left_out])


def chosen_settings(ctx: click.Context, environment: bool = True) -> dict[str, Any]:
    """Return the settings that the user set by options and, if wanted, by the environment."""
    source = click.core.ParameterSource
    silent = {source.DEFAULT} if environment else {source.DEFAULT, source.ENVIRONMENT}
    named = {
        spec.name: ctx.params[spec.name]
        for spec in dataclasses.fields(Settings)
        if spec.name in ctx.params and ctx.get_parameter_source(spec.name) not in silent
    }
    if ctx.params.get("seed") is not None:
        if "seeds" in named:
            raise click.UsageError("Give --seed for one model or --seeds for an ensemble, not both.")
        named["seeds"] = (ctx.params["seed"],)
    return named


def with_length(chosen: dict[str, Any]) -> dict[str, Any]:
    """Return the settings with the length of a run in epochs, if it is chosen, in place of a file's steps.

    Raises
    ------
    UsageError
        If steps and epochs are both chosen.
    """
    if "epochs" not in chosen:
        return chosen
    if "steps" in chosen:
        raise click.UsageError("Give --steps or --epochs, not both.")
    return {**chosen, "steps": 0}


place_option = click.option("--dataset", type=PATH, help="The data of RUN, if they are not where they were.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
quiet_option = click.option("--quiet", "-q", is_flag=True, help="Print results only, without progress.")
output_options = with_options(json_option, quiet_option)

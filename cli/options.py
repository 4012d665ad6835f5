"""Command-line options, made from the fields of the settings: one source for names, defaults and help."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, TypeVar

import click

from vsmnp.settings.draws import IWAE_SAMPLES
from vsmnp.settings.settings import Settings
from vsmnp.settings.values import option_name

F = TypeVar("F", bound=Callable[..., Any])


class IntegerList(click.ParamType[tuple[int, ...]]):
    """``30,30`` or ``0-9`` or ``0,4-6``, as a tuple of integers."""

    name = "integers"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        numbers: list[int] = []
        for part in str(value).split(","):
            first, dash, last = part.strip().partition("-")
            try:
                start, stop = int(first), int(last) if dash else int(first)
            except ValueError:
                self.fail(f"'{value}' is not a list of integers such as 30,30 or 0-9.", param, ctx)
            if not start <= stop < start + 1_000_000:
                self.fail(f"'{part}' is not a range that counts upwards.", param, ctx)
            numbers.extend(range(start, stop + 1))
        return tuple(numbers)


def _option(spec: dataclasses.Field[Any]) -> Callable[[F], F]:
    default, text, choices = spec.default, spec.metadata["help"], spec.metadata["choices"]
    name = option_name(spec.name)
    if isinstance(default, bool):
        return click.option(f"{name}/--no-{name[2:]}", default=default, help=text)
    kind: Any = IntegerList() if isinstance(default, tuple) else type(default)
    if choices:
        kind = click.Choice(choices)
    if isinstance(default, tuple):
        default = ",".join(map(str, default))
    return click.option(name, type=kind, default=default, show_default=default != "", help=text)


def choices_of(name: str) -> click.Choice[str]:
    """Return the type of an option that takes the choices of a setting."""
    return click.Choice(Settings.__dataclass_fields__[name].metadata["choices"])


def settings_options(*names: str) -> Callable[[F], F]:
    """Give a command one option for each setting, or for those named, in the order of the record."""

    def decorate(command: F) -> F:
        for spec in reversed(dataclasses.fields(Settings)):
            if not names or spec.name in names:
                command = _option(spec)(command)
        return command

    return decorate


def chosen_settings(ctx: click.Context, environment: bool = True) -> dict[str, Any]:
    """The settings that the user named on the command line and, if wanted, in the environment."""
    source = click.core.ParameterSource
    silent = {source.DEFAULT} if environment else {source.DEFAULT, source.ENVIRONMENT}
    names = {spec.name for spec in dataclasses.fields(Settings)}
    named = {
        name: ctx.params[name]
        for name in names & set(ctx.params)
        if ctx.get_parameter_source(name) not in silent
    }
    if ctx.params.get("seed") is not None:
        if "seeds" in named:
            raise click.UsageError("Give --seed for one model or --seeds for an ensemble, not both.")
        named["seeds"] = (ctx.params["seed"],)
    return named


json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object instead of a table."
)
iwae_option = click.option(
    "--iwae-samples", type=click.IntRange(min=0), default=IWAE_SAMPLES, show_default=True,
    help="Posterior samples a datum for the importance-weighted bound, most of the work on images; 0: leave "
    "it out.",
)  # fmt: skip
quiet_option = click.option("--quiet", "-q", is_flag=True, help="No progress and no explanations.")

"""The options of ``vsmnp reproduce`` that say which part of the grid of image runs, and how."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from vsmnp.paper.reproduce.images import ARCHITECTURES, BUDGETS, METHODS
from vsmnp.paper.reproduce.images import NAMES as GRID_NAMES

from .onnx_options import ONNX_OPTIONS, feature_choice
from .options import IntegerList

if TYPE_CHECKING:
    from vsmnp.paper.reproduce.images import Plan

F = TypeVar("F", bound=Callable[..., Any])

__all__ = ["GRID_NAMES", "grid_options", "plan_of"]


class Names(click.ParamType[tuple[str, ...]]):
    """``mnist,fashion``, each one of the choices if there are any."""

    name = "names"

    def __init__(self, choices: tuple[str, ...] = ()) -> None:
        self.choices = choices

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        if isinstance(value, tuple):
            return value
        names = tuple(part.strip() for part in str(value).split(",") if part.strip())
        for name in names:
            if self.choices and name not in self.choices:
                self.fail(f"'{name}' is not one of {', '.join(self.choices)}.", param, ctx)
        return tuple(dict.fromkeys(names))


_OPTIONS = (
    click.option("--budget", type=click.Choice(BUDGETS), default="laptop", show_default=True,
                 help="How much of the paper's experiment: quick minutes and laptop hours on two cores."),
    click.option("--datasets", type=Names(), default=(),
                 help="Such as mnist,fashion, or image files; default: the budget's."),
    click.option("--archs", type=Names(ARCHITECTURES), default=(),
                 help="Networks; default: the figure's."),
    click.option("--methods", type=Names(METHODS), default=METHODS,
                 help="Such as K-ELBO,K-M1; default: the figure's."),
    click.option("--seeds", type=IntegerList(), default=(), help="A run each; default: the budget's."),
    click.option("--epochs", type=click.FloatRange(min=0, min_open=True),
                 help="Instead of the budget's; a run that had fewer goes on."),
    click.option("--data-dir", type=click.Path(path_type=Path, file_okay=False),
                 help="Where image files are looked for first."),
    click.option("--runs", type=click.Path(path_type=Path, file_okay=False),
                 default=Path("reproduce/runs"), show_default=True, help="Folder of the runs."),
    click.option("--jobs", type=click.IntRange(min=1), default=1, show_default=True,
                 help="Runs that are trained at a time, a process each."),
    click.option("--features", default="lenet", show_default=True,
                 help="Whose features FID and KID compare: lenet, lenet-mnist, lenet-fashion, a FILE.lenet, "
                 "or a network FILE.onnx."),
    *ONNX_OPTIONS,
    click.option("--no-train", is_flag=True, help="Draw what there is, as far as it got."),
)  # fmt: skip


def grid_options(command: F) -> F:
    """Give a command the options of the grid."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def plan_of(ctx: click.Context, name: str, quick: bool, values: Mapping[str, Any]) -> Plan | None:
    """The plan of these options; None for what has no grid.

    Raises
    ------
    UsageError
        If an option of the grid stands beside a figure without one, --quick beside another budget, or a file
        of features is not there.
    """
    named = [
        parameter for parameter in values
        if ctx.get_parameter_source(parameter) is not click.core.ParameterSource.DEFAULT
    ]  # fmt: skip
    if name not in GRID_NAMES:
        if named:
            raise click.UsageError(
                f"{name} has no grid of image runs: leave out --{named[0].replace('_', '-')}."
            )
        return None
    if quick and "budget" in named and values["budget"] != "quick":
        raise click.UsageError(f"Give --quick or --budget {values['budget']}, not both.")
    from vsmnp.paper.reproduce.images import Plan, budget

    features = feature_choice(values)
    path = Path(features.name)
    if path.suffix and not (values["no_train"] or path.is_file()):
        raise click.UsageError(f"There is no file --features {path}: name one, or leave the option out.")
    data_dir = values["data_dir"]
    return Plan(
        budget("quick" if quick else values["budget"]).lasting(values["epochs"]), values["runs"],
        values["datasets"], values["seeds"], values["archs"], values["methods"],
        "" if data_dir is None else str(data_dir), values["jobs"], features, not values["no_train"],
    )  # fmt: skip

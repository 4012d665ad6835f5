"""Options of ``vsmnp reproduce`` that choose a part of the grid of image runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vsmnp.errors import suggestion
from vsmnp.paper.reproduce.images import BUDGETS, METHODS
from vsmnp.paper.reproduce.images import NAMES as GRID_NAMES
from vsmnp.settings.choices import ARCHITECTURES

from .evaluation_options import EXTRACTORS, feature_choice, onnx_options
from .options import with_options
from .values import COUNT, FOLDER, Choice, IntegerList

if TYPE_CHECKING:
    from vsmnp.paper.reproduce.images import Plan

__all__ = ["GRID_NAMES", "grid_options", "plan_of"]


class Names(click.ParamType[tuple[str, ...]]):
    """A tuple of names written as ``mnist,fashion``, each one of the choices if there are any."""

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
                like = suggestion(name, self.choices)
                self.fail(f"'{name}' is not one of {', '.join(self.choices)}{like}.", param, ctx)
        return tuple(dict.fromkeys(names))


grid_options = with_options(
    click.option("--budget", type=Choice(BUDGETS), default="laptop",
                 help="Size of the experiment: quick takes minutes and laptop hours on two cores; paper is "
                 "that of the paper."),
    click.option("--datasets", type=Names(), default=(),
                 help="Datasets, such as mnist,fashion or image files; default: those of the budget."),
    click.option("--archs", type=Names(tuple(ARCHITECTURES)), default=(),
                 help="Networks, such as dcgan; default: those of the figure."),
    click.option("--methods", type=Names(METHODS), default=METHODS, show_default=False,
                 help="Methods, such as K-ELBO,K-M1; default: those of the figure."),
    click.option("--seeds", type=IntegerList(), default=(),
                 help="Seeds, with one run each; default: those of the budget."),
    click.option("--epochs", type=click.FloatRange(min=0, min_open=True),
                 help="Number of epochs; runs that have fewer are resumed; default: that of the budget."),
    click.option("--data-dir", type=FOLDER, help="Folder that is searched first for the files of images."),
    click.option("--runs", type=FOLDER, default=Path("reproduce/runs"), help="Folder of the runs."),
    click.option("--jobs", type=COUNT, default=1,
                 help="Number of runs that are trained at the same time, each in its own process."),
    click.option("--features", default="lenet",
                 help=f"Features of FID and KID: {EXTRACTORS} or a network FILE.onnx."),
    onnx_options,
    click.option("--no-train", is_flag=True, help="Draw the runs that exist, as far as they are trained."),
)  # fmt: skip


def plan_of(ctx: click.Context, name: str, quick: bool, values: Mapping[str, Any]) -> Plan | None:
    """Build the plan of the grid from the options; return None for a figure without a grid.

    Raises
    ------
    UsageError
        If an option of the grid is given for a figure without one, --quick with another budget, or a file
        of features that does not exist.
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

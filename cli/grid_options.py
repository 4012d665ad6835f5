"""Options of ``vsmnp reproduce`` that choose a part of a grid of runs: on images, or on data in the plane."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

import click

from vsmnp.errors import suggestion
from vsmnp.paper.reproduce import OPTIONS, images, plane
from vsmnp.paper.reproduce.methods import NAMES as METHODS
from vsmnp.settings.choices import ARCHITECTURES
from vsmnp.types.progress import Progress, Stop

from .engine_options import chosen_engine, engine_options
from .evaluation_options import EXTRACTORS, feature_choice, onnx_options
from .options import with_options
from .values import FOLDER, IntegerList, NameChoice

if TYPE_CHECKING:
    from vsmnp.paper.reproduce import Result

__all__ = ["GRID_NAMES", "Plan", "grid_options", "plan_of", "reproduce_grid"]

Plan: TypeAlias = images.ImageGridPlan | plane.PlaneGridPlan

#: Names of the figures with a grid.
GRID_NAMES = (*plane.NAMES, *images.NAMES)


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


class Counts(IntegerList):
    """A tuple of integers that are at least some number, such as ``1,5``."""

    def __init__(self, least: int) -> None:
        self.least = least

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        numbers = super().convert(value, param, ctx)
        if numbers and min(numbers) < self.least:
            self.fail(f"'{value}' has a number below {self.least}.", param, ctx)
        return tuple(sorted(set(numbers)))


_common_options = with_options(
    click.option("--budget", type=NameChoice(images.BUDGETS), default="laptop",
                 help="Size of the experiment: quick takes minutes and laptop hours on two cores; paper is "
                 "that of the paper."),
    click.option("--datasets", type=Names(), default=(),
                 help="Datasets, such as mnist,fashion or image files; default: those of the budget "
                 "or figure."),
    click.option("--methods", type=Names(METHODS), default=METHODS, show_default=False,
                 help="Methods, such as K-ELBO,K-M1; default: those of the figure."),
    click.option("--seeds", type=IntegerList(), default=(),
                 help="Seeds, with one model each; default: those of the budget."),
    click.option("--epochs", type=click.FloatRange(min=0, min_open=True),
                 help="Number of epochs; runs that have fewer are resumed; default: that of the budget."),
    click.option("--runs", type=FOLDER, default=Path("reproduce/runs"), help="Folder of the runs."),
    engine_options(default_jobs=1),
    click.option("--no-train", is_flag=True, help="Draw the runs that exist, as far as they are trained."),
)  # fmt: skip

_image_options = with_options(
    click.option("--archs", type=Names(tuple(ARCHITECTURES)), default=(),
                 help="Networks of images, such as dcgan; default: those of the figure."),
    click.option("--data-dir", type=FOLDER, help="Folder that is searched first for the files of images."),
    click.option("--features", default="lenet",
                 help=f"Features of FID and KID: {EXTRACTORS} or a network FILE.onnx."),
    onnx_options,
)  # fmt: skip

_plane_options = with_options(
    click.option("--encoder-steps", type=Counts(1), default=(),
                 help="Numbers J of encoder updates in fig3, fig6 and fig7, such as 1,2,5; default: those of "
                 "the budget."),
    click.option("--bilevel-steps", type=Counts(0), default=(),
                 help="Numbers K of bi-level updates for M2 and M3, such as 0,5; default: those of the "
                 "budget."),
    click.option("--optimizers", type=Names(tuple(plane.OPTIMIZERS)), default=(),
                 help="Optimisation: paper, or tuned with Adam for the encoder; default: that of the "
                 "budget."),
    click.option("--estimators", type=Names(tuple(plane.ESTIMATORS)), default=(),
                 help="Estimators of M2 and M3: definition, unbiased, or published as in the paper's script; "
                 "default: those of the budget."),
    click.option("--dry-run", is_flag=True,
                 help="Train nothing: time a few steps, and print the core hours that fig3, fig6 or fig7 "
                 "needs."),
)  # fmt: skip

_failure_options = with_options(
    click.option("--records", type=FOLDER, multiple=True,
                 help="Folder with the CSV files of an earlier 'reproduce failure', perhaps of another "
                 "machine: its runs are shown and not trained again. May be given several times."),
)  # fmt: skip

grid_options = with_options(_common_options, _image_options, _plane_options, _failure_options)

#: The figures of each package.
_FIGURES: Mapping[str, tuple[str, ...]] = MappingProxyType({
    "images": tuple(images.NAMES), "plane": tuple(plane.NAMES), "failure": ("failure",),
})  # fmt: skip

#: The options that only figures of one package read.
_OWN: Mapping[str, tuple[str, ...]] = MappingProxyType({
    "images": ("archs", "data_dir", "features", "onnx_output", "onnx_layout", "onnx_scaling", "onnx_size"),
    "plane": ("encoder_steps", "bilevel_steps", "optimizers", "estimators", "dry_run"),
    "failure": ("records",),
})  # fmt: skip


def reproduce_grid(name: str, out: Path, plan: Plan, progress: Progress, stop: Stop) -> Result:
    """Compute a figure by the plan that :func:`plan_of` made for it."""
    if isinstance(plan, plane.PlaneGridPlan):
        return plane.load(name).reproduce(out, plan, progress, stop)
    return images.load(name).reproduce(out, plan, progress, stop)


def plan_of(ctx: click.Context, name: str, quick: bool, values: Mapping[str, Any]) -> Plan | None:
    """Build the plan of the grid from the options; return None for a figure without a grid.

    Raises
    ------
    UsageError
        If an option of the grid is given for a figure without one or with another grid, --quick with another
        budget, or a file of features that does not exist.
    """
    named = [
        parameter for parameter in values
        if ctx.get_parameter_source(parameter) is not click.core.ParameterSource.DEFAULT
        and parameter not in OPTIONS.get(name, ())
    ]  # fmt: skip
    if name not in GRID_NAMES:
        if named:
            raise click.UsageError(f"{_option(named[0])} is no option of {name}: leave it out.")
        return None
    package = _package_of(name)
    foreign = [(each, other) for each in named for other in _OWN if other != package and each in _OWN[other]]
    for option, other in foreign:
        raise click.UsageError(
            f"{_option(option)} is an option of {', '.join(_FIGURES[other])}: leave it out for {name}."
        )
    if quick and "budget" in named and values["budget"] != "quick":
        raise click.UsageError(f"Give --quick or --budget {values['budget']}, not both.")
    budget = "quick" if quick else values["budget"]
    common = {each: values[each] for each in ("datasets", "seeds", "methods")}
    common["runs"], common["engine"] = values["runs"].absolute(), chosen_engine(values).engine()
    common["train"] = not values["no_train"]
    if package == "images":
        return _image_plan(budget, values, common)
    return plane.PlaneGridPlan(
        plane.budget(budget, plane.PRESETS[name]).lasting(values["epochs"]), **common,
        **{each: values[each] for each in _OWN["plane"]},
    )  # fmt: skip


def _image_plan(budget: str, values: Mapping[str, Any], common: Mapping[str, Any]) -> images.ImageGridPlan:
    features = feature_choice(values)
    path = Path(features.name)
    if path.suffix and not (values["no_train"] or path.is_file()):
        raise click.UsageError(f"There is no file --features {path}: name one, or leave the option out.")
    data_dir = "" if values["data_dir"] is None else str(values["data_dir"])
    return images.ImageGridPlan(
        images.budget(budget).lasting(values["epochs"]), **common, architectures=values["archs"],
        data_dir=data_dir, features=features,
    )  # fmt: skip


def _package_of(name: str) -> str:
    """Return the package of a figure: a key of ``_OWN``."""
    (package,) = (each for each, figures in _FIGURES.items() if name in figures)
    return package


def _option(parameter: str) -> str:
    return f"--{parameter.replace('_', '-')}"

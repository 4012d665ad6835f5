"""Define a situation with its remedy, and the steps of which situations are made."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import requires
from pkgutil import iter_modules
from types import ModuleType
from typing import TypeAlias

import pytest
from click.testing import CliRunner

from vsmnp.cli import main
from vsmnp.data import Dataset, load_data
from vsmnp.errors import VsmnpError

#: Something that is refused before the remedy is followed, and not afterwards.
Step: TypeAlias = Callable[[], object]
#: What makes a situation: the first step that it yields is refused, and each later one follows the remedy.
Situation: TypeAlias = Callable[[pytest.MonkeyPatch], Iterator[Step]]

_TRAIN = (
    "train",
    "--dry-run",
    "--kernels",
    "reference",
    "--hidden",
    "4",
    "--steps",
    "2",
    "--batch-size",
    "2",
)


@dataclass(frozen=True)
class Remedy:
    """The advice of a sentence, the situation that leads to it, and the module of this situation."""

    advice: str
    situation: Situation
    module: str


@dataclass(frozen=True)
class Case:
    """A command that fails, the advice in its error, and the commands that follow the advice."""

    failing: tuple[str, ...]
    advice: str
    followed: tuple[str, ...]


#: All situations by their modules and names.
REMEDIES: dict[str, Remedy] = {}


def remedy(advice: str) -> Callable[[Situation], Situation]:
    """Add a situation to :data:`REMEDIES`, with the words of its advice that the error must contain."""

    def enter(situation: Situation) -> Situation:
        _enter(situation.__module__, situation.__name__, advice, situation)
        return situation

    return enter


def commands(module: str, cases: Mapping[str, Case]) -> None:
    """Add situations that are a command which fails, and the command that follows its advice."""

    def situation_of(case: Case) -> Situation:
        def situation(patch: pytest.MonkeyPatch) -> Iterator[Step]:
            yield vsmnp(*case.failing)
            yield vsmnp(*case.followed)

        return situation

    for name, case in cases.items():
        _enter(module, name, case.advice, situation_of(case))


def _enter(module: str, name: str, advice: str, situation: Situation) -> None:
    short = module.rpartition(".")[2]
    assert f"{short}-{name}" not in REMEDIES, name
    REMEDIES[f"{short}-{name}"] = Remedy(advice, situation, module)


def remedies_below(package: ModuleType) -> dict[str, Remedy]:
    """Return the situations of the modules in a package, without those of packages in it."""
    names = [f"{package.__name__}.{each.name}" for each in iter_modules(package.__path__)]
    for name in names:
        import_module(name)
    return {name: each for name, each in REMEDIES.items() if each.module in names}


def follow(case: Remedy, patch: pytest.MonkeyPatch) -> None:
    """Check that a situation is refused with its advice, and that the advice works when it is followed."""
    steps = case.situation(patch)
    refused, followed = next(steps), 0
    with pytest.raises(VsmnpError) as caught:
        refused()
    assert case.advice in str(caught.value), str(caught.value)
    for step in steps:
        step()
        followed += 1
    assert followed


def refuse(case: Remedy, patch: pytest.MonkeyPatch) -> str:
    """Return the sentence with which a situation is refused."""
    steps = case.situation(patch)
    with pytest.raises(VsmnpError) as caught:
        next(steps)()
    steps.close()  # type: ignore[attr-defined]
    return str(caught.value)


def vsmnp(*arguments: str) -> Step:
    """Return the step that runs a command; it is refused where the command fails."""

    def run() -> None:
        done = CliRunner().invoke(main, list(arguments), prog_name="vsmnp")
        if done.exit_code:
            assert isinstance(done.exception, SystemExit), done.exception
            raise VsmnpError(" ".join(done.stderr.split()))

    return run


def unnoted(words: str, *arguments: str) -> Step:
    """Return the step that runs a command; it is refused where the command prints a note of these words."""

    def run() -> None:
        done = CliRunner().invoke(main, list(arguments), prog_name="vsmnp")
        told = " ".join(done.stderr.split())
        if done.exit_code or words in told:
            raise VsmnpError(told)

    return run


def told(kind: type[Exception], step: Step) -> Step:
    """Return the step that is refused where another one raises an exception of this kind."""

    def run() -> None:
        try:
            step()
        except kind as error:
            raise VsmnpError(str(error)) from error

    return run


def train(dataset: object, *options: str) -> Step:
    """Return the step that reads data by ``vsmnp train --dry-run``."""
    return vsmnp(*_TRAIN, "--dataset", str(dataset), *options)


def unnoted_train(words: str, dataset: object, *options: str) -> Step:
    """Return the step of :func:`train` that is refused also where a note of these words is printed."""
    return unnoted(words, *_TRAIN, "--dataset", str(dataset), *options)


def read(data: object, **options: object) -> Callable[[], Dataset]:
    """Return the step that reads data in Python."""
    return lambda: load_data(data, **options)  # type: ignore[arg-type]


def warned(step: Step) -> Step:
    """Return the step that is refused where another one gives a warning."""

    def run() -> None:
        with warnings.catch_warnings(record=True) as given:
            warnings.simplefilter("always")
            step()
        if given:
            raise VsmnpError(str(given[0].message))

    return run


def declared(extra: str, package: str) -> Step:
    """Return the step that checks that an extra of vsmnp installs a package."""

    def run() -> None:
        needed = [each for each in requires("vsmnp") or () if each.split()[0].startswith(package)]
        assert any(f"extra == '{extra}'" in each.replace('"', "'") for each in needed), needed

    return run

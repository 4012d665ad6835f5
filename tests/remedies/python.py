"""Situations of the package in Python: interrupts, warnings, runs that are on no disk, and scikit-learn."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from typing import Any

import pytest

import vsmnp
from vsmnp.runs.session import Run
from vsmnp.training.loop import Watch

from .follow import Step, declared, remedy, warned

TINY: dict[str, Any] = {"kernels": "reference", "hidden": (3,), "steps": 6, "batch_size": 20, "log_every": 2}


def trained(**options: Any) -> Run:
    """Train a run of a few steps on built-in data."""
    return vsmnp.train("mixture", **{**TINY, **options})


@remedy("use --samples 2 or more")
def advice_on_settings(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield warned(lambda: trained(objective="m2", samples=1))
    yield warned(lambda: trained(objective="m2", samples=2))


@remedy("go on with vsmnp.resume('own')")
def an_interrupt(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    def on_step(step: int) -> None:
        if step == 3:
            signal.raise_signal(signal.SIGINT)

    yield warned(lambda: trained(watch=Watch(on_step=on_step), out="own"))

    def goes_on() -> None:
        assert vsmnp.resume("own").step == TINY["steps"]

    yield goes_on


@remedy("train it with a folder")
def a_run_that_is_on_no_disk(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield lambda: vsmnp.resume(trained(), steps=7)
    yield lambda: vsmnp.resume(trained(out="own"), steps=7)
    assert Path("own/checkpoint.h5").exists()


@remedy("pip install 'vsmnp[sklearn]', or use vsmnp.train")
def an_estimator_without_its_library(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    def imported() -> None:
        spec = find_spec("vsmnp.estimator")
        assert spec is not None
        assert spec.loader is not None
        spec.loader.exec_module(module_from_spec(spec))

    with pytest.MonkeyPatch.context() as absent:
        absent.setitem(sys.modules, "sklearn.base", None)
        yield imported
        yield trained
    yield declared("sklearn", "scikit-learn")
    yield imported

"""Describe the training step of settings, without a GPU."""

from __future__ import annotations

from ...data import load_data
from ...kernels import load
from ...settings.settings import Settings
from ...training.trainer import Trainer
from ...types.step_spec import StepSpec


def spec_of(settings: Settings) -> StepSpec:
    """Return the description of the step of perceptrons with a Gaussian posterior, for data in the plane."""
    spec = Trainer.build(load("reference"), settings, load_data("mixture")).spec
    assert spec is not None, "a step of perceptrons has a description"
    return spec

"""Describe the training step of settings, without a GPU."""

from __future__ import annotations

from vsmnp.data import load_data
from vsmnp.kernels import load
from vsmnp.settings.settings import Settings
from vsmnp.training.trainer import Trainer
from vsmnp.types.step_spec import StepSpec


def spec_of(settings: Settings) -> StepSpec:
    """Return the description of the step of perceptrons with a Gaussian posterior, for data in the plane."""
    spec = Trainer.build(load("reference"), settings, load_data("mixture")).spec
    assert spec is not None, "a step of perceptrons has a description"
    return spec

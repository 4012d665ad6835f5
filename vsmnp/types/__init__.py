"""Types and protocols of every other package: arrays, layers, kernel sets, step records, replay."""

from .arrays import ActivationName, Array, DType, QuadraticForm, Shape, Window
from .protocols import Cache, Kernels, Layer, Params, Shapes
from .replay import Recorder
from .step_spec import FusedStep, StepSpec, StepTerms

__all__ = [
    "ActivationName",
    "Array",
    "Cache",
    "DType",
    "FusedStep",
    "Kernels",
    "Layer",
    "Params",
    "QuadraticForm",
    "Recorder",
    "Shape",
    "Shapes",
    "StepSpec",
    "StepTerms",
    "Window",
]

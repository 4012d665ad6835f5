"""Export the types and protocols that all packages share: arrays, layers, kernel sets, step records."""

from .arrays import ActivationName, Array, DType, QuadraticForm, Shape, Window
from .layer import Cache, Cotangents, Grads, Layer, OutputTangents, Params, Shapes, Tangents, part
from .protocols import Kernels
from .replay import Recorder
from .step_spec import FusedStep, StepSpec, StepTerms

__all__ = [
    "ActivationName",
    "Array",
    "Cache",
    "Cotangents",
    "DType",
    "FusedStep",
    "Grads",
    "Kernels",
    "Layer",
    "OutputTangents",
    "Params",
    "QuadraticForm",
    "Recorder",
    "Shape",
    "Shapes",
    "StepSpec",
    "StepTerms",
    "Tangents",
    "Window",
    "part",
]

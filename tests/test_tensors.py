"""Tensors of torch given as data; torch itself is tested beside its stand-in where it is installed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np
import pytest

import vsmnp

#: Numbers that every type here can hold.
X = np.random.default_rng(0).integers(-8, 9, (30, 3)) / 4.0


class Kind(NamedTuple):
    """A kind of tensor, and how torch refuses to convert it to an array (empty: it does not)."""

    dtype: str = "float64"
    requires_grad: bool = False
    negated: bool = False
    refusal: str = ""


GRAPH = "RuntimeError: Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead."
SIGN = (
    "RuntimeError: Can't call numpy() on Tensor that has negative bit set. "
    "Use tensor.resolve_neg().numpy() instead."
)
#: Refusals of the types that NumPy does not have.
UNKNOWN = {
    name: f"TypeError: Got unsupported ScalarType {scalar}"
    for name, scalar in (("bfloat16", "BFloat16"), ("float8_e4m3fn", "Float8_e4m3fn"))
}
KINDS = {
    "plain": Kind(),
    "half": Kind("float16"),
    "in a graph": Kind(requires_grad=True, refusal=GRAPH),
    "part of a conjugate": Kind(negated=True, refusal=SIGN),
    "bfloat16": Kind("bfloat16", refusal=UNKNOWN["bfloat16"]),
    "bfloat16 in a graph": Kind("bfloat16", requires_grad=True, refusal=GRAPH),
    "8 bits": Kind("float8_e4m3fn", refusal=UNKNOWN["float8_e4m3fn"]),
}


@dataclass(frozen=True)
class Tensor:
    """A stand-in for a tensor: what NumPy can convert, and what a tensor does with its graph and its sign."""

    kind: Kind
    values: np.ndarray

    @property
    def dtype(self) -> str:
        return f"torch.{self.kind.dtype}"

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        if self.kind.requires_grad:
            raise RuntimeError(GRAPH.partition(": ")[2])
        if self.kind.negated:
            raise RuntimeError(SIGN.partition(": ")[2])
        if self.kind.dtype in UNKNOWN:
            raise TypeError(UNKNOWN[self.kind.dtype].partition(": ")[2])
        return self.values.astype(self.kind.dtype)

    def detach(self) -> Tensor:
        return replace(self, kind=self.kind._replace(requires_grad=False))

    def resolve_conj(self) -> Tensor:
        return self

    def resolve_neg(self) -> Tensor:
        return replace(self, kind=self.kind._replace(negated=False))

    def float(self) -> Tensor:
        return replace(self, kind=self.kind._replace(dtype="float32"))


def stand_in(values: np.ndarray, kind: Kind) -> Tensor:
    """Make a tensor of the stand-in."""
    return Tensor(kind, values)


def of_torch(values: np.ndarray, kind: Kind) -> Any:
    """Make a tensor of torch."""
    import torch

    made = torch.tensor(values, dtype=getattr(torch, kind.dtype))
    if kind.negated:
        made = torch.complex(made, -made).conj().imag
    return made.requires_grad_(kind.requires_grad)


LIBRARIES: dict[str, Callable[[np.ndarray, Kind], Any]] = {"stand-in": stand_in}
if find_spec("torch"):
    LIBRARIES["torch"] = of_torch
each_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
each_library = pytest.mark.parametrize("tensor", LIBRARIES.values(), ids=LIBRARIES)


@each_kind
@each_library
def test_numpy_converts_a_tensor_or_not(tensor: Callable[[np.ndarray, Kind], Any], kind: Kind) -> None:
    """What is tested here is the stand-in, by the same table as torch."""
    made = tensor(X, kind)
    assert str(made.dtype) == f"torch.{kind.dtype}"
    if not kind.refusal:
        np.testing.assert_array_equal(np.asarray(made), X)
        return
    with pytest.raises((RuntimeError, TypeError)) as caught:
        np.asarray(made)
    assert f"{caught.type.__name__}: {caught.value}".splitlines()[0] == kind.refusal


@each_kind
@each_library
def test_a_tensor_is_its_numbers(tensor: Callable[[np.ndarray, Kind], Any], kind: Kind) -> None:
    expected = vsmnp.load_data(X).epoch(0, 0, np.float64)
    for given in (tensor(X, kind), [tensor(row, kind) for row in X]):
        np.testing.assert_array_equal(vsmnp.load_data(given).epoch(0, 0, np.float64), expected)


@each_library
def test_a_trained_model_takes_tensors(tensor: Callable[[np.ndarray, Kind], Any]) -> None:
    run = vsmnp.train(X, steps=2, hidden=(4,), kernels="reference", batch_size=10)
    means, figures = run.vae.encode(X)[0], vsmnp.evaluate(run, X, prior_draws=20, iwae_samples=2)
    for kind in KINDS.values():
        np.testing.assert_array_equal(run.vae.encode(tensor(X, kind))[0], means)
        assert vsmnp.evaluate(run, tensor(X, kind), prior_draws=20, iwae_samples=2) == figures

"""Optimisers over flat parameter vectors: one call updates every parameter of every model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ..errors import member_of
from ..settings.choices import OPTIMIZERS
from ..types import Array, Kernels
from ..types.step_spec import OptimizerSpec


@dataclass
class Memory:
    """State of an optimiser: moments ``m, v (R, P)`` (or ``(R, 0)``) and step counters ``t (R,)``."""

    m: Array
    v: Array
    t: Array

    def copy(self) -> Memory:
        """Return a copy of the state with its own arrays."""
        return Memory(self.m.copy(), self.v.copy(), self.t.copy())


class Optimizer(Protocol):
    """A rule that updates parameters in place from their gradient."""

    def remember(self, k: Kernels, p: Array) -> Memory:
        """Return the initial optimiser state for parameters ``p (R, P)``."""

    def update(self, k: Kernels, p: Array, g: Array, memory: Memory, lr: Array, active: Array) -> None:
        """Update ``p`` where ``active (R,)``, with learning rates ``lr (R,)``."""

    def fused_spec(self) -> OptimizerSpec | None:
        """Return the record of the rule for a fused step, or None if fused steps do not implement it."""


@dataclass(frozen=True)
class Adam:
    """Adam with bias correction (Kingma & Ba, ICLR 2015, algorithm 1)."""

    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8

    def remember(self, k: Kernels, p: Array) -> Memory:
        zeros = k.zeros(p.shape, p.dtype)
        return Memory(zeros, zeros.copy(), k.zeros(p.shape[:1], np.int64))

    def update(self, k: Kernels, p: Array, g: Array, memory: Memory, lr: Array, active: Array) -> None:
        k.adam(p, g, memory.m, memory.v, memory.t, lr, self.beta1, self.beta2, self.eps, active)

    def fused_spec(self) -> OptimizerSpec:
        return OptimizerSpec(True, self.beta1, self.beta2, self.eps)


@dataclass(frozen=True)
class SGD:
    """Plain gradient descent; its state is only the count of its steps."""

    def remember(self, k: Kernels, p: Array) -> Memory:
        empty = k.zeros((p.shape[0], 0), p.dtype)
        return Memory(empty, empty.copy(), k.zeros(p.shape[:1], np.int64))

    def update(self, k: Kernels, p: Array, g: Array, memory: Memory, lr: Array, active: Array) -> None:
        k.sgd(p, g, memory.t, lr, active)

    def fused_spec(self) -> OptimizerSpec:
        return OptimizerSpec(False)


def optimizer(name: str) -> Optimizer:
    """Return the optimiser of a name.

    Raises
    ------
    ConfigError
        If there is no optimiser of that name.
    """
    rule: Optimizer = member_of(OPTIMIZERS, "optimiser", name).load()()
    return rule

"""Collect batch-norm statistics, update the running ones, and swap in FrozenNorm for evaluation."""

from __future__ import annotations

import numpy as np

from ..types import Array, Cache, Kernels, Layer, Params
from .activated import Activated
from .compose import Chain, Composed, Residual
from .norm import BatchNorm, FrozenNorm, Normalisation

#: Weight of the current batch in the update of the running statistics.
MOMENTUM = 0.1


def frozen(layer: Layer) -> Layer:
    """Return the network with FrozenNorm for every BatchNorm, on the same parameters."""
    if isinstance(layer, BatchNorm):
        return FrozenNorm(layer.channels)
    if isinstance(layer, Chain):
        return Chain(tuple(frozen(part) for part in layer.layers))
    if isinstance(layer, Residual):
        return Residual(frozen(layer.body), frozen(layer.shortcut))
    return layer


def batch_statistics(k: Kernels, layer: Layer, c: Cache) -> Params:
    """Collect each normalisation's batch mean and variance, in the branches of ``shapes`` that have one."""
    if isinstance(layer, Activated):
        return batch_statistics(k, layer.layer, c[0])
    if isinstance(layer, Normalisation):
        return layer.statistics(k, c)
    if not isinstance(layer, Composed):
        return {}
    parts = ((name, batch_statistics(k, part, c[i])) for i, (name, part) in enumerate(layer.stages))
    return {name: found for name, found in parts if found}


def move_statistics(p: Params, batch: Params, active: Array) -> None:
    """Update ``running += (batch - running) / 10`` in place for the models ``active (R,)``."""
    for name, found in batch.items():
        if isinstance(found, dict):
            move_statistics(p[name], found, active)
        else:
            running = p[name]
            moved = running + MOMENTUM * (found - running)
            running[...] = np.where(active[:, None], moved, running)

"""Collect batch-norm statistics, update the running ones, and swap in FrozenNorm for evaluation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from ..types import Array, Cache, Kernels, Layer, Params
from .activated import Activated
from .compose import Chain, Residual
from .norm import BatchNorm, FrozenNorm, Normalisation

#: Weight of the current batch in the update of the running statistics.
MOMENTUM = 0.1


def _parts(layer: Layer) -> Iterator[tuple[str, int, Layer]]:
    """Yield the sub-layers of a composed layer, each with its name and its index in the cache."""
    if isinstance(layer, Chain):
        yield from ((name, place, part) for place, (name, part) in enumerate(layer.stages))
    elif isinstance(layer, Residual):
        yield "body", 0, layer.body
        if layer.shortcut is not None:
            yield "shortcut", 1, layer.shortcut


def frozen(layer: Layer) -> Layer:
    """Return the network with FrozenNorm for every BatchNorm, on the same parameters."""
    if isinstance(layer, BatchNorm):
        return FrozenNorm(layer.channels)
    if isinstance(layer, Chain):
        return Chain(tuple(frozen(part) for part in layer.layers))
    if isinstance(layer, Residual):
        shortcut = None if layer.shortcut is None else frozen(layer.shortcut)
        return replace(layer, body=frozen(layer.body), shortcut=shortcut)
    return layer


def batch_statistics(k: Kernels, layer: Layer, c: Cache) -> Params:
    """Collect each normalisation's batch mean and variance, in the branches of ``shapes`` that have one."""
    if isinstance(layer, Activated):
        return batch_statistics(k, layer.layer, c[0])
    if isinstance(layer, Normalisation):
        return layer.statistics(k, c)
    tree: dict[str, Any] = {}
    for name, place, part in _parts(layer):
        if part.shapes and (found := batch_statistics(k, part, c[place])):
            tree[name] = found
    return tree


def move_statistics(p: Params, batch: Params, alive: Array) -> None:
    """Update ``running += (batch - running) / 10`` in place for the models ``alive (R,)``."""
    for name, found in batch.items():
        if isinstance(found, dict):
            move_statistics(p[name], found, alive)
        else:
            running = p[name]
            moved = running + MOMENTUM * (found - running)
            running[...] = np.where(alive[:, None], moved, running)

"""PyTorch with torch.compile: loss and gradient of each update compiled as one function, optimisers fused."""

from __future__ import annotations

import torch

from vsmnp.bench import Problem

from ._torch_model import obstacle_alone as obstacle
from .torch_func import TorchFunc

__all__ = ["TorchCompiled", "make", "obstacle"]


class TorchCompiled(TorchFunc):
    """The functional contender with its two gradients compiled; on a GPU they run as CUDA graphs."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        mode = "reduce-overhead" if self.where.type == "cuda" else "default"
        self.gradients = [torch.compile(f, mode=mode) for f in self.gradients]


def make(problem: Problem) -> TorchCompiled:
    return TorchCompiled(problem)

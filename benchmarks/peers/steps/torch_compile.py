"""PyTorch with torch.compile: loss and gradient of each update compiled as one function, Adam fused."""

from __future__ import annotations

import torch

from vsmnp.bench import Noise, Problem

from ._torch_functional import gradients
from ._torch_model import obstacle_alone as obstacle
from .torch_eager import TorchEager

__all__ = ["TorchCompiled", "make", "obstacle"]


class TorchCompiled(TorchEager):
    """The eager contender with its two gradients compiled; on a GPU they run as CUDA graphs."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        mode = "reduce-overhead" if self.where.type == "cuda" else "default"
        self.compiled = [torch.compile(f, mode=mode) for f in gradients(self.spec, self.case)]

    def step(self, noise: Noise | None = None) -> None:
        x = self.minibatches[next(self.order)]
        for j in range(self.case.encoder_steps):
            eps = self._drawn() if noise is None else self._given(noise.inference[j])
            inferred = self._move(0, x, eps)
        learned = self._move(1, x, self._drawn() if noise is None else self._given(noise.learning))
        self.last = inferred, learned

    def _move(self, which: int, x: torch.Tensor, eps: torch.Tensor) -> torch.Tensor:
        phi, theta = ([p.detach() for p in params] for params in (self.phi, self.theta))
        with torch.no_grad():
            gs, loss = self.compiled[which](phi, theta, x, eps)
        for p, g in zip((self.phi, self.theta)[which], gs, strict=True):
            p.grad = g
        self.optimizers[which].step()
        return loss


def make(problem: Problem) -> TorchCompiled:
    return TorchCompiled(problem)

"""PyTorch with ``torch.func``: gradients of functions, of which bi-level updates take gradients again."""

from __future__ import annotations

import torch
from torch import Tensor

from vsmnp.bench import Evaluation, Noise, Problem

from ._torch_functional import gradients
from ._torch_model import arrays
from ._torch_model import obstacle_alone as obstacle
from .torch_eager import TorchEager

__all__ = ["TorchFunc", "make", "obstacle"]


class TorchFunc(TorchEager):
    """The eager contender whose two gradients are functions, called one operation after the other."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.gradients = list(gradients(self.spec, self.case))

    def evaluate(self, noise: Noise) -> Evaluation:
        x = self.minibatches[0]
        g_phi, inferred = self._gradient(0, x, self._given(noise.inference[0]))
        g_theta, learned = self._gradient(1, x, *self._for_learning(noise))
        named = [arrays(names, gs) for names, gs in zip(self.names, (g_phi, g_theta), strict=True)]
        return Evaluation(inferred.cpu().numpy()[None], learned.cpu().numpy()[None], *named)

    def step(self, noise: Noise | None = None) -> None:
        x = self.minibatches[next(self.order)]
        for j in range(self.case.encoder_steps):
            eps = self._drawn() if noise is None else self._given(noise.inference[j])
            inferred = self._move(0, x, eps)
        learned = self._move(1, x, *self._for_learning(noise))
        self.last = inferred, learned

    def _move(self, which: int, x: Tensor, *noise: Tensor) -> Tensor:
        gs, loss = self._gradient(which, x, *noise)
        for p, g in zip((self.phi, self.theta)[which], gs, strict=True):
            p.grad = g
        self.optimizers[which].step()
        return loss

    def _gradient(self, which: int, x: Tensor, *noise: Tensor) -> tuple[list[Tensor], Tensor]:
        phi, theta = ([p.detach() for p in params] for params in (self.phi, self.theta))
        with torch.no_grad():
            gs, loss = self.gradients[which](phi, theta, x, *noise)
        return gs, loss


def make(problem: Problem) -> TorchFunc:
    return TorchFunc(problem)

"""PyTorch with whole updates compiled (inductor, max-autotune): loss, gradient and Adam in one function."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor

from vsmnp.bench import Problem

from ._torch_model import obstacle_alone
from .torch_func import TorchFunc

__all__ = ["TorchAutotune", "make", "obstacle"]

#: The loss, and the parameters, the moments and the number of updates after it.
Moved: TypeAlias = tuple[Tensor, list[Tensor], list[Tensor], Tensor]


def obstacle(problem: Problem) -> str | None:
    if problem.case.device == "gpu":
        return "torch-compile and torch-graphs are its peers on a GPU."
    return obstacle_alone(problem)


class TorchAutotune(TorchFunc):
    """The functional contender, each update of which is one compiled function that returns moved tensors."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        settings = self.case.settings
        plain = self.case.encoder_optimizer == "sgd", False
        params = [p.detach() for p in self.phi], [p.detach() for p in self.theta]
        self.phi, self.theta = params
        self.moments = [[torch.zeros_like(p) for _ in range(2) for p in ps] for ps in params]
        self.times = [torch.zeros(()) for _ in params]
        rates = settings.encoder_lr, settings.lr
        self.updates = [
            torch.compile(self._update_of(which, rates[which], plain[which]), mode="max-autotune")
            for which in (0, 1)
        ]

    def _update_of(self, which: int, lr: float, plain: bool) -> Callable[..., Moved]:
        gradient = self.gradients[which]

        def update(
            phi: list[Tensor],
            theta: list[Tensor],
            moments: list[Tensor],
            t: Tensor,
            x: Tensor,
            *noise: Tensor,
        ) -> Moved:
            gs, loss = gradient(phi, theta, x, *noise)
            params = (phi, theta)[which]
            if plain:
                return loss, [p - lr * g for p, g in zip(params, gs, strict=True)], moments, t
            t = t + 1
            count = len(params)
            ms = [m + 0.1 * (g - m) for m, g in zip(moments[:count], gs, strict=True)]
            vs = [v + 0.001 * (g * g - v) for v, g in zip(moments[count:], gs, strict=True)]
            one, two = 1 - 0.9**t, 1 - 0.999**t
            moved = [
                p - lr / one * m / ((v / two).sqrt() + 1e-8) for p, m, v in zip(params, ms, vs, strict=True)
            ]
            return loss, moved, ms + vs, t

        return update

    def _move(self, which: int, x: Tensor, *noise: Tensor) -> Tensor:
        with torch.no_grad():
            loss, params, self.moments[which], self.times[which] = self.updates[which](
                self.phi, self.theta, self.moments[which], self.times[which], x, *noise
            )
        if which:
            self.theta = params
        else:
            self.phi = params
        return loss


def make(problem: Problem) -> TorchAutotune:
    return TorchAutotune(problem)

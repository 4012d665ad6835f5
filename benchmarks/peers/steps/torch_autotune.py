"""PyTorch with whole updates compiled (inductor, max-autotune): loss, gradient and Adam in one function."""

from __future__ import annotations

import torch
from torch import Tensor

from vsmnp.bench import Problem

from ._torch_model import obstacle_alone
from .torch_func import TorchFunc

__all__ = ["TorchAutotune", "make", "obstacle"]


def obstacle(problem: Problem) -> str | None:
    if problem.case.device == "gpu":
        return "torch-compile and torch-graphs are its peers on a GPU."
    return obstacle_alone(problem)


class TorchAutotune(TorchFunc):
    """The functional contender, each update of which is one compiled function that moves its tensors."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        settings = self.case.settings
        plain = self.case.encoder_optimizer == "sgd", False
        params = [p.detach() for p in self.phi], [p.detach() for p in self.theta]
        self.phi, self.theta = params
        self.moments = [[torch.zeros_like(p) for _ in range(2) for p in ps] for ps in params]
        self.times = [torch.zeros((), dtype=torch.float64) for _ in params]
        rates = settings.encoder_lr, settings.lr
        self.updates = [
            torch.compile(self._update_of(which, rates[which], plain[which]), mode="max-autotune")
            for which in (0, 1)
        ]

    def _update_of(self, which: int, lr: float, plain: bool) -> object:
        gradient = self.gradients[which]

        def update(
            phi: list[Tensor],
            theta: list[Tensor],
            moments: list[Tensor],
            t: Tensor,
            x: Tensor,
            *noise: Tensor,
        ) -> Tensor:
            gs, loss = gradient(phi, theta, x, *noise)
            params = (phi, theta)[which]
            if plain:
                for p, g in zip(params, gs, strict=True):
                    p.sub_(lr * g)
                return loss
            t.add_(1)
            one, two = 1 - 0.9**t, 1 - 0.999**t
            count = len(params)
            for p, g, m, v in zip(params, gs, moments[:count], moments[count:], strict=True):
                m.add_(0.1 * (g - m))
                v.add_(0.001 * (g * g - v))
                p.sub_((lr / one).to(p.dtype) * m / ((v / two.to(p.dtype)).sqrt() + 1e-8))
            return loss

        return update

    def _move(self, which: int, x: Tensor, *noise: Tensor) -> Tensor:
        with torch.no_grad():
            return self.updates[which](
                self.phi, self.theta, self.moments[which], self.times[which], x, *noise
            )


def make(problem: Problem) -> TorchAutotune:
    return TorchAutotune(problem)

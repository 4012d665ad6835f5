"""PyTorch as it is usually written: ``loss.backward()``, which computes every gradient of a loss.

An encoder update therefore computes the decoder's gradient too, which is not used, and the score of Fisher
inference is computed with ``create_graph=True``, so that the backward sweep passes through it once more.
``torch-eager`` computes only the gradients that an update needs.
"""

from __future__ import annotations

from torch import Tensor

from vsmnp.bench import Problem

from .torch_eager import TorchEager, inference_loss, obstacle

__all__ = ["TorchBackward", "make", "obstacle"]


class TorchBackward(TorchEager):
    """The eager contender with whole backward sweeps."""

    def inference(self, x: Tensor, eps: Tensor) -> Tensor:
        if self.case.objective == "fae":
            return super().inference(x, eps)
        name = self.case.inference
        return inference_loss(self.spec, name, self.phi, self.theta, x, eps, keeps_graph=True)

    def _update(self, which: int, loss: Tensor, params: list[Tensor]) -> None:
        for optimizer in self.optimizers:
            optimizer.zero_grad()
        loss.backward()
        self.optimizers[which].step()


def make(problem: Problem) -> TorchBackward:
    return TorchBackward(problem)

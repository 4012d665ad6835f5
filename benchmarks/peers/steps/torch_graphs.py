"""PyTorch with CUDA graphs: the eager step captured once and replayed, noise drawn inside the graph."""

from __future__ import annotations

import torch

from vsmnp.bench import Noise, Problem

from . import _torch_model
from ._torch_model import optimizers
from .torch_eager import TorchEager

__all__ = ["TorchGraphs", "make", "obstacle"]


def obstacle(problem: Problem) -> str | None:
    if problem.case.device != "gpu":
        return "CUDA graphs need a GPU."
    return _torch_model.obstacle_alone(problem)


class TorchGraphs(TorchEager):
    """Eager steps if noise is given, and a replayed graph if the noise is drawn."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.optimizers = optimizers(self.case, self.phi, self.theta, capturable=True)
        self.x = self.minibatches[0].clone()
        self.graph: torch.cuda.CUDAGraph | None = None

    def step(self, noise: Noise | None = None) -> None:
        if noise is not None:
            super().step(noise)
            return
        if self.graph is None:
            self._capture()
        self.x.copy_(self.minibatches[next(self.order)])
        self.graph.replay()

    def _capture(self) -> None:
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                self._whole()
        torch.cuda.current_stream().wait_stream(side)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self._whole()

    def _whole(self) -> None:
        for _ in range(self.case.encoder_steps):
            inferred = self.inference(self.x, self._drawn())
            self._update(0, inferred, self.phi)
        learned = self.learning(self.x, *self._for_learning(None))
        self._update(1, learned, self.theta)
        self.last = inferred.detach(), learned.detach()


def make(problem: Problem) -> TorchGraphs:
    return TorchGraphs(problem)

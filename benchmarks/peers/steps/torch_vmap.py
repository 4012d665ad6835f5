"""PyTorch for ensembles: the gradient of one model under ``torch.func.vmap``, one fused optimiser for all."""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor
from torch.func import vmap

from vsmnp.bench import Evaluation, Noise, Problem

from ._torch_functional import gradients
from ._torch_model import Spec, arrays, device, obstacle, optimizers, prepare, tensors

__all__ = ["TorchVmap", "make", "obstacle"]


class TorchVmap:
    """Parameters with the leading axis R; every operation of a step is one call for all models."""

    def __init__(self, problem: Problem) -> None:
        prepare(problem)
        self.case, self.where = problem.case, device(problem)
        self.names = [*problem.phi], [*problem.theta]
        self.phi, self.theta = (tensors(p, self.where, models=True) for p in (problem.phi, problem.theta))
        self.optimizers = optimizers(self.case, self.phi, self.theta)
        each = gradients(Spec.of(problem), self.case)
        self.gradients = [vmap(f, (0, 0, None, *axes)) for f, axes in zip(each, ((0,), (0, 1)), strict=True)]
        self.minibatches = torch.from_numpy(problem.batches).to(self.where)
        self.order = itertools.cycle(range(len(self.minibatches)))

    def evaluate(self, noise: Noise) -> Evaluation:
        x = self.minibatches[0]
        g_phi, inferred = self.gradients[0](self.phi, self.theta, x, self._given(noise.inference[0]))
        g_theta, learned = self.gradients[1](self.phi, self.theta, x, *self._for_learning(noise))
        named = [arrays(names, gs, True) for names, gs in zip(self.names, (g_phi, g_theta), strict=True)]
        return Evaluation(inferred.cpu().numpy(), learned.cpu().numpy(), *named)

    def step(self, noise: Noise | None = None) -> None:
        x = self.minibatches[next(self.order)]
        for j in range(self.case.encoder_steps):
            inferred = self._move(0, x, self._drawn() if noise is None else self._given(noise.inference[j]))
        learned = self._move(1, x, *self._for_learning(noise))
        self.last = inferred, learned

    def _move(self, which: int, x: Tensor, *noise: Tensor) -> Tensor:
        gs, loss = self.gradients[which](self.phi, self.theta, x, *noise)
        for p, g in zip((self.phi, self.theta)[which], gs, strict=True):
            p.grad = g
        self.optimizers[which].step()
        return loss

    def losses(self) -> tuple[np.ndarray, np.ndarray]:
        inferred, learned = self.last
        return inferred.cpu().numpy(), learned.cpu().numpy()

    def wait(self) -> None:
        if self.where.type == "cuda":
            torch.cuda.synchronize()

    def parameters(self) -> tuple[Mapping[str, np.ndarray], Mapping[str, np.ndarray]]:
        return arrays(self.names[0], self.phi, True), arrays(self.names[1], self.theta, True)

    def _for_learning(self, noise: Noise | None) -> tuple[Tensor, Tensor]:
        """Return the noise of the learning loss and that of the K bi-level updates."""
        if noise is None:
            return self._drawn(), self._drawn(self.case.bilevel_steps)
        return self._given(noise.learning), self._given(noise.bilevel)

    def _drawn(self, *count: int) -> Tensor:
        shape = *count, self.case.models, self.case.samples, self.case.batch_size, self.case.latent
        return torch.randn(shape, device=self.where, dtype=self.minibatches.dtype)

    def _given(self, eps: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(eps)).to(self.where)


def make(problem: Problem) -> TorchVmap:
    """Choose one thread or all of the case's, whichever is faster: barriers are slow where work is small."""
    if problem.case.device == "cpu" and problem.case.threads > 1:
        seconds = {threads: _seconds(TorchVmap(problem), threads) for threads in (1, problem.case.threads)}
        contender = TorchVmap(problem)
        torch.set_num_threads(min(seconds, key=seconds.__getitem__))
        return contender
    return TorchVmap(problem)


def _seconds(contender: TorchVmap, threads: int) -> float:
    """Time a step of a contender that is discarded afterwards."""
    torch.set_num_threads(threads)
    contender.step()
    start = time.perf_counter()
    for _ in range(3):
        contender.step()
    return (time.perf_counter() - start) / 3

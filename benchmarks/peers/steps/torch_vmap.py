"""PyTorch for ensembles: the gradient of one model under ``torch.func.vmap``, one fused Adam for all."""

from __future__ import annotations

import itertools
import time

import numpy as np
import torch
from torch import Tensor
from torch.func import vmap

from vsmnp.bench import Evaluation, Noise, Problem

from ._torch_functional import gradients
from ._torch_model import Spec, arrays, device, obstacle, prepare, tensors

__all__ = ["TorchVmap", "make", "obstacle"]


class TorchVmap:
    """Parameters with the leading axis R; every operation of a step is one call for all models."""

    def __init__(self, problem: Problem) -> None:
        prepare(problem)
        self.case, self.where = problem.case, device(problem)
        self.names = [*problem.phi], [*problem.theta]
        self.phi, self.theta = (tensors(p, self.where, models=True) for p in (problem.phi, problem.theta))
        self.optimizers = [torch.optim.Adam(p, lr=1e-3, fused=True) for p in (self.phi, self.theta)]
        each = gradients(Spec.of(problem), self.case)
        self.gradients = [vmap(f, (0, 0, None, 0)) for f in each]
        self.minibatches = torch.from_numpy(problem.batches).to(self.where)
        self.order = itertools.cycle(range(len(self.minibatches)))

    def evaluate(self, noise: Noise) -> Evaluation:
        x = self.minibatches[0]
        g_phi, inferred = self.gradients[0](self.phi, self.theta, x, self._given(noise.inference[0]))
        g_theta, learned = self.gradients[1](self.phi, self.theta, x, self._given(noise.learning))
        named = [arrays(names, gs, True) for names, gs in zip(self.names, (g_phi, g_theta), strict=True)]
        return Evaluation(inferred.cpu().numpy(), learned.cpu().numpy(), *named)

    def step(self, noise: Noise | None = None) -> None:
        x = self.minibatches[next(self.order)]
        for j in range(self.case.encoder_steps):
            inferred = self._move(0, x, self._drawn() if noise is None else self._given(noise.inference[j]))
        learned = self._move(1, x, self._drawn() if noise is None else self._given(noise.learning))
        self.last = inferred, learned

    def _move(self, which: int, x: Tensor, eps: Tensor) -> Tensor:
        gs, loss = self.gradients[which](self.phi, self.theta, x, eps)
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

    def _drawn(self) -> Tensor:
        shape = self.case.models, self.case.samples, self.case.batch_size, self.case.latent
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

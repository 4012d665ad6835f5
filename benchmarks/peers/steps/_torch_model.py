"""Define the common parts of the PyTorch peers: networks and densities of the problem, and its tensors."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torch.optim import Optimizer

from vsmnp.bench import Case, Problem
from vsmnp.settings.in_effect import batch_norm

from ._image_networks import Leaves, Plan

LOG_2PI = math.log(2 * math.pi)
ACTIVATION = {
    "relu": torch.relu, "tanh": torch.tanh, "elu": functional.elu, "softplus": functional.softplus,
    "sigmoid": torch.sigmoid,
}  # fmt: skip


@dataclass(frozen=True)
class Spec:
    """Quantities besides tensors on which a loss depends."""

    d_x: int
    d_z: int
    samples: int
    activation: str
    unbiased: bool
    leave_one_out: bool
    images: Plan | None = None

    @classmethod
    def of(cls, problem: Problem) -> Spec:
        case, (square, baseline) = problem.case, problem.estimators
        unbiased, off = square == "u-statistic", baseline == "leave-one-out"
        images = None
        if case.image is not None:
            rule = batch_norm(case.settings)
            images = Plan(case.arch, case.image, case.latent, ACTIVATION[case.activation], case.width, rule)
        return cls(case.d_x, case.latent, case.samples, case.activation, unbiased, off, images)


def device(problem: Problem) -> torch.device:
    return torch.device("cuda" if problem.case.device == "gpu" else "cpu")


def obstacle(problem: Problem) -> str | None:
    """Return why PyTorch cannot run a case of perceptrons, or None if it can."""
    if problem.case.image is not None:
        return "torch-eager has the networks of images."
    if problem.case.device == "gpu" and not torch.cuda.is_available():
        return "this PyTorch sees no GPU."
    return None


def obstacle_alone(problem: Problem) -> str | None:
    """Return why a peer for single models of perceptrons cannot run the case, or None if it can."""
    if problem.case.models > 1:
        return "it trains one model; torch-vmap trains several side by side."
    return obstacle(problem)


def prepare(problem: Problem) -> None:
    """Set the threads and TF32 of a case."""
    if problem.case.device == "cpu":
        torch.set_num_threads(problem.case.threads)
    torch.backends.cuda.matmul.allow_tf32 = problem.case.tf32


def optimizers(case: Case, phi: list[Tensor], theta: list[Tensor], **adam: bool) -> list[Optimizer]:
    """Return the optimisers of encoder and decoder, both fused; ``adam`` are options of Adam alone."""
    settings = case.settings
    decoder = torch.optim.Adam(theta, lr=settings.lr, fused=True, **adam)
    if case.encoder_optimizer == "sgd":
        return [torch.optim.SGD(phi, lr=settings.encoder_lr, fused=True), decoder]
    return [torch.optim.Adam(phi, lr=settings.encoder_lr, fused=True, **adam), decoder]


def tensors(named: Mapping[str, np.ndarray], where: torch.device, models: bool = False) -> list[Tensor]:
    """Return arrays in order, window axes last; of the first model, or of all with the leading axis R."""
    found = [torch.from_numpy(np.array(a if models else a[0])).to(where) for a in named.values()]
    return [t.permute(0, 3, 1, 2).contiguous() if t.ndim == 4 else t for t in found]


def arrays(names: Sequence[str], values: Sequence[Tensor], models: bool = False) -> dict[str, np.ndarray]:
    """Copy arrays to the host by name, with the axis R."""
    moved = [t.permute(0, 2, 3, 1) if t.ndim == 4 else t for t in values]
    host = [value.detach().cpu().numpy() for value in moved]
    return {name: a if models else a[None] for name, a in zip(names, host, strict=True)}


def network(p: Sequence[Tensor], x: Tensor, activation: str) -> Tensor:
    """Evaluate dense layers ``w, b, w, b ...`` with an activation between them."""
    f = ACTIVATION[activation]
    for i in range(0, len(p) - 2, 2):
        x = f(functional.linear(x, p[i], p[i + 1]))
    return functional.linear(x, p[-2], p[-1])


def encode(spec: Spec, phi: Sequence[Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    """Compute the mean and standard deviation of q."""
    of_images = spec.images
    features = of_images.encode(Leaves(phi), x) if of_images else network(phi, x, spec.activation)
    mu, rho = features.chunk(2, -1)
    return mu, rho.exp()


def decode(spec: Spec, theta: Sequence[Tensor], z: Tensor) -> Tensor:
    """Compute ``g(z)``; the last entry of theta is ``log_sd``."""
    if spec.images is None:
        return network(theta[:-1], z, spec.activation)
    return spec.images.decode(Leaves(theta[:-1]), z.flatten(0, 1)).unflatten(0, z.shape[:2])


def log_likelihood(theta: Sequence[Tensor], x: Tensor, g: Tensor) -> Tensor:
    log_sd = theta[-1]
    return -0.5 * (x - g).square().sum(-1) * (-2 * log_sd).exp() - x.shape[-1] * (log_sd + 0.5 * LOG_2PI)


def kl(mu: Tensor, s: Tensor) -> Tensor:
    return (0.5 * (mu.square() + s.square() - 1) - s.log()).sum(-1)


def squared_mean(spec: Spec, s: Tensor) -> Tensor:
    """Estimate ``|E s|^2`` from ``s (S, N, D)``, over all pairs of samples or over unequal pairs."""
    if not spec.unbiased:
        return s.mean(0).square().sum(-1)
    n = spec.samples
    return (s.sum(0).square() - s.square().sum(0)).sum(-1) / (n * (n - 1))


def matching(spec: Spec, objective: str, theta: Sequence[Tensor], e: Tensor, s_q: Tensor | None) -> Tensor:
    """Compute M1, M2 or M3 from ``e = g - x (S, N, D)``, the mean over the batch."""
    tau = (-2 * theta[-1]).exp()
    s = tau * e  # grad_x log p(x|z)
    divergence = -tau * spec.d_x
    if objective == "m1":
        return 0.5 * s.square().sum(-1).mean() + divergence
    if objective == "m2":
        return s.square().sum(-1).mean() + divergence - 0.5 * squared_mean(spec, s).mean()
    off = s
    if spec.leave_one_out:
        off = (s - s.mean(0)) * (spec.samples / (spec.samples - 1))
    return (s_q * off).sum(-1).mean() + divergence + 0.5 * squared_mean(spec, s).mean()

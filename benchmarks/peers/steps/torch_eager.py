"""PyTorch, eager: losses by hand where a closed form is the usual choice, gradients by autograd.

Only the gradients that an update needs are computed; z is detached where it is held fixed; the optimisers
are fused. Bi-level updates keep their graph (``create_graph=True``) for the decoder's gradient.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from vsmnp.bench import Evaluation, Noise, Problem
from vsmnp.settings.in_effect import bilevel_step_size

from ._torch_model import (
    Spec,
    arrays,
    decode,
    device,
    encode,
    kl,
    log_likelihood,
    matching,
    obstacle_alone,
    optimizers,
    prepare,
    tensors,
)  # fmt: skip

__all__ = ["TorchEager", "make", "obstacle"]

Params = Sequence[Tensor]


def inference_loss(
    spec: Spec, name: str, phi: Params, theta: Params, x: Tensor, eps: Tensor, keeps_graph: bool = False
) -> Tensor:
    """Compute KL or the posterior Fisher divergence, with z fixed or as a function of phi.

    The graph of the score, which only the latter's gradient needs, can be kept for both.
    """
    mu, s = encode(spec, phi, x)
    z = mu + s * eps
    if name == "kl":
        return kl(mu, s).mean() - log_likelihood(theta, x, decode(spec, theta, z)).mean()
    follows = name == "fisher-reparam"
    if not follows:
        z = z.detach().requires_grad_()
    likelihood = log_likelihood(theta, x, decode(spec, theta, z)).sum()
    (b,) = torch.autograd.grad(likelihood, z, create_graph=follows or keeps_graph)
    d = z - (eps / s if follows else (z - mu) / s.square()) - b
    return 0.5 * d.square().sum(-1).mean()


def bilevel_updates(
    spec: Spec, name: str, lr: float, phi: Params, theta: Params, x: Tensor, inner: Tensor
) -> Params:
    """Return ``phi_K(theta)`` of gradient steps from phi, a constant, with their graph."""
    moved: Params = [p.detach().requires_grad_() for p in phi]
    for eps in inner:
        loss = inference_loss(spec, name, moved, theta, x, eps, keeps_graph=True)
        gs = torch.autograd.grad(loss, moved, create_graph=True)
        moved = [torch.sub(p, g, alpha=lr) for p, g in zip(moved, gs, strict=True)]
    return moved


def learning_loss(
    spec: Spec, name: str, phi: Params, theta: Params, x: Tensor, eps: Tensor, through_phi: bool
) -> Tensor:
    """Compute ELBO, M1, M2 or M3, without a gradient in phi unless it depends on theta."""
    s_q = None
    if name == "m3":
        x_each = x.expand(spec.samples, *x.shape).detach().requires_grad_()
        mu, s = encode(spec, phi, x_each)
        z = mu + s * eps
        if through_phi:  # the gradient of log q at fixed z in mu and in s, where both and z follow phi
            a = eps / s, (eps.square() - 1) / s
            (s_q,) = torch.autograd.grad((mu, s), x_each, a, create_graph=True)
        else:
            z = z.detach()
            (s_q,) = torch.autograd.grad(log_q(z, mu, s), x_each)
    else:
        with torch.set_grad_enabled(through_phi):
            mu, s = encode(spec, phi, x)
            z = mu + s * eps
    g = decode(spec, theta, z)
    if name == "elbo":
        return kl(mu, s).mean() - log_likelihood(theta, x, g).mean()
    return matching(spec, name, theta, g - x, s_q)


def log_q(z: Tensor, mu: Tensor, s: Tensor) -> Tensor:
    """Compute a term summed over samples and batch, without its constant."""
    return -(0.5 * ((z - mu) / s).square() + s.log()).sum()


def joint_loss(
    spec: Spec, phi: Params, theta: Params, x: Tensor, eps: Tensor, trains_phi: bool, follows: bool
) -> Tensor:
    """Compute the Fisher autoencoder: posterior Fisher divergence, M1 and ``E|s^q|^2/2``."""
    with torch.set_grad_enabled(trains_phi):
        mu, s = encode(spec, phi, x)
        z = mu + s * eps
    z = z if trains_phi and follows else z.detach().requires_grad_()
    g = decode(spec, theta, z)
    second = follows or not trains_phi
    (b,) = torch.autograd.grad(log_likelihood(theta, x, g).sum(), z, create_graph=second, retain_graph=True)
    d = z - (z - mu) / s.square() - b
    loss = 0.5 * d.square().sum(-1).mean() + matching(spec, "m1", theta, g - x, None)
    x_each = x.expand(spec.samples, *x.shape).detach().requires_grad_()
    mu_x, s_x = encode(spec, phi, x_each)
    (s_q,) = torch.autograd.grad(
        log_q(z if trains_phi else z.detach(), mu_x, s_x), x_each, create_graph=trains_phi
    )
    return loss + 0.5 * s_q.square().sum(-1).mean()


def gradient(loss: Tensor, params: Params) -> list[Tensor]:
    """Return the gradient of each parameter; running statistics, on which no loss depends, have zero.

    The gradients are contiguous: the fused Adam of PyTorch 2.13 pairs elements of differently strided arrays
    by their memory positions.
    """
    return [g.contiguous() for g in torch.autograd.grad(loss, params, materialize_grads=True)]


class TorchEager:
    """Train one model in the usual way of eager code."""

    def __init__(self, problem: Problem) -> None:
        prepare(problem)
        case, where = problem.case, device(problem)
        self.case, self.spec, self.where = case, Spec.of(problem), where
        self.names = [*problem.phi], [*problem.theta]
        self.phi = [p.requires_grad_() for p in tensors(problem.phi, where)]
        self.theta = [p.requires_grad_() for p in tensors(problem.theta, where)]
        self.optimizers = optimizers(case, self.phi, self.theta)
        self.bilevel_lr = bilevel_step_size(case.settings)
        self.minibatches = torch.from_numpy(problem.batches).to(where)
        self.order = itertools.cycle(range(len(self.minibatches)))
        self.last: tuple[Tensor, Tensor] | None = None

    def inference(self, x: Tensor, eps: Tensor) -> Tensor:
        if self.case.objective == "fae":
            follows = self.case.inference == "fisher-reparam"
            return joint_loss(self.spec, self.phi, self.theta, x, eps, True, follows)
        return inference_loss(self.spec, self.case.inference, self.phi, self.theta, x, eps)

    def learning(self, x: Tensor, eps: Tensor, inner: Tensor) -> Tensor:
        case, phi = self.case, self.phi
        if case.objective == "fae":
            return joint_loss(self.spec, phi, self.theta, x, eps, False, False)
        if case.bilevel_steps:
            phi = bilevel_updates(self.spec, case.inference, self.bilevel_lr, phi, self.theta, x, inner)
        return learning_loss(self.spec, case.objective, phi, self.theta, x, eps, case.bilevel_steps > 0)

    def evaluate(self, noise: Noise) -> Evaluation:
        x = self.minibatches[0]
        inferred, learned = (
            self.inference(x, self._given(noise.inference[0])),
            self.learning(x, *self._for_learning(noise)),
        )
        g_phi, g_theta = gradient(inferred, self.phi), gradient(learned, self.theta)
        return Evaluation(
            inferred.detach().cpu().numpy()[None], learned.detach().cpu().numpy()[None],
            arrays(self.names[0], g_phi), arrays(self.names[1], g_theta),
        )  # fmt: skip

    def step(self, noise: Noise | None = None) -> None:
        x = self.minibatches[next(self.order)]
        for j in range(self.case.encoder_steps):
            eps = self._drawn() if noise is None else self._given(noise.inference[j])
            inferred = self.inference(x, eps)
            self._update(0, inferred, self.phi)
        learned = self.learning(x, *self._for_learning(noise))
        self._update(1, learned, self.theta)
        self.last = inferred.detach(), learned.detach()

    def _update(self, which: int, loss: Tensor, params: list[Tensor]) -> None:
        for p, g in zip(params, gradient(loss, params), strict=True):
            p.grad = g
        self.optimizers[which].step()

    def losses(self) -> tuple[np.ndarray, np.ndarray]:
        inferred, learned = self.last
        return inferred.cpu().numpy()[None], learned.cpu().numpy()[None]

    def wait(self) -> None:
        if self.where.type == "cuda":
            torch.cuda.synchronize()

    def parameters(self) -> tuple[Mapping[str, np.ndarray], Mapping[str, np.ndarray]]:
        return arrays(self.names[0], self.phi), arrays(self.names[1], self.theta)

    def _for_learning(self, noise: Noise | None) -> tuple[Tensor, Tensor]:
        """Return the noise of the learning loss and that of the K bi-level updates."""
        if noise is None:
            return self._drawn(), self._drawn(self.case.bilevel_steps)
        return self._given(noise.learning), torch.from_numpy(noise.bilevel[:, 0]).to(self.where)

    def _drawn(self, *count: int) -> Tensor:
        shape = *count, self.case.samples, self.case.batch_size, self.case.latent
        return torch.randn(shape, device=self.where, dtype=self.minibatches.dtype)

    def _given(self, eps: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(eps[0])).to(self.where)


def obstacle(problem: Problem) -> str | None:
    if problem.case.image is None:
        return obstacle_alone(problem)
    if problem.case.bilevel_steps:
        return "its networks of images have no bi-level updates."
    if problem.case.models > 1 or problem.case.inference == "fisher-reparam":
        return "its networks of images train one model, by KL or Fisher inference."
    if problem.case.objective not in ("elbo", "m1", "m2"):
        return "its networks of images learn by the ELBO, M1 or M2."
    return None


def make(problem: Problem) -> TorchEager:
    return TorchEager(problem)

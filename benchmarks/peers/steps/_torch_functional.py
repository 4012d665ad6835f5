"""Write the losses as functions for ``torch.func``, which torch.compile and vmap can transform."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.func import grad, grad_and_value, vjp, vmap

from vsmnp.bench import Case
from vsmnp.settings.in_effect import bilevel_step_size

from ._torch_model import Spec, decode, encode, kl, log_likelihood, matching, network

Params = Sequence[Tensor]


def posterior_score(spec: Spec, theta: Params, x: Tensor, z: Tensor) -> Tensor:
    """Compute ``grad_z log p(x|z)`` for each sample."""
    return grad(lambda z: log_likelihood(theta, x, decode(spec, theta, z)).sum())(z)


def score_q(spec: Spec, phi: Params, x: Tensor, z: Tensor) -> Tensor:
    """Compute ``grad_x log q(z|x)`` at fixed z, by one pullback of the encoder per sample."""

    def log_q(features: Tensor, z: Tensor) -> Tensor:
        mu, rho = features.chunk(2, -1)
        return -(0.5 * ((z - mu) * (-rho).exp()).square() + rho).sum()

    features, pull = vjp(lambda x: network(phi, x, spec.activation), x)
    cotangents = vmap(grad(log_q), (None, 0))(features, z)
    return vmap(pull)(cotangents)[0]


def inference_loss(spec: Spec, case: Case, phi: Params, theta: Params, x: Tensor, eps: Tensor) -> Tensor:
    """Compute KL, the posterior Fisher divergence, or the Fisher autoencoder."""
    if case.objective == "fae":
        return joint_loss(spec, phi, theta, x, eps, case.inference == "fisher-reparam")
    mu, s = encode(spec, phi, x)
    z = mu + s * eps
    if case.inference == "kl":
        return kl(mu, s).mean() - log_likelihood(theta, x, decode(spec, theta, z)).mean()
    z = z.detach() if case.inference == "fisher" else z
    d = z - (z - mu) / s.square() - posterior_score(spec, theta, x, z)
    return 0.5 * d.square().sum(-1).mean()


def learning_loss(spec: Spec, case: Case, phi: Params, theta: Params, x: Tensor, eps: Tensor) -> Tensor:
    """Compute ELBO, M1, M2, M3, or the Fisher autoencoder."""
    if case.objective == "fae":
        return joint_loss(spec, phi, theta, x, eps, False)
    mu, s = encode(spec, phi, x)
    z = mu + s * eps
    g = decode(spec, theta, z)
    if case.objective == "elbo":
        return kl(mu, s).mean() - log_likelihood(theta, x, g).mean()
    s_q = score_q(spec, phi, x, z) if case.objective == "m3" else None
    return matching(spec, case.objective, theta, g - x, s_q)


def joint_loss(spec: Spec, phi: Params, theta: Params, x: Tensor, eps: Tensor, follows: bool) -> Tensor:
    mu, s = encode(spec, phi, x)
    z = mu + s * eps
    z = z if follows else z.detach()
    d = z - (z - mu) / s.square() - posterior_score(spec, theta, x, z)
    loss = 0.5 * d.square().sum(-1).mean() + matching(spec, "m1", theta, decode(spec, theta, z) - x, None)
    return loss + 0.5 * score_q(spec, phi, x, z).square().sum(-1).mean()


Gradient = Callable[..., tuple[Params, Tensor]]


def gradients(spec: Spec, case: Case) -> tuple[Gradient, Gradient]:
    """Return ``inference(phi, theta, x, eps)`` and ``learning(phi, theta, x, eps, inner)``.

    Both return ``(gradients, loss)``; ``inner`` is the noise of the K bi-level updates.
    """
    lr = bilevel_step_size(case.settings)

    def inference(phi: Params, theta: Params, x: Tensor, eps: Tensor) -> tuple[Params, Tensor]:
        return grad_and_value(lambda p: inference_loss(spec, case, p, theta, x, eps))(phi)

    def moved(phi: Params, theta: Params, x: Tensor, inner: Tensor) -> Params:
        for each in range(case.bilevel_steps):
            gs, _ = inference(phi, theta, x, inner[each])
            phi = [torch.sub(p, g, alpha=lr) for p, g in zip(phi, gs, strict=True)]
        return phi

    def learning(phi: Params, theta: Params, x: Tensor, eps: Tensor, inner: Tensor) -> tuple[Params, Tensor]:
        def loss(p: Params) -> Tensor:
            return learning_loss(spec, case, moved(phi, p, x, inner), p, x, eps)

        return grad_and_value(loss)(theta)

    return inference, learning

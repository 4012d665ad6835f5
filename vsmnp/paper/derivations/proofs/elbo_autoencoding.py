"""Derive (4): minimise the negative ELBO over gamma; and its slope, with s optimal as well."""

from __future__ import annotations

import numpy as np

from ....model.likelihood import kl_to_normal, log_likelihood
from ....types import Array
from ..evidence import derivative
from ..examples.minimum import least_between
from ..examples.moments import FEW, toy_reconstruction
from ..examples.toy import Toy, square
from ..proof import Proofs, Step

_TOY = Toy()
_D_X = 3  # of the two minimisations below

# --- (4) ---


def _kl_by_quadrature() -> Array:
    return _TOY.expect_q(lambda x, z: _TOY.log_q(x, z) - _TOY.log_prior(z), FEW)


def _loss_by_quadrature() -> float:
    """Compute the mean negative ELBO of three data."""
    return float(np.mean(_kl_by_quadrature() - _TOY.expect_q(_TOY.log_likelihood, FEW)))


def _kl_written_out() -> Array:
    mu, s = _TOY.mu(FEW), _TOY.s(FEW)
    return np.asarray((mu**2 + s**2 - 1) / 2 - np.log(s))


def _loss_written_out() -> float:
    a = toy_reconstruction(_TOY).A.mean()
    constant = _TOY.d_x * np.log(2 * np.pi * _TOY.gamma) / 2
    return float(a / (2 * _TOY.gamma) + constant + _kl_written_out().mean())


def _reconstruction(y: float, gamma: float, d_x: int = _D_X) -> float:
    """Compute the part of the loss that depends on gamma."""
    return float(y / (2 * gamma) + d_x * np.log(gamma) / 2)


def _least(y: float, d_x: int = _D_X) -> float:
    """Find the minimum over gamma by a search in its logarithm."""
    return least_between(lambda log_gamma: _reconstruction(y, float(np.exp(log_gamma)), d_x), -20, 20)[1]


def _utility(y: float, d_x: int = _D_X) -> float:
    return float(d_x * np.log(y / d_x) / 2)


def _narrow_loss() -> float:
    """Compute the least loss for ``s = 1e-6``, less its constants."""
    mu = _TOY.mu(FEW)[:, None]
    y = float(square(FEW - _TOY.g(mu[:, 0])).mean())
    return _least(y, 2) - 1 + float(kl_to_normal(mu, np.full(mu.shape, 1e-6)).mean()) + 0.5


def _narrow_claim() -> float:
    mu = _TOY.mu(FEW)
    y = float(square(FEW - _TOY.g(mu)).mean())
    return float(_utility(y, 2) + (mu**2).mean() / 2 - np.log(1e-6))


_LEAST = Step(
    r"\min_\gamma \{ \tfrac{y}{2\gamma} + \tfrac{d_x}2 \log \gamma \} = \tfrac{d_x}2 "
    r"+ \tfrac{d_x}2 \log \tfrac{y}{d_x}, \quad \gamma^* = \tfrac{y}{d_x}",
    "The slope in gamma is negative below gamma* and positive above, so the value at gamma* is the minimum.",
    lambda: (_least(0.7), _D_X / 2 + _utility(0.7)),
    kind="search",
)

# --- the slope: widths w of a linear decoder with orthogonal columns ---

_W, _GAMMA = np.array([1.4, 0.6]), 0.2
_SD = (1 + _W**2 / _GAMMA) ** -0.5  # the optimal s


def _latents(gamma: float) -> Array:
    """Compute ``sum 1/2 log(1 + w^2/gamma)``."""
    return np.asarray(np.log1p(_W**2 / gamma).sum() / 2)


def _variances(gamma: float) -> Array:
    """Compute ``sum w^2 s^2`` at the optimal s."""
    return np.asarray((gamma * _W**2 / (gamma + _W**2)).sum())


def _rest(gamma: float) -> Array:
    """Compute the R for which gamma is optimal."""
    return np.asarray(_D_X * gamma - _variances(gamma))


def _loss_along(t: float) -> Array:
    """Compute the loss at the optimum whose gamma is ``_GAMMA exp(t)``."""
    gamma = float(_GAMMA * np.exp(t))
    return np.asarray(_reconstruction(float(_rest(gamma)), gamma) + _latents(gamma))


def _least_over_s() -> list[float]:
    """Find for each width the minimum over log s of what depends on s."""

    def of(w: float) -> float:
        def loss(log_s: float) -> float:
            square_s = np.exp(2 * log_s)
            return float(square_s * w**2 / (2 * _GAMMA) + (square_s - 1) / 2 - log_s)

        return least_between(loss, -8, 3)[1]

    return [of(w) for w in _W]


def _slope(gamma: float) -> float:
    return float((_D_X - ((_W**2 / (gamma + _W**2)) ** 2).sum()) / 2)


PROOFS: Proofs = {
    "4": (
        Step(
            r"-\overline{F} = \tfrac1{2\gamma} \overline{E_q |x - g|^2} + \tfrac{d_x}2 \log(2\pi\gamma) "
            r"+ \overline{D_{KL}[q \| p(z)]}",
            "The mean of (1) over the data, with the Gaussian likelihood of (3).",
            lambda: (_loss_by_quadrature(), _loss_written_out()),
        ),
        Step(
            r"E_q |x - g|^2 = |x - E_q g|^2 + \textstyle\sum_{j=1}^{d_x} V_q[g_j] = L_{KL}(x)",
            "A mean square is the square of the mean and the variance, coordinate by coordinate.",
            lambda: (toy_reconstruction(_TOY).A, toy_reconstruction(_TOY).B + toy_reconstruction(_TOY).T),
        ),
        _LEAST,
        Step(
            r"D_{KL}[q \| p(z)] = \tfrac12 |\mu|^2 - \textstyle\sum_j \log s_j + \tfrac12 |s|^2 - "
            r"\tfrac{d_z}2",
            "The divergence of a diagonal Gaussian from N(0, I); here the paper loses the half of |mu|^2.",
            lambda: (_kl_by_quadrature(), _kl_written_out()),
        ),
        Step(
            r"\min_\gamma (-\overline{F}) - c \to h_K(\overline{L_{KL}}) + \tfrac12 \overline{|\mu|^2} "
            r"- \overline{\textstyle\sum_j \log s_j} \text{ as } s \to 0, "
            r"\quad c = \tfrac{d_x}2 (1 + \log 2\pi) - \tfrac{d_z}2",
            "All is inserted with y the mean of L_KL; |s|^2 vanishes, but log s does not, which the paper "
            "drops.",
            lambda: (_narrow_loss(), _narrow_claim()),
            kind="search",
        ),
    ),
    "4-slope": (
        Step(
            r"\min_{s_i} \{ \tfrac{w_i^2 s_i^2}{2\gamma} + \tfrac12 (s_i^2 - 1) - \log s_i \} "
            r"= \tfrac12 \log(1 + \tfrac{w_i^2}\gamma), \quad s_i^2 = \tfrac{\gamma}{\gamma + w_i^2}",
            "For orthogonal columns of norms w_i the variance of g is the sum of w_i^2 s_i^2, and each s_i "
            "is in a term of its own, whose slope w_i^2 s_i / gamma + s_i - 1 / s_i vanishes there.",
            lambda: (_least_over_s(), np.log1p(_W**2 / _GAMMA) / 2),
            kind="search",
        ),
        Step(
            r"L(\gamma, R) = \tfrac{R}{2\gamma} + \tfrac{d_x}2 \log\gamma "
            r"+ \tfrac12 \textstyle\sum_{i \le \kappa} \log(1 + \tfrac{w_i^2}\gamma) + c",
            "The negative ELBO with s optimal, R the mean of |x - g(mu)|^2; c contains neither gamma nor R, "
            "and a latent with w_i = 0 has s_i = 1 and no term.",
            lambda: (
                kl_to_normal(np.zeros(2), _SD)
                - log_likelihood(np.asarray(0.3 + _W**2 @ _SD**2), np.asarray(np.log(_GAMMA) / 2), _D_X),
                _reconstruction(0.3, _GAMMA) + _latents(_GAMMA) + _D_X * np.log(2 * np.pi) / 2,
            ),
            kind="closed form",
        ),
        Step(
            r"\partial_\gamma L = 0 \iff R = d_x \gamma - \textstyle\sum_i \tfrac{\gamma w_i^2}{\gamma + "
            r"w_i^2}",
            "The slope in gamma, times 2 gamma^2, is minus R plus this expression.",
            lambda: (
                _rest(_GAMMA),
                2
                * _GAMMA**2
                * derivative(lambda t: _D_X * np.log(_GAMMA + t) / 2 + _latents(_GAMMA + t), 5e-4),
            ),
            kind="finite differences",
        ),
        Step(
            r"A = R + \textstyle\sum_i w_i^2 s_i^2 = d_x \gamma",
            "A is the mean of L_KL, residual and variance, and with the line before both sums cancel: log A "
            "and log gamma differ by a constant.",
            lambda: (_rest(_GAMMA) + _W**2 @ _SD**2, _D_X * _GAMMA),
            kind="closed form",
        ),
        Step(
            r"\tfrac{d L}{d \log A} = \tfrac{d L}{d \log \gamma} = \tfrac{\partial L}{\partial R} "
            r"\tfrac{d R}{d \log\gamma} = \tfrac12 \tfrac{d R}{d \gamma}",
            "Along the optima gamma moves L through R alone, since the slope in gamma vanishes.",
            lambda: (derivative(_loss_along), derivative(lambda t: _rest(_GAMMA + t), 5e-4) / 2),
            kind="finite differences",
        ),
        Step(
            r"= \tfrac12 \left[ d_x - \textstyle\sum_{i \le \kappa} "
            r"\left( \tfrac{w_i^2}{\gamma + w_i^2} \right)^2 \right]",
            "The derivative of R, term by term.",
            lambda: (derivative(lambda t: _rest(_GAMMA + t), 5e-4) / 2, _slope(_GAMMA)),
            kind="finite differences",
        ),
        Step(
            r"\frac{\partial L}{\partial \log A} \to \frac{d_x - \kappa}{2}",
            "As gamma goes to zero each of the kappa fractions goes to 1.",
            lambda: (_slope(1e-11), (_D_X - len(_W)) / 2),
            kind="closed form",
        ),
    ),
    "4-utility": (
        Step(
            r"\partial_\gamma \{ \tfrac{y}{2\gamma} + \tfrac{d_x}2 \log\gamma \} "
            r"= \tfrac{d_x \gamma - y}{2\gamma^2}",
            "The derivative, on a common denominator; its sign is that of gamma - y / d_x.",
            lambda: (derivative(lambda t: _reconstruction(0.7, 0.5 + t)), (_D_X * 0.5 - 0.7) / (2 * 0.5**2)),
            kind="finite differences",
        ),
        _LEAST,
        Step(
            r"h_K'(y) = \tfrac{d_x}{2y} > 0, \quad h_K''(y) = -\tfrac{d_x}{2y^2} < 0",
            "So h_K is increasing and concave, and its slope is unbounded at zero, as h_K is.",
            lambda: (
                [
                    derivative(lambda t: _utility(0.7 + t)),
                    derivative(lambda t: derivative(lambda u: _utility(0.7 + t + u))),
                ],
                [_D_X / (2 * 0.7), -_D_X / (2 * 0.7**2)],
            ),
            kind="finite differences",
        ),
        Step(
            r"\min_\gamma \{ \tfrac{y}{2\gamma} + \tfrac{d_x}{2} \log\gamma \} - \tfrac{d_x}{2} = h_K(y) = "
            r"\tfrac{d_x}{2} \log\tfrac{y}{d_x}, "
            r"\text{ increasing, concave, } \to -\infty \text{ with } y \to 0",
            "The constant is taken to the other side, and the signs are those of the line before.",
            lambda: (_least(0.02) - _D_X / 2, _utility(0.02)),
            kind="search",
        ),
    ),
}

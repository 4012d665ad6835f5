"""Derive that the autoencoding losses are minimised over theta alone: gamma is eliminated for a given q."""

from __future__ import annotations

from dataclasses import replace

from ..examples.minimum import least_between
from ..examples.moments import Reconstruction, toy_least, toy_reconstruction, utility
from ..examples.toy import Toy
from ..proof import Proofs, Step
from .gaussian_scores import least_over_gamma

_R = toy_reconstruction(Toy())


def _h_2(r: Reconstruction) -> float:
    """Compute the autoencoding loss of M2."""
    return float(utility((r.B + 2 * r.T).mean(), r.d_x))


def _h_3(r: Reconstruction) -> float:
    """Compute the autoencoding loss of M3."""
    return float(-((r.d_x - r.cross).mean() ** 2) / (2 * r.B.mean()))


def _scaled(scale: float) -> Reconstruction:
    """Multiply the decoder by a number, the theta of the example."""
    return replace(_R, mean=scale * _R.mean, variance=scale**2 * _R.variance)


def _least_m2(scale: float) -> float:
    """Find the minimum of the mean of M2 over gamma."""
    r = _scaled(scale)
    return least_over_gamma((r.B + 2 * r.T).mean(), r.d_x)


def _best_scale(times: float) -> float:
    """Search for the scale of the decoder at which ``B + times T`` is least."""
    return least_between(lambda c: float((_scaled(c).B + times * _scaled(c).T).mean()), -3, 3)[0]


def _means() -> tuple[float, float, float]:
    """Return ``E x . r``, ``E |r|^2`` and ``E T``."""
    return (
        float((_R.x * _R.mean).sum(-1).mean()), float((_R.mean**2).sum(-1).mean()), float(_R.T.mean())
    )  # fmt: skip


def _expanded(c: float, times: float) -> float:
    along, square, spread = _means()
    return float((_R.x**2).sum(-1).mean()) - 2 * c * along + c**2 * (square + times * spread)


PROOFS: Proofs = {
    "4-overly-constrains": (
        Step(
            r"\min_\gamma E_D M_1 = -\frac{d_x^2}{2 E[B + T]}, \quad "
            r"\min_\gamma E_D M_2 = -\frac{d_x^2}{2 E[B + 2 T]}",
            "Both are quadratics in 1 / gamma (22), of L_KL = B + T and of B + 2 T (A.2-M2-expansion): the "
            "least loss falls with the mean in the denominator.",
            lambda: (
                [toy_least("m1"), toy_least("m2")],
                [float(utility((_R.B + k * _R.T).mean(), _R.d_x)) for k in (1, 2)],
            ),
            kind="search",
        ),
        Step(
            r"E[B + k T] = E|x|^2 - 2 c \, E[x \cdot r] + c^2 (E|r|^2 + k \, E T)",
            "For g = c h the mean reconstruction is c r and the trace of its covariance c^2 T.",
            lambda: (
                [float((_scaled(1.7).B + k * _scaled(1.7).T).mean()) for k in (1, 2)],
                [_expanded(1.7, k) for k in (1, 2)],
            ),
            kind="closed form",
        ),
        Step(
            r"c_{M_1} = \frac{E[x \cdot r]}{E|r|^2 + E T}, \quad "
            r"c_{M_2} = \frac{E[x \cdot r]}{E|r|^2 + 2 E T}",
            "The parabola is least where its slope is zero; the variance counts twice in M2, which shrinks "
            "the reconstruction.",
            lambda: (
                [_best_scale(1), _best_scale(2)],
                [_means()[0] / (_means()[1] + k * _means()[2]) for k in (1, 2)],
            ),
            1e-7,
            "search",
        ),
    ),
    "min-over-q": (
        Step(
            r"\min_\gamma E_D M_i(\theta, \gamma, q) = h_i(\theta, q), \quad i = 2, 3",
            "Both are quadratics in 1 / gamma (A.2-M2-expansion, A.2-M3-expansion), and (22) is used for one "
            "theta and one q at a time.",
            lambda: ([toy_least("m2"), toy_least("m3")], [_h_2(_R), _h_3(_R)]),
            kind="search",
        ),
        Step(
            r"\min_{\theta, q} h_2(\theta, q) \le \min_\theta h_2(\theta, q)",
            "Minimised over q as well, the loss is another number: of two q with one mean of g it prefers "
            "the one of less variance, and at a point mass M2's variance vanishes.",
        ),
        Step(
            r"\min_{\theta, \gamma} E_D M_i = \min_\theta \min_\gamma E_D M_i "
            r"= \min_\theta h_i(\theta, q), \quad i = 2, 3",
            "A minimum over two variables may be taken one after the other; q is on both sides and is "
            "minimised over on neither, whereas the paper minimises over it on the right.",
            lambda: (
                least_between(_least_m2, 0.2, 3)[1],
                least_between(lambda c: _h_2(_scaled(c)), 0.2, 3)[1],
            ),
            kind="search",
        ),
    ),
}

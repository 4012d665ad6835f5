"""Derive what the published script computes as M2 and M3, and the gamma at which each is least."""

from __future__ import annotations

from functools import cache

import numpy as np

from ....objectives import M2AsPublished, M3AsPublished, OptimalGamma
from ....objectives.quadratic import Learning
from ....types import Array
from ..evidence import gradient_in
from ..examples.engine import EngineExample
from ..examples.moments import drawn, evaluate
from ..examples.toy import dot, square
from ..proof import Proofs, Step

_SAMPLES = 4
_EXAMPLE = EngineExample.build(d_x=3, d_z=2, n=5)
_GAMMA, _D_X = _EXAMPLE.gamma, _EXAMPLE.model.d_x


@cache
def _scores() -> Array:
    """Compute the scores ``s_n`` of the engine's samples, ``(S, N, D)``."""
    return _EXAMPLE.score_p(_EXAMPLE.place(drawn(_EXAMPLE, _SAMPLES)))


@cache
def _log_s() -> Array:
    """Compute ``grad_x sum log sigma`` of each datum, ``(N, D)``."""
    return gradient_in(lambda x: np.log(_EXAMPLE.q(x)[1]).sum(-1), _EXAMPLE.data)


def _errors() -> Array:
    return _EXAMPLE.g(_EXAMPLE.place(drawn(_EXAMPLE, _SAMPLES))) - _EXAMPLE.data


def _loss(objective: Learning) -> float:
    return float(evaluate(_EXAMPLE, objective).loss[0])


def _gamma(objective: type[Learning]) -> float:
    """Compute the engine's optimal gamma on the samples."""
    choice = evaluate(_EXAMPLE, objective(_SAMPLES, OptimalGamma())).gamma
    assert choice is not None
    return float(np.exp(2 * choice.log_sd[0]))


def _of_batch(s: Array) -> float:
    """Compute the squared mean over the minibatch of each sample, then its mean over samples."""
    return float(square(s.mean(1)).mean())


def _total_score() -> tuple[Array, Array]:
    """Compute the total derivative in x of ``log q(z(x)|x)``, and minus that of ``sum log sigma``."""
    eps = drawn(_EXAMPLE, _SAMPLES)

    def log_q(x: Array) -> Array:
        mu, s = _EXAMPLE.q(x)
        z = mu + s * eps
        return np.asarray((-0.5 * ((z - mu) / s) ** 2 - np.log(s)).sum(-1))

    return gradient_in(log_q, _EXAMPLE.data).mean(0), -_log_s()


def _h() -> float:
    """Compute the mean over the minibatch of ``-grad_x sum log sigma . (g - x)``."""
    return float(-dot(_log_s(), _errors()).mean())


_SCORE = Step(
    r"s_n = \nabla_x \log p(x_n|z_n) = \tfrac{1}{\gamma} e_n, \quad e_n = g_n - x_n, \quad "
    r"z_n \sim q(z|x_n)",
    "The script draws one reparametrised sample for each of the N data of the minibatch.",
)

PROOFS: Proofs = {
    "engine-m2-as-published": (
        _SCORE,
        Step(
            r"M_2 = \overline{|s_n|^2} - \tfrac12 |\overline{s_n}|^2 - \tfrac{d_x}{\gamma}",
            "The script averages over the minibatch where (13) has E_q, inside the square too.",
            lambda: (
                _loss(M2AsPublished(_SAMPLES)),
                square(_scores()).mean() - 0.5 * _of_batch(_scores()) - _D_X / _GAMMA,
            ),
        ),
        Step(
            r"= \tfrac{1}{2 \gamma^2} ( 2 \overline{|e_n|^2} - |\overline{e_n}|^2 ) - \tfrac{d_x}{\gamma}",
            "The factor 1/gamma of every score is taken out of the squares.",
            lambda: (
                square(_scores()).mean() - 0.5 * _of_batch(_scores()) - _D_X / _GAMMA,
                (2 * square(_errors()).mean() - _of_batch(_errors())) / (2 * _GAMMA**2) - _D_X / _GAMMA,
            ),
            kind="closed form",
        ),
        Step(
            r"\gamma^* = ( 2 \overline{|x_n - g_n|^2} - |\overline{x_n - g_n}|^2 ) / d_x",
            "A quadratic a tau^2/2 - d_x tau in tau = 1/gamma is least at tau = d_x/a.",
            lambda: (_gamma(M2AsPublished), (2 * square(_errors()).mean() - _of_batch(_errors())) / _D_X),
        ),
    ),
    "engine-m3-as-published": (
        _SCORE,
        Step(
            r"\tfrac{d}{dx} \log q(\mu(x) + \sigma(x) \epsilon \,|\, x) = \tfrac{d}{dx} \bigl( "
            r"-\tfrac12 |\epsilon|^2 - \sum_j \log \sigma_j(x) \bigr) = -\nabla_x \sum_j \log \sigma_j(x)",
            "Along the path the standardised z is eps, which does not move; only the normalisation is left.",
            _total_score,
            kind="finite differences",
        ),
        Step(
            r"M_3 = \tfrac12 |\overline{s_n}|^2 - \overline{\nabla_x \sum_j \log \sigma_j(x_n) \cdot s_n} "
            r"- \tfrac{d_x}{\gamma}",
            "This derivative stands in (15) where s^q should, and the square is of the minibatch's mean.",
            lambda: (
                _loss(M3AsPublished(_SAMPLES)),
                0.5 * _of_batch(_scores()) - dot(_log_s(), _scores()).mean() - _D_X / _GAMMA,
            ),
            kind="finite differences",
        ),
        Step(
            r"\gamma^* = \tfrac{|\overline{e_n}|^2}{d_x - h}, \quad h = -\overline{\nabla_x \sum_j \log "
            r"\sigma_j(x_n) \cdot e_n}",
            "The quadratic a tau^2/2 - (d_x - h) tau; for errors that average out a is about A/N.",
            lambda: (_gamma(M3AsPublished), _of_batch(_errors()) / (_D_X - _h())),
            kind="finite differences",
        ),
    ),
}

"""Equations (28) to (32): divergences between two univariate Gaussians, and their gradients."""

from __future__ import annotations

from typing import Any

import numpy as np

from ....model.gaussian import DiagonalGaussian
from ....model.posterior import Moments
from ....objectives import PosteriorFisher
from ....types import Array
from ..checks import both_sides, symbolic_sides
from ..examples import two_gaussians as pair
from ..examples.expected import expected, loss_of
from ..examples.linear_engine import on_the_line
from ..examples.two_gaussians import POINT, by_engine, in_numbers, in_symbols
from ..quadrature import normal_log_density
from ..statement import Evidence, Form, Statement

# --- (28): a claim gives both log-densities ---


@both_sides("quadrature", 1e-10, "mass, mean and variance of p1 and p2")
def _densities_are_normalised(claim: Any) -> tuple[Any, Any]:
    """Check mass, mean and variance by sums over a grid that covers all of the mass."""
    x = np.linspace(-14, 14, 1401)
    claimed, truth = [], []
    for log_density, m, s in zip(claim(x, *POINT), POINT[::2], POINT[1::2], strict=True):
        weights = np.exp(log_density) * (x[1] - x[0])
        claimed += [weights.sum(), weights @ x, weights @ (x - m) ** 2]
        truth += [1.0, m, s**2]
    return claimed, truth


@both_sides("closed form", 1e-12, "DiagonalGaussian.log_prob at three points")
def _densities_of_the_engine(claim: Any) -> tuple[Any, Any]:
    x, q, other = np.array([-1.3, 0.4, 2.0]), DiagonalGaussian(1), (-0.2, 0.6, 0.9, 1.1)
    truth = [
        q.log_prob(Moments(np.array([m]), np.array([s])), x[:, None])
        for m, s in zip(other[::2], other[1::2], strict=True)
    ]
    return claim(x, *other), truth


def _two_normals(x: Array, m1: float, s1: float, m2: float, s2: float) -> list[Array]:
    return [normal_log_density(x, m1, s1**2), normal_log_density(x, m2, s2**2)]


# --- the squared difference of the scores, d(x) ---


@symbolic_sides("|d/dx log p1 - d/dx log p2|^2")
def _d_symbolic(claim: Any, sympy: Any) -> tuple[Any, Any]:
    return claim(*pair.symbols()), pair.slope_symbolic() ** 2


@both_sides("closed form", 1e-10, "d at three points")
def _d_by_engine(claim: Any) -> tuple[Any, Any]:
    """Compare with twice the loss of the posterior Fisher divergence at single points."""
    vae, v = on_the_line()
    points = np.array([[-1.3], [0.4], [2.0]])
    truth = [
        2 * expected(vae.example, PosteriorFisher(), lambda o: o.loss, (p[None], np.ones(1))) for p in points
    ]
    return claim(v[0] + v[1] * points[:, 0], *v), truth


def _ratio_of_the_printed() -> Evidence:
    """Check the corrected ratio by the paper's own (31) and (29), s_1 and s_2 positive."""
    s1, s2 = POINT[1], POINT[3]
    of_fisher, of_kl = 2 * (s1**4 - s2**4) / (s1**3 * s2**4), (s1**2 - s2**2) / (s1 * s2**2)
    corrected = 2 * (s1**2 + s2**2) / (s1 * s2) ** 2
    detail = f"(31) over (29) as printed is {of_fisher / of_kl:.6g} at s_1 = {s1}, s_2 = {s2}"
    return Evidence("closed form", abs(of_fisher / of_kl / corrected - 1), 1e-14, detail)


def _log(ratio: Any) -> Any:
    import sympy

    return sympy.log(ratio) if isinstance(ratio, sympy.Basic) else np.log(ratio)


STATEMENTS = (
    Statement(
        id="28",
        section="A.5.1",
        title="The two Gaussians on the line",
        assumptions="s_1 and s_2 are standard deviations, positive.",
        latex=r"p_1(x) = N(x; m_1, s_1^2), \qquad p_2(x) = N(x; m_2, s_2^2)",
        claim=_two_normals,
        checks=(_densities_are_normalised, _densities_of_the_engine),
        mutations={
            "s as a variance": lambda x, m1, s1, m2, s2: _two_normals(x, m1, s1**0.5, m2, s2**0.5),
            "one mean for both": lambda x, m1, s1, m2, s2: _two_normals(x, m1, s1, m1, s2),
            "exchanged": lambda x, m1, s1, m2, s2: _two_normals(x, m2, s2, m1, s1),
        },
        code="vsmnp.model.gaussian.DiagonalGaussian",
    ),
    Statement(
        id="A.5.1-kl",
        section="A.5.1",
        title="KL divergence between two Gaussians on the line",
        assumptions="p1 = N(m1, s1^2), p2 = N(m2, s2^2).",
        latex=r"D_{KL}[p_1 \| p_2] = -\tfrac12 \left[ 2 \log \tfrac{s_1}{s_2} "
            r"- \tfrac{(s_1^2 - s_2^2) + (m_1 - m_2)^2}{s_2^2} \right]",
        claim=lambda m1, s1, m2, s2: -_log(s1 / s2) + ((s1**2 - s2**2) + (m1 - m2) ** 2) / (2 * s2**2),
        checks=(
            in_symbols(pair.kl_symbolic, "KL from the log densities"),
            in_numbers("quadrature", pair.kl, "KL by quadrature", 1e-10),
            by_engine(lambda v: pair.engine_kl(v)[()], "KL objective + log p(x), linear VAE"),
        ),
        mutations={
            "ratio inverted": lambda m1, s1, m2, s2: _log(s1 / s2)
            + ((s1**2 - s2**2) + (m1 - m2) ** 2) / (2 * s2**2),
            "no half": lambda m1, s1, m2, s2: -_log(s1 / s2) + ((s1**2 - s2**2) + (m1 - m2) ** 2) / s2**2,
        },
        code="vsmnp.model.likelihood.kl_to_normal",
    ),
    Statement(
        id="29",
        section="A.5.1",
        title="Gradient of the KL divergence between two Gaussians",
        assumptions="p1 = N(m1, s1^2), p2 = N(m2, s2^2).",
        latex=r"\partial_{m_1} D_{KL} = \tfrac{m_1 - m_2}{s_2^2}, \quad "
            r"\partial_{s_1} D_{KL} = \tfrac{s_1^2 - s_2^2}{s_1 s_2^2}",
        claim=lambda m1, s1, m2, s2: [(m1 - m2) / s2**2, (s1**2 - s2**2) / (s1 * s2**2)],
        checks=(
            in_symbols(lambda: pair.gradient_symbolic(pair.kl_symbolic), "gradient of KL"),
            in_numbers("finite differences",
                lambda v: pair.own_gradient(pair.kl, v), "gradient of KL by quadrature"),
            by_engine(lambda v: pair.engine_kl_slopes(), "phi-gradient of the KL objective, linear VAE"),
        ),
        mutations={
            "sign": lambda m1, s1, m2, s2: [(m2 - m1) / s2**2, (s1**2 - s2**2) / (s1 * s2**2)],
            "s1 squared": lambda m1, s1, m2, s2: [(m1 - m2) / s2**2, (s1**2 - s2**2) / (s1**2 * s2**2)],
        },
        code="vsmnp.objectives.KL",
    ),
    Statement(
        id="30",
        section="A.5.1",
        title="Fisher divergence between two Gaussians on the line",
        assumptions="p1 = N(m1, s1^2), p2 = N(m2, s2^2); the 1/2 of (5) counts.",
        latex=r"D_F[p_1 \| p_2] = \tfrac12 \left[ \tfrac1{s_1^2} - \tfrac2{s_2^2} "
            r"+ \tfrac{s_1^2 + (m_1 - m_2)^2}{s_2^4} \right]",
        claim=lambda m1, s1, m2, s2: (1 / s1**2 - 2 / s2**2 + (s1**2 + (m1 - m2) ** 2) / s2**4) / 2,
        printed=Form(
            r"D_F[p_1 \| p_2] = \tfrac1{s_1^2} - \tfrac2{s_2^2} + \tfrac{s_1^2 + (m_1 - m_2)^2}{s_2^4}",
            lambda m1, s1, m2, s2: 1 / s1**2 - 2 / s2**2 + (s1**2 + (m1 - m2) ** 2) / s2**4,
        ),
        error="half-of-fd",
        checks=(
            in_symbols(pair.fisher_symbolic, "FD from the log densities"),
            in_numbers("quadrature", pair.fisher, "FD by quadrature"),
            by_engine(lambda v: loss_of(on_the_line()[0].example), "posterior Fisher divergence, linear VAE"),
        ),
        mutations={
            "no cross term": lambda m1, s1, m2, s2: (1 / s1**2 + (s1**2 + (m1 - m2) ** 2) / s2**4) / 2,
            "half": lambda m1, s1, m2, s2: 1 / (2 * s1**2) - 1 / s2**2 + (s1**2 + (m1 - m2) ** 2) / s2**4,
        },
        consequence="The section leaves out the 1/2 of definition (5), so its divergence and both of its "
            "gradients are twice those of the rest of the paper; that rescales a step size and nothing "
            "else.",
        code="vsmnp.objectives.PosteriorFisher",
    ),
    Statement(
        id="31",
        section="A.5.1",
        title="Gradient of the Fisher divergence between two Gaussians",
        assumptions="p1 = N(m1, s1^2), p2 = N(m2, s2^2); the 1/2 of (5) counts.",
        latex=r"\partial_{m_1} D_F = \tfrac{m_1 - m_2}{s_2^4}, \quad "
            r"\partial_{s_1} D_F = \tfrac{s_1^4 - s_2^4}{s_1^3 s_2^4}",
        claim=lambda m1, s1, m2, s2: [(m1 - m2) / s2**4, (s1**4 - s2**4) / (s1**3 * s2**4)],
        printed=Form(
            r"\partial_{m_1} D_F = \tfrac{2(m_1 - m_2)}{s_2^4}, \quad "
            r"\partial_{s_1} D_F = \tfrac{2(s_1^4 - s_2^4)}{s_1^3 s_2^4}",
            lambda m1, s1, m2, s2: [2 * (m1 - m2) / s2**4, 2 * (s1**4 - s2**4) / (s1**3 * s2**4)],
        ),
        error="half-of-fd",
        checks=(
            in_symbols(lambda: pair.gradient_symbolic(pair.fisher_symbolic), "gradient of FD"),
            in_numbers("finite differences",
                lambda v: pair.own_gradient(pair.fisher, v), "gradient of FD by quadrature"),
            by_engine(lambda v: pair.engine_slopes(True), "reparametrised phi-gradient, linear VAE"),
        ),
        mutations={
            "the unparametrised one": lambda m1, s1, m2, s2: [
                (m1 - m2) / (s1 * s2) ** 2, 2 * (s1**2 - s2**2) / (s1**3 * s2**2)
            ],
            "s1 squared": lambda m1, s1, m2, s2: [(m1 - m2) / s2**4, (s1**4 - s2**4) / (s1**2 * s2**4)],
        },
        consequence="Twice the gradient of the divergence (5), consistently with (30).",
        code="vsmnp.objectives.PosteriorFisher",
    ),
    Statement(
        id="32",
        section="A.5.1",
        title="Gradient of the Fisher divergence with the samples held fixed",
        assumptions="p1 = N(m1, s1^2), p2 = N(m2, s2^2); the samples do not move; the 1/2 of (5) counts.",
        latex=r"\partial^b_{m_1} D_F = \tfrac{m_1 - m_2}{s_1^2 s_2^2}, \quad "
            r"\partial^b_{s_1} D_F = \tfrac{2(s_1^2 - s_2^2)}{s_1^3 s_2^2}",
        claim=lambda m1, s1, m2, s2: [(m1 - m2) / (s1 * s2) ** 2, 2 * (s1**2 - s2**2) / (s1**3 * s2**2)],
        printed=Form(
            r"\partial^b_{m_1} D_F = \tfrac{2(m_1 - m_2)}{s_1^2 s_2^2}, \quad "
            r"\partial^b_{s_1} D_F = \tfrac{4(s_1^2 - s_2^2)}{s_1^3 s_2^2}",
            lambda m1, s1, m2, s2: [2 * (m1 - m2) / (s1 * s2) ** 2, 4 * (s1**2 - s2**2) / (s1**3 * s2**2)],
        ),
        error="half-of-fd",
        checks=(
            in_symbols(pair.unparametrised_symbolic, "gradient with x held fixed"),
            in_numbers("finite differences",
                pair.unparametrised, "gradient with x held fixed, by quadrature"),
            by_engine(lambda v: pair.engine_slopes(False), "phi-gradient with z held fixed, linear VAE"),
        ),
        mutations={
            "the total one": lambda m1, s1, m2, s2: [(m1 - m2) / s2**4, (s1**4 - s2**4) / (s1**3 * s2**4)],
            "one factor for both": lambda m1, s1, m2, s2: [
                (m1 - m2) / (s1 * s2) ** 2, (s1**2 - s2**2) / (s1**3 * s2**2)
            ],
        },
        consequence="Twice the gradient for the divergence (5), consistently with (30).",
        code="vsmnp.objectives.PosteriorFisher",
    ),
    Statement(
        id="A.5.1-ratios",
        section="A.5.1",
        title="Gradients of the Fisher divergence as multiples of those of the KL divergence",
        assumptions="p1 = N(m1, s1^2), p2 = N(m2, s2^2); D_F without the 1/2, as in the section.",
        latex=r"\partial_{m_1} D_F = \tfrac2{s_2^2} \partial_{m_1} D_{KL}, \quad "
            r"\partial_{s_1} D_F = \tfrac{2(s_1^2 + s_2^2)}{s_1^2 s_2^2} \partial_{s_1} D_{KL}, \quad "
            r"\partial^b_{m_1} D_F = \tfrac2{s_1^2} \partial_{m_1} D_{KL}, \quad "
            r"\partial^b_{s_1} D_F = \tfrac4{s_1^2} \partial_{s_1} D_{KL}",
        claim=lambda m1, s1, m2, s2: [2 / s2**2, 2 * (s1**2 + s2**2) / (s1 * s2) ** 2, 2 / s1**2, 4 / s1**2],
        printed=Form(
            r"\partial_{m_1} D_F = \tfrac2{s_2^2} \partial_{m_1} D_{KL}, \quad "
            r"\partial_{s_1} D_F = \tfrac2{s_1^2 s_2^2} \partial_{s_1} D_{KL}, \quad "
            r"\partial^b_{m_1} D_F = \tfrac2{s_1^2} \partial_{m_1} D_{KL}, \quad "
            r"\partial^b_{s_1} D_F = \tfrac4{s_1^2} \partial_{s_1} D_{KL}",
            lambda m1, s1, m2, s2: [2 / s2**2, 2 / (s1 * s2) ** 2, 2 / s1**2, 4 / s1**2],
        ),
        error="ratio",
        within=_ratio_of_the_printed,
        checks=(
            in_symbols(pair.ratios_symbolic, "gradients of FD over those of KL"),
            by_engine(pair.ratios_by_engine, "gradients of the engine's objectives, linear VAE"),
        ),
        mutations={
            "means exchanged": lambda m1, s1, m2, s2: [
                2 / s1**2, 2 * (s1**2 + s2**2) / (s1 * s2) ** 2, 2 / s2**2, 4 / s1**2
            ],
            "difference": lambda m1, s1, m2, s2: [
                2 / s2**2, 2 * (s1**2 - s2**2) / (s1 * s2) ** 2, 2 / s1**2, 4 / s1**2
            ],
        },
        consequence="The second factor lost s1^2 + s2^2: (29) and (31) do not give it. It depends on both "
            "scales, as the paper says; held fixed, the factors depend on q alone, which is what matters.",
        code="vsmnp.objectives.PosteriorFisher",
    ),
    Statement(
        id="A.5.1-d-square",
        section="A.5.1",
        title="The integrand that is differentiated with the samples held fixed",
        assumptions="p1 = N(m1, s1^2), p2 = N(m2, s2^2).",
        latex=r"d(x) = \left[ \tfrac{x - m_1}{s_1^2} - \tfrac{x - m_2}{s_2^2} \right]^2",
        claim=lambda x, m1, s1, m2, s2: ((x - m1) / s1**2 - (x - m2) / s2**2) ** 2,
        printed=Form(
            r"d(x) = \tfrac{x - m_1}{s_1^2} - \tfrac{x - m_2}{s_2^2}",
            lambda x, m1, s1, m2, s2: (x - m1) / s1**2 - (x - m2) / s2**2,
        ),
        error="square-of-d",
        checks=(_d_symbolic, _d_by_engine),
        mutations={
            "sum of scores": lambda x, m1, s1, m2, s2: ((x - m1) / s1**2 + (x - m2) / s2**2) ** 2,
            "half": lambda x, m1, s1, m2, s2: ((x - m1) / s1**2 - (x - m2) / s2**2) ** 2 / 2,
        },
        consequence="The derivatives printed under it are those of the square.",
        code="vsmnp.objectives.PosteriorFisher",
    ),
)  # fmt: skip

"""Divergences between two univariate Gaussians and their gradients, each computed in three ways."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ....objectives import KL, PosteriorFisher
from ....types import Array
from ..checks import symbolic_sides, value_check
from ..evidence import derivative, gradient
from ..quadrature import normal_log_density, normal_mean, normal_rule
from ..statement import Check, Kind
from .expected import expected, gradient_in_q
from .linear_engine import on_the_line

#: Values of m1, s1, m2, s2 for checks without a model.
POINT = np.array([0.7, 0.8, -0.3, 1.3])


# --- in symbols ---


def symbols() -> tuple[Any, Any, Any, Any, Any]:
    """Return the SymPy symbols ``x, m1, s1, m2, s2``."""
    import sympy

    x, m1, m2 = sympy.symbols("x m1 m2", real=True)
    s1, s2 = sympy.symbols("s1 s2", positive=True)
    return x, m1, s1, m2, s2


def _expect(f: Any) -> Any:
    """Compute ``E f`` under ``N(m1, s1^2)`` for a polynomial f in x."""
    import sympy

    (x, m, s, *_), e = symbols(), sympy.Symbol("e")
    return normal_mean(f.expand().subs(x, m + s * e), e)


def _log_ratio_symbolic() -> Any:
    """Compute ``log p1/p2`` without its constant ``log s2/s1``."""
    x, m1, s1, m2, s2 = symbols()
    return -((x - m1) ** 2) / (2 * s1**2) + (x - m2) ** 2 / (2 * s2**2)


def kl_symbolic() -> Any:
    """Compute ``D_KL[p1 || p2]`` in symbols."""
    import sympy

    _, _, s1, _, s2 = symbols()
    return _expect(_log_ratio_symbolic()) + sympy.log(s2) - sympy.log(s1)


def slope_symbolic() -> Any:
    """Compute ``d/dx log p1/p2`` from the log-densities, in symbols."""
    return _log_ratio_symbolic().diff(symbols()[0])


def fisher_symbolic() -> Any:
    """Compute ``D_F[p1 || p2]`` in symbols, with the 1/2 of (5)."""
    return _expect(slope_symbolic() ** 2) / 2


def unparametrised_symbolic() -> list[Any]:
    """Compute ``E d/dv`` of half the squared score difference, for v = m1 and s1, in symbols."""
    return [_expect((slope_symbolic() ** 2 / 2).diff(v)) for v in symbols()[1:3]]


def gradient_symbolic(value: Callable[[], Any]) -> list[Any]:
    """Compute the derivatives of ``value()`` in m1 and s1."""
    return [value().diff(v) for v in symbols()[1:3]]


def in_symbols(truth: Callable[[], Any], detail: str) -> Check:
    """Make a check that the claim at the symbols m1, s1, m2, s2 is ``truth()``, from the densities."""
    return symbolic_sides(detail)(lambda claim, sympy: (claim(*symbols()[1:]), truth()))


# --- by quadrature, from log-densities ---


def _log_ratio(x: Array, v: Array) -> Array:
    """Compute ``log p1/p2`` at ``v = (m1, s1, m2, s2)``."""
    return normal_log_density(x, v[0], v[1] ** 2) - normal_log_density(x, v[2], v[3] ** 2)


def kl(v: Array) -> float:
    """Compute ``D_KL[p1 || p2]`` at ``v = (m1, s1, m2, s2)``."""
    eps, w = normal_rule(20)
    x = v[0] + v[1] * eps[:, 0]
    return float(w @ _log_ratio(x, v))


def _fd_at(x: Array, v: Array) -> Array:
    """Compute half the squared slope of ``log p1/p2`` by differences, exact for quadratics."""
    slope = derivative(lambda t: _log_ratio(x + t, v), 0.5)
    return 0.5 * slope**2


def fisher(v: Array) -> float:
    """Compute ``D_F[p1 || p2]`` at v, with the 1/2 of (5)."""
    eps, w = normal_rule(20)
    return float(w @ _fd_at(v[0] + v[1] * eps[:, 0], v))


def unparametrised(v: Array) -> Array:
    """Compute the expected derivative of half the squared score difference, x held fixed, ``(2,)``."""
    eps, w = normal_rule(20)
    x = v[0] + v[1] * eps[:, 0]  # held fixed while m1 and s1 vary
    return np.asarray(w @ gradient(lambda own: _fd_at(x, np.array([*own, *v[2:]])), v[:2], 3e-4))


def own_gradient(f: Callable[[Array], float], v: Array) -> Array:
    """Compute the derivatives in m1 and s1 at v, ``(2,)``."""
    return gradient(lambda own: f(np.array([*own, *v[2:]])), v[:2], 3e-4)


def in_numbers(kind: Kind, truth: Callable[[Array], Any], detail: str, scale: float = 1e-9) -> Check:
    """Make a check that the claim at one point is ``truth``, computed numerically from log-densities."""
    return value_check(kind, scale, detail, lambda claim: claim(*POINT), lambda: truth(POINT))


# --- through the engine: a linear VAE has a Gaussian posterior ---


def engine_kl(v: Array) -> Array:
    """Compute the negative ELBO minus ``-log p(x)``, from the engine's objective."""
    vae, _ = on_the_line()
    log_marginal = normal_log_density(vae.example.data[0, 0], vae.bias[0], vae.covariance[0, 0])
    return expected(vae.example, KL(), lambda o: o.loss) + log_marginal


def by_engine(truth: Callable[[Array], Any], detail: str) -> Check:
    """Make a check that the claim at the Gaussians of a linear VAE is what the engine computes."""
    return value_check(
        "quadrature", 1e-10, detail, lambda claim: claim(*on_the_line()[1]), lambda: truth(on_the_line()[1])
    )


def engine_slopes(reparametrised: bool, weight: float = 1.0) -> Array:
    """Compute ``(dmu, ds)`` of the posterior Fisher divergence of the linear VAE."""
    objective = PosteriorFisher(reparametrised=reparametrised, weight=weight)
    return gradient_in_q(on_the_line()[0].example, objective)


def engine_kl_slopes() -> Array:
    """Compute ``(dmu, ds)`` of the KL objective of the linear VAE."""
    return gradient_in_q(on_the_line()[0].example, KL())


# --- the four ratios of the last display ---


def ratios_symbolic() -> Any:
    """Compute the gradients of 2 D_F, total and unparametrised, over those of the KL divergence."""
    of_kls = gradient_symbolic(kl_symbolic)
    both = gradient_symbolic(fisher_symbolic), unparametrised_symbolic()
    return [2 * slope / of_kl for slopes in both for slope, of_kl in zip(slopes, of_kls, strict=True)]


def ratios_by_engine(v: Array) -> Array:
    """Compute the same ratios from the engine's expected gradients."""
    of_kl = engine_kl_slopes()
    return np.concatenate([engine_slopes(True, 2.0) / of_kl, engine_slopes(False, 2.0) / of_kl])

"""The tables f' = h(f), from which elementwise layers and the scale of q take both their derivatives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np

from ....kernels import load
from ....model.gaussian import DiagonalGaussian
from ....types import ActivationName, Array
from ..evidence import derivative, numeric, symbolic
from ..statement import Claim, Effort, Evidence, Form, Statement


@dataclass(frozen=True)
class _Branch:
    """One smooth piece of an activation.

    Attributes
    ----------
    f : str
        Name of the activation in the engine.
    sign : int
        Side of 0 on which the piece lies; 0 for everywhere.
    value
        f as a function of x and of the elementary functions (of NumPy or of SymPy).
    """

    f: ActivationName
    sign: int
    value: Any

    @property
    def points(self) -> Array:
        """Return a few x of the piece, away from its edge."""
        x = np.array([0.3, 0.9, 1.6, 2.4])
        return self.sign * x if self.sign else np.concatenate([-x, x])


_PIECES = {
    "relu, x > 0": _Branch("relu", 1, lambda x, m: x),
    "relu, x < 0": _Branch("relu", -1, lambda x, m: 0 * x),
    "elu, x > 0": _Branch("elu", 1, lambda x, m: x),
    "elu, x < 0": _Branch("elu", -1, lambda x, m: m.exp(x) - 1),
    "softplus": _Branch("softplus", 0, lambda x, m: m.log(1 + m.exp(x))),
    "sigmoid": _Branch("sigmoid", 0, lambda x, m: 1 / (1 + m.exp(-x))),
    "tanh": _Branch("tanh", 0, lambda x, m: m.tanh(x)),
    "exp": _Branch("exp", 0, lambda x, m: m.exp(x)),
}

#: ``(h(y), h'(y))`` of each piece.
_TABLE: Mapping[str, Any] = {
    "relu, x > 0": lambda y, m: (1 + 0 * y, 0 * y),
    "relu, x < 0": lambda y, m: (0 * y, 0 * y),
    "elu, x > 0": lambda y, m: (1 + 0 * y, 0 * y),
    "elu, x < 0": lambda y, m: (y + 1, 1 + 0 * y),
    "softplus": lambda y, m: (-m.expm1(-y), m.exp(-y)),
    "sigmoid": lambda y, m: (y * (1 - y), 1 - 2 * y),
    "tanh": lambda y, m: (1 - y * y, -2 * y),
    "exp": lambda y, m: (y, 1 + 0 * y),
}


def _sympy() -> SimpleNamespace:
    """Return SymPy's elementary functions under NumPy's names."""
    import sympy

    return SimpleNamespace(exp=sympy.exp, log=sympy.log, tanh=sympy.tanh, expm1=lambda v: sympy.exp(v) - 1)


# --- the tables ---


def _table_symbolic(claim: Claim, effort: Effort) -> Evidence:
    """Check ``h(f) = f'`` and ``h'(f) h(f) = f''`` in symbols."""
    import sympy

    m = _sympy()
    x = sympy.Symbol("x", real=True)
    found, truth = [], []
    for name, piece in _PIECES.items():
        f = piece.value(x, m)
        slope, curve = claim[name](f, m)
        found += [slope, curve * slope]
        truth += [sympy.diff(f, x), sympy.diff(f, x, 2)]
    rewritten = [sympy.sympify(side).rewrite(sympy.exp) for side in found + truth]
    return symbolic(rewritten[: len(found)], rewritten[len(found) :], "f' and f'' of every piece")


def _table_by_differences(claim: Claim, effort: Effort) -> Evidence:
    """Compare with differences of the engine's activations and, for the second derivative, its slopes."""
    k = load("reference")
    found, truth = [], []
    for name, piece in _PIECES.items():
        x = piece.points
        slope, curve = claim[name](k.activation(piece.f, x), np)
        found += [slope, curve * slope]
        truth += [_along(piece.f, _value, x), _along(piece.f, _slope, x)]
    detail = "f' and f'' of every piece, by the engine's forward and slope"
    return numeric(
        "finite differences", np.concatenate(found), np.concatenate(truth), effort.tolerance(1e-9), detail
    )


def _table_of_the_engine(claim: Claim, effort: Effort) -> Evidence:
    """Compare with the engine's slope and curve."""
    k = load("reference")
    found, truth = [], []
    for name, piece in _PIECES.items():
        y = k.activation(piece.f, piece.points)
        slope, curve = claim[name](y, np)
        one = np.ones_like(y)
        found += [slope, curve * slope]
        truth += [k.activation_slope(piece.f, y, one), k.activation_curve(piece.f, y, slope, one, None)]
    detail = "f' and f'' of every piece, by the engine's slope and curve"
    return numeric(
        "closed form", np.concatenate(found), np.concatenate(truth), effort.tolerance(1e-13), detail
    )


def _along(f: ActivationName, rule: Callable[[ActivationName, Array], Array], x: Array) -> Array:
    """Compute the derivative of an elementwise rule at every x."""
    return derivative(lambda t: rule(f, x + t))


def _value(f: ActivationName, x: Array) -> Array:
    return load("reference").activation(f, x)


def _slope(f: ActivationName, x: Array) -> Array:
    k = load("reference")
    return k.activation_slope(f, k.activation(f, x), np.ones_like(x))


# --- softplus as the scale of q, in the precision that training runs in ---


def _scale_symbolic(claim: Claim, effort: Effort) -> Evidence:
    import sympy

    rho = sympy.Symbol("rho", real=True)
    s = sympy.log(1 + sympy.exp(rho))
    truth = [sympy.diff(s, rho), sympy.diff(s, rho, 2)]
    return symbolic(list(claim(s, _sympy())), truth, "S' and S'' of S(rho) = log(1 + exp rho)")


def _scale_in_float32(claim: Claim, effort: Effort) -> Evidence:
    """Compare in float32 at tiny, usual and large s, as ratios, so that no value hides another."""
    rho = np.array([-80, -20, -3, 0, 3, 20, 80, 90], np.float32)
    k, posterior = load("reference"), DiagonalGaussian(len(rho), "softplus")
    s = posterior.moments(k, np.concatenate([rho, rho])).s
    with np.errstate(over="ignore", invalid="ignore"):
        slope, curve = claim(s, np)
    exact = 1 / (1 + np.exp(-rho.astype(float)))
    truth = exact, exact / (1 + np.exp(rho.astype(float)))
    engine = k.activation_slope("softplus", s, np.ones_like(s))
    engine_curve = k.activation_curve("softplus", s, engine, np.ones_like(s), None)
    ratios = [
        np.asarray(a, float) / b for a, b in zip((slope, curve, engine, engine_curve), truth * 2, strict=True)
    ]
    detail = (
        "S', S'' over their exact values in float32 from rho = -80 to 90, of the formula and of the engine"
    )
    # the tolerance is that of single precision, whatever the effort: at rho = 90, e^-90 has few digits left
    return numeric("closed form", np.concatenate(ratios), np.ones(4 * len(rho)), 1e-5, detail)


STATEMENTS = (
    Statement(
        id="engine-activations",
        section="engine",
        title="Activations as solutions of autonomous equations",
        assumptions="y = f(x), away from the kink of relu at 0.",
        form=Form(
            r"f' = h(f), \ f'' = h'(f) h(f), \quad h(y) = "
            r"[y > 0] \text{ (relu)}, \ [y > 0] + [y \le 0] (y + 1) \text{ (elu)}, "
            r"\ 1 - e^{-y} \text{ (softplus)}, \ y (1 - y) \text{ (sigmoid)}, \ 1 - y^2 \text{ (tanh)}, "
            r"\ y \text{ (exp)}",
            _TABLE,
        ),
        checks=(_table_symbolic, _table_by_differences, _table_of_the_engine),
        mutations={
            "relu, curved": {**_TABLE, "relu, x > 0": lambda y, m: (1 + 0 * y, 1 + 0 * y)},
            "elu, curvature missing": {**_TABLE, "elu, x < 0": lambda y, m: (y + 1, 0 * y)},
            "elu, slope of exp": {**_TABLE, "elu, x < 0": lambda y, m: (y, 1 + 0 * y)},
            "softplus, sign": {**_TABLE, "softplus": lambda y, m: (-m.expm1(-y), -m.exp(-y))},
            "softplus, exponent": {**_TABLE, "softplus": lambda y, m: (1 - m.exp(-2 * y), m.exp(-y))},
            "sigmoid, factor": {**_TABLE, "sigmoid": lambda y, m: (y * (1 - y), 1 - y)},
            "tanh, factor": {**_TABLE, "tanh": lambda y, m: (1 - y * y, -y)},
            "exp, curvature missing": {**_TABLE, "exp": lambda y, m: (y, 0 * y)},
        },
        code="vsmnp.kernels.reference.activations.ACTIVATIONS",
    ),
    Statement(
        id="engine-softplus-scale",
        section="engine",
        title="Both derivatives of a softplus scale from the scale itself",
        assumptions="s = S(rho) = log(1 + e^rho); in floating point no difference of near numbers is formed.",
        form=Form(
            r"S' = 1 - e^{-s} = -\operatorname{expm1}(-s), \quad S'' = e^{-s} S'",
            lambda s, m: (-m.expm1(-s), -m.expm1(-s) * m.exp(-s)),
        ),
        checks=(_scale_symbolic, _scale_in_float32),
        mutations={
            "a difference that cancels": lambda s, m: (1 - m.exp(-s), (1 - m.exp(-s)) * m.exp(-s)),
            "a quotient that overflows": lambda s, m: (-m.expm1(-s), m.expm1(s) / m.exp(2 * s)),
            "slope missing": lambda s, m: (-m.expm1(-s), m.exp(-s)),
            "sign": lambda s, m: (-m.expm1(-s), m.expm1(-s) * m.exp(-s)),
        },
        code="vsmnp.model.gaussian.DiagonalGaussian",
    ),
)  # fmt: skip

"""The tables f' = h(f), from which elementwise layers and the scale of q take both their derivatives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np

from ....model.gaussian import DiagonalGaussian
from ....types import ActivationName, Array
from ..checks import symbolic_sides, value_check
from ..evidence import derivative, numeric
from ..examples.kernel_set import kernels
from ..statement import Claim, Effort, Evidence, Statement


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


# --- the tables: a claim is evaluated at y = f(x), for f' and f'' of every piece ---


def _claimed(claim: Claim, values: Mapping[str, Any], m: Any) -> list[Any]:
    """Evaluate ``h(y)`` and ``h'(y) h(y)`` of every piece at its values y."""
    pairs = [claim[name](y, m) for name, y in values.items()]
    return [side for slope, curve in pairs for side in (slope, curve * slope)]


@symbolic_sides("f' and f'' of every piece")
def _table_symbolic(claim: Claim, sympy: Any) -> tuple[Any, Any]:
    m, x = _sympy(), sympy.Symbol("x", real=True)
    values = {name: piece.value(x, m) for name, piece in _PIECES.items()}
    truth = [sympy.diff(f, x, n) for f in values.values() for n in (1, 2)]

    def rewritten(side: list[Any]) -> list[Any]:
        return [sympy.sympify(f).rewrite(sympy.exp) for f in side]

    return rewritten(_claimed(claim, values, m)), rewritten(truth)


def _of_the_engine(claim: Claim) -> Array:
    k = kernels()
    values = {name: k.activation(piece.f, piece.points) for name, piece in _PIECES.items()}
    return np.concatenate(_claimed(claim, values, np))


def _table_by_differences() -> Array:
    """Compute differences of the engine's activations and, for the second derivative, of its slopes."""
    k, found = kernels(), []

    def slope(f: ActivationName, x: Array) -> Array:
        return k.activation_slope(f, k.activation(f, x), np.ones_like(x))

    for piece in _PIECES.values():
        for rule in (k.activation, slope):
            found.append(derivative(lambda t, p=piece, rule=rule: rule(p.f, p.points + t)))  # type: ignore[misc]
    return np.concatenate(found)


def _table_of_the_engine() -> Array:
    k, found = kernels(), []
    for piece in _PIECES.values():
        y, one = k.activation(piece.f, piece.points), np.ones(len(piece.points))
        slope = k.activation_slope(piece.f, y, one)
        found += [slope, k.activation_curve(piece.f, y, slope, one, None)]
    return np.concatenate(found)


# --- softplus as the scale of q, in the precision that training runs in ---


@symbolic_sides("S' and S'' of S(rho) = log(1 + exp rho)")
def _scale_symbolic(claim: Claim, sympy: Any) -> tuple[Any, Any]:
    rho = sympy.Symbol("rho", real=True)
    s = sympy.log(1 + sympy.exp(rho))
    return list(claim(s, _sympy())), [sympy.diff(s, rho), sympy.diff(s, rho, 2)]


def _scale_in_float32(claim: Claim, effort: Effort) -> Evidence:
    """Compare in float32 at tiny, usual and large s, as ratios, so that no value hides another."""
    rho = np.array([-80, -20, -3, 0, 3, 20, 80, 90], np.float32)
    k, posterior = kernels(), DiagonalGaussian(len(rho), "softplus")
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
        title="Activations as solutions of autonomous equations",
        assumptions="y = f(x), away from the kink of relu at 0.",
        latex=r"f' = h(f), \ f'' = h'(f) h(f), \quad h(y) = "
            r"[y > 0] \text{ (relu)}, \ [y > 0] + [y \le 0] (y + 1) \text{ (elu)}, "
            r"\ 1 - e^{-y} \text{ (softplus)}, \ y (1 - y) \text{ (sigmoid)}, \ 1 - y^2 \text{ (tanh)}, "
            r"\ y \text{ (exp)}",
        claim=_TABLE,
        checks=(
            _table_symbolic,
            value_check("finite differences", 1e-9,
                "f' and f'' of every piece, by the engine's forward and slope",
                _of_the_engine, _table_by_differences),
            value_check("closed form", 1e-13, "f' and f'' of every piece, by the engine's slope and curve",
                _of_the_engine, _table_of_the_engine),
        ),
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
        title="Both derivatives of a softplus scale from the scale itself",
        assumptions="s = S(rho) = log(1 + e^rho); in floating point no difference of near numbers is formed.",
        latex=r"S' = 1 - e^{-s} = -\operatorname{expm1}(-s), \quad S'' = e^{-s} S'",
        claim=lambda s, m: (-m.expm1(-s), -m.expm1(-s) * m.exp(-s)),
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

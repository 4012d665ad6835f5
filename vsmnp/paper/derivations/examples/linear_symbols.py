"""Expected losses of linear VAEs in symbols, and the check that their slopes vanish."""

from __future__ import annotations

from typing import Any

from ..quadrature import normal_mean


def mean_loss(sympy: Any, c: Any, d_x: Any, gamma: Any, mode: Any, rest: Any) -> Any:
    """Compute the mean of ``(B + c T)/(2 gamma^2) - d_x/gamma`` by its definition, for one latent.

    Parameters
    ----------
    mode : tuple
        Variance of x along the decoder, width w of the decoder, and q: its mean over x, and its variance.
    rest : sympy.Expr
        Sum of the variances of x in the other directions.
    """
    x, eps = sympy.symbols("x eps", real=True)
    variance, w, gain, spread = mode
    error = w * (gain * x + sympy.sqrt(spread) * eps) - x
    each = c * normal_mean(error**2, eps) - (c - 1) * normal_mean(error, eps) ** 2
    return (rest + normal_mean(each, x, variance)) / (2 * gamma**2) - d_x / gamma


def coefficients(sympy: Any, slopes: list[Any], symbols: tuple[Any, ...]) -> tuple[list[Any], list[Any]]:
    """Return the coefficients of the numerators of slopes that should vanish, and as many zeros."""
    numerators = [sympy.fraction(sympy.together(slope))[0] for slope in slopes]
    found = [each for numerator in numerators for each in sympy.Poly(numerator, *symbols).coeffs()]
    return found, [0] * len(found)

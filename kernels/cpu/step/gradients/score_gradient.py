"""The score of q in the encoder's features on a tile, and the gradient of ``y . s^q`` in phi.

``s^q = J_e' a`` with ``a = (u/s, w S'/s)``; see ``vsmnp/objectives/score_norm.py`` for the derivation.
"""

from __future__ import annotations

from typing import Any

from vsmnp.types.arrays import Array

from ....formulas.elementary import formula
from ...llvm import call_with_pointers
from ...views import row_of
from ..inner_loops import CURVE
from ..perceptron import backward_along, forward_along, loop_of, outputs_along
from ..sample import clear_padding, scale
from ..stages import stage


@formula
def score_features(tile: Any, u: Array, w: Array, rows: int) -> None:
    """Write ``a = (u/s, w S'/s)`` of one sample to the planes of the features."""
    at, planes = tile.at[0], tile.planes
    width, d_z = at.width, at.d_z
    for z in range(d_z):
        amu, arho = row_of(planes, at.features + z), row_of(planes, at.features + d_z + z)
        s, ds, u_z, w_z = row_of(planes, at.s + z), row_of(planes, at.ds + z), row_of(u, z), row_of(w, z)
        for i in range(width):
            amu[i] = u_z[i] / s[i]
            arho[i] = w_z[i] / s[i] * ds[i]
    clear_padding(tile, at.features, 2 * d_z, rows, 1)


@formula
def _features_along(tile: Any, y: int, u: Array, w: Array, fixed: bool, share: float) -> None:
    """Write ``share`` times the tangent of a along y to the planes of the cotangent.

    If z is ``fixed``, eps depends on phi, so u and w have tangents too.
    """
    at, planes = tile.at[0], tile.planes
    width, d_z, real = at.width, at.d_z, planes.dtype.type
    one, two, three, weight = real(1), real(2), real(3), real(share)
    for z in range(d_z):
        slope, curvature = row_of(planes, at.cotangent + z), row_of(planes, at.cotangent + d_z + z)
        for i in range(width):
            slope[i], curvature[i] = 1, 0
    ends = row_of(planes, at.s), row_of(planes, at.ds)
    ends_of_both = row_of(planes, at.cotangent), row_of(planes, at.cotangent + d_z)
    sizes = d_z, width, planes.shape[1]
    call_with_pointers(loop_of(tile, at.scale, CURVE), (*ends, *ends_of_both, *sizes))  # S' and S''
    for z in range(d_z):
        s, ds, u_z, w_z = row_of(planes, at.s + z), row_of(planes, at.ds + z), row_of(u, z), row_of(w, z)
        y_mu, y_rho = row_of(planes, y + z), row_of(planes, y + d_z + z)
        to_mu, to_rho = row_of(planes, at.cotangent + z), row_of(planes, at.cotangent + d_z + z)
        for i in range(width):
            inverse = one / s[i]
            first, second = ds[i] * inverse, to_rho[i] * inverse
            if fixed:  # eps = (z - mu)/s depends on phi: d eps = -(y_mu + eps S' y_rho)/s
                twice = two * u_z[i] * first * inverse
                square = (one - three * u_z[i] * u_z[i]) * first * first + w_z[i] * second
                to_mu[i] = weight * (-y_mu[i] * inverse * inverse - twice * y_rho[i])
                to_rho[i] = weight * (-twice * y_mu[i] + y_rho[i] * square)
            else:
                change = y_rho[i] * w_z[i] * (second - first * first) - y_mu[i] * u_z[i] * first * inverse
                to_mu[i] = 0
                to_rho[i] = weight * change


@stage
def score_gradient(
    tile: Any, phi: Array, u: Array, w: Array, rows: int, fixed: int, share: float, g: Array
) -> None:
    """Add ``share`` times the gradient of ``y . s^q`` of one sample, y in the encoder's input tangent.

    The planes of the features hold a, which is multiplied by ``share``.
    """
    at = tile.at[0]
    forward_along(tile, tile.encoder, phi, at.width)
    _features_along(tile, outputs_along(tile.encoder), u, w, fixed, share)
    clear_padding(tile, at.cotangent, 2 * at.d_z, rows, 1)
    scale(tile, at.features, 2 * at.d_z, share, at.features)
    backward_along(tile, tile.encoder, phi, at.features, at.cotangent, g, g, False, True, False, at.width)

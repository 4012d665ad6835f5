"""The laws that every layer obeys, each a function ``law(k, layer, p, x, rng)`` that asserts it.

``x (R|1, S, N, ...)`` and the parameters ``p`` come from the caller; cotangents and tangents are drawn
from ``rng``. Derivatives are compared with a fourth-order stencil along one random unit direction for
all inputs at once: with h = 1e-3 both its truncation and its rounding stay near 1e-12.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from itertools import combinations
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from hypothesis import assume

from vsmnp.types import Array, Cache, Grads, Kernels, Layer, Params, Tangents

#: Arrays nested in mappings and tuples; None is zero.
Tree: TypeAlias = Any
Law: TypeAlias = Callable[[Kernels, Layer, Params, Array, np.random.Generator], None]

STEP = 1e-3
STENCIL = (STEP, -STEP, 2 * STEP, -2 * STEP)
DERIVATIVE = 1e-9
ROUNDING = 1e-12


# --- trees ----------------------------------------------------------------------------------------


def tree_map(f: Callable[..., Any], *trees: Tree) -> Tree:
    """Apply ``f`` to the corresponding leaves; None stays None."""
    first = trees[0]
    if first is None:
        return None
    if isinstance(first, Mapping):
        return {name: tree_map(f, *(tree[name] for tree in trees)) for name in first}
    if isinstance(first, tuple):
        return tuple(tree_map(f, *parts) for parts in zip(*trees, strict=True))
    return f(*trees)


def pairs(a: Tree, b: Tree) -> Iterator[tuple[Array, Array]]:
    """Yield corresponding leaves, broadcast together; None on one side is zero."""
    if a is None and b is None:
        return
    node = b if a is None else a
    if isinstance(node, Mapping):
        for name in node:
            yield from pairs(None if a is None else a[name], None if b is None else b[name])
    elif isinstance(node, tuple):
        for i in range(len(node)):
            yield from pairs(None if a is None else a[i], None if b is None else b[i])
    else:
        zero = np.zeros(np.shape(node))
        one, two = np.broadcast_arrays(zero if a is None else a, zero if b is None else b)
        yield one, two


def inner(a: Tree, b: Tree) -> float:
    """Sum the products of corresponding leaves."""
    return float(sum(np.sum(one * two) for one, two in pairs(a, b)))


def norm(tree: Tree) -> float:
    """Compute the Euclidean norm of all leaves together."""
    return float(np.sqrt(inner(tree, tree)))


def moved(tree: Tree, t: float, tangent: Tree) -> Tree:
    """Compute ``tree + t tangent`` leaf by leaf."""
    return tree_map(lambda a, da: a + t * da, tree, tangent)


def random_like(rng: np.random.Generator, tree: Tree) -> Tree:
    """Draw standard normals in the shapes of ``tree``."""
    return tree_map(lambda a: rng.standard_normal(np.shape(a)), tree)


def zeros_like(tree: Tree) -> Tree:
    """Create contiguous zeros in the shapes of ``tree``."""
    return tree_map(lambda a: np.zeros(np.shape(a)), tree)


def direction(rng: np.random.Generator, *trees: Tree) -> Tree:
    """Draw one random unit direction for all ``trees`` at once, as a tuple of tangents."""
    tangent = random_like(rng, trees)
    length = norm(tangent)
    return tree_map(lambda a: a / length, tangent)


def derivative(f: Callable[[float], Tree]) -> Tree:
    """Estimate ``f'(0)`` by the fourth-order stencil."""
    return tree_map(lambda a, b, c, d: (8 * (a - b) - (c - d)) / (12 * STEP), *map(f, STENCIL))


def derivative_along(f: Callable[[Array], Tree], at: Array, tangent: Array) -> Tree:
    """Estimate the derivative of ``f`` at ``at`` along ``tangent``."""
    return derivative(lambda t: f(at + t * tangent))


def agree(actual: Tree, expected: Tree, tolerance: float = ROUNDING, scale: float | None = None) -> None:
    """Check ``|actual - expected| <= tolerance scale`` over all leaves; default scale: ``|expected|``."""
    both = list(pairs(actual, expected))
    error = np.sqrt(sum(float(np.sum((a - b) ** 2)) for a, b in both))
    size = np.sqrt(sum(float(np.sum(b**2)) for _, b in both)) if scale is None else scale
    assert error <= tolerance * size, f"error {error:.2e} > {tolerance:.0e} * {size:.2e}"


# --- the four rules at once -----------------------------------------------------------------------


@dataclass(frozen=True)
class Inputs:
    """The arguments of the four rules; a tangent may be None."""

    p: Params
    x: Array
    gy: Array
    dp: Params | None
    dx: Array | None
    dgy: Array | None

    def each(self, f: Callable[[Array], Array]) -> Inputs:
        """Apply ``f`` to every array of the arguments."""
        return Inputs(*(tree_map(f, getattr(self, field.name)) for field in fields(self)))


class Outputs(NamedTuple):
    """The results of the four rules."""

    y: Array
    dy: Array | None
    gx: Array | None
    gp: Params
    gx_again: Array | None
    dgx: Array | None
    gp_again: Params
    dgp: Params


def draw(k: Kernels, layer: Layer, p: Params, x: Array, rng: np.random.Generator) -> Inputs:
    """Draw random cotangents and tangents for ``(p, x)``, the tangents jointly of length 1."""
    y, _ = layer.forward(k, p, x)
    gy = rng.standard_normal(y.shape)
    return Inputs(p, x, gy, *direction(rng, p, x, gy))


def run(k: Kernels, layer: Layer, given: Inputs, start: float = 0.0, want_x: bool = True) -> Outputs:
    """Run all four rules; gradients accumulate into arrays filled with ``start``."""
    y, c = layer.forward(k, given.p, given.x)
    dy, dc = layer.jvp(k, given.p, c, given.dp, given.dx)
    gp, gp_again, dgp = (tree_map(lambda a: np.full(a.shape, start), given.p) for _ in range(3))
    gx = layer.vjp(k, given.p, c, given.gy, gp, want_x)
    d, grads = Tangents(given.dp, dc, given.dgy), Grads(gp_again, dgp, want_x)
    gx_again, dgx = layer.vjp_jvp(k, given.p, c, given.gy, d, grads)
    return Outputs(y, dy, gx, gp, gx_again, dgx, gp_again, dgp)


def _assume_smooth(caches: Callable[[float], Cache]) -> None:
    """Skip draws at which a cached value changes sign within the stencil: a kink may lie there."""
    for t in STENCIL:
        assume(all(np.array_equal(a > 0, b > 0) for a, b in pairs(caches(t), caches(0.0))))


# --- the laws -------------------------------------------------------------------------------------


def vjp_is_the_adjoint_of_jvp(
    k: Kernels, layer: Layer, p: Params, x: Array, rng: np.random.Generator
) -> None:
    """Check ``<jvp(dp, dx), gy> = <dx, gx> + <dp, gp>``: each part alone and both at once."""
    given = draw(k, layer, p, x, rng)
    out = run(k, layer, given)
    for dp, dx in ((given.dp, given.dx), (None, given.dx), (given.dp, None)):
        dy = run(k, layer, replace(given, dp=dp, dx=dx)).dy
        size = norm((out.gx, out.gp)) * norm((dp, dx))
        agree(inner(dy, given.gy), inner(dx, out.gx) + inner(dp, out.gp), scale=size)


def jvp_is_the_derivative(k: Kernels, layer: Layer, p: Params, x: Array, rng: np.random.Generator) -> None:
    """Check that the tangents of the output and of the cache are the derivatives of ``forward``."""
    dp, dx = direction(rng, p, x)

    def forward(t: float) -> tuple[Array, Cache]:
        return layer.forward(k, moved(p, t, dp), moved(x, t, dx))

    _assume_smooth(lambda t: forward(t)[1])
    dy, dc = layer.jvp(k, p, forward(0.0)[1], dp, dx)
    dy_numeric, dc_numeric = derivative(forward)
    agree(dy, dy_numeric, DERIVATIVE)
    agree(dc, dc_numeric, DERIVATIVE)


def vjp_jvp_is_the_derivative_of_vjp(
    k: Kernels, layer: Layer, p: Params, x: Array, rng: np.random.Generator
) -> None:
    """Check that ``dgx`` and ``dgp`` are the derivatives of ``gx`` and ``gp`` along ``(dp, dx, dgy)``."""
    given = draw(k, layer, p, x, rng)

    def caches(t: float) -> Cache:
        return layer.forward(k, moved(p, t, given.dp), moved(x, t, given.dx))[1]

    def backward(t: float) -> tuple[Array | None, Params]:
        gp = zeros_like(p)
        gx = layer.vjp(k, moved(p, t, given.dp), caches(t), moved(given.gy, t, given.dgy), gp)
        return gx, gp

    _assume_smooth(caches)
    out = run(k, layer, given)
    agree((out.gx_again, out.gp_again), backward(0.0))
    agree((out.dgx, out.dgp), derivative(backward), DERIVATIVE, scale=norm(backward(0.0)))


def second_derivatives_are_symmetric(
    k: Kernels, layer: Layer, p: Params, x: Array, rng: np.random.Generator
) -> None:
    """Check ``<v, H u> = <u, H v>`` for the Hessian H of ``<gy, y>`` in ``(p, x)``."""
    given = replace(draw(k, layer, p, x, rng), dgy=None)
    u, v = direction(rng, p, x), direction(rng, p, x)
    out_u, out_v = (run(k, layer, replace(given, dp=dp, dx=dx)) for dp, dx in (u, v))
    h_u, h_v = (out_u.dgp, out_u.dgx), (out_v.dgp, out_v.dgx)
    agree(inner(v, h_u), inner(u, h_v), scale=norm(h_u) + norm(h_v))


def inputs_are_not_mutated(k: Kernels, layer: Layer, p: Params, x: Array, rng: np.random.Generator) -> None:
    """Check that no rule writes to an input, to the cache or to its tangent, and that runs repeat."""
    given = draw(k, layer, p, x, rng)
    _, c = layer.forward(k, p, x)
    _, dc = layer.jvp(k, p, c, given.dp, given.dx)
    kept = (*(getattr(given, field.name) for field in fields(given)), c, dc)
    before = tree_map(np.copy, kept)
    layer.jvp(k, p, c, given.dp, given.dx)
    layer.vjp(k, p, c, given.gy, zeros_like(p))
    grads = Grads(zeros_like(p), zeros_like(p))
    layer.vjp_jvp(k, p, c, given.gy, Tangents(given.dp, dc, given.dgy), grads)
    layer.forward(k, p, x)
    agree(kept, before, tolerance=0.0)


def _spread(a: Array) -> Array:
    """Copy the numbers to every second element of a larger buffer."""
    buffer = np.zeros((*a.shape[:-1], 2 * a.shape[-1]))
    buffer[..., ::2] = a
    return buffer[..., ::2]


def _reversed(a: Array) -> Array:
    """Copy the numbers to an array with negative strides."""
    return np.flip(np.ascontiguousarray(np.flip(a)))


STRIDES: tuple[Callable[[Array], Array], ...] = (np.ascontiguousarray, np.asfortranarray, _spread, _reversed)


def strides_do_not_matter(k: Kernels, layer: Layer, p: Params, x: Array, rng: np.random.Generator) -> None:
    """Check that contiguous or not, the same numbers give the same results."""
    given = draw(k, layer, p, x, rng)
    expected = run(k, layer, given)
    for stride in STRIDES:
        agree(run(k, layer, given.each(stride)), expected)


def none_is_zero(k: Kernels, layer: Layer, p: Params, x: Array, rng: np.random.Generator) -> None:
    """Check that a missing tangent is the zero tangent; a missing ``gp`` or ``dgp`` changes nothing else."""
    given = draw(k, layer, p, x, rng)
    tangents = ("dp", "dx", "dgy")
    for names in (names for n in (1, 2, 3) for names in combinations(tangents, n)):
        nothing: dict[str, Any] = dict.fromkeys(names)
        without = replace(given, **nothing)
        zeros = replace(given, **{name: zeros_like(getattr(given, name)) for name in names})
        out = run(k, layer, zeros)
        agree(run(k, layer, without), out)
        _, c = layer.forward(k, p, x)
        _, dc = layer.jvp(k, p, c, without.dp, without.dx)
        assert names != tangents or norm(dc) == 0
        d = Tangents(without.dp, dc, without.dgy)
        gp, dgp = zeros_like(p), zeros_like(p)
        agree(layer.vjp(k, p, c, given.gy, None), out.gx)
        agree(layer.vjp_jvp(k, p, c, given.gy, d, Grads(gp)), (out.gx, out.dgx))
        agree(layer.vjp_jvp(k, p, c, given.gy, d, Grads(None, dgp)), (out.gx, out.dgx))
        agree(layer.vjp_jvp(k, p, c, given.gy, d, Grads()), (out.gx, out.dgx))
        agree((gp, dgp), (out.gp, out.dgp))


def unwanted_x_is_not_computed(
    k: Kernels, layer: Layer, p: Params, x: Array, rng: np.random.Generator
) -> None:
    """Check that ``want_x=False`` returns None and leaves the parameter gradients unchanged."""
    given = draw(k, layer, p, x, rng)
    expected, out = run(k, layer, given), run(k, layer, given, want_x=False)
    assert out.gx is None
    assert out.gx_again is None
    assert out.dgx is None
    assert expected.gx is not None
    agree((out.gp, out.gp_again, out.dgp), (expected.gp, expected.gp_again, expected.dgp))


def gradients_accumulate(k: Kernels, layer: Layer, p: Params, x: Array, rng: np.random.Generator) -> None:
    """Check that ``gp`` and ``dgp`` are added to, never overwritten."""
    given = draw(k, layer, p, x, rng)
    once, onto = run(k, layer, given), run(k, layer, given, start=1.0)
    expected = tree_map(lambda a: a + 1.0, (once.gp, once.gp_again, once.dgp))
    agree((onto.gp, onto.gp_again, onto.dgp), expected)


def one_input_serves_all_samples(
    k: Kernels, layer: Layer, p: Params, x: Array, rng: np.random.Generator
) -> None:
    """Check S cotangents of a forward at S = 1 against S copies: ``gx`` has S, ``gp`` sums over it."""
    samples = 3
    x = x[:, :1]
    shared = draw(k, layer, p, x, rng)
    gy, dgy = (rng.standard_normal((g.shape[0], samples, *g.shape[2:])) for g in (shared.gy, shared.gy))
    copies = replace(shared, x=x.repeat(samples, axis=1), gy=gy, dgy=dgy)
    dx_each = rng.standard_normal(copies.x.shape)
    for dx in (None, shared.dx, dx_each):
        everywhere = None if dx is None else np.broadcast_to(dx, dx_each.shape)
        expected = run(k, layer, replace(copies, dx=everywhere))
        out = run(k, layer, replace(copies, x=x, dx=dx))
        agree(out, expected)
        for name in ("gx", "gx_again", "dgx"):
            assert getattr(out, name).shape == getattr(expected, name).shape


def one_cotangent_serves_all_samples(
    k: Kernels, layer: Layer, p: Params, x: Array, rng: np.random.Generator
) -> None:
    """Check that a cotangent with S = 1 stands for an equal one on each of the S samples of the forward."""
    samples = 3
    x = np.concatenate([x[:, :1] + 0.1 * s for s in range(samples)], axis=1)
    given = draw(k, layer, p, x, rng)
    assert given.dgy is not None
    shared = replace(given, gy=given.gy[:, :1], dgy=given.dgy[:, :1])
    copies = replace(given, gy=shared.gy.repeat(samples, axis=1), dgy=shared.dgy.repeat(samples, axis=1))
    agree(run(k, layer, shared), run(k, layer, copies))


def models_are_independent(k: Kernels, layer: Layer, p: Params, x: Array, rng: np.random.Generator) -> None:
    """Check that R models side by side are R single runs; on ``reference`` to the last bit."""
    given = draw(k, layer, p, x, rng)
    together = run(k, layer, given)
    for r in range(given.gy.shape[0]):

        def one(a: Array, r: int = r) -> Array:
            return a if a.shape[0] == 1 else a[r : r + 1]

        agree(tree_map(one, tuple(together)), run(k, layer, given.each(one)),
              tolerance=0.0 if k.name == "reference" else ROUNDING)  # fmt: skip


LAWS: tuple[Law, ...] = (
    vjp_is_the_adjoint_of_jvp,
    jvp_is_the_derivative,
    vjp_jvp_is_the_derivative_of_vjp,
    second_derivatives_are_symmetric,
    inputs_are_not_mutated,
    strides_do_not_matter,
    none_is_zero,
    unwanted_x_is_not_computed,
    gradients_accumulate,
    one_input_serves_all_samples,
    one_cotangent_serves_all_samples,
    models_are_independent,
)


def agrees_with(
    other: Kernels, k: Kernels, layer: Layer, p: Params, x: Array, rng: np.random.Generator
) -> None:
    """Check that two kernel sets give the same results."""
    given = draw(other, layer, p, x, rng)
    agree(run(k, layer, given), run(other, layer, given))

"""A layer of the engine, to be compared with formulas written for one model and rows of data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import SimpleNamespace

import numpy as np

from ....model.layout import Layout
from ....types import Array, Grads, Layer, Params, Tangents
from ..evidence import derivative, gradient, numeric
from ..statement import Check, Claim, Effort, Evidence, Kind
from .kernel_set import kernels

_ROWS = 2


@dataclass(frozen=True)
class LayerExample:
    """A layer of three features in and out, with data, parameters, and tangents and cotangents of them.

    Attributes
    ----------
    layer : Layer
        Layer of the engine, with three features in and out.
    """

    layer: Layer

    def inputs(self) -> SimpleNamespace:
        """Return rows ``x, dx, gy, dgy (M, 3)``, and the parameters and tangents by name.

        A parameter has its name without dots, its tangent the same name after a d.
        """
        v = self._inputs()
        for prefix, vector in (("", v.p), ("d", v.dp)):
            for name, array in self._layout.named(vector):
                setattr(v, prefix + name.replace(".", ""), array[0])
        return v

    @cached_property
    def by_differences(self) -> Mapping[str, Array]:
        """Results of differences: ``dy, gx, g<name>`` from ``forward``, ``dgx, dg<name>`` from ``vjp``."""
        v = self._inputs()
        dy = derivative(lambda t: self._forward(v.p + t * v.dp, v.x + t * v.dx))
        gx = gradient(lambda flat: (v.gy * self._forward(v.p, flat.reshape(v.x.shape))).sum(), v.x.ravel())
        gp = np.zeros(0)
        if v.p.size:
            gp = gradient(lambda flat: (v.gy * self._forward(flat[None], v.x)).sum(), v.p[0])

        def backward(t: float) -> Array:
            moved = self._vjp(v.p + t * v.dp, v.x + t * v.dx, v.gy + t * v.dgy)
            return np.concatenate([part.ravel() for part in moved])

        dgx, dgp = np.split(derivative(backward), [v.x.size])
        return {
            "dy": dy, "gx": gx.reshape(v.x.shape), "dgx": dgx.reshape(v.x.shape),
            **self._named("g", gp[None]), **self._named("dg", dgp[None]),
        }  # fmt: skip

    @cached_property
    def by_its_rules(self) -> Mapping[str, Array]:
        """The same results from the layer's own ``jvp`` and ``vjp_jvp``."""
        k, v = kernels(), self._inputs()
        p, dp = self._tree(v.p), self._tree(v.dp)
        gp, dgp = np.zeros_like(v.p), np.zeros_like(v.p)
        _, c = self.layer.forward(k, p, v.x[None, None])
        dy, dc = self.layer.jvp(k, p, c, dp, v.dx[None, None])
        gx, dgx = self.layer.vjp_jvp(
            k,
            p,
            c,
            v.gy[None, None],
            Tangents(dp, dc, v.dgy[None, None]),
            Grads(self._tree(gp), self._tree(dgp)),
        )
        rows = {name: np.asarray(a)[0, 0] for name, a in (("dy", dy), ("gx", gx), ("dgx", dgx))}
        return {**rows, **self._named("g", gp), **self._named("dg", dgp)}

    def _inputs(self) -> SimpleNamespace:
        """Draw rows, and the parameters ``p, dp (1, P)`` as vectors, padding included."""
        rng = np.random.default_rng(5)
        x, dx, gy, dgy = rng.standard_normal((4, _ROWS, 3))
        p, dp = 0.6 * rng.standard_normal((2, 1, self._layout.size))
        return SimpleNamespace(x=x, dx=0.2 * dx, gy=gy, dgy=0.2 * dgy, p=p, dp=0.2 * dp)

    @property
    def _layout(self) -> Layout:
        return Layout(self.layer.shapes)

    def _tree(self, vector: Array) -> Params:
        return self._layout.views(vector)

    def _named(self, prefix: str, vector: Array) -> dict[str, Array]:
        return {prefix + name.replace(".", ""): array[0] for name, array in self._layout.named(vector)}

    def _forward(self, p: Array, x: Array) -> Array:
        return np.asarray(self.layer.forward(kernels(), self._tree(p), x[None, None])[0][0, 0])

    def _vjp(self, p: Array, x: Array, gy: Array) -> tuple[Array, Array]:
        k, gp = kernels(), np.zeros_like(p)
        _, c = self.layer.forward(k, self._tree(p), x[None, None])
        gx = self.layer.vjp(k, self._tree(p), c, gy[None, None], self._tree(gp))
        return np.asarray(gx)[0, 0], gp


def layer_checks(
    layer: Layer, terms: Callable[[SimpleNamespace], Mapping[str, Array]] = lambda v: {}
) -> tuple[Check, Check]:
    """Make checks of formulas against differences through a layer, and against the layer's own rules.

    The claim is a mapping from the name of a result, such as ``dgx``, to its formula, a function of the
    :meth:`~LayerExample.inputs` and of the terms.

    Parameters
    ----------
    layer : Layer
        Layer with three features in and out.
    terms : callable
        ``terms(inputs)``: further quantities on which a formula depends, by name.
    """
    example = LayerExample(layer)

    def compare(claim: Claim, found: Mapping[str, Array], kind: Kind, tolerance: float) -> Evidence:
        v = example.inputs()
        vars(v).update(terms(v))
        claimed = np.concatenate([np.ravel(rule(v)) for rule in claim.values()])
        truth = np.concatenate([found[name].ravel() for name in claim])
        return numeric(kind, claimed, truth, tolerance, f"{', '.join(claim)} of {type(layer).__name__}")

    def by_differences(claim: Claim, effort: Effort) -> Evidence:
        return compare(claim, example.by_differences, "finite differences", effort.tolerance(1e-10))

    def by_its_rules(claim: Claim, effort: Effort) -> Evidence:
        return compare(claim, example.by_its_rules, "closed form", effort.tolerance(1e-13))

    return by_differences, by_its_rules

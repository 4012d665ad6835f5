"""Test that a chain, which fuses activations with the layers before them, equals its layers one by one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from types import SimpleNamespace

import laws
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import Built, cases, few

from vsmnp.layers.activated import ActivatedBilinear
from vsmnp.layers.activations import ACTIVATIONS, Relu, Softplus, Tanh
from vsmnp.layers.compose import Chain
from vsmnp.layers.conv import Conv, ConvTranspose, UpsampledConv
from vsmnp.layers.dense import Dense
from vsmnp.layers.norm import BatchNorm, FrozenNorm
from vsmnp.layers.running_statistics import batch_statistics
from vsmnp.paper.toy_layers import SharpSoftplus
from vsmnp.types import Array, Kernels, Layer, Params, Window


@dataclass(frozen=True)
class OneByOne(Chain):
    """The chain whose every stage is one layer."""

    @property
    def stages(self) -> tuple[tuple[str, Layer], ...]:  # type: ignore[override]
        return tuple((str(i), layer) for i, layer in enumerate(self.layers))


HALVING = Window(4, 2, 1)
#: A layer with weights, its input and its channels, for three drawn widths.
WEIGHTED: dict[str, Callable[[int, int, int], tuple[Layer, tuple[int, ...], int]]] = {
    "dense": lambda a, b, c: (Dense(a, b), (a,), b),
    "conv": lambda a, b, c: (Conv(a, b, HALVING, (4, 2)), (4, 2, a), b),
    "conv without bias": lambda a, b, c: (Conv(a, b, Window(3, 1, 1), (2, c), bias=False), (2, c, a), b),
    "transposed conv": lambda a, b, c: (ConvTranspose(a, b, HALVING, (4, 2)), (2, 1, a), b),
    "upsampled conv": lambda a, b, c: (UpsampledConv(a, b, (c, 2)), (c, 2, a), b),
}
NORMS: dict[str, Callable[[int], tuple[Layer, ...]]] = {
    "": lambda channels: (),
    "batch norm": lambda channels: (BatchNorm(channels),),
    "frozen norm": lambda channels: (FrozenNorm(channels),),
}


def _positive(p: Params) -> Params:
    """Replace running variances by positive ones, in the parameters of two layers or one."""
    return {i: {name: a * a + 0.5 if name == "variance" else a for name, a in part.items()}
            for i, part in p.items()}  # fmt: skip


def _several(x: Array) -> Array:
    """Join three variants of a batch, so that its variance is defined."""
    return np.concatenate([x, 1 - 0.5 * x, x[..., ::-1] + 1], axis=2)


@pytest.mark.parametrize("f", ACTIVATIONS)
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("weighted", WEIGHTED)
@settings(few, max_examples=5)
@given(st.data())
def test_a_chain_is_its_layers_one_by_one(
    k: Kernels, weighted: str, norm: str, f: str, data: st.DataObject
) -> None:
    def build(a: int, b: int, c: int) -> Built:
        layer, sample, channels = WEIGHTED[weighted](a, b, c)
        return Built(Chain((layer, *NORMS[norm](channels), ACTIVATIONS[f])), sample)

    chain, p, x, rng = data.draw(cases(build))
    assert isinstance(chain, Chain)
    one_by_one = OneByOne(chain.layers)
    assert chain.shapes == one_by_one.shapes
    assert len(chain.stages) == len(chain.layers) - 1
    shared, narrow = data.draw(st.booleans()), data.draw(st.booleans())
    x = _several(x[:, :1] if shared else x)
    given = laws.draw(k, one_by_one, _positive(p), x, rng)
    if shared:  # one input serves all cotangents and tangents
        given = replace(given, gy=rng.standard_normal((len(given.gy), 3, *given.gy.shape[2:])))
        given = replace(given, dgy=rng.standard_normal(given.gy.shape))
    elif narrow:  # one cotangent serves all samples
        given = replace(given, gy=given.gy[:, :1], dgy=given.dgy[:, :1] if given.dgy is not None else None)
    without = dict.fromkeys(data.draw(st.sets(st.sampled_from(("dp", "dx", "dgy")))))
    given = replace(given, **without)  # type: ignore[arg-type]
    for want_x in (True, False):
        found, expected = (laws.run(k, layer, given, want_x=want_x) for layer in (chain, one_by_one))
        laws.agree(found, expected, 1e-12)


def test_statistics_of_a_batch_are_found_behind_an_activation(k: Kernels) -> None:
    layers = Dense(3, 2), BatchNorm(2), Relu(), Dense(2, 2)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((1, 2, 5, 3))
    p = {str(i): {name: rng.standard_normal((1, *shape)) for name, shape in layer.shapes.items()}
         for i, layer in enumerate(layers) if layer.shapes}  # fmt: skip
    found, expected = (
        batch_statistics(k, net, net.forward(k, p, x)[1]) for net in (Chain(layers), OneByOne(layers))
    )
    assert found.keys() == {"1"}
    laws.agree(found, expected)


def test_an_activation_is_fused_with_the_layer_before_it() -> None:
    layers = Tanh(), Dense(2, 3), Tanh(), Softplus(), Dense(3, 3), SharpSoftplus(2.0), Dense(3, 1)
    assert Chain(layers).stages == (
        ("0", Tanh()), ("1", ActivatedBilinear(Dense(2, 3), Tanh())), ("3", Softplus()), ("4", Dense(3, 3)),
        ("5", SharpSoftplus(2.0)), ("6", Dense(3, 1)),
    )  # fmt: skip


def test_a_layer_and_its_activation_make_one_array(k: Kernels) -> None:
    """The output is the cache, and a layer that allocates its memory allocates no more."""
    x = np.random.default_rng(0).standard_normal((1, 1, 4, 3))
    p = {"w": np.ones((1, 2, 3)), "b": np.ones((1, 2))}
    overwritten = []

    def activation(f: str, a: Array, slope: Array | None, shift: Array | None, out: Array | None) -> Array:
        overwritten.append(out is a)
        return k.activation("tanh", a, slope, shift, out)

    spy = SimpleNamespace(gemm=k.gemm, activation=activation)
    y, (seen, kept) = ActivatedBilinear(Dense(3, 2), Tanh()).forward(spy, p, x)
    assert overwritten == [True]
    assert (seen is x, kept is y) == (True, True)
    made = Dense(3, 2).apply(k, p["w"], x)
    assert k.activation("tanh", made, None, p["b"][:, None], made) is made
    laws.agree(made, y)

"""Test that the layers of the toy problems obey every law on every kernel set."""

from __future__ import annotations

from collections.abc import Callable

import laws
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import Built, cases, few

from vsmnp.kernels import load
from vsmnp.layers.activations import Relu, Softplus, Tanh
from vsmnp.layers.compose import Chain, Identity
from vsmnp.layers.dense import Dense
from vsmnp.paper.toy_layers import Free, Product, SharpSoftplus
from vsmnp.types import Kernels

Build = Callable[[int, int, int], Built]

BUILDS: dict[str, Build] = {
    "free": lambda a, b, c: Built(Free(b), (a,)),
    "free in a chain": lambda a, b, c: Built(Chain((Dense(a, b), Free(c), Tanh())), (a,)),
    "identity": lambda a, b, c: Built(Identity(), (a, b)),
    "sharp softplus": lambda a, b, c: Built(SharpSoftplus(0.5 * c), (a, b)),
    "product": lambda a, b, c: Built(Product(), (2,)),
    "relu product": lambda a, b, c: Built(Product(second=Relu()), (2,)),
    "sharp product": lambda a, b, c: Built(Product(SharpSoftplus(float(b))), (2,)),
    "nested product": lambda a, b, c: Built(
        Chain((Dense(a, 2), Product(Chain((Tanh(), Softplus())), SharpSoftplus(2.0)), Dense(1, c))), (a,)
    ),
}


@pytest.mark.parametrize("law", laws.LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("build", BUILDS.values(), ids=BUILDS)
@few
@given(data=st.data())
def test_law(k: Kernels, build: Build, law: laws.Law, data: st.DataObject) -> None:
    layer, p, x, rng = data.draw(cases(build))
    law(k, layer, p, x, rng)


@pytest.mark.parametrize("build", BUILDS.values(), ids=BUILDS)
@few
@given(data=st.data())
def test_kernel_sets_agree(build: Build, data: st.DataObject) -> None:
    layer, p, x, rng = data.draw(cases(build))
    laws.agrees_with(load("reference"), load("cpu"), layer, p, x, rng)


def test_free_parameters_ignore_the_data(k: Kernels) -> None:
    rng = np.random.default_rng(0)
    b = rng.standard_normal((3, 4))
    y, _ = Free(4).forward(k, {"b": b}, rng.standard_normal((1, 2, 5, 7)))
    laws.agree(y, np.broadcast_to(b[:, None, None, :], (3, 2, 5, 4)), tolerance=0.0)


def test_the_toy_decoders_are_their_formulas(k: Kernels) -> None:
    z = np.random.default_rng(1).standard_normal((2, 3, 4, 2))
    one, two = z[..., :1], z[..., 1:]
    laws.agree(Product().forward(k, {}, z)[0], one * two)
    laws.agree(Product(second=Relu()).forward(k, {}, z)[0], one * np.maximum(two, 0))
    sharp = Product(SharpSoftplus(10.0))
    laws.agree(sharp.forward(k, {}, z)[0], np.log1p(np.exp(10 * one)) / 10 * two)


@pytest.mark.parametrize("which", ["first", "second"])
def test_a_factor_has_no_parameters(which: str) -> None:
    with pytest.raises(ValueError, match="without parameters"):
        Product(**{which: Dense(1, 1)})

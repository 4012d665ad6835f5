"""Test that every layer on every kernel set obeys every law."""

from __future__ import annotations

from collections.abc import Callable

import laws
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import Built, cases, few

from vsmnp.kernels import ON_HOST, load
from vsmnp.layers.activations import ACTIVATIONS, Elu, Relu, Sigmoid, Softplus, Tanh
from vsmnp.layers.compose import Chain, Residual
from vsmnp.layers.dense import Dense
from vsmnp.layers.reshape import Reshape
from vsmnp.model.networks import mlp
from vsmnp.types import Grads, Kernels, Layer, Tangents

Build = Callable[[int, int, int], Built]


def _pointwise(layer: Layer) -> Build:
    return lambda a, b, c: Built(layer, (a, b))


def _on_vectors(build: Callable[[int, int, int], Layer]) -> Build:
    return lambda a, b, c: Built(build(a, b, c), (a,))


BUILDS: dict[str, Build] = {
    "dense": _on_vectors(lambda a, b, c: Dense(a, b)),
    **{name: _pointwise(layer) for name, layer in ACTIVATIONS.items()},
    "reshape": lambda a, b, c: Built(Reshape((a, b, c), (c, b * a)), (a, b, c)),
    "flatten": lambda a, b, c: Built(Chain((Reshape((a, b), (a * b,)), Dense(a * b, c))), (a, b)),
    "chain": _on_vectors(lambda a, b, c: Chain((Dense(a, b), Tanh(), Dense(b, c), Softplus()))),
    "kinked chain": _on_vectors(
        lambda a, b, c: Chain((Dense(a, b), Relu(), Dense(b, c), Elu(), Dense(c, a)))
    ),
    "mlp": _on_vectors(lambda a, b, c: mlp((a, b, c), "elu", sigmoid_output=True)),
    "residual": _on_vectors(lambda a, b, c: Residual(Chain((Dense(a, b), Tanh(), Dense(b, a))))),
    "shortcut": _on_vectors(lambda a, b, c: Residual(Chain((Dense(a, b), Sigmoid())), Dense(a, b))),
    "bare shortcut": _on_vectors(lambda a, b, c: Residual(Tanh(), Softplus())),
    "nested": _on_vectors(
        lambda a, b, c: Chain((
            Residual(Residual(Chain((Dense(a, b), Softplus(), Dense(b, a)))), Chain((Tanh(), Dense(a, a)))),
            Chain((Dense(a, c), Residual(Sigmoid()))),
        ))
    ),
}  # fmt: skip


@pytest.mark.parametrize("law", laws.LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("build", BUILDS.values(), ids=BUILDS)
@few
@given(data=st.data())
def test_law(k: Kernels, build: Build, law: laws.Law, data: st.DataObject) -> None:
    layer, p, x, rng = data.draw(cases(build))
    law(k, layer, p, x, rng)


@pytest.mark.parametrize("name", [name for name in ON_HOST if name != "reference"])
@pytest.mark.parametrize("build", BUILDS.values(), ids=BUILDS)
@few
@given(data=st.data())
def test_kernel_sets_agree(name: str, build: Build, data: st.DataObject) -> None:
    layer, p, x, rng = data.draw(cases(build))
    laws.agrees_with(load("reference"), load(name), layer, p, x, rng)


@pytest.mark.parametrize(
    ("name", "f"),
    [
        ("relu", lambda x: x * (x > 0)),
        ("elu", lambda x: np.where(x > 0, x, np.exp(x) - 1)),
        ("softplus", lambda x: np.log(1 + np.exp(x))),
        ("sigmoid", lambda x: 1 / (1 + np.exp(-x))),
        ("tanh", lambda x: (np.exp(2 * x) - 1) / (np.exp(2 * x) + 1)),
    ],
)
def test_activation_is_its_formula(k: Kernels, name: str, f: Callable[[np.ndarray], np.ndarray]) -> None:
    x = np.linspace(-3, 3, 24).reshape(1, 2, 4, 3)
    y, _ = ACTIVATIONS[name].forward(k, {}, x)
    laws.agree(y, f(x))


def test_dense_is_its_formula(k: Kernels) -> None:
    rng = np.random.default_rng(0)
    p = {"w": rng.standard_normal((2, 5, 4)), "b": rng.standard_normal((2, 5))}
    x = rng.standard_normal((2, 3, 6, 4))
    y, _ = Dense(4, 5).forward(k, p, x)
    laws.agree(y, np.einsum("roi,rsni->rsno", p["w"], x) + p["b"][:, None, None, :])


@pytest.mark.parametrize("x", [90.0, -90.0])
@pytest.mark.parametrize("layer", ACTIVATIONS.values(), ids=ACTIVATIONS)
def test_float32_derivatives_stay_finite_and_right(k: Kernels, layer: Layer, x: float) -> None:
    """A curvature written e/(1+e)^2 is NaN at 90, where e overflows."""

    def rules(dtype: type[np.floating]) -> np.ndarray:
        one = np.ones((1, 1, 1, 1), dtype)
        y, c = layer.forward(k, {}, x * one)
        dy, dc = layer.jvp(k, {}, c, None, one)
        gx, dgx = layer.vjp_jvp(k, {}, c, one, Tangents(None, dc, one), Grads())
        return np.array([y, dy, gx, dgx], dtype=np.float64).ravel()

    single, double = rules(np.float32), rules(np.float64)
    assert np.isfinite(single).all()
    np.testing.assert_allclose(single, double, rtol=1e-6, atol=1e-7)

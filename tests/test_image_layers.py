"""Test that the layers of images and the normalisations obey the laws on every kernel set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import laws
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import Built, cases, few

from vsmnp.kernels import ON_HOST, load
from vsmnp.layers.activated import ActivatedNorm
from vsmnp.layers.activations import Softplus, Tanh
from vsmnp.layers.compose import Chain, Residual
from vsmnp.layers.conv import (
    AveragePool,
    ChannelsFirst,
    ChannelsLast,
    Conv,
    ConvTranspose,
    GlobalMean,
    Upsample,
    UpsampledConv,
)
from vsmnp.layers.norm import EPSILON, BatchNorm, FrozenNorm, Normalisation
from vsmnp.layers.running_statistics import batch_statistics, frozen, move_statistics
from vsmnp.model.layout import Layout
from vsmnp.types import Array, Cache, Kernels, Params, Shapes, Window

Build = Callable[[int, int, int], Built]

#: Windows with images under them: halving, keeping, leaving pixels out, and one that is the image.
WINDOWS = {
    "4s2p1": (Window(4, 2, 1), (4, 2)),
    "3s1p1": (Window(3, 1, 1), (3, 2)),
    "3s2p1": (Window(3, 2, 1), (2, 3)),
    "whole": (Window(2), (2, 2)),
}


def _conv(name: str, bias: bool) -> Build:
    window, image = WINDOWS[name]
    return lambda a, b, c: Built(Conv(a, b, window, image, bias), (*image, a))


def _transposed(name: str, bias: bool) -> Build:
    window, image = WINDOWS[name]
    places = tuple(window.places(pixels) for pixels in image)
    return lambda a, b, c: Built(ConvTranspose(a, b, window, image, bias), (*places, a))


UNCOUPLED: dict[str, Build] = {
    **{f"conv {name}": _conv(name, i % 2 == 0) for i, name in enumerate(WINDOWS)},
    **{f"transpose {name}": _transposed(name, i % 2 == 1) for i, name in enumerate(WINDOWS)},
    "upsampled conv": lambda a, b, c: Built(UpsampledConv(a, b, (c, 2), bias=a > 1), (c, 2, a)),
    "upsample": lambda a, b, c: Built(Upsample(a), (b, c, 2)),
    "pool": lambda a, b, c: Built(AveragePool(a), (a * b, a * 2, c)),
    "mean": lambda a, b, c: Built(GlobalMean((a, b)), (a, b, c)),
    "last": lambda a, b, c: Built(ChannelsLast((a, b, c)), (a * b * c,)),
    "first": lambda a, b, c: Built(ChannelsFirst((a, b, c)), (b, c, a)),
    "frozen": lambda a, b, c: Built(Held(FrozenNorm(a)), (b, c, a)),
    "frozen and softplus": lambda a, b, c: Built(Held(ActivatedNorm(FrozenNorm(a), Softplus())), (b, c, a)),
    "frozen features": lambda a, b, c: Built(Held(FrozenNorm(a)), (a,)),
}
COUPLED: dict[str, Build] = {
    "batch norm": lambda a, b, c: Built(Held(BatchNorm(a)), (b, c, a)),
    "batch norm and tanh": lambda a, b, c: Built(Held(ActivatedNorm(BatchNorm(a), Tanh())), (b, c, a)),
    "batch norm of features": lambda a, b, c: Built(Held(BatchNorm(a)), (a,)),
    "chain": lambda a, b, c: Built(
        Chain((Conv(a, b, Window(3, 1, 1), (2, 2), bias=False), Held(BatchNorm(b)), Tanh())), (2, 2, a)
    ),
}
NORM = Layout(BatchNorm(3).shapes)
#: The components are simple and many: fewer draws of each.
fewer = settings(few, max_examples=4)
#: Laws of layers that treat every sample by itself.
OF_ONE_SAMPLE = (laws.one_input_serves_all_samples, laws.one_cotangent_serves_all_samples)


@dataclass(frozen=True)
class Held:
    """A normalisation with given running statistics: only its other parameters have gradients."""

    norm: Normalisation | ActivatedNorm

    @property
    def shapes(self) -> Shapes:
        return {name: shape for name, shape in self.norm.shapes.items() if name in ("scale", "shift")}

    def _whole(self, p: Params | None) -> Params | None:
        """Join parameters and constant statistics, those of a tangent or gradient included."""
        if p is None:
            return None
        channels = np.arange(1.0, 1.0 + self.norm.shapes["mean"][0])
        statistics = np.broadcast_to(channels, p["scale"].shape)
        return {**p, "mean": 0.1 * statistics, "variance": statistics}

    def forward(self, k: Kernels, p: Params, x: Array) -> tuple[Array, Cache]:
        return self.norm.forward(k, self._whole(p), x)

    def jvp(self, k: Kernels, p: Params, c: Cache, *rest: Any) -> tuple[Array | None, Cache]:
        return self.norm.jvp(k, self._whole(p), c, *rest)

    def vjp(self, k: Kernels, p: Params, c: Cache, *rest: Any, **wanted: bool) -> Array | None:
        return self.norm.vjp(k, self._whole(p), c, *rest, **wanted)

    def vjp_jvp(
        self, k: Kernels, p: Params, c: Cache, *rest: Any, **wanted: bool
    ) -> tuple[Array | None, Array | None]:
        return self.norm.vjp_jvp(k, self._whole(p), c, *rest, **wanted)


def several(x: Array) -> Array:
    """Draw a batch of at least three samples, so that its variance is defined."""
    return np.concatenate([x, x[..., ::-1] + 1, 0.5 * x - 1], axis=2)


@pytest.mark.parametrize("law", laws.LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("build", UNCOUPLED.values(), ids=UNCOUPLED)
@fewer
@given(data=st.data())
def test_law(k: Kernels, build: Build, law: laws.Law, data: st.DataObject) -> None:
    layer, p, x, rng = data.draw(cases(build))
    law(k, layer, p, x, rng)


@pytest.mark.parametrize(
    "law", [law for law in laws.LAWS if law not in OF_ONE_SAMPLE], ids=lambda law: law.__name__
)
@pytest.mark.parametrize("build", COUPLED.values(), ids=COUPLED)
@fewer
@given(data=st.data())
def test_law_of_coupled_samples(k: Kernels, build: Build, law: laws.Law, data: st.DataObject) -> None:
    layer, p, x, rng = data.draw(cases(build))
    law(k, layer, p, several(x), rng)


@fewer
@given(data=st.data())
def test_each_cotangent_of_a_coupled_layer_is_projected_by_itself(k: Kernels, data: st.DataObject) -> None:
    """S cotangents and tangents of one forward input are S sweeps, not one over S N samples."""
    layer, p, x, rng = data.draw(cases(COUPLED["batch norm"]))
    together = laws.draw(k, layer, p, several(x).repeat(3, axis=1), rng)
    shared = replace(together, x=together.x[:, :1])
    out = laws.run(k, layer, shared)
    for s in range(3):
        alone = laws.run(k, layer, replace(shared, **{
            name: getattr(shared, name)[:, s : s + 1] for name in ("gy", "dx", "dgy")
        }))  # fmt: skip
        assert out.gx is not None
        assert out.dgx is not None
        laws.agree((out.gx[:, s : s + 1], out.dgx[:, s : s + 1]), (alone.gx, alone.dgx), 1e-11)


@fewer
@given(data=st.data())
def test_one_cotangent_of_a_coupled_layer_stands_for_all_samples(k: Kernels, data: st.DataObject) -> None:
    layer, p, x, rng = data.draw(cases(COUPLED["batch norm"]))
    laws.one_cotangent_serves_all_samples(k, layer, p, several(x), rng)


@pytest.mark.parametrize("name", [name for name in ON_HOST if name != "reference"])
@pytest.mark.parametrize("build", (UNCOUPLED | COUPLED).values(), ids=UNCOUPLED | COUPLED)
@fewer
@given(data=st.data())
def test_kernel_sets_agree(name: str, build: Build, data: st.DataObject) -> None:
    layer, p, x, rng = data.draw(cases(build))
    laws.agrees_with(load("reference"), load(name), layer, p, several(x), rng)


# --- formulas -------------------------------------------------------------------------------------


def test_convolution_is_its_formula(k: Kernels) -> None:
    rng = np.random.default_rng(0)
    window, image = Window(3, 2, 1), (4, 5)
    p = {"w": rng.standard_normal((2, 5, 3, 3, 4)), "b": rng.standard_normal((2, 5))}
    x = rng.standard_normal((2, 3, 1, *image, 4))
    y, _ = Conv(4, 5, window, image).forward(k, p, x)
    framed = np.zeros((2, 3, 1, 6, 7, 4))
    framed[:, :, :, 1:5, 1:6] = x
    for h, w in np.ndindex(2, 3):
        seen = framed[:, :, :, 2 * h : 2 * h + 3, 2 * w : 2 * w + 3]
        expected = np.einsum("rsnuvi,rouvi->rsno", seen, p["w"]) + p["b"][:, None, None]
        laws.agree(y[:, :, :, h, w], expected)


def test_transpose_is_the_adjoint_of_a_convolution(k: Kernels) -> None:
    rng = np.random.default_rng(0)
    window, image = Window(4, 2, 1), (4, 6)
    p = {"w": rng.standard_normal((1, 5, 4, 4, 3))}
    x, z = rng.standard_normal((1, 1, 2, 2, 3, 5)), rng.standard_normal((1, 1, 2, *image, 3))
    y, _ = ConvTranspose(5, 3, window, image, bias=False).forward(k, p, x)
    forth, _ = Conv(3, 5, window, image, bias=False).forward(k, p, z)
    laws.agree(laws.inner(y, z), laws.inner(x, forth))


def test_an_upsampled_convolution_is_both_one_after_the_other(k: Kernels) -> None:
    rng = np.random.default_rng(0)
    p = {"w": rng.standard_normal((2, 4, 3, 3, 5)), "b": rng.standard_normal((2, 4))}
    x, gy = rng.standard_normal((2, 1, 3, 2, 3, 5)), rng.standard_normal((2, 1, 3, 4, 6, 4))
    both = Chain((Upsample(2), Conv(5, 4, Window(3, pad=1), (4, 6))))
    results = []
    for layer, tree in ((both, {"1": p}), (UpsampledConv(5, 4, (2, 3)), p)):
        g = {name: np.zeros_like(a) for name, a in p.items()}
        y, c = layer.forward(k, tree, x)
        gx = layer.vjp(k, tree, c, gy, {"1": g} if layer is both else g)
        results.append((y, gx, g))
    laws.agree(*results)


def test_upsampling_repeats_pixels_and_the_mean_is_over_them(k: Kernels) -> None:
    x = np.arange(24.0).reshape(1, 1, 2, 2, 3, 2)
    y, _ = Upsample(2).forward(k, {}, x)
    np.testing.assert_array_equal(y, np.kron(x, np.ones((2, 2, 1))))
    mean, _ = GlobalMean((2, 3)).forward(k, {}, x)
    laws.agree(mean, x.mean((3, 4)))


def test_channels_move(k: Kernels) -> None:
    flat = np.arange(24.0).reshape(1, 1, 2, 12)
    images, _ = ChannelsLast((3, 2, 2)).forward(k, {}, flat)
    np.testing.assert_array_equal(images[0, 0, 1, :, :, 2], flat[0, 0, 1, 8:].reshape(2, 2))
    back, _ = ChannelsFirst((3, 2, 2)).forward(k, {}, images)
    np.testing.assert_array_equal(back, flat)


# --- normalisation --------------------------------------------------------------------------------


@pytest.mark.parametrize(("dtype", "rounding"), [(np.float32, 1e-3), (np.float64, 1e-9)])
def test_batch_norm_standardises_each_channel(k: Kernels, dtype: type, rounding: float) -> None:
    """Far from zero too, where sums of squares would cancel."""
    rng = np.random.default_rng(0)
    x = (1000 + np.array([1, 2, 3]) * rng.standard_normal((2, 3, 5, 4, 4, 3))).astype(dtype)
    p = NORM.views(np.ones((2, NORM.size), dtype))
    y, c = BatchNorm(3).forward(k, p, x)
    assert y.dtype == dtype
    laws.agree(y.mean((1, 2, 3, 4)), np.ones((2, 3)), rounding)
    exact = x.astype(np.float64)
    found = BatchNorm(3).statistics(k, c)
    variance = exact.var((1, 2, 3, 4), ddof=1)
    laws.agree(found["mean"], exact.mean((1, 2, 3, 4)), rounding / 1000)
    laws.agree(found["variance"], variance, rounding)
    biased = exact.var((1, 2, 3, 4))
    laws.agree(y.var((1, 2, 3, 4), dtype=np.float64), biased / (biased + EPSILON), rounding)


def test_a_frozen_network_has_the_same_slots_and_no_coupling(k: Kernels) -> None:
    rng = np.random.default_rng(0)
    norm = Chain((Residual(BatchNorm(3), Chain((BatchNorm(3), Tanh()))), Tanh()))
    net = frozen(norm)
    assert net.shapes == norm.shapes
    layout = Layout(net.shapes)
    p = layout.views(rng.uniform(0.5, 2, (1, layout.size)))
    x = rng.standard_normal((1, 1, 4, 3))
    whole, _ = net.forward(k, p, x)
    single, _ = net.forward(k, p, x[:, :, :1])
    laws.agree(single, whole[:, :, :1])


@pytest.mark.parametrize("make", [BatchNorm, FrozenNorm])
def test_running_statistics_follow_the_batches(k: Kernels, make: Callable[[int], Normalisation]) -> None:
    """After many equal batches they are the batch's, in the models that are active."""
    rng = np.random.default_rng(0)
    net = Chain((Tanh(), Residual(make(3))))
    layout = Layout(net.shapes)
    vector = np.ones((2, layout.size))
    p = layout.views(vector)
    x = rng.standard_normal((1, 2, 4, 3))
    for _ in range(300):
        _, c = net.forward(k, p, x)
        move_statistics(p, batch_statistics(k, net, c), np.array([True, False]))
    slots = p["1"]["body"]
    laws.agree(slots["mean"][0], np.tanh(x).mean((0, 1, 2)), 1e-9)
    laws.agree(slots["variance"][0], np.tanh(x).reshape(-1, 3).var(0, ddof=1), 1e-9)
    np.testing.assert_array_equal(vector[1], 1)


def test_a_network_without_normalisation_has_no_statistics(k: Kernels) -> None:
    net = Chain((Tanh(), Residual(Tanh())))
    _, c = net.forward(k, {}, np.zeros((1, 1, 2, 3)))
    assert batch_statistics(k, net, c) == {}
    assert frozen(net) == net

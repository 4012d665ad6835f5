"""Test that convolutions and channel statistics of every kernel set agree with ``reference``."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import few
from test_kernels import ACTIVATIONS, Draws, both, check, double, draws, output

from vsmnp.kernels import ON_HOST, load
from vsmnp.kernels.cpu.conv.winograd_matrices import FILTERINGS, filtering
from vsmnp.kernels.reference import kernel_set as reference
from vsmnp.types import ActivationName, Array, Kernels, Window

#: Windows with an image: halving, keeping, leaving pixels out, all of it, one pixel, wider frame than image;
#: and some with several blocks of places, which may take fewer products.
SEEN = st.sampled_from((
    (Window(4, 2, 1), (8, 10)), (Window(3, 1, 1), (6, 4)), (Window(6, 2, 1), (11, 11)), (Window(2), (5, 7)),
    (Window(4, 2, 1), (6, 4)), (Window(3, 1, 1), (3, 4)), (Window(3, 2, 1), (4, 5)), (Window(2, 3), (6, 5)),
    (Window(1, 2), (4, 3)), (Window(3), (3, 3)), (Window(1), (2, 3)), (Window(5, 1, 2), (2, 1)),
    (Window(4, 2, 1), (16, 16)), (Window(3, 1, 1), (8, 8)), (Window(2, 1, 0), (9, 9)),
))  # fmt: skip
CHANNELS = st.sampled_from((1, 2, 5, 33))


@pytest.fixture(scope="module", params=[name for name in ON_HOST if name != "reference"])
def k(request: pytest.FixtureRequest) -> Kernels:
    return load(request.param)


def _case(draws: Draws, seen: tuple[Window, tuple[int, int]]) -> tuple[Array, Array, Array]:
    """Draw ``x``, ``w`` and ``gy`` of a convolution; one of x and w may serve all models."""
    window, image = seen
    models, samples, batch = draws.size(), draws.size(), draws.size()
    n_in, n_out = draws.size(CHANNELS), draws.size(CHANNELS)
    places = [window.places(pixels) for pixels in image]
    x = draws.normal(draws.maybe_one(models), samples, batch, *image, n_in)
    w = draws.normal(models, n_out, window.size, window.size, n_in)
    return x, w, draws.normal(models, samples, batch, *places, n_out)


@few
@given(draws, SEEN)
def test_conv(k: Kernels, draws: Draws, seen: tuple[Window, tuple[int, int]]) -> None:
    x, w, _ = _case(draws, seen)
    check(draws, both(k, "conv", x, w, seen[0]))


@few
@given(draws, SEEN)
def test_conv_adjoint_x(k: Kernels, draws: Draws, seen: tuple[Window, tuple[int, int]]) -> None:
    _, w, gy = _case(draws, seen)
    check(draws, both(k, "conv_adjoint_x", gy, w, *seen))


@few
@given(draws, SEEN)
def test_conv_adjoint_w(k: Kernels, draws: Draws, seen: tuple[Window, tuple[int, int]]) -> None:
    x, w, gy = _case(draws, seen)
    total, expected = draws.layout(w.copy()), w.astype(float)
    k.conv_adjoint_w(gy, x, seen[0], total)
    load("reference").conv_adjoint_w(gy.astype(float), x.astype(float), seen[0], expected)
    check(draws, (total, expected))


@pytest.mark.parametrize(("taps", "outputs"), FILTERINGS)
def test_a_filtering_computes_its_filter(taps: int, outputs: int) -> None:
    rule, rng = FILTERINGS[taps, outputs], np.random.default_rng(0)
    x, w = rng.normal(size=(100, outputs + taps - 1)), rng.normal(size=(100, taps))
    y = ((w @ rule.weights.T) * (x @ rule.inputs.T)) @ rule.outputs.T
    wanted = [[u[i : i + taps] @ v for i in range(outputs)] for u, v in zip(x, w, strict=True)]
    np.testing.assert_allclose(y, wanted, rtol=0, atol=1e-13)
    assert len(rule.inputs) == len(rule.weights) == outputs + taps - 1


@pytest.mark.parametrize(
    ("window", "image", "outputs", "bound"),
    [
        (Window(3, 1, 1), (6, 6), 2, 4e-7), (Window(4, 2, 1), (12, 12), 2, 6e-7),
        (Window(3, 1, 1), (8, 16), 4, 1.5e-6), (Window(4, 2, 1), (32, 16), 4, 2.2e-6),
    ],
)  # fmt: skip
def test_rounding_of_filterings_is_bounded(
    window: Window, image: tuple[int, int], outputs: int, bound: float
) -> None:
    """The root mean square of the errors in float32 of all three kernels, by that of the results."""
    found = filtering(window, image)
    assert found is not None
    assert len(found.outputs) == outputs
    rng, k = np.random.default_rng(1), load("cpu")
    x = np.maximum(rng.normal(size=(1, 1, 10, *image, 64)), 0)
    w = rng.normal(size=(1, 48, window.size, window.size, 64))
    gy = rng.normal(size=reference.conv(x, w, window).shape)

    def computed(k: Kernels, dtype: type) -> list[Array]:
        x_, w_, gy_ = (array.astype(dtype) for array in (x, w, gy))
        gw = np.zeros_like(w_)
        k.conv_adjoint_w(gy_, x_, window, gw)
        return [k.conv(x_, w_, window), k.conv_adjoint_x(gy_, w_, window, image), gw]

    exact = computed(load("reference"), np.float64)
    for single, precise, wanted in zip(computed(k, np.float32), computed(k, np.float64), exact, strict=True):
        assert np.sqrt(np.mean((single - wanted) ** 2) / np.mean(wanted**2)) < bound
        np.testing.assert_allclose(precise, wanted, rtol=0, atol=1e-12 * np.abs(wanted).max())


def _several(draws: Draws) -> list[Array]:
    """Draw two images and two coefficients, any of which may serve all models or samples."""
    models, samples, batch, channels = draws.size(), draws.size(), draws.size(), draws.size(CHANNELS)
    shape = (batch, 2, 3, channels)
    operands: list[Array] = []
    for inner in (shape, shape, (channels,), (channels,)):
        operands.append(draws.normal(draws.maybe_one(models), draws.maybe_one(samples), *inner))
    return operands


@few
@given(draws, st.sampled_from(ACTIVATIONS))
def test_activation_sums(k: Kernels, draws: Draws, f: ActivationName) -> None:
    gy, x, centre, _ = _several(draws)
    y = output(draws, f, draws.maybe_one(len(x)), draws.maybe_one(x.shape[1]), *gy.shape[2:])
    for seen in ((None, None), (x, None), (x, centre)):
        check(draws, both(k, "activation_sums", f, y, gy, *seen))
        check(draws, both(k, "activation_sums", None, None, gy, *seen))
    assert k.activation_sums(None, None, gy, x, centre)[0] is gy


@pytest.mark.parametrize("rows", [1, 31, 1025, 9000])
@pytest.mark.parametrize("channels", [1, 3, 40, 300])
def test_activation_sums_join_their_parts(k: Kernels, rows: int, channels: int) -> None:
    """Sums of integers are exact, for every number of blocks."""
    rng = np.random.default_rng(rows)
    y, gy, x = (rng.integers(-3, 4, (2, 1, rows, channels)).astype(np.float64) for _ in range(3))
    centre = rng.integers(-3, 4, (2, 1, channels)).astype(np.float64)
    for actual, expected in zip(*both(k, "activation_sums", "relu", y, gy, x, centre), strict=True):
        np.testing.assert_array_equal(actual, expected)


@few
@given(draws, st.sampled_from(ACTIVATIONS))
def test_activation_of_affine_maps(k: Kernels, draws: Draws, f: ActivationName) -> None:
    x, _, slope, shift = _several(draws)
    for line in ((None, shift), (slope, None), (slope, shift)):
        check(draws, both(k, "activation", f, x, *line))
        y = draws.layout(double(reference.activation(f, x, *line)))
        y[: len(x), : x.shape[1]] = x
        whole = double(y)
        assert k.activation(f, y, *line, out=y) is y
        check(draws, (y, reference.activation(f, whole, *map(double, line))))


@few
@given(draws)
def test_channel_combine(k: Kernels, draws: Draws) -> None:
    u, v, a, b = _several(draws)
    many = [(u, a), (v, b), (u, b), (v, a), (u, a)]
    for count in range(1, 1 + len(many)):
        for shift in (None, b):
            actual, expected = both(k, "channel_combine", many[:count], shift)
            check(draws, (actual, expected))
            out = draws.layout(actual)
            assert k.channel_combine(many[:count], shift, out) is out
            check(draws, (out, expected))
            first = draws.layout(np.broadcast_to(u, actual.shape))
            assert k.channel_combine([(first, a), *many[1:count]], shift, first) is first
            check(draws, (first, expected))


@few
@given(draws)
def test_channel_moments(k: Kernels, draws: Draws) -> None:
    x, _, _, _ = _several(draws)
    check(draws, both(k, "channel_moments", x))

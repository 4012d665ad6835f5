"""Convolutions and channel statistics of every kernel set compute what ``reference`` does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import few
from test_kernels import Draws, both, check, draws

from vsmnp.kernels import ON_HOST, load
from vsmnp.types import Array, Kernels, Window

#: Windows with an image: halving, keeping, leaving pixels out, all of it, one pixel, wider frame than image;
#: and some with several blocks of places, which may take fewer products.
SEEN = st.sampled_from((
    (Window(4, 2, 1), (8, 10)), (Window(3, 1, 1), (6, 4)), (Window(6, 2, 1), (11, 11)), (Window(2), (5, 7)),
    (Window(4, 2, 1), (6, 4)), (Window(3, 1, 1), (3, 4)), (Window(3, 2, 1), (4, 5)), (Window(2, 3), (6, 5)),
    (Window(1, 2), (4, 3)), (Window(3), (3, 3)), (Window(1), (2, 3)), (Window(5, 1, 2), (2, 1)),
))  # fmt: skip
CHANNELS = st.sampled_from((1, 2, 5, 33))


@pytest.fixture(scope="module", params=[name for name in ON_HOST if name != "reference"])
def k(request: pytest.FixtureRequest) -> Kernels:
    return load(request.param)


def _case(draws: Draws, seen: tuple[Window, tuple[int, int]]) -> tuple[Array, Array, Array]:
    """``x``, ``w`` and ``gy`` of a convolution; one of x and w may serve all models."""
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


def _several(draws: Draws) -> list[Array]:
    """Two images and two coefficients, any of which may serve all models or samples."""
    models, samples, batch, channels = draws.size(), draws.size(), draws.size(), draws.size(CHANNELS)
    shape = (batch, 2, 3, channels)
    operands: list[Array] = []
    for inner in (shape, shape, (channels,), (channels,)):
        operands.append(draws.normal(draws.maybe_one(models), draws.maybe_one(samples), *inner))
    return operands


@few
@given(draws)
def test_channel_sums(k: Kernels, draws: Draws) -> None:
    a, b, _, _ = _several(draws)
    check(draws, both(k, "channel_sums", a, b))
    check(draws, both(k, "channel_sums", a, None))


@few
@given(draws)
def test_channel_combine(k: Kernels, draws: Draws) -> None:
    u, v, a, b = _several(draws)
    for parts in ([(u, a)], [(u, a), (v, b)], [(u, a), (v, b), (u, b)]):
        for shift in (None, b):
            check(draws, both(k, "channel_combine", parts, shift))


@few
@given(draws)
def test_channel_moments(k: Kernels, draws: Draws) -> None:
    x, _, _, _ = _several(draws)
    check(draws, both(k, "channel_moments", x))

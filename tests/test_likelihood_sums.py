"""Test the sums over draws with the weights of a Gaussian likelihood against their formulas in float64."""

from __future__ import annotations

import numba
import numpy as np
import pytest

from vsmnp.kernels import ON_HOST, load
from vsmnp.types import Array

#: Data and draws of more than one block and one job of the compiled loop, and of a part of one.
SIZES = [(1, 1), (7, 50), (70, 1024), (130, 2600)]


def expected(x: Array, g: Array, tau: Array) -> tuple[Array, Array]:
    """Compute the least squares and the sums by their formulas."""
    least, sums = [], []
    for means, own in zip(g.astype(np.float64), tau, strict=True):
        e = means[None] - x.astype(np.float64)[:, None]
        square = (e * e).sum(-1)
        least.append(square.min(1))
        w = np.exp(0.5 * own * (least[-1][:, None] - square))
        columns = [w.sum(1), (w * w).sum(1), (w * square).sum(1)]
        sums.append(np.column_stack([*columns, np.einsum("nc,ncd->nd", w, e)]))
    return np.stack(least), np.stack(sums)


def problem(n: int, draws: int, width: int, dtype: str, offset: float = 0.0) -> tuple[Array, Array, Array]:
    rng = np.random.default_rng(n + draws + width)
    x = (rng.standard_normal((n, width)) + offset).astype(dtype)
    return x, (rng.standard_normal((2, draws, width)) + offset).astype(dtype), np.array([0.5, 80.0])


@pytest.mark.parametrize("name", ON_HOST)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("width", [1, 2, 3, 70])
@pytest.mark.parametrize(("n", "draws"), SIZES)
def test_sums_are_those_of_their_formulas(name: str, dtype: str, width: int, n: int, draws: int) -> None:
    x, g, tau = problem(n, draws, width, dtype)
    least, sums = load(name).likelihood_sums(x, g, tau)
    direct, totals = expected(x, g, tau)
    assert least.dtype == sums.dtype == np.float64
    np.testing.assert_allclose(least, direct, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(sums[..., :3], totals[..., :3], rtol=1e-6, atol=1e-9)
    scale = np.sqrt(totals[..., 2:3] * totals[..., :1])  # sum w |e| is at most this
    assert np.all(np.abs(sums[..., 3:] - totals[..., 3:]) <= 1e-6 * scale + 1e-9)


@pytest.mark.parametrize("name", ON_HOST)
def test_a_common_offset_and_distant_draws_lose_no_precision(name: str) -> None:
    x, g, _ = problem(40, 3000, 2, "float64", 1e3)
    g[1] += 100
    tau = np.array([1e6, 1e6])  # the weights span millions of nats
    least, sums = load(name).likelihood_sums(x, g, tau)
    direct, totals = expected(x, g, tau)
    np.testing.assert_allclose(0.5 * tau[:, None] * least, 0.5 * tau[:, None] * direct, rtol=1e-9, atol=1e-6)
    np.testing.assert_allclose(sums, totals, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("width", [2, 70])
def test_threads_share_the_data_and_change_no_bit(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    x, g, tau = problem(300, 2000, width, "float32")
    found = []
    for threads in (1, 3):
        monkeypatch.setattr(numba.config, "NUMBA_NUM_THREADS", threads)
        found.append(load("cpu").likelihood_sums(x, g, tau))
    for one, three in zip(*found, strict=True):
        np.testing.assert_array_equal(one, three)


@pytest.mark.parametrize("name", ON_HOST)
def test_nan_comes_out_of_the_sums(name: str) -> None:
    x, g, tau = problem(5, 40, 2, "float32")
    g[1, 7, 0] = np.nan
    _, sums = load(name).likelihood_sums(x, g, tau)
    assert np.isnan(sums[:, :, 0]).tolist() == [5 * [False], 5 * [True]]

"""Test that the kernels of the ``numba-cuda`` set agree with ``reference`` in Numba's simulator.

Collected by ``test_numba_cuda.py`` in a process that was started for it: the simulator is chosen before
Numba is imported. A simulated thread takes a millisecond, so blocks and arrays are tiny.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
from cushim.poisoned import Poisoned
from cushim.runner import ShimLauncher
from cushim.sets import libraries
from hypothesis import given
from hypothesis import strategies as st
from laws import agree
from numba import config
from strategies import few
from test_kernels import FORMS, TOLERANCE, Draws, both, check, draws
from test_rng import NORMALS

from vsmnp.kernels.cuda.machine import Machine
from vsmnp.kernels.numba_cuda.kernel_set import NumbaCudaKernels
from vsmnp.kernels.reference import kernel_set as reference

assert config.ENABLE_CUDASIM, "run by test_numba_cuda.py"


class Geometry(NamedTuple):
    """Threads of a block, and the largest grid."""

    threads: int
    most_blocks: int
    most_rows: int


@pytest.fixture(scope="module", params=[Geometry(8, 64, 64), Geometry(6, 2, 1)], ids=["wide", "narrow"])
def k(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> NumbaCudaKernels:
    launcher = ShimLauncher(libraries(tmp_path_factory))
    return NumbaCudaKernels(Machine(Poisoned, launcher), *request.param)


@few
@given(draws, st.sampled_from(FORMS), st.booleans(), st.integers(1, 3), st.sampled_from((1, 3, 9)))
def test_residual_forms(
    k: NumbaCudaKernels, draws: Draws, form: Any, crosses: bool, samples: int, width: int
) -> None:
    models, batch = draws.size(), draws.size()
    x = draws.normal(draws.maybe_one(models), 1, batch, width)
    g = draws.normal(models, samples, batch, width)
    s_q = draws.normal(models, samples, batch, width) if crosses else None
    check(draws, both(k, "residual_forms", x, g, s_q, form, draws.normal(models), draws.normal(models)))


def test_residual_forms_without_a_gradient(k: NumbaCudaKernels) -> None:
    g, weights = np.ones((2, 1, 3, 2)), np.ones(2)
    a, h, v = k.residual_forms(g[:1] * 3, g, None, FORMS[0], weights, weights, want_gradient=False)
    assert v is None
    np.testing.assert_array_equal(
        a, reference.residual_forms(g[:1] * 3, g, None, FORMS[0], weights, weights)[0]
    )
    np.testing.assert_array_equal(h, np.zeros((2, 3)))


@few
@given(draws, st.integers(1, 3), st.sampled_from((1, 3, 9)))
def test_posterior_fisher(k: NumbaCudaKernels, draws: Draws, samples: int, width: int) -> None:
    models, batch = draws.size(), draws.size()
    mu = draws.normal(models, 1, batch, width)
    s = draws.layout(draws.rng.uniform(0.5, 2, mu.shape))
    eps, b = (draws.normal(models, samples, batch, width) for _ in range(2))
    check(draws, both(k, "posterior_fisher", mu, s, eps, b))


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
def test_adam_agrees_and_does_not_change_diverged_models(k: NumbaCudaKernels, dtype: np.dtype[Any]) -> None:
    rng = np.random.default_rng(0)
    here, there = ([rng.standard_normal((3, 11)).astype(dtype) for _ in range(4)] for _ in range(2))
    for mine, theirs in zip(here, there, strict=True):
        theirs[...] = mine
    for arrays in (here, there):
        np.abs(arrays[3], out=arrays[3])
    t = [np.array([0, 5, 2], np.int64) for _ in range(2)]
    lr, active = np.full(3, 0.1, dtype), np.array([True, False, True])
    for kernels, arrays, count in ((k, here, t[0]), (reference, there, t[1])):
        kernels.adam(*arrays, count, lr, 0.9, 0.999, 1e-8, active)
    np.testing.assert_array_equal(t[0], [1, 5, 3])
    np.testing.assert_array_equal(t[0], t[1])
    for mine, theirs in zip(here, there, strict=True):
        agree(mine, theirs, TOLERANCE[dtype])
        np.testing.assert_array_equal(mine[1], theirs[1])


KEY = np.array([7, 2**63 + 5], np.uint64), 6, 11


@pytest.mark.parametrize(("first", "count"), [(0, 1), (0, 9), (3, 6), (2**34 - 2, 5)])
def test_words_and_uniforms_are_bit_equal(k: NumbaCudaKernels, first: int, count: int) -> None:
    np.testing.assert_array_equal(k.words(*KEY, count, first), reference.words(*KEY, count, first))
    for dtype in NORMALS:
        np.testing.assert_array_equal(
            k.uniform(*KEY, (count,), dtype, first), reference.uniform(*KEY, (count,), dtype, first)
        )


@pytest.mark.parametrize("dtype", NORMALS, ids=str)
@pytest.mark.parametrize("first", [0, 3])
def test_normals_and_samples_agree(k: NumbaCudaKernels, first: int, dtype: np.dtype[Any]) -> None:
    eps = reference.normal(*KEY, (2, 5, 3), np.dtype(np.float64), first)
    np.testing.assert_allclose(k.normal(*KEY, (2, 5, 3), dtype, first), eps, rtol=0, atol=NORMALS[dtype])
    rng = np.random.default_rng(first)
    mu, s = (rng.uniform(0.5, 2, (2, 1, 5, 3)).astype(dtype) for _ in range(2))
    np.testing.assert_allclose(k.sample(mu, s, *KEY, 2, first), mu + s * eps, rtol=0, atol=3 * NORMALS[dtype])


def test_empty_arrays_are_not_changed(k: NumbaCudaKernels) -> None:
    assert k.normal(*KEY, (0,), np.dtype(np.float32)).shape == (2, 0)
    a, _, _ = k.residual_forms(*(np.ones((1, 1, 0, 2)) for _ in range(2)), None, FORMS[0], *np.ones((2, 1)))
    assert a.shape == (1, 0)


def test_a_nonfinite_datum_affects_its_own_terms_alone(k: NumbaCudaKernels) -> None:
    one = np.ones((1, 1, 3, 2))
    bad = one.copy()
    bad[0, 0, 1, 1] = np.nan
    a, h, v = k.residual_forms(one, bad, one, FORMS[2], np.ones(1), np.ones(1))
    for out in (a, h):
        assert np.isnan(out).tolist() == [[False, True, False]]
    np.testing.assert_array_equal(np.isnan(v), np.isnan(bad))

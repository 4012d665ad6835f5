"""Test that the CUDA sources, run on this machine by the wrappers of a card, agree with ``reference``.

The laws of every kernel set are repeated here for several launch geometries and shuffled schedules; tests of
errors that only these kernels can have follow.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from cushim.examples import example
from cushim.runner import ShimLauncher, kernel_names
from cushim.sets import GEOMETRIES, kernel_set, libraries
from cushim.tour import tour
from hypothesis import given
from hypothesis import strategies as st
from laws import agree
from strategies import few
from test_image_kernels import (  # noqa: F401
    test_activation_of_affine_maps,
    test_activation_sums,
    test_activation_sums_join_their_parts,
    test_channel_combine,
    test_channel_moments,
    test_conv,
    test_conv_adjoint_w,
    test_conv_adjoint_x,
)
from test_kernels import (  # noqa: F401  (collected here once more, with the fixture `k` of this file)
    ACTIVATIONS,
    FORMS,
    TOLERANCE,
    Draws,
    both,
    check,
    draws,
    test_activation,
    test_activation_curve,
    test_activation_slope,
    test_activations_at_the_ends_of_the_line,
    test_adam_is_bit_equal_and_does_not_change_diverged_models,
    test_add_bias,
    test_arrays_come_and_go,
    test_finite_flags_the_members_with_a_bad_entry,
    test_gather_is_exact,
    test_gemm,
    test_posterior_fisher,
    test_read_only_inputs_are_welcome,
    test_residual_forms,
    test_sample_is_made_of_the_normals_of_its_key,
    test_sgd_is_bit_equal_and_does_not_change_diverged_models,
    test_sum_rows_has_an_order_that_depends_on_the_shape_alone,
    test_sum_rows_of_integers_is_exact,
)
from test_rng import (  # noqa: F401
    NORMALS,
    test_a_member_of_an_ensemble_is_the_single_run_of_its_seed,
    test_chunks_are_parts_of_the_whole,
    test_normals_agree,
    test_words_and_uniforms_are_bit_equal,
    test_words_are_philox_blocks,
)

from vsmnp.data import load_data
from vsmnp.kernels.cuda import source
from vsmnp.kernels.cuda.kernel_set import CudaKernels
from vsmnp.kernels.reference import kernel_set as reference
from vsmnp.settings.settings import Settings
from vsmnp.training.history import History
from vsmnp.training.loop import Watch, run_loop
from vsmnp.training.trainer import Trainer
from vsmnp.types import ActivationName, Array, DType, QuadraticForm


@pytest.fixture(scope="module")
def launcher(tmp_path_factory: pytest.TempPathFactory) -> ShimLauncher:
    return ShimLauncher(libraries(tmp_path_factory))


@pytest.fixture(scope="module", params=GEOMETRIES, ids=lambda g: f"{g.threads}x{g.most_blocks}x{g.most_rows}")
def k(request: pytest.FixtureRequest, launcher: ShimLauncher) -> CudaKernels:
    return kernel_set(launcher, request.param)


# --- errors that only these kernels can have -----------------------------------------------------

#: On both sides of the size that stays in registers, and beyond.
SAMPLES = st.sampled_from((1, 2, 8, 9, 20))
#: On both sides of a lane, a warp, two warps and a block.
WIDTHS = st.sampled_from((1, 2, 3, 31, 32, 33, 64, 65, 300))


@few
@given(draws, st.sampled_from(FORMS), st.booleans(), SAMPLES, WIDTHS)
def test_residual_forms_of_any_samples_and_width(
    k: CudaKernels, draws: Draws, form: QuadraticForm, crosses: bool, samples: int, width: int
) -> None:
    models, batch = draws.size(), draws.size()
    x = draws.normal(draws.maybe_one(models), 1, batch, width)
    g = draws.normal(models, samples, batch, width)
    s_q = draws.normal(models, samples, batch, width) if crosses else None
    check(draws, both(k, "residual_forms", x, g, s_q, form, draws.normal(models), draws.normal(models)))


@few
@given(draws, SAMPLES, WIDTHS)
def test_posterior_fisher_of_any_samples_and_width(
    k: CudaKernels, draws: Draws, samples: int, width: int
) -> None:
    models, batch = draws.size(), draws.size()
    mu, s = (
        draws.normal(models, 1, batch, width),
        draws.layout(draws.rng.uniform(0.5, 2, (models, 1, batch, width))),
    )
    eps, b = (draws.normal(models, samples, batch, width) for _ in range(2))
    check(draws, both(k, "posterior_fisher", mu, s, eps, b))


@pytest.mark.parametrize("rows", [1, 31, 1024, 1025, 9000])
@pytest.mark.parametrize("width", [1, 3, 32, 40])
def test_sum_rows_joins_its_chunks(k: CudaKernels, rows: int, width: int) -> None:
    gy = np.random.default_rng(rows).integers(-9, 9, (2, 1, rows, width)).astype(np.float32)
    np.testing.assert_array_equal(k.sum_rows(gy, np.ones((2, width), np.float32)), 1 + gy.sum((1, 2)))


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@few
@given(st.integers(0, 9), st.integers(1, 3), st.integers(1, 3), st.integers(1, 40))
def test_samples_carry_the_noise_of_their_key(
    k: CudaKernels, dtype: np.dtype[Any], first: int, models: int, samples: int, batch: int
) -> None:
    rng = np.random.default_rng(first)
    mu, s = (rng.uniform(0.5, 2, (models, 1, batch, 3)).astype(dtype) for _ in range(2))
    key = np.arange(models, dtype=np.uint64) + 2**40, 6, 11
    z = k.sample(mu, s, *key, samples, first)
    eps = reference.normal(*key, (samples, batch, 3), np.dtype(np.float64), first)
    assert z.dtype == dtype
    np.testing.assert_allclose(z, mu + s * eps, rtol=0, atol=3 * NORMALS[dtype])


@pytest.mark.parametrize("f", ACTIVATIONS)
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
def test_nan_comes_out_of_activations(k: CudaKernels, f: ActivationName, dtype: np.dtype[Any]) -> None:
    x = np.zeros((1, 1, 1, 37), dtype)
    x[..., [3, 36]] = np.nan
    y = np.full_like(x, 0.5)
    for out in (k.activation(f, x), k.activation_slope(f, y, x), k.activation_curve(f, y, y, y, x)):
        np.testing.assert_array_equal(np.isnan(out), np.isnan(x))


def test_a_nonfinite_datum_affects_its_own_terms_alone(k: CudaKernels) -> None:
    one = np.ones((1, 1, 3, 2))
    bad = one.copy()
    bad[0, 0, 1, 1] = np.nan
    row = [[False, True, False]]
    for i, (x, g, s_q) in enumerate(((bad, one, one), (one, bad, one), (one, one, bad))):
        a, h, v = k.residual_forms(x, g, s_q, FORMS[2], np.ones(1), np.ones(1))
        assert np.isnan(h).tolist() == row
        assert np.isnan(a).tolist() == ([[False] * 3] if i == 2 else row)
        np.testing.assert_array_equal(np.isnan(v), np.isnan(bad))
    for i in range(4):
        d, loss, _, _ = k.posterior_fisher(*(bad if i == j else one for j in range(4)))
        assert np.isnan(loss).tolist() == row
        np.testing.assert_array_equal(np.isnan(d), np.isnan(bad))


def test_parameters_are_read_and_gradients_written_where_they_lie(
    k: CudaKernels, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Views of the flat vectors go to the kernels uncopied."""
    flat, rng = np.zeros((3, 64)), np.random.default_rng(0)
    weights, biases = flat[:, 16:40].reshape(3, 4, 6), flat[:, 48:52]
    assert weights.base is not None, "the view is no copy"
    x, gy = rng.standard_normal((3, 5, 6)), rng.standard_normal((3, 1, 5, 4))

    def refuse(x: Array, dtype: DType | None = None) -> Array:
        assert x.flags.c_contiguous, "an array was copied"
        return x

    monkeypatch.setattr(type(k), "contiguous", lambda _, x, dtype=None: refuse(x, dtype))
    weights[...] = rng.standard_normal(weights.shape)
    y = k.gemm(x, weights, tb=True)
    np.testing.assert_allclose(y, x @ weights.swapaxes(1, 2))
    before = weights.copy()
    k.gemm(gy[:, 0], x, ta=True, out=weights, accumulate=True)
    np.testing.assert_allclose(weights, before + gy[:, 0].swapaxes(1, 2) @ x)
    k.sum_rows(gy, biases)
    np.testing.assert_allclose(biases, gy.sum((1, 2)))
    np.testing.assert_array_equal(k.add_bias(y[:, None], biases)[:, 0], y)


def test_products_that_do_not_fit_are_refused(k: CudaKernels) -> None:
    a = np.ones((2, 3, 4))
    with pytest.raises(ValueError, match="inner sizes differ"):
        k.gemm(a, a)
    with pytest.raises(ValueError, match="does not fit"):
        k.gemm(a, a, tb=True, out=np.ones((2, 3, 4)))
    with pytest.raises(ValueError, match="broadcast"):
        k.add_bias(np.zeros((1, 1, 2, 3)), np.zeros((2, 3)))


@pytest.mark.parametrize("inner", [0, 2])
def test_a_product_over_nothing_is_zero(k: CudaKernels, inner: int) -> None:
    a, b = np.ones((2, 3, inner)), np.ones((2, inner, 4))
    np.testing.assert_array_equal(k.gemm(a, b), a @ b)
    np.testing.assert_array_equal(k.gemm(a, b, out=np.ones((2, 3, 4)), accumulate=True), 1 + a @ b)


# --- as a whole -----------------------------------------------------------------------------------

CHOICES = (
    {"objective": "elbo", "inference": "kl", "activation": "relu"},
    {"objective": "m1", "inference": "kl", "posterior": "bernoulli", "activation": "tanh"},
    {"objective": "m2", "inference": "fisher", "activation": "tanh"},
    {"objective": "m3", "inference": "fisher-reparam", "activation": "softplus", "optimizer": "sgd"},
    {"objective": "fae", "inference": "fisher", "score_norm": "probe", "activation": "elu"},
    {"objective": "m2", "inference": "kl", "activation": "softplus", "bilevel_steps": 2},
    {
        "objective": "m3",
        "inference": "fisher",
        "activation": "tanh",
        "bilevel_steps": 3,
        "scale": "softplus",
        "fisher_weight": "covariance",
    },
)


@pytest.mark.parametrize("choice", CHOICES, ids=lambda choice: "-".join(map(str, choice.values())))
def test_training_is_that_of_the_reference(k: CudaKernels, choice: dict[str, Any]) -> None:
    settings = Settings(hidden=(5, 3), samples=2, batch_size=20, steps=2, log_every=2, seeds=(0, 1),
                        dtype="float64", **choice)  # fmt: skip
    ends = []
    for kernels in (reference, k):
        trainer = Trainer.build(kernels, settings, load_data("mixture"))
        state = run_loop(trainer, trainer.initial_state(), History(), settings.steps, 2, Watch())
        ends.append((state.phi, state.theta))
    agree(ends[1], ends[0], 1e-10)


def test_every_kernel_is_toured(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The sanitizers run this tour: it covers every kernel of every file."""
    launcher = ShimLauncher(libraries(tmp_path_factory))
    tour(kernel_set(launcher, GEOMETRIES[1]), source.REALS)
    sources = {topic: example(topic, np.float32) for topic in source.TOPICS}
    assert launcher.launched == {name for text in sources.values() for name in kernel_names(text)}
    assert {path.stem for path in source.FOLDER.glob("*.cu")} == set(source.TOPICS)

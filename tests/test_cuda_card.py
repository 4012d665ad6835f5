"""Test that the ``cuda`` set on a card obeys the laws that it obeys without one: ``pytest -m gpu``."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
from cushim.device import DeviceLauncher, device
from cushim.runner import ShimLauncher
from cushim.sets import GEOMETRIES, kernel_set, libraries
from hypothesis import given
from laws import agree
from strategies import few
from test_cuda_run import (  # noqa: F401  (collected here once more, with the fixture `k` of this file)
    test_a_nonfinite_datum_affects_its_own_terms_alone,
    test_a_product_over_nothing_is_zero,
    test_posterior_fisher_of_any_samples_and_width,
    test_residual_forms_of_any_samples_and_width,
    test_samples_carry_the_noise_of_their_key,
    test_sum_rows_joins_its_chunks,
)
from test_kernels import (  # noqa: F401
    Draws,
    Moving,
    check,
    draws,
    test_activation,
    test_activation_curve,
    test_activation_slope,
    test_add_bias,
    test_finite_flags_the_members_with_a_bad_entry,
    test_gather_is_exact,
    test_gemm,
    test_sample_is_made_of_the_normals_of_its_key,
    test_sgd_is_bit_equal_and_does_not_change_diverged_models,
    test_sum_rows_has_an_order_that_depends_on_the_shape_alone,
    test_sum_rows_of_integers_is_exact,
)
from test_recorded import CHOICES, FUSED, TINY, trained
from test_rng import test_normals_agree, test_words_and_uniforms_are_bit_equal, test_words_are_philox_blocks  # noqa: F401

from vsmnp.data import load_data
from vsmnp.kernels import load
from vsmnp.kernels.cuda.kernel_set import CudaKernels
from vsmnp.kernels.cuda.machine import card
from vsmnp.kernels.cuda.step import CudaStep
from vsmnp.kernels.hosted import Hosted
from vsmnp.kernels.reference import kernel_set as reference
from vsmnp.settings.settings import Settings
from vsmnp.training.state import to_arrays
from vsmnp.training.trainer import Trainer
from vsmnp.types import Kernels


@pytest.fixture(
    scope="module",
    params=[pytest.param("card", marks=pytest.mark.gpu), pytest.param("shim", marks=pytest.mark.slow)],
)
def k(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Hosted:
    """Return the card's set, or without a card its substitute, which shows that these tests can pass."""
    if request.param == "card":
        return Hosted(load("cuda"))
    return Hosted(kernel_set(ShimLauncher(libraries(tmp_path_factory)), GEOMETRIES[0]))


@few
@given(draws)
def test_adam_agrees_and_does_not_change_diverged_models(k: Any, draws: Draws) -> None:
    """The card's powers may differ from the host's in the last place, and so may the corrections."""
    state = Moving(draws)
    p, m, v, t = state.copies()
    for _ in range(3):
        g = draws.normal(*p.shape)
        rest = draws.layout(draws.rng.uniform(0.001, 0.1, len(p))), 0.9, 0.999, 1e-8, state.active
        k.adam(state.p, g, state.m, state.v, state.t, *rest)
        reference.adam(p, g, m, v, t, *rest)
    check(draws, (state.p, p.astype(np.float64)))
    for actual, old in zip(state.arrays(), state.before, strict=True):
        np.testing.assert_array_equal(actual[~state.active], old[~state.active])
    np.testing.assert_array_equal(state.t, t)


class WithoutRecorder(CudaKernels):
    """The card, launched kernel by kernel."""

    def recorder(self) -> None:
        return None


@pytest.mark.gpu
@pytest.mark.parametrize(
    ("choice", "many"), [*product(CHOICES, (None,)), *product(FUSED, (1, 1000))], ids=str
)
def test_a_captured_step_is_the_step_on_the_card(choice: dict[str, Any], many: int | None) -> None:
    """Replayed bit for bit; and, where nothing diverges, the reference's run up to rounding."""
    settings = replace(TINY, **choice)
    trainer, there, _ = trained(load("cuda"), settings, many)
    _, one_by_one, _ = trained(WithoutRecorder(card()), settings, many)
    assert trainer.recorded is not None
    assert trainer.recorded.obstacle is None
    for name, array in there.items():
        np.testing.assert_array_equal(array, one_by_one[name], err_msg=name)
    if "lr" not in choice:
        _, here, _ = trained(reference, settings)  # type: ignore[arg-type]
        for name, array in there.items():
            agree((array.astype(np.float64),), (here[name].astype(np.float64),), 1e-8)


#: Every objective with every inference.
PAIRS = [
    *product(("elbo", "m1", "m2", "m3"), ("kl", "fisher", "fisher-reparam")),
    *product(("fae",), ("fisher", "fisher-reparam")),
]
#: Largest distance from the reference in double precision, over the largest movement of the same array. Adam
#: divides small gradients by their own size, so that parameters carry more rounding than moments do.
ROUNDED = {"parameters": 1e-3, "m": 2e-5, "v": 2e-5}


@pytest.fixture(
    scope="module",
    params=[pytest.param("card", marks=pytest.mark.gpu), pytest.param("shim", marks=pytest.mark.slow)],
)
def bare(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Kernels:
    """Return the set itself, whose arrays stay on the card."""
    if request.param == "card":
        return load("cuda")
    return device(DeviceLauncher(libraries(tmp_path_factory)))


def moved(k: Kernels, settings: Settings, many: int | None) -> dict[str, np.ndarray[Any, Any]]:
    """Compute the distance of each array of a state from its beginning after three steps."""
    trainer = Trainer.build(k, settings, load_data("mixture"), may_fuse=many is not None)
    if many is not None:
        assert isinstance(trainer.fused, CudaStep)
        object.__setattr__(trainer, "fused", replace(trainer.fused, many=many))
    state = trainer.initial_state()
    ends = []
    for steps in (0, 3):
        for _ in range(steps):
            trainer.step(state)
        ends.append({n: np.array(x, np.float64) for n, x in to_arrays(k, trainer.model, state).items()})
    return {name: ends[1][name] - before for name, before in ends[0].items()}


@pytest.mark.parametrize("many", [1, 10**6], ids=["whole", "parted"])
@pytest.mark.parametrize("models", [1, 200])
@pytest.mark.parametrize(("objective", "inference"), PAIRS)
def test_a_fused_step_in_single_precision_is_the_reference_s(
    bare: Kernels, objective: str, inference: str, models: int, many: int
) -> None:
    sizes = ((30, 30), 200) if models == 1 else ((5, 3), 20)
    settings = replace(TINY, objective=objective, inference=inference, seeds=tuple(range(models)), noise=0.0,
                       hidden=sizes[0], batch_size=sizes[1], dtype="float32")  # fmt: skip
    there = moved(bare, settings, many)
    here = moved(reference, replace(settings, dtype="float64"), None)  # type: ignore[arg-type]
    seen = set()
    for name, expected in here.items():
        kind = name.split("/")[1] if "/" in name else name
        if kind in ROUNDED:
            seen.add(kind)
            distance = np.abs(there[name] - expected).max() / np.abs(expected).max()
            assert distance < ROUNDED[kind], name
    assert seen == set(ROUNDED)


@pytest.mark.gpu
def test_tf32_rounds_the_factors_and_nothing_else() -> None:
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((1, 256, 256)).astype(np.float32) for _ in range(2))
    exact = a.astype(np.float64) @ b
    for tf32, least, most in ((False, 0.0, 1e-6), (True, 1e-6, 3e-3)):
        k = CudaKernels(card(tf32))
        error = np.abs(k.to_host(k.gemm(k.asarray(a), k.asarray(b))) - exact).max() / np.abs(exact).max()
        assert least <= error < most

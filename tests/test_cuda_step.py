"""Test that the fused step of the ``cuda`` set equals the reference for every division of its work."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from cushim.runner import ShimLauncher
from cushim.sets import Geometry, kernel_set, libraries
from hypothesis import given
from hypothesis import strategies as st
from laws import agree
from strategies import few

from vsmnp.data import load_data
from vsmnp.kernels.cuda import source, step_plan
from vsmnp.kernels.cuda.step import CudaStep, part_size
from vsmnp.kernels.cuda.step_shape import PADDING
from vsmnp.kernels.reference import kernel_set as reference
from vsmnp.settings.settings import Settings
from vsmnp.training.info import Info
from vsmnp.training.state import FLAGS, State, to_arrays
from vsmnp.training.trainer import Trainer
from vsmnp.types import Kernels

TINY = Settings(
    hidden=(6, 3), batch_size=37, steps=2, log_every=2, seeds=(0, 1), dtype="float64", encoder_steps=1
)
#: The natural order of turns, and a shuffled one with a block that is not a power of two and queued models.
GEOMETRIES = (Geometry(64, 4096, 65535, 0), Geometry(96, 3, 1, 1))
#: Enough shared memory for tiles of 64 rows, and for tiles of 16 rows only.
MEMORIES = (227 * 1024, 16 * 1024)
ONE_BLOCK, MANY_BLOCKS = 1, 1000

CHOICES: tuple[dict[str, Any], ...] = (
    {"objective": "elbo", "inference": "kl"},
    {"objective": "m1", "inference": "kl", "activation": "tanh", "samples": 3, "gamma": "0.3"},
    {"objective": "m2", "inference": "kl", "samples": 2, "activation": "elu", "encoder_steps": 2},
    {"objective": "m3", "inference": "kl", "samples": 2, "activation": "softplus", "gamma": "optimal"},
    {"objective": "elbo", "inference": "fisher", "gamma": "optimal", "scale": "softplus"},
    {"objective": "m1", "inference": "fisher", "optimizer": "sgd", "encoder_optimizer": "sgd"},
    {"objective": "m2", "inference": "fisher", "samples": 2, "activation": "sigmoid", "gamma": "optimal"},
    {"objective": "m3", "inference": "fisher", "encoder_steps": 2, "encoder_data": "fresh", "latent": 3},
    {"inference": "fisher-reparam", "activation": "softplus", "latent": 3, "encoder_steps": 2},
    {"inference": "fisher-reparam", "samples": 3, "activation": "tanh", "sigmoid_output": True},
    {"objective": "m2", "inference": "fisher-reparam", "hidden": (5,), "samples": 2, "gamma": "optimal"},
    {"objective": "m3", "inference": "fisher-reparam", "activation": "elu", "scale": "softplus"},
    {"objective": "fae", "inference": "fisher", "activation": "tanh", "latent": 3, "encoder_steps": 2},
    {"objective": "fae", "inference": "fisher-reparam", "samples": 3, "activation": "elu", "gamma": "0.3"},
    {"objective": "fae", "inference": "fisher", "activation": "softplus", "samples": 2, "scale": "softplus"},
    {"objective": "fae", "inference": "fisher-reparam", "score_norm": "probe", "sigmoid_output": True,
     "activation": "sigmoid", "hidden": (5,), "samples": 2, "encoder_steps": 2},
)  # fmt: skip


@pytest.fixture(scope="module")
def launcher(tmp_path_factory: pytest.TempPathFactory) -> ShimLauncher:
    return ShimLauncher(libraries(tmp_path_factory))


def names(step: CudaStep, kind: str) -> list[str]:
    """Read the names of an enumeration in the source of a step's kernels."""
    text = source.joined("step_tiled", step.spec.dtype, step.plan.shape)
    found = re.search(rf"enum {kind} \{{(.*?)\}};", text, re.S)
    assert found is not None
    return re.findall(r"\w+", found[1])


def constant_of(plan: step_plan.StepPlan, name: str) -> int:
    """Read a constant of the source of a step's kernels."""
    found = re.search(rf"\b{name} = (-?\d+)\b", "\n".join(plan.shape))
    assert found is not None
    return int(found[1])


def plan_of(settings: Settings, kilobytes: int) -> step_plan.StepPlan:
    """Return the plan of a step on a card that gives so much shared memory to a block of 256 threads."""
    spec = Trainer.build(reference, settings, load_data("mixture")).spec
    assert spec is not None
    return step_plan.plan(spec, kilobytes * 1024, 256)


def trainer_of(k: Kernels, settings: Settings, many: int = ONE_BLOCK) -> Trainer:
    """Build a trainer whose step is fused where ``k`` fuses; from ``many`` models on, in one block each."""
    trainer = Trainer.build(k, settings, load_data("mixture"))
    if isinstance(trainer.fused, CudaStep):
        object.__setattr__(trainer, "fused", replace(trainer.fused, many=many))
    return trainer


def run(trainer: Trainer, state: State, steps: int = 2) -> Info:
    for _ in range(steps):
        info = trainer.step(state)
    return info


def same(fused: tuple[State, Info], composed: tuple[State, Info], tolerance: float = 1e-11) -> None:
    """Check that parameters, moments, counters, flags and reports are equal."""
    (state, info), (other, expected) = fused, composed
    for mine, theirs in ((state.phi, other.phi), (state.theta, other.theta)):
        agree(mine, theirs, tolerance)
    for memory, others in ((state.phi_memory, other.phi_memory), (state.theta_memory, other.theta_memory)):
        agree([memory.m, memory.v], [others.m, others.v], tolerance)
        np.testing.assert_array_equal(memory.t, others.t)
    for name in FLAGS:
        np.testing.assert_array_equal(getattr(state, name), getattr(other, name))
    assert info.causes() == expected.causes()
    report, wanted = info.report(), expected.report()
    assert list(report) == list(wanted)
    for name, values in wanted.items():
        np.testing.assert_allclose(report[name], values, rtol=1e3 * tolerance, atol=1e3 * tolerance)


@pytest.mark.parametrize("many", [ONE_BLOCK, MANY_BLOCKS], ids=["whole", "parted"])
@pytest.mark.parametrize("case", range(len(CHOICES)))
def test_steps_are_those_of_the_reference(launcher: ShimLauncher, case: int, many: int) -> None:
    settings = replace(TINY, **CHOICES[case])
    composed = trainer_of(reference, settings)
    expected = composed.initial_state()
    wanted = run(composed, expected)
    launcher.shared_bytes = MEMORIES[case % 2]
    trainer = trainer_of(kernel_set(launcher, GEOMETRIES[case // 2 % 2]), settings, many)
    assert isinstance(trainer.fused, CudaStep)
    assert trainer.fused.plan.rows == (64, 16)[case % 2]
    assert (trainer.fused.plan.moments > 0) == (settings.encoder_steps > 1)
    state = trainer.initial_state()
    same((state, run(trainer, state)), (expected, wanted))


@pytest.mark.parametrize("many", [ONE_BLOCK, MANY_BLOCKS], ids=["whole", "parted"])
@pytest.mark.parametrize(
    ("objective", "inference"),
    [("m1", "kl"), ("m1", "fisher"), ("m1", "fisher-reparam"), ("fae", "fisher-reparam")],
)
def test_models_diverge_as_in_composed_steps(
    launcher: ShimLauncher, objective: str, inference: str, many: int
) -> None:
    """One model has a NaN parameter, one a gamma whose square overflows; their neighbour goes on."""
    settings = replace(TINY, objective=objective, inference=inference, seeds=(0, 1, 2))
    ends: list[tuple[State, Info]] = []
    for k in (kernel_set(launcher, GEOMETRIES[0]), reference):
        launcher.shared_bytes = MEMORIES[0]
        trainer = trainer_of(k, settings, many)
        state = trainer.initial_state()
        state.phi[0, 0] = np.nan
        trainer.model.log_sd(state.theta)[1] = -200
        with np.errstate(all="ignore"):
            info = run(trainer, state, 2)
        assert state.active.tolist() == [False, False, True]
        for array in (state.phi, state.phi_memory.m, state.phi_memory.v):
            array[:2] = 0  # the last numbers of a diverging model are of the size of its gamma
        ends.append((state, info))
    (state, info), (other, expected) = ends
    for name in FLAGS:
        np.testing.assert_array_equal(getattr(state, name), getattr(other, name))
    assert state.cause.tolist() == [1, 4 if inference == "kl" else 1, 0]
    agree(state.phi, other.phi, 1e-11)
    agree(state.theta, other.theta, 1e-11)
    for name, values in expected.report().items():
        np.testing.assert_allclose(info.report()[name], values, rtol=1e-8)


@pytest.mark.parametrize("many", [ONE_BLOCK, MANY_BLOCKS], ids=["whole", "parted"])
def test_a_member_of_an_ensemble_is_the_single_run_of_its_seed(launcher: ShimLauncher, many: int) -> None:
    """To the last bit, and in any order of threads and blocks."""
    launcher.shared_bytes = MEMORIES[1]
    settings = replace(TINY, dtype="float32", samples=2, objective="m3", batch_size=21, seeds=(3, 4))
    both = trainer_of(kernel_set(launcher, GEOMETRIES[0]), settings, many)
    ensemble = both.initial_state()
    run(both, ensemble, 2)
    launcher.seed = 5
    for r, seed in enumerate(settings.seeds):
        one = trainer_of(both.k, replace(settings, seeds=(seed,)), many)
        single = one.initial_state()
        run(one, single, 2)
        np.testing.assert_array_equal(single.phi[0], ensemble.phi[r])
        np.testing.assert_array_equal(single.theta[0], ensemble.theta[r])


@pytest.mark.parametrize("processors", [132, 7])
def test_models_get_a_block_each_where_they_fill_the_card(launcher: ShimLauncher, processors: int) -> None:
    """From two models for each multiprocessor on; fewer share the work of each model among blocks."""
    few = ShimLauncher(launcher.folder, shared_bytes=MEMORIES[1], processors=processors)
    for models, kernel in ((2 * processors - 1, "step_part"), (2 * processors, "whole_step")):
        settings = replace(TINY, hidden=(2,), batch_size=2, seeds=tuple(range(models)), inference="kl")
        trainer = Trainer.build(kernel_set(few, Geometry(32, 3, 65535, 0)), settings, load_data("mixture"))
        few.launched.clear()
        run(trainer, trainer.initial_state(), 1)
        assert {"step_part", "whole_step"} & few.launched == {kernel}


@few
@given(
    case=st.sampled_from((1, 3, 5)),
    hidden=st.lists(st.integers(1, 20), min_size=1, max_size=2).map(tuple),
    batch=st.integers(1, 40),
    models=st.integers(1, 3),
    most_blocks=st.sampled_from((2, 3, 4096)),
    seed=st.integers(0, 9),
    broken=st.booleans(),
)
def test_a_divided_update_is_the_same_bits_on_any_number_of_blocks(
    launcher: ShimLauncher, case: int, hidden: tuple[int, ...], batch: int, models: int, most_blocks: int,
    seed: int, broken: bool,
) -> None:  # fmt: skip
    """One block or several, in any order of their turns, also where a model diverges."""
    launcher.shared_bytes = MEMORIES[0]
    settings = replace(
        TINY, **{**CHOICES[case], "hidden": hidden}, batch_size=batch, seeds=tuple(range(models))
    )
    ends = []
    for geometry in (Geometry(32, 1, 1, 0), Geometry(32, most_blocks, 65535, seed)):
        trainer = trainer_of(kernel_set(launcher, geometry), settings, MANY_BLOCKS)
        state = trainer.initial_state()
        run(trainer, state, 1)
        if broken:
            state.phi[0, 0] = np.nan
        with np.errstate(all="ignore"):
            info = run(trainer, state, 1)
        assert state.active.tolist() == [not broken] + [True] * (models - 1)
        ends.append((to_arrays(trainer.k, trainer.model, state), info.report()))
    for ours, theirs in zip(*ends, strict=True):
        assert ours.keys() == theirs.keys()
        for name, array in ours.items():
            np.testing.assert_array_equal(array, theirs[name], err_msg=name)


@pytest.mark.parametrize("many", [ONE_BLOCK, MANY_BLOCKS], ids=["whole", "parted"])
def test_a_model_diverges_by_a_gradient_that_overflows_somewhere(launcher: ShimLauncher, many: int) -> None:
    """In the last weights alone, of some of the blocks, while all terms are finite."""
    launcher.shared_bytes = MEMORIES[0]
    settings = replace(TINY, objective="elbo", activation="relu", hidden=(40,), gamma="1.0", inference="kl")
    ends = []
    for k in (kernel_set(launcher, Geometry(32, 4096, 65535, 1)), reference):
        trainer = trainer_of(k, settings, many)
        state = trainer.initial_state()
        run(trainer, state, 1)
        last = trainer.model.decoder_part(state.theta)
        last["0"]["b"][0], last["2"]["w"][0], last["2"]["b"][0] = 1e250, 0, 1e100
        with np.errstate(all="ignore"):
            info = run(trainer, state, 1)
        assert info.causes()[int(state.cause[0]) - 1] == "the decoder's gradient"
        last["0"]["b"][0], last["2"]["b"][0] = 0, 0
        ends.append((state, info))
    same(ends[0], ends[1])


def test_a_slice_of_a_gradient_is_small() -> None:
    """Computed, not measured: what one block of ``step_sum`` reads for two layers of 100, in kB."""
    wide = replace(TINY, hidden=(100, 100), samples=1, dtype="float32", batch_size=1000)
    plan = plan_of(wide, 227)
    parts, threads = -(-1000 // plan.rows), 256
    assert (plan.rows, parts, -(-plan.packed[0] // threads)) == (32, 32, 43)
    assert round(4 * plan.packed[0] * parts / 1e6, 1) == 1.4
    assert round(4 * threads * parts / 1e3) == 33


def without_moments(step: CudaStep) -> CudaStep:
    """Build the same step with the encoder's moments left in memory."""
    shape = tuple(line.replace("MOMENTS = 1", "MOMENTS = 0") for line in step.plan.shape)
    assert shape != step.plan.shape
    return replace(step, plan=replace(step.plan, shape=shape, moments=0))


@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize("inference", ["kl", "fisher"])
def test_moments_have_the_same_bits_in_both_memories(
    launcher: ShimLauncher, inference: str, geometry: Geometry
) -> None:
    """In the block or in memory; one model diverges in its second step."""
    launcher.shared_bytes = MEMORIES[0]
    settings = replace(
        TINY, inference=inference, encoder_steps=2, encoder_data="fresh", seeds=(0, 1, 2), batch_size=9
    )
    states = []
    for held in (True, False):
        trainer = trainer_of(kernel_set(launcher, geometry), settings)
        step = trainer.fused
        assert isinstance(step, CudaStep)
        assert step.plan.moments == 2 * step.plan.packed[0]
        object.__setattr__(trainer, "fused", step if held else without_moments(step))
        state = trainer.initial_state()
        run(trainer, state, 1)
        state.phi[1, :] *= 1e150
        with np.errstate(all="ignore"):
            run(trainer, state, 1)
        assert state.active.tolist() == [True, False, True]
        states.append(to_arrays(trainer.k, trainer.model, state))
    for name, array in states[0].items():
        np.testing.assert_array_equal(array, states[1][name], err_msg=name)


def test_moments_are_in_shared_memory_where_occupancy_stays_the_same() -> None:
    """Not for one update, nor for SGD; and a multiprocessor that holds three blocks still holds three."""
    wide = replace(TINY, hidden=(30, 30), samples=1, dtype="float32", encoder_steps=2)
    for settings, kilobytes, held in (
        (wide, 163, True),
        (replace(wide, encoder_steps=1), 163, False),
        (replace(wide, encoder_optimizer="sgd"), 163, False),
        (wide, 227, False),
        (replace(wide, hidden=(20, 20)), 227, True),
    ):
        plan = plan_of(settings, kilobytes)
        assert (plan.moments > 0) == held == ("moments" in str(plan))
        assert constant_of(plan, "MOMENTS") == held


@pytest.mark.parametrize("kilobytes", [227, 163, 99, 64])
def test_what_is_shared_is_enough_for_the_blocks_that_are_counted_on(kilobytes: int) -> None:
    """A percentage of the available shared memory, which the driver rounds up; the rest is cache."""
    narrow = replace(TINY, hidden=(30, 30), dtype="float32")
    joint = replace(narrow, objective="fae", inference="fisher")
    choices: tuple[dict[str, Any], ...] = ({"encoder_steps": 2}, {"hidden": (50, 50)}, {"hidden": (8,)})
    others = (replace(narrow, **choice) for choice in choices)
    for settings in (narrow, joint, *others):
        plan = plan_of(settings, kilobytes)
        block = 4 * (plan.shared_numbers + plan.moments) + step_plan.RESERVED
        most = 4 if settings.hidden[0] <= 32 else 2
        blocks = min(most // 2 if settings.objective == "fae" else most, kilobytes * 1024 // block)
        share = kilobytes * 1024 * plan.carve_out / 100
        assert blocks * block <= share < blocks * block + kilobytes * 1024 / 100
        assert blocks >= 1


def test_every_launch_of_a_step_asks_for_the_same_share(launcher: ShimLauncher) -> None:
    """So that no multiprocessor is reconfigured between two launches; other kernels request none."""
    launcher.shared_bytes = MEMORIES[0]
    for many, kernels in (
        (ONE_BLOCK, {"whole_step"}),
        (MANY_BLOCKS, {"step_part", "step_sum", "step_finish"}),
    ):
        launcher.carve_outs.clear()
        trainer = trainer_of(
            kernel_set(launcher, GEOMETRIES[0]), replace(TINY, encoder_steps=2, noise=0.1), many
        )
        run(trainer, trainer.initial_state(), 1)
        assert isinstance(trainer.fused, CudaStep)
        assert set(launcher.carve_outs) > kernels
        for kernel, (_, share) in launcher.carve_outs.items():
            assert share == (trainer.fused.plan.carve_out if kernel in kernels else None)


def test_tangents_take_memory_only_in_steps_of_second_order() -> None:
    """As many planes as a network has features, so that the tile may have fewer rows."""
    wide = replace(TINY, hidden=(30, 30), dtype="float32")
    steps = [replace(wide, inference=inference) for inference in ("fisher", "fisher-reparam")]
    steps += [replace(wide, objective="fae", inference="fisher")]
    plans = [plan_of(settings, 227) for settings in steps]
    decoder, encoder = 2 + 30 + 30 + 2, 2 + 30 + 30 + 4
    stride = plans[0].rows + PADDING
    assert plans[0].rows == plans[1].rows == plans[2].rows
    assert plans[1].shared_numbers - plans[0].shared_numbers == decoder * stride
    assert plans[2].shared_numbers - plans[1].shared_numbers == encoder * stride
    assert [plan_of(settings, 163).rows for settings in steps] == [64, 32, 32]


def test_float32_agrees(launcher: ShimLauncher) -> None:
    launcher.shared_bytes = MEMORIES[0]
    settings = replace(TINY, dtype="float32", objective="m2", inference="fisher")
    composed, fused = (trainer_of(k, settings) for k in (reference, kernel_set(launcher, GEOMETRIES[0])))
    states = composed.initial_state(), fused.initial_state()
    for trainer, state in zip((composed, fused), states, strict=True):
        run(trainer, state, 1)
    agree(states[1].theta, states[0].theta, 1e-5)
    agree(states[1].phi, states[0].phi, 1e-3)  # Adam's first step is the sign of a gradient, however small


@pytest.mark.parametrize("widths", [(40,), (33, 7, 5)], ids=str)
def test_any_depth_and_width(launcher: ShimLauncher, widths: tuple[int, ...]) -> None:
    launcher.shared_bytes = MEMORIES[0]
    settings = replace(TINY, hidden=widths, batch_size=9, seeds=(0,))
    composed, fused = (trainer_of(k, settings) for k in (reference, kernel_set(launcher, GEOMETRIES[1])))
    expected, state = composed.initial_state(), fused.initial_state()
    wanted = run(composed, expected, 1)
    same((state, run(fused, state, 1)), (expected, wanted))


def test_a_step_that_cannot_be_fused_is_logged_and_composed(launcher: ShimLauncher) -> None:
    launcher.shared_bytes = MEMORIES[0]
    k = kernel_set(launcher, GEOMETRIES[0])
    for choice, words in (
        ({"hidden": (400, 400)}, "bytes of shared memory"),
        ({"samples": 65}, "bytes of shared memory"),
    ):
        trainer = Trainer.build(k, replace(TINY, **choice), load_data("mixture"))
        assert trainer.spec is not None
        assert trainer.fused is None
        sentence = step_plan.obstacle(trainer.spec, MEMORIES[0])
        assert sentence is not None
        assert words in sentence
    trainer = Trainer.build(k, TINY, load_data("mixture"))
    assert trainer.spec is not None
    assert step_plan.obstacle(trainer.spec, MEMORIES[0]) is None


def test_the_plan_is_what_the_kernels_read(launcher: ShimLauncher) -> None:
    """Both sides use the same constants, and the same index for each number."""
    trainer = trainer_of(kernel_set(launcher, GEOMETRIES[0]), TINY)
    step = trainer.fused
    assert isinstance(step, CudaStep)
    plan, spec, numbers = step.plan, step.spec, names(step, "PlanNumber")
    assert constant_of(plan, "ROWS") == plan.rows
    assert constant_of(plan, "THREADS") == plan.threads == 64
    assert constant_of(plan, "LOG_SD") == spec.log_sd
    assert len(plan.numbers) == len(numbers)
    assert plan.numbers[numbers.index("GAMMA_FLOOR")] == spec.learning.gamma_floor
    assert names(step, "Finding").index("FINDINGS") == step_plan.FINDINGS


def test_parts_of_a_minibatch_fill_the_card_and_no_more_memory() -> None:
    """Every part of every model has a gradient in memory: two layers of 100 have 11,004 numbers."""
    for models in (1, 10, 100, 263):
        size = part_size(1000, 8, models, 264)
        parts = -(-1000 // size)
        assert size % 8 == 0
        assert 2 * parts * models >= min(264, 2 * 125 * models)
        assert 4 * 11_004 * parts * models < 60e6
    assert part_size(1000, 8, 1, 264) == 8

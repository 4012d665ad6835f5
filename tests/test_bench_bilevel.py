"""Benchmarks of bi-level learning: counts, names, cases, and peers whose hypergradients agree."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import cast

import pytest
from test_bench import TINY, Counting

from vsmnp.bench import Case, PeerFolder, Problem, SuiteChoice, plan
from vsmnp.bench.contenders.agreement import disagreement
from vsmnp.bench.contenders.contender import Engine
from vsmnp.bench.contenders.peers import folder_of_checkout
from vsmnp.bench.counts import step_bytes, step_flops
from vsmnp.objectives.bilevel import Bilevel
from vsmnp.training.trainer import Trainer
from vsmnp.types import Kernels

#: Bi-level learning, with plain gradient steps of the encoder.
BILEVEL = replace(TINY, encoder_steps=2, bilevel_steps=3, encoder_optimizer="sgd", models=2)
BILEVEL_STEPS = [("elbo", "kl"), ("m1", "fisher"), ("m2", "kl"), ("m3", "kl"), ("m3", "fisher")]


@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize(("objective", "inference"), BILEVEL_STEPS)
def test_counted_products_of_bilevel_updates_are_those_that_are_made(
    objective: str, inference: str, samples: int
) -> None:
    case = replace(BILEVEL, objective=objective, inference=inference, samples=samples)
    given, counting = Problem(case).trainer, Counting()
    trainer = Trainer.build(cast(Kernels, counting), given.settings, given.batches.dataset, may_fuse=False)
    trainer.step(trainer.initial_state())
    assert counting.flops == step_flops(case)


def test_bytes_of_bilevel_updates_are_passes_and_gradient_steps() -> None:
    case = replace(BILEVEL, dtype="float64", encoder_steps=3, bilevel_steps=0)
    encoder, decoder = Problem(case).trainer.parameter_count
    assert step_bytes(case) == 8 * (4 * 6 * 3 + 2 * (3 * 3 * encoder + 7 * decoder))
    through = replace(case, bilevel_steps=4)
    assert step_bytes(through) - step_bytes(case) == 8 * 4 * (2 * 6 * 3 + 2 * 3 * (2 * encoder + decoder))


def test_a_name_has_the_bilevel_updates_and_the_optimiser() -> None:
    case = Case("m3", "kl", encoder_steps=5, bilevel_steps=5, encoder_optimizer="sgd")
    assert case.name == "K-M3/30x2/S1/J5/K5/sgd"
    assert Case.from_mapping(json.loads(json.dumps(case.to_mapping()))) == case


def test_fused_and_composed_bilevel_steps_agree() -> None:
    case = replace(BILEVEL, objective="m3", dtype="float64")
    fused, plain = Problem(replace(case, kernels="cpu")), Problem(case)
    assert fused.trainer.fused is not None
    assert disagreement(fused, lambda problem: Engine(plain)) is None


@pytest.mark.parametrize(
    "name",
    ["numpy-plain", "torch-backward", "torch-eager", "torch-func", "torch-vmap", "jax-jit", "jax-vmap"],
)
@pytest.mark.parametrize(("objective", "inference"), BILEVEL_STEPS)
def test_peers_agree_on_bilevel_learning(name: str, objective: str, inference: str) -> None:
    """Hypergradients by two applications of automatic differentiation equal those by hand."""
    pytest.importorskip({"torch": "torch", "jax": "jax"}.get(name.partition("-")[0], "numpy"))
    models = 2 if "vmap" in name or name == "numpy-plain" else 1
    case = replace(BILEVEL, objective=objective, inference=inference, dtype="float64", models=models)
    peer = PeerFolder(folder_of_checkout()).load(name)
    assert disagreement(Problem(case), peer.make) is None


def test_a_hypergradient_that_leaves_the_updates_out_is_not_timed() -> None:
    """The gradient at a constant phi_K differs from the hypergradient where nothing else does."""
    case = replace(BILEVEL, objective="m2", dtype="float64")

    class Constant(Engine):
        """The engine with updates that do not depend on theta in the gradient."""

        def __init__(self, problem: Problem) -> None:
            super().__init__(Problem(case))
            learning = replace(cast(Bilevel, self.trainer.learning), keeps_dependence=False)
            self.trainer = replace(self.trainer, learning=learning)

    wrong = disagreement(Problem(case), Constant)
    assert wrong is not None
    assert wrong.startswith("its decoder's gradient differs")


def test_the_summary_has_bilevel_steps_and_the_memory_grows_with_them() -> None:
    for quick in (False, True):
        names = [part.title for part in plan(SuiteChoice(quick=quick))]
        assert [name for name in names if "/K" in name] == [f"K-{m}/30x2/S1/J5/K5/sgd" for m in ("M2", "M3")]
    names = [part.title for part in plan(SuiteChoice("memory"))]
    wanted = [f"peak memory of K-M3/30x2/S1/J5/{K}sgd" for K in ("", "K1/", "K5/", "K20/")]
    assert [name for name in names if "J5" in name] == wanted
    fisher = plan(SuiteChoice("memory", inferences=("fisher",)))
    assert not [part for part in fisher if "J5" in part.title]


def test_steps_with_bilevel_updates_leave_out_what_would_need_third_derivatives() -> None:
    template = replace(Case(), bilevel_steps=5)
    names = {part.title for part in plan(SuiteChoice("steps", template=template, quick=True))}
    objectives = ("ELBO", "M1", "M2", "M3")
    assert names == {f"{q}-{name}/30x2/S1/K5" for q in ("K", "F") for name in objectives}

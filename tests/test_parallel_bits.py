"""Test that ranks of mpiexec train to the same bits as one process with the same number of parts."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from ranks import run_ranks

PROGRAM = str(Path(__file__).parent / "rank_program.py")
PARTS = 4
_MLP: dict[str, Any] = {
    "hidden": (5,), "activation": "tanh", "batch_size": 32, "steps": 3, "log_every": 3, "parts": PARTS,
    "noise": 0.1, "encoder_steps": 2,
}  # fmt: skip
_PICTURES: dict[str, Any] = {
    "width": 1 / 32, "latent": 2, "batch_size": 8, "steps": 2, "log_every": 2, "parts": PARTS, "samples": 2,
    "batch_norm": "coupled", "activation": "softplus", "initial": "images",
}  # fmt: skip
#: Objectives of perceptrons, which all have a fused step on the cpu set, but for the last two.
MLP = [
    {"objective": "elbo", "samples": 1, "kl_weight": 0.5, "seeds": (0, 1)},
    {"objective": "m2", "samples": 3, "gamma": "optimal"},
    {"objective": "m3", "samples": 3, "inference": "fisher", "optimizer": "sgd", "dtype": "float64"},
    {"objective": "m3", "samples": 2, "bilevel_steps": 2},
    {"objective": "m2", "samples": 2, "bilevel_steps": 2, "inference": "fisher", "gamma": "optimal"},
    {"objective": "fae", "score_norm": "probe"},
    {"objective": "fae", "gamma": "optimal"},
    {"objective": "m1", "posterior": "bernoulli"},
]
#: Networks of images, whose batch norm couples the parts in all sweeps.
PICTURES = [
    {"arch": "dcgan", "objective": "elbo"},
    {"arch": "dcgan", "objective": "m3", "gamma": "optimal"},
    {"arch": "dcgan", "objective": "fae"},
    {"arch": "dcgan", "objective": "elbo", "batch_norm": "frozen"},
    {"arch": "resnet18", "objective": "m2"},
]
SLOW = [
    {"arch": "resnet18", "objective": "m3", "inference": "fisher", "bilevel_steps": 1},
    {"arch": "dcgan", "objective": "m2", "inference": "fisher-reparam", "dtype": "float64", "seeds": (0, 1)},
]


@cache
def trained(count: int, name: str, kernels: str, threads: int = 1) -> list[list[Any]]:
    """Train a list of settings on ``count`` ranks, and return what the program printed of each."""
    base, choices = {
        "mlp": (_MLP, MLP), "pictures": (_PICTURES, PICTURES), "slow": (_PICTURES, SLOW),
    }[name]  # fmt: skip
    settings = [{**base, **choice, "kernels": kernels, "threads": threads} for choice in choices]
    done = run_ranks(count, PROGRAM, json.dumps(settings), timeout=1200)
    assert done.returncode == 0, done.stderr[-4000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize(
    ("name", "kernels"),
    [
        ("mlp", "reference"),
        ("mlp", "cpu"),
        ("pictures", "cpu"),
        pytest.param("pictures", "reference", marks=pytest.mark.slow),
        pytest.param("slow", "reference", marks=pytest.mark.slow),
        pytest.param("slow", "cpu", marks=pytest.mark.slow),
    ],
)
def test_ranks_and_threads_have_the_bits_of_one_process(name: str, kernels: str) -> None:
    one = trained(1, name, kernels)
    assert len({bits for bits, _, _ in one}) == len(one)
    for count, threads in ((2, 1), (PARTS, 1), (1, PARTS)):
        assert trained(count, name, kernels, threads) == one


def test_steps_of_perceptrons_are_fused() -> None:
    assert [fused for _, fused, _ in trained(PARTS, "mlp", "cpu")] == [True] * 6 + [False] * 2

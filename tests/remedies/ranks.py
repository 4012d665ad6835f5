"""Situations of trainings that several ranks share, and of minibatches that are divided."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import ranks
from test_parallel_cards import Cards

from vsmnp.errors import VsmnpError
from vsmnp.parallel import launch, mpi
from vsmnp.parallel.division import DividedBatch
from vsmnp.parallel.nccl import CardRanks
from vsmnp.parallel.single import ALONE
from vsmnp.runs.session import Session
from vsmnp.settings.settings import Settings
from vsmnp.training import ranks as agreement
from vsmnp.training.trainer import Trainer

from .follow import Case, Step, commands, declared, remedy
from .options import more

_SETTINGS = Settings(kernels="reference", hidden=(4,), steps=2, batch_size=10)

commands(__name__, {
    "three parts": Case(
        more("--parts", "3"), "must be a power of two such as 2, 4 or 8", more("--parts", "2"),
    ),
    "a minibatch of half rows": Case(
        more("--parts", "4"), "use 8 or 12", more("--parts", "4", "--batch-size", "8"),
    ),
    "a minibatch smaller than its parts": Case(
        more("--parts", "16"), "use 16", more("--parts", "16", "--batch-size", "16"),
    ),
    "parts of a loss over the minibatch": Case(
        more("--objective", "m2", "--as-published", "--parts", "2"), "without --parts",
        more("--objective", "m2", "--as-published"),
    ),
})  # fmt: skip


def shared(count: int, parts: int) -> Step:
    """Return the step that divides minibatches among ranks."""
    return lambda: DividedBatch(parts, ranks.ThreadRank(0, count))


@remedy("start 1 or 2; a new run may have other --parts")
def more_ranks_than_parts(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield shared(4, 2)
    yield shared(2, 2)
    yield shared(4, 4)


# --- launchers ------------------------------------------------------------------------------------


def joins(patch: pytest.MonkeyPatch, size: int) -> Step:
    """Return the step that joins the ranks which a launcher has started."""

    def join() -> None:
        with launch.joined():
            pass

    patch.setenv("PMI_RANK", "0")
    patch.setenv("PMI_SIZE", str(size))
    return join


@remedy("start 2 or 4")
def three_ranks(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield joins(patch, 3)
    patch.setattr(launch, "_communicator", lambda: ALONE)
    yield joins(patch, 2)
    yield joins(patch, 4)


@remedy("pip install 'vsmnp[mpi]', or start one process without mpiexec")
def an_installation_without_mpi4py(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    with pytest.MonkeyPatch.context() as without:
        without.setattr(launch, "find_spec", lambda name: None)
        yield joins(patch, 2)
        yield declared("mpi", "mpi4py")
        patch.delenv("PMI_SIZE")
        yield lambda: nullcontext(launch.joined()).__enter__()


def made(patch: pytest.MonkeyPatch, make: Callable[[], object]) -> None:
    """Replace the communicator of MPI."""
    patch.setattr(mpi, "MpiRanks", make)


@remedy("install the MPI to which the mpiexec belongs")
def a_missing_library_of_mpi(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    def missing() -> None:
        raise RuntimeError("cannot load MPI library")

    made(patch, missing)
    yield joins(patch, 2)
    made(patch, lambda: SimpleNamespace(size=2))
    yield joins(patch, 2)


@remedy("start them by the mpiexec of the same MPI")
def an_mpiexec_of_another_mpi(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    made(patch, lambda: SimpleNamespace(size=1))
    yield joins(patch, 2)
    made(patch, lambda: SimpleNamespace(size=2))
    yield joins(patch, 2)


@remedy("start fewer ranks there")
def fewer_cards_than_ranks(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    Cards(1).install(patch)
    yield lambda: ranks.two_ranks(CardRanks, CardRanks)
    yield lambda: CardRanks(ranks.ThreadRank(0, 1))


@remedy("go on from the last checkpoint by mpiexec with vsmnp train --resume new")
def a_lost_rank(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    options = ("--kernels", "reference", "--hidden", "4", "--batch-size", "10", "--steps", "2")

    def run(*arguments: str) -> Step:
        def step() -> None:
            done = ranks.run_command(2, "train", *arguments, folder=Path.cwd())
            if done.returncode:
                raise VsmnpError(" ".join(done.stderr.split()))

        return step

    def lost() -> None:
        text = "import os\nimport vsmnp.runs.session as s\n"
        text += "if os.environ['PMI_RANK'] == '1': s.run_loop = lambda *of: os.kill(os.getpid(), 9)\n"
        arguments = json.dumps(["train", *options, "--dataset", "t.csv", "--out", "new"])
        done = ranks.run_ranks(2, "-c", text + ranks.COMMANDS, arguments, folder=Path.cwd())
        assert done.returncode
        raise VsmnpError(" ".join(done.stderr.split()))

    yield lost
    yield run("--resume", "new", "--steps", "4", "-q")


# --- ranks that differ ----------------------------------------------------------------------------


def start(*of_ranks: tuple[Settings, Any]) -> Step:
    """Return the step that starts a run on two ranks, each with its settings and data."""
    works = [
        lambda rank, settings=settings, data=data: Session.new(settings, data, ranks=rank)
        for settings, data in of_ranks
    ]
    return lambda: ranks.two_ranks(*works)


@remedy("give all ranks the same options")
def ranks_with_other_options(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    one, other = (_SETTINGS, None), (replace(_SETTINGS, lr=0.5), None)
    yield start(one, other)
    yield start(other, other)


@remedy("give all ranks the same data")
def ranks_with_other_data(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    one, other = (np.random.default_rng(seed).normal(size=(30, 2)) for seed in range(2))
    yield start((_SETTINGS, one), (_SETTINGS, other))
    yield start((_SETTINGS, one), (_SETTINGS, one))


@remedy("install one version on all machines")
def ranks_with_other_versions(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    def told(ranks_of: Any, text: str) -> list[str]:
        version, *others = json.loads(text)
        return [text, json.dumps([f"{version}.1", *others])]

    with pytest.MonkeyPatch.context() as versions:
        versions.setattr(agreement, "texts_of", told)
        yield start((_SETTINGS, None), (_SETTINGS, None))
    yield start((_SETTINGS, None), (_SETTINGS, None))


@remedy("use processors of one kind, with the same libraries")
def ranks_with_other_arithmetic(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    first = Trainer.initial_state

    def drawn(trainer: Trainer) -> Any:
        state = first(trainer)
        state.phi[0, 0] += trainer.ranks.rank
        return state

    with pytest.MonkeyPatch.context() as arithmetic:
        arithmetic.setattr(Trainer, "initial_state", drawn)
        yield start((_SETTINGS, None), (_SETTINGS, None))
    yield start((_SETTINGS, None), (_SETTINGS, None))

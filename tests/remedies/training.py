"""Situations of a training that diverges or is interrupted, and of kernel sets that cannot be used."""

from __future__ import annotations

import _ctypes
import ctypes
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from test_cublas import FakeLibrary

from vsmnp.kernels import registry
from vsmnp.kernels.cuda import cublas
from vsmnp.runs.session import Session
from vsmnp.settings.settings import Settings
from vsmnp.training.loop import Watch

from .follow import Step, declared, remedy
from .follow import vsmnp as command
from .options import DRY, TRAIN

#: Values far from unit scale, with which training stops at its first step.
WIDE = np.random.default_rng(0).normal(0, 1e5, (40, 3))


def trains(*options: str) -> Step:
    """Return the step that trains a run of twenty steps in a folder of its own."""
    return command(*TRAIN, "--steps", "20", "--out", "-".join(["new", *options]), *options)


# --- divergence -----------------------------------------------------------------------------------


@remedy("try a smaller --lr or --encoder-lr, or a larger --sd-init")
def a_step_size_of_the_decoder_that_is_too_large(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield trains("--lr", "1e30")
    yield trains("--lr", "1e-3")


@remedy("or --encoder-lr")
def a_step_size_of_the_encoder_that_is_too_large(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield trains("--encoder-lr", "1e30")
    yield trains("--encoder-lr", "1e-3")


@remedy("or a larger --sd-init")
def a_first_gamma_that_is_too_small(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield trains("--sd-init", "1e-30")
    yield trains("--sd-init", "0.1")


@remedy("so start a run with --standardize columns")
def data_far_from_unit_scale(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    np.save("x.npy", WIDE)
    yield trains("--dataset", "x.npy", "--standardize", "none")
    yield trains("--dataset", "x.npy", "--standardize", "columns")


@remedy("to [0, 1], where the decoder's sigmoid is")
def data_far_from_the_sigmoid(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    np.save("x.npy", WIDE)
    yield trains("--dataset", "x.npy", "--sigmoid-output")
    np.save("y.npy", (WIDE - WIDE.min()) / np.ptp(WIDE))
    yield trains("--dataset", "y.npy", "--sigmoid-output")


@remedy("had stopped by step 1: start a new run")
def a_diverged_run_that_is_resumed(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    with pytest.raises(Exception, match="stopped being finite"):
        trains("--lr", "1e30")()
    yield command("train", "--resume", "new---lr-1e30", "--steps", "40")
    yield command("train", "--config", "new---lr-1e30/config.toml", "--lr", "1e-3", "--steps", "3",
                  "--out", "anew")  # fmt: skip


# --- interruption ---------------------------------------------------------------------------------


@remedy("Go on with: vsmnp train --resume part")
def a_run_that_is_stopped(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    settings, steps = Settings(kernels="reference", hidden=(4,), steps=9, batch_size=10), []

    def train() -> None:
        with Session.new(settings, folder=Path("part")) as session:
            session.train(Watch(on_step=steps.append, stop=lambda: len(steps) == 4))

    yield train
    yield command("train", "--resume", "part")


# --- kernel sets ----------------------------------------------------------------------------------


def card(capability: str = "90", available: bool = True) -> Any:
    """Return a module in the place of CuPy on a machine with, or without, a GPU."""
    device = SimpleNamespace(compute_capability=capability)
    return SimpleNamespace(cuda=SimpleNamespace(is_available=lambda: available, Device=lambda: device))


def chosen(*arguments: Any) -> Step:
    """Return the step that chooses a kernel set, as every command does first."""
    return lambda: registry.choose(*arguments)


@remedy("CuPy is not installed; pip install 'vsmnp[cuda13]' (or [cuda12] for an older driver)")
def a_gpu_without_cupy(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    patch.setitem(sys.modules, "cupy", None)
    yield command(*DRY, "--kernels", "auto", "--device", "gpu")
    yield declared("cuda13", "cupy-cuda13x")
    yield declared("cuda12", "cupy-cuda12x")
    patch.setitem(sys.modules, "cupy", card())
    yield chosen("gpu", "auto")


@remedy("run on a machine that has one, or on the CPU")
def cupy_without_a_gpu(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    patch.setitem(sys.modules, "cupy", card(available=False))
    yield command(*DRY, "--kernels", "auto", "--device", "gpu")
    yield command(*DRY, "--device", "cpu")
    patch.setitem(sys.modules, "cupy", card())
    yield chosen("gpu", "auto")


@remedy("pip install numba, or take --kernels reference")
def loops_without_numba(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    fresh = registry.load.__wrapped__
    with pytest.MonkeyPatch.context() as lacking:
        lacking.setitem(sys.modules, "numba", None)
        yield lambda: fresh("cpu")
    yield lambda: fresh("cpu")
    yield command(*DRY, "--kernels", "reference")


@remedy("it needs the package of that name; pip install numba-cuda")
def a_kernel_set_without_its_package(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    patch.setitem(sys.modules, "cupy", card())
    patch.setattr(registry, "find_spec", lambda name: None)
    yield command(*DRY, "--kernels", "numba-cuda")
    patch.setattr(registry, "find_spec", lambda name: name)
    yield chosen("auto", "numba-cuda")


@remedy("and --tf32 needs 8.0; leave it out")
def tf32_of_an_older_gpu(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    patch.setitem(sys.modules, "cupy", card("75"))
    yield command(*DRY, "--kernels", "auto", "--device", "gpu", "--tf32")
    yield chosen("gpu", "auto", False)


@remedy("unset it, or take --kernels reference")
def numba_that_does_not_compile(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    with pytest.MonkeyPatch.context() as variable:
        variable.setattr("numba.config.DISABLE_JIT", 1)
        yield lambda: registry.load.__wrapped__("cpu")
        yield lambda: registry.load.__wrapped__("reference")
    yield lambda: registry.load.__wrapped__("cpu")


@remedy("reinstall it with pip install 'vsmnp[cuda13]'")
def cupy_without_cublas(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    module = card()
    module.cuda.device = SimpleNamespace(get_cublas_handle=lambda: None)
    patch.setitem(sys.modules, "cupy", module)
    yield cublas.library_of_cupy
    yield declared("cuda13", "cupy-cuda13x")
    place = Path("libcublas.so.13")
    place.write_bytes(Path(_ctypes.__file__).read_bytes())
    found = [ctypes.CDLL(str(place.resolve()))]
    yield lambda: found.append(cublas.library_of_cupy())
    for library in found:
        _ctypes.dlclose(library._handle)


@remedy("look whether other programs fill the GPU's memory, or use --device cpu")
def a_gpu_that_is_full(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    library = FakeLibrary()
    library.status = 3

    def connect() -> object:
        spaces: list[Any] = []

        def workspace(size: int) -> Any:
            spaces.append(np.zeros(size, np.uint8))
            return spaces[-1]

        return cublas.Cublas(lambda: library, workspace, lambda x: x.ctypes.data, False)._handle

    yield connect
    library.status = 0
    yield connect
    yield command(*DRY, "--device", "cpu")


@remedy("lower one of --hidden, --latent, --width or --seeds")
def a_network_beyond_the_memory(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield trains("--hidden", "1000000,1000000")
    yield trains("--hidden", "3")


@remedy("lower one of --samples, --batch-size or --seeds")
def samples_beyond_the_memory(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield trains("--samples", "1000000000000000000")
    yield trains("--samples", "2")

"""Situations of the folders and files of runs: places, locks, latents, and arrays for a trained model."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from filelock import FileLock
from platformdirs import user_cache_path

from vsmnp.runs.lock import lock_folder
from vsmnp.runs.session import Session, load_run
from vsmnp.storage import user_cache
from vsmnp.types import Array

from .follow import Case, Step, commands, remedy
from .follow import vsmnp as command
from .options import TRAIN

RESUME = ("train", "--resume", "run", "--steps", "4")

commands(__name__, {
    "a table of another suffix": Case(
        ("sample", "run", "-n", "1", "--out", "x.txt"), "must end in .npy, .csv or .h5",
        ("sample", "run", "-n", "1", "--out", "x.h5"),
    ),
    "a folder below a file": Case(
        (*TRAIN, "--out", "t.csv/run"), "choose another with --out", (*TRAIN, "--out", "new"),
    ),
    "data of other columns": Case(
        ("encode", "run", "--dataset", "t.csv", "--out", "z.npy"), "name data of the same columns",
        ("encode", "run", "--dataset", "mixture", "--out", "z.npy"),
    ),
})  # fmt: skip


# --- places ---------------------------------------------------------------------------------------


def refusing(number: int, of: str) -> Any:
    """Return a function of the operating system that refuses a path whose name begins so."""

    def refuse(self: Path, *arguments: object, **options: object) -> None:
        if self.name.startswith(of):
            raise OSError(number, os.strerror(number))
        allowed(self, *arguments, **options)  # type: ignore[arg-type]

    allowed = Path.mkdir
    return refuse


@remedy("choose another with --out")
def a_folder_of_runs_that_is_read_only(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    patch.setattr(Path, "mkdir", refusing(errno.EROFS, "mixture-"))
    yield command(*TRAIN)
    yield command(*TRAIN, "--out", "elsewhere")


@remedy("change its permissions or choose another with --out")
def a_folder_that_cannot_be_listed(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    def forbidden(self: Path) -> None:
        raise PermissionError(13, "Permission denied")

    with pytest.MonkeyPatch.context() as closed:
        closed.setattr(Path, "iterdir", forbidden)
        yield command(*TRAIN, "--out", "new")
    yield command(*TRAIN, "--out", "new")
    yield command(*TRAIN, "--out", "other")


@remedy("free some space, or choose another place with --out")
def a_disk_that_is_full(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield from full_disk(patch, "sample", "run", "-n", "1", "--out", "x.npy")
    yield command("sample", "run", "-n", "1", "--out", "y.npy")


@remedy("free some space, or copy the run to another folder and resume the copy")
def a_disk_that_is_full_of_a_resumed_run(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    shutil.copytree("run", "copy")
    yield from full_disk(patch, *RESUME)
    yield command("train", "--resume", "copy", "--steps", "4")


def full_disk(patch: pytest.MonkeyPatch, *arguments: str) -> Iterator[Step]:
    """Yield a command on a full disk, and then on one with space."""

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.MonkeyPatch.context() as disk:
        disk.setattr(os, "fsync", full)
        yield command(*arguments)
    yield command(*arguments)


@remedy("is no file of its own: remove it")
def a_lock_that_is_a_link(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    Path("run/.lock").symlink_to("t.csv")
    yield command(*RESUME)
    Path("run/.lock").unlink()
    yield command(*RESUME)


@remedy("set the variable XDG_CACHE_HOME to the absolute path of a folder")
def a_user_without_a_home(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    import pwd

    def nobody(number: int) -> None:
        raise KeyError(number)

    patch.setattr("platformdirs.user_cache_path", user_cache_path)
    patch.setattr(pwd, "getpwuid", nobody)
    patch.delenv("HOME", raising=False)
    yield user_cache
    patch.setenv("XDG_CACHE_HOME", str(Path("cache").resolve()))
    yield user_cache


# --- locks ----------------------------------------------------------------------------------------


@remedy("wait until that has ended")
def a_run_that_is_being_trained(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    lock = lock_folder(Path("run"))
    yield command(*RESUME)
    lock.release()
    yield command(*RESUME)


@remedy("wait until that has ended, or choose another folder with --out")
def a_new_run_in_a_folder_in_use(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    Path("new").mkdir()
    lock = lock_folder(Path("new"))
    yield command(*TRAIN, "--out", "new")
    yield command(*TRAIN, "--out", "other")
    lock.release()
    yield command(*TRAIN, "--out", "new")


@remedy("choose another place with --out")
def a_folder_that_is_gone(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield lambda: lock_folder(Path("gone"))
    Path("there").mkdir()
    yield lambda: lock_folder(Path("there"))


@remedy("change its permissions or copy the run to another folder and resume the copy")
def a_run_in_a_folder_that_cannot_be_locked(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    acquire = FileLock.acquire

    def refuse(self: FileLock, *arguments: object, **options: object) -> object:
        if Path(self.lock_file).parent.name == "run":
            raise PermissionError(13, "Permission denied")
        return acquire(self, *arguments, **options)  # type: ignore[arg-type]

    shutil.copytree("run", "copy")
    with pytest.MonkeyPatch.context() as closed:
        closed.setattr(FileLock, "acquire", refuse)
        yield command(*RESUME)
        yield command("train", "--resume", "copy", "--steps", "4")
    yield command(*RESUME)


@remedy("meanwhile: go on with it by --resume run")
def a_run_that_another_session_has_trained(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    session = Session.resumed(Path("run"), {"steps": 6})
    session.close()
    command(*RESUME)()
    yield session.train
    yield command("train", "--resume", "run", "--steps", "6")


# --- latents --------------------------------------------------------------------------------------


def decode(latents: str) -> Step:
    return command("decode", "run", "--latents", latents, "--out", "x.npy")


@remedy("it is corrupt or truncated: write it with 'vsmnp encode'")
def latents_cut_short(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    command("encode", "run", "--out", "z.npy")()
    Path("z.npy").write_bytes(Path("z.npy").read_bytes()[:-8])
    yield decode("z.npy")
    yield command("encode", "run", "--out", "z.npy")
    yield decode("z.npy")


@remedy("must end in .npy, .csv or .h5")
def latents_of_another_suffix(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield decode("t.txt")
    for suffix in (".npy", ".csv", ".h5"):
        yield command("encode", "run", "--out", f"z{suffix}")
        yield decode(f"z{suffix}")


@remedy("encode some data first")
def latents_of_nothing(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    np.save("z.npy", np.zeros((0, 2)))
    yield decode("z.npy")
    yield command("encode", "run", "--out", "z.npy")
    yield decode("z.npy")


# --- arrays for a trained model -------------------------------------------------------------------


def encode(x: Array, run: str = "run") -> Step:
    """Return the step that encodes an array."""
    return lambda: load_run(run).vae.encode(x)


@remedy("an integer n of at least 1 and a seed below 2^32")
def no_draw(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield lambda: load_run("run").vae.sample(0)
    yield lambda: load_run("run").vae.sample(1, seed=2**32 - 1)


@remedy("needs data of shape (N, 2) or (1, N, 2)")
def an_array_of_other_columns(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield encode(np.zeros((3, 4)))
    yield encode(np.zeros((3, 2)))
    yield encode(np.zeros((1, 3, 2)))


@remedy("has shape (0, 2), which holds no samples")
def an_array_of_nothing(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield encode(np.zeros((0, 2)))
    yield encode(np.zeros((1, 2)))


@remedy("leave those samples out")
def an_array_with_gaps(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    x = np.array([[1.0, 2.0], [np.nan, 3.0]])
    yield encode(x)
    yield encode(x[np.isfinite(x).all(1)])


@remedy("convert them to uint8, or divide them by 255")
def pixels_of_other_integers(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    command(*TRAIN, "--dataset", "i32.npy", "--out", "pictures")()
    x = np.load("i32.npy").reshape(12, -1).astype(np.int64)
    yield encode(x, "pictures")
    yield encode(x.astype(np.uint8), "pictures")
    yield encode(x / 255, "pictures")


@remedy("and no file is read that is not named: write it with 'vsmnp encode'")
def latents_in_another_file(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    with h5py.File("z.h5", "w") as file:
        file["x"] = h5py.ExternalLink("there.h5", "/x")
    yield command("decode", "run", "--latents", "z.h5", "--out", "x.npy")
    command("encode", "run", "--out", "z.h5")()
    yield command("decode", "run", "--latents", "z.h5", "--out", "x.npy")

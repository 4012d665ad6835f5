"""Situations of HDF5 files: open elsewhere, left by a killed writer, damaged, or with links to nothing."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
import pytest

from vsmnp.data import hdf5_ends, load_data

from ..follow import Step, remedy

X = np.arange(60.0).reshape(20, 3)
PATH = Path("x.h5")

_WRITER = """
import sys, time, h5py, numpy as np
file = h5py.File(sys.argv[1], "w", libver=sys.argv[2])
file["x"] = np.arange(60.0).reshape(20, 3)
file.flush()
if sys.argv[3] == "swmr":
    file.swmr_mode = True
print("open", flush=True)
time.sleep(100)
"""


def write(path: Path = PATH, **options: object) -> Path:
    """Write the array ``X`` as the dataset ``x`` of an HDF5 file, and return its path."""
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=X, **options)
    return path


def good(path: Path = PATH) -> Step:
    """Return the step that reads all samples of the file."""

    def run() -> None:
        data = load_data(str(path))
        assert data.n_train == 18
        assert data.epoch(0, 0, np.dtype(np.float64)).max() > 50

    return run


@contextmanager
def writer(version: str, mode: str = "plain") -> Iterator[None]:
    """Start a process that holds the file open for writing; it is killed at the end."""
    command = [sys.executable, "-c", _WRITER, str(PATH), version, mode]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        try:
            yield
        finally:
            process.kill()


@remedy("is open in a program that writes it: close it there")
def a_file_that_is_open_elsewhere(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    with writer("earliest"):
        yield good()
    yield good()


@remedy(
    "not let HDF5 lock it: copy it to another disk, or set the environment variable HDF5_USE_FILE_LOCKING"
)
def a_file_system_without_locks(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    def without_locks(*arguments: object) -> None:
        raise OSError(
            errno.ENOLCK, "Unable to open file (unable to lock file, errno = 37, 'No locks available')"
        )

    def in_a_process() -> None:
        code = f"from vsmnp.data import load_data; print(load_data({str(PATH)!r}).n_train)"
        environment = {**os.environ, "HDF5_USE_FILE_LOCKING": "FALSE"}
        done = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
        )
        assert done.stdout == "18\n", done.stderr

    write()
    with pytest.MonkeyPatch.context() as locked:
        locked.setattr(h5py, "File", without_locks)
        yield good()
    with writer("earliest"):  # no lock is available here either: with the variable none is requested
        yield in_a_process


@remedy("if the writer was killed, write the file again, or clear the mark")
def a_file_left_by_a_killed_writer(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    with writer("latest"):
        pass
    yield good()
    yield good(write())


@remedy("if the writer was killed, write the file again, or clear the mark")
def a_file_left_by_a_killed_writer_with_readers(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    with writer("latest", "swmr"):
        pass
    yield good()
    yield good(write())


@remedy("ends before the length in its header, because its writer was stopped or it was copied in part")
def a_file_that_ends_early(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    content = write().read_bytes()
    PATH.write_bytes(content[: len(content) // 2])
    yield good()
    PATH.write_bytes(content)
    yield good()


@remedy("is not an HDF5 file: write it with h5py, or give it the suffix of its format")
def a_file_of_another_format(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    np.save("x.npy", X)
    Path("x.npy").rename(PATH)
    yield good()
    yield good(PATH.rename("x.npy"))
    yield good(write())


@remedy("is damaged, or of a version newer than this HDF5 library: write it again")
def a_file_of_a_future_version(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    content = bytearray(write().read_bytes())
    content[8] = 99
    PATH.write_bytes(content)
    yield good()
    yield good(write())


AWAY = "and no file is read that is not named: store the array itself, in one file"


@remedy(f"'x' in x.h5 lies in the file there.h5, {AWAY}")
def a_link_to_another_file(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    write(Path("there.h5"))
    with h5py.File(PATH, "w") as file:
        file["x"] = h5py.ExternalLink("there.h5", "/x")
    yield good()
    yield good(write())


@remedy("'x' in x.h5 is a link to /y, which does not exist: put it there")
def a_dangling_link_within_the_file(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    with h5py.File(PATH, "w") as file:
        file["x"] = h5py.SoftLink("/y")
    yield good()
    with h5py.File(PATH, "r+") as file:
        file["y"] = X
    yield good()


@remedy("is a link to /y, which does not exist")
def a_file_of_dangling_links(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    with h5py.File(PATH, "w") as file:
        file["samples"] = h5py.SoftLink("/y")
    yield good()
    yield good(write())


@remedy(f"'x' in x.h5 lies in the file part.h5, {AWAY}")
def a_virtual_dataset_of_another_file(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    layout = h5py.VirtualLayout(X.shape, "f8")
    layout[:] = h5py.VirtualSource("part.h5", "x", X.shape)
    write(Path("part.h5"))
    with h5py.File(PATH, "w") as file:
        file.create_virtual_dataset("x", layout)
    yield good()
    yield good(write())


@remedy(f"'x' in x.h5 lies in the file values.bin, {AWAY}")
def values_in_another_file(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    with h5py.File(PATH, "w") as file:
        file.create_dataset("x", X.shape, "f8", external=[("values.bin", 0, X.nbytes)])[...] = X
    yield good()
    yield good(write())


@remedy("which is not installed here: write it with compression='gzip'")
def a_filter_that_is_not_installed(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_chunk(X.shape)
    plan.set_filter(32004, h5py.h5z.FLAG_OPTIONAL, ())
    with h5py.File(PATH, "w") as file:
        space = h5py.h5s.create_simple(X.shape)
        dataset = h5py.h5d.create(file.id, b"x", h5py.h5t.NATIVE_DOUBLE, space, plan)
        dataset.write_direct_chunk((0, 0), X.tobytes(), 0)
    yield good()
    yield good(write(compression="gzip"))


def damaged(**options: object) -> Step:
    """Write a file of which one byte is another, and read it."""
    write(chunks=X.shape, **options)
    with h5py.File(PATH) as file:
        place = file["x"].id.get_chunk_info(0).byte_offset
    content = bytearray(PATH.read_bytes())
    content[place + 20] ^= 1
    PATH.write_bytes(content)
    return good()


@remedy("do not pass their checksum or do not unpack: write it again")
def values_that_do_not_pass_their_checksum(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield damaged(fletcher32=True)
    yield good(write())


@remedy("do not pass their checksum or do not unpack: write it again")
def values_that_do_not_unpack(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield damaged(compression="gzip")
    yield good(write())


@remedy("was created but no value was written: write the array")
def a_dataset_without_values(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    with h5py.File(PATH, "w") as file:
        file.create_dataset("x", X.shape, "f8")
    yield good()
    with h5py.File(PATH, "r+") as file:
        file["x"][...] = X
    yield good()


@remedy("is empty: write an array of shape (N, D)")
def a_dataset_of_no_shape(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    with h5py.File(PATH, "w") as file:
        file["x"] = h5py.Empty("f8")
    yield good()
    yield good(write())


@remedy("stores too few bytes for its shape (20, 10000000): write the whole array again")
def a_dataset_that_claims_more_than_it_stores(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    with h5py.File(PATH, "w") as file:
        file.create_dataset("x", (20, 10_000_000), "f8", chunks=(20, 3))[:, :3] = X
    yield good()
    yield good(write())


@remedy("because the file is damaged: write it again with h5py")
def a_file_that_hdf5_reads_for_ever(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    layout = h5py.VirtualLayout(X.shape, "f8")
    with h5py.File(PATH, "w") as file:
        file["part"] = X
        layout[:] = h5py.VirtualSource(".", "part", X.shape)
        file.create_virtual_dataset("x", layout)
    content = PATH.read_bytes()
    heap = content.index(b"GCOL")
    PATH.write_bytes(content[: heap + 16] + bytes(16) + content[heap + 32 :])
    with pytest.MonkeyPatch.context() as short:
        short.setattr(hdf5_ends, "COMPUTING", 1.0)
        yield good()
    yield good(write())


@remedy("copy it to a local disk, or try again later")
def a_file_of_a_slow_server(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    write()
    with pytest.MonkeyPatch.context() as slow:
        slow.setattr(hdf5_ends, "LONGEST", 1.0)
        slow.setattr(hdf5_ends, "_LOOK", "import time; time.sleep(60) # {!r}")
        yield good()
    yield good()
    yield good(Path(shutil.copy(PATH, "local.h5")))


@remedy("Stopped")
def an_interrupt_while_hdf5_is_asked(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    """End the other process by Ctrl-C; the data can be read afterwards."""
    write()
    with pytest.MonkeyPatch.context() as interrupted:
        interrupted.setattr(
            hdf5_ends, "_LOOK", "import os, signal; os.kill(os.getpid(), signal.SIGINT) # {!r}"
        )
        yield good()
    yield good()


@remedy("could not be read (Input/output error): see to its disk")
def a_disk_that_fails(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    def failing(*arguments: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    write()
    with pytest.MonkeyPatch.context() as broken:
        broken.setattr(h5py, "File", failing)
        yield good()
    yield good()


@remedy("is refused by HDF5 (")
def a_file_that_hdf5_refuses_in_its_own_words(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    def refusing(*arguments: object) -> None:
        raise OSError("Unable to synchronously open file (wrong object header)")

    write()
    with pytest.MonkeyPatch.context() as broken:
        broken.setattr(h5py, "File", refusing)
        yield good()
    yield good(write())

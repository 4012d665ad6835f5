"""Test the message for an HDF5 file that cannot be read, and that its remedy works."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
import pytest

from vsmnp.data import load_data
from vsmnp.errors import DataError

X = np.arange(60.0).reshape(20, 3)

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


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "x.h5"


def write(path: Path, **options: object) -> Path:
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=X, **options)
    return path


def good(path: Path) -> None:
    assert load_data(str(path)).n_train == 18


@contextmanager
def writer(path: Path, version: str, mode: str = "plain") -> Iterator[None]:
    """Start a process that holds the file open for writing; it is killed at the end."""
    command = [sys.executable, "-c", _WRITER, str(path), version, mode]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        try:
            yield
        finally:
            process.kill()


def test_a_file_that_is_open_elsewhere(path: Path) -> None:
    with (
        writer(path, "earliest"),
        pytest.raises(DataError, match="is open in a program that writes it: close it there"),
    ):
        load_data(str(path))
    good(path)


def test_a_file_system_without_locks(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def without_locks(*arguments: object) -> None:
        raise OSError(
            errno.ENOLCK, "Unable to open file (unable to lock file, errno = 37, 'No locks available')"
        )

    write(path)
    monkeypatch.setattr(h5py, "File", without_locks)
    with pytest.raises(DataError, match=r"not let HDF5 lock it: .*LOCKING=FALSE"):
        load_data(str(path))
    with writer(path, "earliest"):  # no lock is available here either: with the variable none is requested
        code = f"from vsmnp.data import load_data; print(load_data({str(path)!r}).n_train)"
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "HDF5_USE_FILE_LOCKING": "FALSE"},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.stdout == "18\n", done.stderr


@pytest.mark.parametrize("mode", ["plain", "swmr"])
def test_a_file_left_by_a_killed_writer(path: Path, mode: str) -> None:
    with writer(path, "latest", mode):
        pass
    with pytest.raises(
        DataError, match=r"marked as open for writing: .*was killed, write the file again, or"
    ):
        load_data(str(path))
    good(write(path))


def test_a_file_that_ends_early(path: Path) -> None:
    content = write(path).read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=r"ends before the length in its header, .*write or copy it again"):
        load_data(str(path))
    path.write_bytes(content)
    good(path)


def test_a_file_of_another_format(path: Path) -> None:
    np.save(path.with_suffix(".npy"), X)
    path.with_suffix(".npy").rename(path)
    with pytest.raises(DataError, match=r"is not an HDF5 file: .*give it the suffix of its format"):
        load_data(str(path))
    good(path.rename(path.with_suffix(".npy")))


def test_broken_links_beside_good_data_are_reported(path: Path) -> None:
    write(path)
    with h5py.File(path, "r+") as file:
        file["dead"] = h5py.SoftLink("/nowhere")
        file["gone"] = h5py.ExternalLink("gone.h5", "/x")
    good(path)
    assert load_data(str(path)).notes == ("2 link(s) in x.h5 lead to nothing and were left out: dead, gone.",)


def test_a_broken_link_to_the_data(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["x"] = h5py.ExternalLink("there.h5", "/x")
    with pytest.raises(
        DataError, match=r"'x' in .* is a link to /x in the file there\.h5, which does not exist: put"
    ):
        load_data(str(path))
    write(path.parent / "there.h5")
    good(path)
    with h5py.File(path, "w") as file:
        file["x"] = h5py.SoftLink("/y")
    with pytest.raises(DataError, match=r"'x' in .* is a link to /y, which does not exist"):
        load_data(str(path))
    with h5py.File(path, "r+") as file:
        file["y"] = X
    good(path)


def test_the_parts_of_a_virtual_dataset(path: Path) -> None:
    layout = h5py.VirtualLayout(X.shape, "f8")
    layout[:] = h5py.VirtualSource("part.h5", "x", X.shape)
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("x", layout)
    with pytest.raises(
        DataError, match=r"'x' of .* is made of the file part\.h5, which is missing: put it beside"
    ):
        load_data(str(path))  # HDF5 itself would read all values as zero
    write(path.parent / "part.h5")
    good(path)
    assert load_data(str(path)).epoch(0, 0, np.float64).max() > 50


def test_values_in_a_file_that_is_gone(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(path.parent)
    with h5py.File(path, "w") as file:
        file.create_dataset("x", X.shape, "f8", external=[("values.bin", 0, X.nbytes)])[...] = X
    good(path)
    os.rename("values.bin", "away.bin")
    with pytest.raises(
        DataError, match="keeps its values in another file, which is missing: put that file back"
    ):
        load_data(str(path))
    os.rename("away.bin", "values.bin")
    good(path)


def test_a_filter_that_is_not_installed(path: Path) -> None:
    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_chunk(X.shape)
    plan.set_filter(32004, h5py.h5z.FLAG_OPTIONAL, ())
    with h5py.File(path, "w") as file:
        space = h5py.h5s.create_simple(X.shape)
        dataset = h5py.h5d.create(file.id, b"x", h5py.h5t.NATIVE_DOUBLE, space, plan)
        dataset.write_direct_chunk((0, 0), X.tobytes(), 0)
    with pytest.raises(
        DataError, match=r"'x' of .* by the HDF5 filter .*not installed here: write it with compr"
    ):
        load_data(str(path))
    good(write(path, compression="gzip"))


@pytest.mark.parametrize("options", [{"fletcher32": True}, {"compression": "gzip"}])
def test_values_that_were_damaged(path: Path, options: dict[str, object]) -> None:
    write(path, chunks=X.shape, **options)
    with h5py.File(path) as file:
        place = file["x"].id.get_chunk_info(0).byte_offset
    content = bytearray(path.read_bytes())
    content[place + 20] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="do not pass their checksum or do not unpack: write it again"):
        load_data(str(path))
    good(write(path))


def test_a_dataset_without_values(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("x", X.shape, "f8")
    with pytest.raises(DataError, match=r"'x' of .* was created but no value was written: write the array"):
        load_data(str(path))
    with h5py.File(path, "r+") as file:
        file["x"][...] = X
    good(path)

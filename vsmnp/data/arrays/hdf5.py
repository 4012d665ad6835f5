"""Read arrays from HDF5 files, and explain why HDF5 cannot read a file."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import DataError
from ...types import Array
from ..hdf5_ends import require_end
from ..hdf5_reach import file_behind
from ..mapped import mapped
from ..parse_errors import MOST_BYTES_PER_BYTE, reading
from ..rows import fits
from .table import Arrays, chosen_array, require_numbers

#: What HDF5 says, and what is true then: the first line that contains the text counts.
_DIAGNOSES = (
    (
        "unable to lock file",
        "lies on a file system that does not let HDF5 lock it: copy it to another disk, or set the "
        "environment variable HDF5_USE_FILE_LOCKING=FALSE",
    ),
    (
        "already open for write",
        "is marked as open for writing: if its writer still runs, close the file there; if the writer was "
        "killed, write the file again, or clear the mark with 'h5clear -s' of the HDF5 tools",
    ),
    (
        "truncated file",
        "ends before the length in its header, because its writer was stopped or it was copied in part: "
        "write or copy it again",
    ),
    (
        "file signature not found",
        "is not an HDF5 file: write it with h5py, or give it the suffix of its format",
    ),
    ("bad superblock version", "is damaged, or of a version newer than this HDF5 library: write it again"),
    (
        "filter returned failure",
        "has values that do not pass their checksum or do not unpack: write it again",
    ),
)


def read_h5(path: Path, memory_budget: float) -> Arrays:
    """Read dataset ``x``, ``data`` or the only one of an HDF5 file, and ``test`` if present.

    A dataset above the budget (in GiB) is mapped from its file if it is stored contiguously. Links that
    lead to nothing or to other files are left out with a note: no file is read that is not named.

    Raises
    ------
    DataError
        If HDF5 refuses the file or comes to no end with it, or the values lie in another one; the message
        says why.
    """
    import h5py

    with reading(path, "an HDF5 file", "write it again"):
        require_end(path)
    with reading(path, "an HDF5 file", "write it again"), _diagnosed(path), h5py.File(path, "r") as file:
        away = {name: behind for name in file if (behind := file_behind(file, name))}
        dangling = [name for name in file if name not in away and file.get(name) is None]
        left_out = [name for name in file if name in away or name in dangling]
        names = [name for name in file if name not in left_out and isinstance(file[name], h5py.Dataset)]
        for name in ("x", "data", "test", *(left_out if not names else ())):
            if name in away:
                raise DataError(
                    f"'{name}' in {path} lies in {away[name]}, and no file is read that is not named: store "
                    "the array itself, in one file."
                )
            if name in dangling:
                raise _dangling_link(file.get(name, getlink=True), name, path)
        found = chosen_array(names, lambda name: _read_dataset(file[name], path, memory_budget), path)
        if not left_out:
            return found
        what = f"{len(left_out)} link(s) in {path.name} lead to nothing or to other files"
        return found._replace(notes=(f"{what} and were left out: {', '.join(left_out[:5])}.",))


@contextmanager
def _diagnosed(path: Path) -> Iterator[None]:
    """Turn an error of HDF5 into a sentence of the table, or into HDF5's own words."""
    try:
        yield
    except (PermissionError, IsADirectoryError, DataError):
        raise
    except BlockingIOError as error:
        raise DataError(
            f"{path} is open in a program that writes it: close it there, or wait until it is done."
        ) from error
    except (OSError, RuntimeError) as error:
        said = " ".join(str(error).split())
        for text, truth in _DIAGNOSES:
            if text in said:
                raise DataError(f"{path} {truth}.") from error
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise DataError(f"{path} could not be read ({error.strerror}): see to its disk.") from error
        said = said.partition("(")[2].removesuffix(")") or said
        raise DataError(f"{path} is refused by HDF5 ({said}): write it again with h5py.") from error


def _dangling_link(link: Any, name: str, path: Path) -> DataError:
    """Build the error for a link that leads to nothing."""
    return DataError(
        f"'{name}' in {path} is a link to {link.path}, which does not exist: put it there, or store the "
        "array itself."
    )


def _read_dataset(dataset: Any, path: Path, memory_budget: float) -> Array:
    """Read one HDF5 dataset, after checking that its values exist and can be unpacked."""
    where = f"The dataset '{dataset.name.strip('/')}' of {path}"
    require_numbers(dataset.dtype, where)
    if dataset.shape is None:
        raise DataError(f"{where} is empty: write an array of shape (N, D).")
    if dataset.is_virtual:
        return np.asarray(dataset[()])
    _require_filters(dataset, where)
    stored = dataset.id.get_storage_size()
    if not stored and dataset.size:
        raise DataError(f"{where} was created but no value was written: write the array.")
    if dataset.nbytes > MOST_BYTES_PER_BYTE * stored:
        raise DataError(
            f"{where} stores too few bytes for its shape {dataset.shape}: write the whole array again."
        )
    offset = dataset.id.get_offset()  # None unless it is contiguous
    if offset is not None and not fits(dataset.nbytes, memory_budget):
        return mapped(str(path), dataset.dtype, offset, dataset.shape)
    return np.asarray(dataset[()])


def _require_filters(dataset: Any, where: str) -> None:
    """Require the filters, such as compression, that the dataset was written with."""
    import h5py

    plist = dataset.id.get_create_plist()
    for i in range(plist.get_nfilters()):
        code, _, _, name = plist.get_filter(i)
        if not h5py.h5z.filter_avail(code):
            called = f"'{name.decode(errors='replace')}'" if name else f"number {code}"
            raise DataError(
                f"{where} is packed by the HDF5 filter {called}, which is not installed here: write it with "
                "compression='gzip'."
            )

"""Checkpoints: an HDF5 file of named arrays after a header with its checksum.

The first 512 bytes are an HDF5 user block that holds a magic line and the SHA-256 of everything after
it. The checksum is verified before the HDF5 library reads a byte, so a truncated, damaged or foreign
file gives one sentence. Any HDF5 tool can open the file. Nothing in it is ever executed, and no other file
is opened for it.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..data import hdf5_ends
from ..data.hdf5_reach import file_behind
from ..errors import CheckpointError, DamagedError, ForeignError, VsmnpError
from ..storage import ELSEWHERE, open_regular, write_whole
from ..training.state import FORMER_FLAGS
from ..types import Array
from . import last_row

#: The last checkpoint in the folder of a run, and the one before, which is read if the last is damaged.
CHECKPOINT, PREVIOUS = "checkpoint.h5", "checkpoint.previous.h5"
_BLOCK = 512
_MAGIC = b"vsmnp checkpoint 1\n"
#: Name of the HDF5 attribute, or where it is too long of the dataset, whose bytes are the JSON attributes.
_ATTRIBUTES = "vsmnp"
#: Most bytes of an HDF5 attribute, which share 64 KiB with its name and its type.
_LARGEST_ATTRIBUTE = 60_000
#: Names of arrays in files of earlier versions, with those of this version.
_FORMER = {
    group + former: group + name for group in ("", last_row.GROUP) for former, name in FORMER_FLAGS.items()
}
#: Program that prints the attributes of a file of an earlier version.
_READER = (
    "import io, h5py; file = h5py.File(io.BytesIO(sys.stdin.buffer.read()), 'r'); "
    f"sys.stdout.buffer.write(file.attrs['{_ATTRIBUTES}'].encode())"
)


class CheckpointContent(NamedTuple):
    """The arrays of a checkpoint by name, its attributes and its :func:`seal`."""

    arrays: dict[str, Array]
    attributes: dict[str, Any]
    seal: str


def save(
    path: Path, arrays: Mapping[str, Array], attributes: Mapping[str, Any], remedy: str = ELSEWHERE,
    former: Path | None = None, known: str = "",
) -> str:  # fmt: skip
    """Write arrays and JSON attributes atomically, and return the :func:`seal` of the checkpoint.

    Array names with ``/`` become groups. If the file that is replaced has the seal ``known``, it takes the
    name ``former``, unless it is the same checkpoint.

    Raises
    ------
    StorageError
        If the file cannot be written; an older checkpoint of that name is then unchanged. ``remedy`` ends
        the message.
    """
    import h5py

    image = io.BytesIO()
    with h5py.File(image, "w", userblock_size=_BLOCK) as file:
        for name, array in arrays.items():
            file.create_dataset(name, data=np.asarray(array))
        text = np.bytes_(json.dumps(attributes))
        if len(text) <= _LARGEST_ATTRIBUTE:
            file.attrs[_ATTRIBUTES] = text
        else:
            file.create_dataset(_ATTRIBUTES, data=np.frombuffer(text, np.uint8))
    payload = image.getvalue()[_BLOCK:]
    new = hashlib.sha256(payload).hexdigest()
    write_whole(
        path, _header(new) + payload, remedy, former=former if new != known and _has(path, known) else None
    )
    return new


def _has(path: Path, known: str) -> bool:
    """Return whether there is a checkpoint with this seal in its header."""
    try:
        return seal(path) == known
    except CheckpointError:
        return False


def seal(path: Path) -> str:
    """Return the seal that identifies a checkpoint: the SHA-256 in its header, without verifying it.

    Raises
    ------
    CheckpointError
        If there is no such file, or it is not a checkpoint.
    """
    return _seal_in(_read(path, _BLOCK))


def _seal_in(header: bytes) -> str:
    return header[len(_MAGIC) : _BLOCK].rstrip(b"\0\n").decode("ascii", "replace").removeprefix("sha256 ")


def load(path: Path) -> tuple[dict[str, Array], dict[str, Any]]:
    """Read the arrays by name, and the attributes.

    Raises
    ------
    CheckpointError
        If there is no such file, it is not a checkpoint, or it is damaged.
    """
    arrays, attributes, _ = glance(path)
    return arrays, attributes


def glance(path: Path, names: Sequence[str] | None = None) -> CheckpointContent:
    """Read the arrays of these names and groups, or all, the attributes and the :func:`seal`.

    Arrays that earlier versions named otherwise get the names of this version. Raises what :func:`load`
    raises.
    """
    import h5py

    content = _read(path)
    if content[:_BLOCK] != _header(hashlib.sha256(content[_BLOCK:]).hexdigest()):
        raise DamagedError(
            f"The checkpoint {path} is damaged or truncated, its SHA-256 does not match: "
            "restore it from a copy or start a new run."
        )
    try:
        arrays: dict[str, Array] = {}
        with h5py.File(io.BytesIO(content), "r") as file:

            def visit(stored: str, node: Any) -> None:
                name = _FORMER.get(stored, stored)
                wanted = names is None or not {name, name.split("/")[0]}.isdisjoint((*names, _ATTRIBUTES))
                if isinstance(node, h5py.Dataset) and wanted:
                    arrays[name] = _array(file, stored, len(content))

            file.visititems(visit)
            attributes = json.loads(_text(file, arrays.pop(_ATTRIBUTES, None), content))
    except hdf5_ends.SlowError as error:
        raise CheckpointError(f"The checkpoint {path} {error}.") from error
    except (MemoryError, VsmnpError):
        raise
    except Exception as error:  # HDF5 raises almost any on contents that nobody writes
        raise _foreign(path, error) from error
    return CheckpointContent(arrays, attributes, _seal_in(content))


def _array(file: Any, name: str, most: int) -> Array:
    """Read a dataset as :func:`save` writes it: of plain numbers or bytes, all of which the file contains.

    Raises
    ------
    ValueError
        If it is another.
    """
    node = file[name]
    if behind := file_behind(file, name):
        raise ValueError(f"'{name}' lies in {behind}")
    if node.dtype.kind not in "biufcS" or node.shape is None or node.nbytes > most:
        raise ValueError(f"'{name}' has more values than the file, or values that are no numbers")
    return np.asarray(node[()])


def _text(file: Any, stored: Array | None, content: bytes) -> bytes:
    """Return the JSON text of the attributes, which are bytes of a fixed length.

    In files of earlier versions the text lies in HDF5's heap. Zeros in that heap are an endless loop of HDF5,
    which only the end of a process stops: the text of such a file is read in another one.

    Raises
    ------
    KeyError, ValueError
        If there is none, or it cannot be read.
    """
    import h5py

    if stored is not None:
        return stored.tobytes()
    kind = h5py.h5a.open(file.id, _ATTRIBUTES.encode()).get_type()
    if isinstance(kind, h5py.h5t.TypeStringID) and not kind.is_variable_str():
        return bytes(file.attrs[_ATTRIBUTES])
    try:
        return hdf5_ends.elsewhere(_READER, content=content)
    except hdf5_ends.EndlessError as error:
        raise ValueError("HDF5 does not read its attributes") from error


def _foreign(path: Path, error: Exception) -> ForeignError:
    """Build the error for a checkpoint whose content this version does not know."""
    return ForeignError(f"The checkpoint {path} cannot be read by this version ({error}): start a new run.")


def _header(seal: str) -> bytes:
    """Write the first block of a file."""
    return (_MAGIC + f"sha256 {seal}\n".encode()).ljust(_BLOCK, b"\0")


def _read(path: Path, size: int = -1) -> bytes:
    """Read the first bytes of a checkpoint, or all.

    Raises
    ------
    CheckpointError
        If there is no such file, or it is not a checkpoint.
    """
    try:
        with open_regular(path) as file:
            content = file.read(_BLOCK)
            if size < 0 and content.startswith(_MAGIC):
                content += file.read()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DamagedError(
            f"There is no run in {path.parent}, which holds no {path.name}: name the folder of a run."
        ) from error
    except OSError as error:
        kind = CheckpointError if isinstance(error, PermissionError) else DamagedError
        raise kind(
            f"The checkpoint {path} cannot be read ({error.strerror}): change its permissions or restore it "
            "from a copy."
        ) from error
    if not content.startswith(_MAGIC):
        raise DamagedError(f"{path} is not a vsmnp checkpoint: name the checkpoint.h5 of a run.")
    return content

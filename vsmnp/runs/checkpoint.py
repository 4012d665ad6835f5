"""Checkpoints: an HDF5 file of named arrays after a header with its checksum.

The first 512 bytes are an HDF5 user block that holds a magic line and the SHA-256 of everything after
it. The checksum is verified before the HDF5 library reads a byte, so a truncated, damaged or foreign
file gives one sentence. Any HDF5 tool can open the file. Nothing in it is ever executed.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import CheckpointError
from ..storage import ELSEWHERE, write_whole
from ..types import Array

_BLOCK = 512
_MAGIC = b"vsmnp checkpoint 1\n"


def save(
    path: Path, arrays: Mapping[str, Array], attributes: Mapping[str, Any], remedy: str = ELSEWHERE
) -> str:
    """Write arrays and JSON attributes atomically, and return the :func:`seal` of the checkpoint.

    Array names with ``/`` become groups.

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
        file.attrs["vsmnp"] = json.dumps(attributes)
    payload = image.getvalue()[_BLOCK:]
    seal = hashlib.sha256(payload).hexdigest()
    write_whole(path, _header(seal) + payload, remedy)
    return seal


def seal(path: Path) -> str:
    """Return the seal that identifies a checkpoint: the SHA-256 in its header, without verifying it.

    Raises
    ------
    CheckpointError
        If there is no such file, or it is not a checkpoint.
    """
    header = _read(path, _BLOCK)[len(_MAGIC) :]
    return header.rstrip(b"\0\n").decode("ascii", "replace").removeprefix("sha256 ")


def load(path: Path) -> tuple[dict[str, Array], dict[str, Any]]:
    """Read the arrays by name, and the attributes.

    Raises
    ------
    CheckpointError
        If there is no such file, it is not a checkpoint, or it is damaged.
    """
    import h5py

    content = _read(path)
    if content[:_BLOCK] != _header(hashlib.sha256(content[_BLOCK:]).hexdigest()):
        raise CheckpointError(
            f"The checkpoint {path} is damaged or truncated, its SHA-256 does not match: "
            "restore it from a copy or start a new run."
        )
    try:
        arrays: dict[str, Array] = {}
        with h5py.File(io.BytesIO(content), "r") as file:

            def visit(name: str, node: Any) -> None:
                if isinstance(node, h5py.Dataset):
                    arrays[name] = node[()]

            file.visititems(visit)
            attributes = json.loads(file.attrs["vsmnp"])
    except (OSError, KeyError, ValueError, RuntimeError) as error:
        raise _foreign(path, error) from error
    return arrays, attributes


def glance(path: Path, names: Sequence[str]) -> tuple[dict[str, Array], dict[str, Any], str]:
    """Read some arrays, the attributes and the :func:`seal` without reading and verifying the whole file.

    A name is that of an array, or of a group, of which all arrays are read.

    Raises
    ------
    CheckpointError
        As :func:`load`, but damage of other arrays is not noticed.
    """
    import h5py

    found = seal(path)
    try:
        with path.open("rb") as stream, h5py.File(stream, "r") as file:
            arrays: dict[str, Array] = {}
            for name in names:
                node = file.get(name)
                if isinstance(node, h5py.Group):
                    arrays |= {f"{name}/{leaf}": np.asarray(node[leaf][()]) for leaf in node}
                elif node is not None:
                    arrays[name] = np.asarray(node[()])
            return arrays, json.loads(file.attrs["vsmnp"]), found
    except (OSError, KeyError, ValueError, RuntimeError, TypeError) as error:
        raise _foreign(path, error) from error


def _foreign(path: Path, error: Exception) -> CheckpointError:
    """Build the error for a checkpoint whose content this version does not know."""
    return CheckpointError(
        f"The checkpoint {path} cannot be read by this version ({error}): start a new run."
    )


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
        with path.open("rb") as file:
            content = file.read(size)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise CheckpointError(
            f"There is no run in {path.parent}, which holds no {path.name}: name the folder of a run."
        ) from error
    except OSError as error:
        raise CheckpointError(
            f"The checkpoint {path} cannot be read ({error.strerror}): change its permissions or restore it "
            "from a copy."
        ) from error
    if not content.startswith(_MAGIC):
        raise CheckpointError(f"{path} is not a vsmnp checkpoint: name the checkpoint.h5 of a run.")
    return content

"""The IDX format of MNIST: two zero bytes, a type code, the number of axes, the axes, the values.

References
----------
Y. LeCun, C. Cortes, C. J. C. Burges, "The MNIST database of handwritten digits", file formats.
"""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np

from ...errors import DataError
from ...types import Array
from ..parse_errors import MOST_BYTES_PER_BYTE, reading

#: The type code of unsigned bytes, the only one that MNIST uses.
UNSIGNED_BYTE = 0x08
_GZIP_MAGIC = b"\x1f\x8b"
_REMEDY = "delete it and get it again"


def read_idx(path: Path) -> Array:
    """Read the ``uint8`` array of an IDX file, gzipped or not.

    Raises
    ------
    DataError
        If the magic number, the type code, the axes or the length is wrong, or the gzip stream is
        corrupt: a missing or an extra byte is an error.
    """
    with reading(path, "an IDX file", _REMEDY), path.open("rb") as raw:
        zipped = raw.read(2) == _GZIP_MAGIC
        raw.seek(0)
        if not zipped:
            return _parse(raw.read(), path)
        with gzip.GzipFile(fileobj=raw) as stream:
            head = stream.read(4)
            axes = stream.read(4 * head[3]) if len(head) == 4 else b""
            most = MOST_BYTES_PER_BYTE * path.stat().st_size
            wanted = min(_length(head + axes), most)
            return _parse(head + axes + stream.read(wanted + 1), path)


def _length(head: bytes) -> int:
    """Return the number of value bytes that a header announces; 0 for a truncated header."""
    shape = _axes(head)
    return int(np.prod([int(n) for n in shape], dtype=object)) if shape else 0


def _axes(head: bytes) -> tuple[int, ...]:
    """Return the axes in a header; empty if there are none or the header is truncated."""
    n_axes = head[3] if len(head) >= 4 else 0
    if len(head) < 4 + 4 * n_axes:
        return ()
    return struct.unpack(f">{n_axes}I", head[4 : 4 + 4 * n_axes])


def _parse(content: bytes, path: Path) -> Array:
    if len(content) < 4 or content[:2] != b"\0\0":
        raise DataError(f"{path} is not an IDX file, its first two bytes are not zero: {_REMEDY}.")
    if content[2] != UNSIGNED_BYTE:
        code = f"0x{content[2]:02x}"
        raise DataError(f"{path} has IDX type code {code}, not 0x08 (unsigned bytes): {_REMEDY}.")
    shape = _axes(content)
    if not shape:
        raise DataError(f"{path} is an IDX file whose header names no axes or is cut short: {_REMEDY}.")
    length, found = _length(content), len(content) - 4 - 4 * len(shape)
    if found != length:
        more = "more" if found > length else "fewer"
        raise DataError(f"{path} holds {more} bytes than the {length:,} of its IDX shape {shape}: {_REMEDY}.")
    return np.frombuffer(content, np.uint8, offset=4 + 4 * len(shape)).reshape(shape)

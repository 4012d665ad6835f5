"""Keep the pictures that a command draws, so that children which draw the same ones only write them.

Drawing takes most of the time of the commands, and makes no call on files until its bytes are complete.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Any


def _parts(figure: Any) -> Iterator[bytes]:
    """Yield what of a figure depends on a run: its size, its texts and the numbers in its axes."""
    yield repr((*figure.get_size_inches(), len(figure.axes))).encode()
    for axes in figure.axes:
        for text in (axes.title, axes.xaxis.label, axes.yaxis.label, *axes.texts):
            yield text.get_text().encode()
        for line in axes.lines:
            yield line.get_label().encode() + line.get_xydata().tobytes()
        for image in axes.images:
            yield image.get_array().tobytes()
        for collection in axes.collections:
            yield collection.get_offsets().tobytes()
            yield b"".join(path.vertices.tobytes() for path in collection.get_paths())
        for patch in axes.patches:
            yield patch.get_path().vertices.tobytes() + patch.get_transform().get_matrix().tobytes()


def kept(encode: Callable[[Any, str], bytes]) -> Callable[[Any, str], bytes]:
    """Return a function that encodes a figure, or returns the bytes of an equal one."""
    known: dict[bytes, bytes] = {}

    def encoded(figure: Any, ending: str) -> bytes:
        seen = hashlib.sha256(ending.encode())
        for part in _parts(figure):
            seen.update(len(part).to_bytes(8, "little") + part)
        key = seen.digest()
        if key not in known:
            known[key] = encode(figure, ending)
        return known[key]

    return encoded

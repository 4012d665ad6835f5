"""Find what of an HDF5 file lies in other files, so that no file is read that the user has not named.

A link may lead to another file, the values of a dataset may be stored in one, and a virtual dataset may be
made of some: HDF5 follows all three without asking. Nothing of the package is imported, because another
process runs this file by itself (:mod:`vsmnp.data.hdf5_ends`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

#: Most links and virtual datasets that are followed from one name.
_LONGEST = 32


def file_behind(file: Any, name: str) -> str:
    """Return the other file that lies behind a name in an open HDF5 file; empty if there is none.

    A name that leads to nothing within the file has none. No value is read, and no other file is opened.
    """
    return _behind(file, name, [_LONGEST])


def _behind(file: Any, name: str, left: list[int]) -> str:
    import h5py

    at, rest = "", [part for part in name.split("/") if part not in ("", ".")]
    while rest:
        group = file[at or "/"]
        at, here = f"{at}/{rest.pop(0)}", at
        left[0] -= 1
        if left[0] < 0:
            return "a chain of links without an end"
        if not isinstance(group, h5py.Group):
            return ""
        try:
            link = group.get(at.rpartition("/")[2], getlink=True)
        except TypeError:  # a link of a kind that a program defines for itself
            return "a place that only its writer knows"
        if isinstance(link, h5py.ExternalLink):
            return f"the file {link.filename}"
        if isinstance(link, h5py.SoftLink):
            start = "" if link.path.startswith("/") else here
            return _behind(file, "/".join((start, link.path, *rest)), left)
        if link is None:
            return ""
    node = file[at or "/"]
    if not isinstance(node, h5py.Dataset):
        return ""
    if node.external:
        return f"the file {node.external[0][0]}"
    for source in node.virtual_sources() if node.is_virtual else ():
        if source.file_name != ".":
            return f"the file {source.file_name}"
        if found := _behind(file, source.dset_name, left):
            return found
    return ""


def look(path: str, next_step: Callable[[], object]) -> None:
    """Ask HDF5 for all that the readers of data ask for, except the values; begin a step for each name."""
    import h5py

    with h5py.File(path, "r") as file:
        for name in file:
            next_step()
            if file_behind(file, name) or not isinstance(node := file.get(name), h5py.Dataset):
                continue
            _ = node.dtype, node.shape, node.id.get_storage_size(), node.id.get_offset()
            if node.chunks and node.shape:
                node.id.get_num_chunks()

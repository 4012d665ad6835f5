"""Every dataset by name."""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import DataError
from .banana import Banana
from .dataset import Dataset
from .files import load_file
from .formats import READERS
from .images import SETS, load_images
from .mixture import Mixture
from .pinwheel import Pinwheel
from .ring import Ring
from .star import Star
from .synthetic import Synthetic

_SYNTHETIC: dict[str, Synthetic] = {
    each.name: each for each in (Star(), Mixture(), Ring(), Banana(), Pinwheel())
}
_IMAGES = {each.name: each for each in SETS}

#: Every built-in dataset.
NAMES: tuple[str, ...] = (*_SYNTHETIC, *_IMAGES)


def load_data(
    name_or_path: str, *, data_dir: str | Path | None = None, download: bool = True, image_size: int = 0
) -> Dataset:
    """A built-in dataset by name, or the user's own from a file.

    Parameters
    ----------
    name_or_path : str
        One of :data:`NAMES`, or a .npy, .npz, .csv, .h5 or .hdf5 file (see :func:`.files.load_file`).
    data_dir : path, optional
        Where image files are looked for first, then ``$VSMNP_DATA``, then the user's cache.
    download : bool
        Whether image files that are found nowhere may be downloaded to the user's cache.
    image_size : int
        Side of a picture in pixels: MNIST and Fashion-MNIST are filled up with zeros; 0: as they are.

    Raises
    ------
    DataError
        If there is no such dataset, its files are missing or unusable, or it has no pictures to size.
    StorageError
        If downloaded files cannot be written to the cache.
    """
    if name_or_path in _IMAGES:
        folder = None if data_dir is None else _home(data_dir)
        return load_images(_IMAGES[name_or_path], folder, download, image_size)
    if image_size:
        raise DataError(
            f"--image-size {image_size} makes no sense for {name_or_path}: it is for {' and '.join(_IMAGES)}."
        )
    if name_or_path in _SYNTHETIC:
        return _SYNTHETIC[name_or_path]
    path = _home(name_or_path)
    if not path.suffix and not os.path.isfile(path):
        raise _unknown(name_or_path)
    return load_file(path)


def describe(name: str) -> str:
    """What a built-in dataset is, its sizes and its floors; no file is read.

    Raises
    ------
    DataError
        If there is no built-in dataset of that name.
    """
    if name in _SYNTHETIC:
        return _SYNTHETIC[name].describe()
    if name in _IMAGES:
        return _IMAGES[name].describe()
    raise _unknown(name)


def _home(path: str | Path) -> Path:
    """``path`` with a leading ``~`` spelled out; unlike ``Path.expanduser`` it never fails."""
    return Path(os.path.expanduser(path))


def _unknown(name: str) -> DataError:
    return DataError(
        f"There is no dataset '{name}': choose one of {', '.join(NAMES)}, or name a file that ends in "
        f"{', '.join(READERS)}."
    )

"""Load or describe a dataset by name or path."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from ..errors import DataError, suggestion
from ..storage import may_be_file, may_be_folder
from .arrays.formats import SUFFIXES, is_readable
from .arrays.given import FROM_PYTHON, Given, is_name
from .arrays.load import load_file, load_given
from .arrays.rows_in_use import Missing
from .arrays.table import ColumnChoice
from .dataset import Dataset
from .mnist.mnist import SETS, load_images
from .pictures.celeba import NAME as CELEBA
from .pictures.celeba import describe_celeba, load_celeba
from .pictures.decode import Channels, PictureOptions
from .pictures.folder import load_folder
from .rows import MEMORY_BUDGET
from .synthetic.banana import Banana
from .synthetic.helicoid import Helicoid
from .synthetic.mixture import Mixture
from .synthetic.pinwheel import Pinwheel
from .synthetic.ring import Ring
from .synthetic.star import Star
from .synthetic.synthetic import Synthetic

#: The table of the synthetic datasets by name; every list of names is made from it.
SYNTHETIC: dict[str, Synthetic] = {
    each.name: each for each in (Star(), Mixture(), Ring(), Banana(), Helicoid(), Pinwheel())
}
_IMAGES = {each.name: each for each in SETS}

#: Names of all built-in datasets.
NAMES: tuple[str, ...] = (*SYNTHETIC, *_IMAGES, CELEBA)


def load_data(
    name_or_path: Given, *, test: Given = None, data_dir: str | Path | None = None, download: bool = True,
    image_size: int = 0, crop: int = 0, channels: Channels = "auto", memory_budget: float = MEMORY_BUDGET,
    columns: Sequence[str] = (), drop_columns: Sequence[str] = (), missing: Missing = "error",
) -> Dataset:  # fmt: skip
    """Load a built-in dataset by name, or the user's data from a file, a folder of pictures or an array.

    Parameters
    ----------
    name_or_path : str, path or array_like
        An array or a table with named columns (NumPy, lists, pandas, polars, xarray, torch, CuPy; see
        :func:`.arrays.given.numbers_of`); one of :data:`NAMES`; a .npy, .npz, .csv, .tsv, .parquet, .arrow,
        .feather, .h5 or .hdf5 file (see :func:`.arrays.load.load_file`); or a folder of pictures (see
        :func:`.pictures.folder.load_folder`).
    test : array_like, optional
        The test set of an array, of which a tenth is held out otherwise.
    data_dir : path, optional
        First folder to search for image files, followed by ``$VSMNP_DATA`` and the user's cache.
    download : bool
        Whether image files that are not found may be downloaded to the user's cache.
    image_size : int
        Side of a picture in pixels: MNIST, Fashion-MNIST and pictures in arrays are padded with zeros,
        pictures in files of their own are resized; 0: the original size, CelebA 32.
    crop : int
        Side of the central square that is cut from pictures in files before resizing; 0: the largest one if
        they are resized, CelebA 140.
    channels : {"auto", "1", "3"}
        Pictures in files as stored, in grey, or in colour.
    memory_budget : float
        GiB of samples held in memory; larger data stay on disk, with identical minibatches.
    columns, drop_columns : sequence of str
        The columns of a table that are the samples, in this order; or those that are not. Without names, a
        column is called by its number from 1.
    missing : {"error", "drop"}
        Whether rows with missing values (NaN) are an error or left out.

    Raises
    ------
    DataError
        If the dataset is unknown, its files are missing or invalid, or options for pictures do not apply.
    StorageError
        If downloaded files or decoded pictures cannot be written to the cache.
    """
    choice = ColumnChoice(tuple(columns), tuple(drop_columns))
    if not is_name(name_or_path):
        return load_given(name_or_path, test, memory_budget, choice, missing, image_size)
    name_or_path = os.fspath(name_or_path)
    if test is not None:
        raise DataError(f"A test array makes no sense for {name_or_path}: store it in the file as 'test'.")
    if name_or_path == FROM_PYTHON:
        raise DataError(
            "The run was trained on an array that was given in Python: give the same array to "
            "vsmnp.load_run(folder, X) or vsmnp.resume(folder, X)."
        )
    folder = None if data_dir is None else _home(data_dir)
    path = _home(name_or_path)
    if choice and (name_or_path in NAMES or _is_folder(path)):
        raise DataError(f"{choice.option} makes no sense for {name_or_path}: it is for tables in files.")
    if name_or_path == CELEBA:
        return load_celeba(folder, PictureOptions(image_size, crop, channels), memory_budget)
    if name_or_path and name_or_path not in NAMES and _is_folder(path):
        return load_folder(path, PictureOptions(image_size, crop, channels), memory_budget)
    for option, given in (("crop", crop), ("channels", channels)):
        if given not in (0, "auto"):
            raise DataError(
                f"--{option} {given} makes no sense for {name_or_path}: it is for pictures in files."
            )
    if name_or_path in _IMAGES:
        return load_images(_IMAGES[name_or_path], folder, download, image_size)
    if name_or_path in SYNTHETIC:
        if image_size:
            raise DataError(
                f"--image-size {image_size} makes no sense for {name_or_path}: it is for pictures."
            )
        return SYNTHETIC[name_or_path]
    if not path.suffix and not may_be_file(path):
        raise _unknown(name_or_path)
    return load_file(path, memory_budget, choice, missing, image_size)


def _is_folder(path: Path) -> bool:
    """Return whether a path is a folder; where a look is refused, it is one unless it has a file's suffix."""
    return os.path.isdir(path) or (not is_readable(path) and may_be_folder(path))


def describe(name: str) -> str:
    """Describe a built-in dataset, its sizes and its bounds, without reading a file.

    Raises
    ------
    DataError
        If there is no built-in dataset of that name.
    """
    if name == CELEBA:
        return describe_celeba()
    found = SYNTHETIC.get(name) or _IMAGES.get(name)
    if found is None:
        raise _unknown(name)
    return found.describe()


def _home(path: str | Path) -> Path:
    """Expand a leading ``~`` in ``path``; unlike ``Path.expanduser`` it never fails."""
    return Path(os.path.expanduser(path))


def _unknown(name: str) -> DataError:
    return DataError(
        f"There is no dataset '{name}'{suggestion(name, NAMES)}: choose one of {', '.join(NAMES)}, or name a "
        f"file that ends in {', '.join(SUFFIXES)}, or a folder of pictures."
    )

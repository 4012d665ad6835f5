"""MNIST and Fashion-MNIST from their original files: search folders, checksums and labels."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from ...errors import DataError
from ...storage import known_cache, may_be_file, may_be_folder, user_cache
from ...types import Array, Shape
from ..dataset import Bounds, paragraph
from ..fixed import FixedDataset, framed, sizes
from .download import fetch
from .idx import read_idx


@dataclass(frozen=True)
class IdxFile:
    """One IDX file: its name, its number of images or labels, and its checksums.

    ``sha256`` is of the file as downloaded; ``crc32`` of its values, independent of compression.
    """

    file: str
    count: int
    sha256: str
    crc32: int


@dataclass(frozen=True)
class ImageSet:
    """A set of grey images in two IDX files, their classes in two more, and its mirrors."""

    name: str
    train: IdxFile
    test: IdxFile
    mirrors: tuple[str, ...]
    about: str
    shape: Shape = (28, 28)
    labels: tuple[IdxFile, ...] = ()
    #: Folder in which torchvision keeps the set, below the folder that it is given.
    torchvision: str = ""

    @property
    def files(self) -> tuple[IdxFile, IdxFile]:
        """Both files of images, training first."""
        return self.train, self.test

    def describe(self) -> str:
        """Write the paragraph of the set, without reading it."""
        size = sizes(self.shape, self.train.count, self.test.count)
        return paragraph(self.name, size, self.about, Bounds())


MNIST = ImageSet(
    name="mnist",
    torchvision="MNIST",
    train=IdxFile(
        "train-images-idx3-ubyte.gz",
        60_000,
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        0xF3639B56,
    ),
    test=IdxFile(
        "t10k-images-idx3-ubyte.gz",
        10_000,
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        0xE4CA5F57,
    ),
    mirrors=(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    about="""Handwritten digits, grey, pixels in [0, 1] (LeCun, Cortes, Burges 1998; CC BY-SA 3.0). Read from
    the original IDX files, which are looked for in --data-dir, $VSMNP_DATA and the user's cache, and else
    downloaded. --image-size 32 puts zeros around the 28 x 28 pixels, as the paper does.""",
    labels=(
        IdxFile(
            "train-labels-idx1-ubyte.gz",
            60_000,
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            0xBA07E8EF,
        ),
        IdxFile(
            "t10k-labels-idx1-ubyte.gz",
            10_000,
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
            0xEE8604D9,
        ),
    ),
)

FASHION = ImageSet(
    name="fashion",
    torchvision="FashionMNIST",
    train=IdxFile(
        "train-images-idx3-ubyte.gz",
        60_000,
        "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        0xAE65DCCD,
    ),
    test=IdxFile(
        "t10k-images-idx3-ubyte.gz",
        10_000,
        "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        0x12728439,
    ),
    mirrors=(
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    ),
    about="""Fashion-MNIST: articles of clothing, grey, pixels in [0, 1] (Xiao, Rasul, Vollgraf 2017; MIT).
    Read from the original IDX files, which are looked for in --data-dir, $VSMNP_DATA and the user's cache,
    and else downloaded. --image-size 32 puts zeros around the 28 x 28 pixels, as the paper does.""",
    labels=(
        IdxFile(
            "train-labels-idx1-ubyte.gz",
            60_000,
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            0x2ED6E46A,
        ),
        IdxFile(
            "t10k-labels-idx1-ubyte.gz",
            10_000,
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
            0x242BC73F,
        ),
    ),
)

SETS = (MNIST, FASHION)


def load_images(images: ImageSet, data_dir: Path | None, download: bool, size: int = 0) -> FixedDataset:
    """Find or download the images of a set, and read them.

    Parameters
    ----------
    images : ImageSet
        The set to load.
    data_dir : Path or None
        First folder to search.
    download : bool
        Whether they may be downloaded.
    size : int
        Side to which pictures are padded with zeros; 0: no padding.

    Raises
    ------
    DataError
        If the files are missing and may not or cannot be downloaded, if one is corrupt, of another shape, or
        has other pixels than the set (MNIST and Fashion-MNIST use the same file names), or if the side is too
        small.
    """
    train, test = _read_parts(images, images.files, images.shape, data_dir, download)
    train, test = (framed(part, size, images.name) for part in (train, test))
    return FixedDataset(
        images.name, train.shape[1:], _flat(train), _flat(test), images.about, divisor=255.0,
        read_labels=partial(load_labels, images, data_dir, download) if images.labels else None,
    )  # fmt: skip


def load_labels(images: ImageSet, data_dir: Path | None, download: bool) -> tuple[Array, Array]:
    """Load the classes of the training and test images, each ``(count,)``, searched as the images are.

    Raises
    ------
    DataError
        If the files are not found, corrupt, of another length, or have the labels of another set.
    """
    train, test = _read_parts(images, images.labels, (), data_dir, download)
    return train.astype(np.int64), test.astype(np.int64)


def _flat(pixels: Array) -> Array:
    """Flatten ``pixels (N, H, W)`` to ``(N, D)``."""
    return pixels.reshape(len(pixels), -1)


def _read_parts(
    images: ImageSet, parts: Sequence[IdxFile], shape: Shape, data_dir: Path | None, download: bool
) -> list[Array]:
    """Read the values of some files of a set, each ``(count, *shape)`` in uint8."""
    if data_dir is not None and not may_be_folder(data_dir):
        raise DataError(f"The data folder {data_dir} does not exist: create it or name another.")
    paths = find(images, parts, data_dir)
    if paths is None:
        target = user_cache() / images.name
        if not download:
            folders = ", ".join(f"{place / images.name}, {place}" for place in _places(data_dir))
            raise DataError(
                f"The files of {images.name} are in none of {folders}, nor in "
                f"{images.torchvision or images.name}/raw there: allow the download, name the folder that "
                f"holds them with --data-dir, or put {' and '.join(part.file for part in parts)} in one of "
                "them."
            )
        paths = [fetch(part.file, part.sha256, images.mirrors, target) for part in parts]
    return [_read(path, part, shape, images) for path, part in zip(paths, parts, strict=True)]


def find(images: ImageSet, parts: Sequence[IdxFile], data_dir: Path | None) -> list[Path] | None:
    """Find the files in the first folder that has them all, compressed or not; None if there is none."""
    for folder in _folders(images, data_dir):
        paths = [path for part in parts if (path := _as_named(folder, part.file))]
        if len(paths) == len(parts):
            return paths
    return None


def _as_named(folder: Path, file: str) -> Path | None:
    """Return the first of the names that exists: packed, unpacked, Kaggle's with a dot or in a folder."""
    plain = file.removesuffix(".gz")
    dotted = plain.replace("-idx", ".idx")
    names = (file, plain, f"{dotted}.gz", dotted, f"{plain}/{plain}")
    return next((path for name in names if may_be_file(path := folder / name)), None)


def _places(data_dir: Path | None) -> list[Path]:
    """Return the places to search in order: the option, the variable, the cache."""
    variable = os.environ.get("VSMNP_DATA")
    return [place for place in (data_dir, Path(variable) if variable else None, known_cache()) if place]


def _folders(images: ImageSet, data_dir: Path | None) -> Iterator[Path]:
    """Yield the folders to search in order: of each place, the set's own sub-folders, then itself."""
    for place in _places(data_dir):
        yield place / images.name
        if images.torchvision:
            yield from (place / images.torchvision / "raw", place / images.torchvision)
        yield from (place, place / "raw")


def _read(path: Path, part: IdxFile, shape: Shape, images: ImageSet) -> Array:
    """Read one file, ``(count, *shape)`` in uint8, and check that it belongs to the set."""
    values = read_idx(path)
    wanted = (part.count, *shape)
    if values.shape != wanted:
        raise DataError(f"{path} has shape {values.shape}, not the {wanted} of {images.name}: replace it.")
    crc32 = zlib.crc32(values.data)
    for other in SETS:
        if other.name != images.name and crc32 in (part.crc32 for part in (*other.files, *other.labels)):
            what = "images" if shape else "labels"
            raise DataError(
                f"{path} holds the {what} of {other.name}, not of {images.name}: keep each set "
                f"in a folder of its own, {images.name}/ and {other.name}/."
            )
    if crc32 != part.crc32:
        raise DataError(
            f"{path} has the shape of {images.name} and other values, as its checksum says: delete it and "
            "get it again."
        )
    return values

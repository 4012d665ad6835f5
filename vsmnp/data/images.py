"""MNIST and Fashion-MNIST from their original files: where they may lie and how to know them."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import DataError
from ..types import Array, Shape
from .dataset import Bounds, paragraph
from .download import fetch
from .finite import Finite, sizes
from .idx import read_idx


@dataclass(frozen=True)
class ImageFile:
    """One IDX file: its name, how many images it holds, and how to know it.

    ``sha256`` is of the file as downloaded; ``crc32`` of its pixels, however they were packed.
    """

    file: str
    count: int
    sha256: str
    crc32: int


@dataclass(frozen=True)
class ImageSet:
    """A set of grey images in two IDX files, and the mirrors that have them."""

    name: str
    train: ImageFile
    test: ImageFile
    mirrors: tuple[str, ...]
    about: str
    shape: Shape = (28, 28)

    @property
    def files(self) -> tuple[ImageFile, ImageFile]:
        """Both files, training first."""
        return self.train, self.test

    def describe(self) -> str:
        """The paragraph of the set, without reading it."""
        size = sizes(self.shape, self.train.count, self.test.count)
        return paragraph(self.name, size, self.about, Bounds())


MNIST = ImageSet(
    name="mnist",
    train=ImageFile(
        "train-images-idx3-ubyte.gz",
        60_000,
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        0xF3639B56,
    ),
    test=ImageFile(
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
    downloaded.""",
)

FASHION = ImageSet(
    name="fashion",
    train=ImageFile(
        "train-images-idx3-ubyte.gz",
        60_000,
        "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        0xAE65DCCD,
    ),
    test=ImageFile(
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
    and else downloaded.""",
)

SETS = (MNIST, FASHION)


def load_images(images: ImageSet, data_dir: Path | None, download: bool) -> Finite:
    """Find or download both files of a set, and read them.

    Raises
    ------
    DataError
        If they are nowhere and may not be or cannot be downloaded, or if one is corrupt, of another
        shape, or the pixels of another set (MNIST and Fashion-MNIST give their files the same names).
    """
    if data_dir is not None and not os.path.isdir(data_dir):
        raise DataError(f"The data folder {data_dir} does not exist: create it or name another.")
    paths = find(images, data_dir)
    if paths is None:
        target = _cache() / images.name
        if not download:
            folders = ", ".join(str(folder) for folder in _folders(images, data_dir))
            raise DataError(
                f"The files of {images.name} are in none of {folders}: allow the download, "
                f"or put {images.train.file} and {images.test.file} in one of them."
            )
        paths = [fetch(part.file, part.sha256, images.mirrors, target) for part in images.files]
    train, test = (_read(path, part, images) for path, part in zip(paths, images.files, strict=True))
    return Finite(images.name, images.shape, train, test, images.about, divisor=255.0)


def find(images: ImageSet, data_dir: Path | None) -> list[Path] | None:
    """Both files from the first folder that has both, packed or unpacked; None if there is none."""
    for folder in _folders(images, data_dir):
        paths = [path for part in images.files if (path := _packed_or_not(folder / part.file))]
        if len(paths) == len(images.files):
            return paths
    return None


def _packed_or_not(path: Path) -> Path | None:
    """The .gz file if it exists, else the unpacked one if that exists."""
    return next((each for each in (path, path.with_suffix("")) if os.path.isfile(each)), None)


def _folders(images: ImageSet, data_dir: Path | None) -> Iterator[Path]:
    """Where to look, in order: the set's own folder within a place before the place itself."""
    variable = os.environ.get("VSMNP_DATA")
    for place in (data_dir, Path(variable) if variable else None, _cache()):
        if place is not None:
            yield from (place / images.name, place)


def _cache() -> Path:
    import pooch

    return Path(pooch.os_cache("vsmnp"))


def _read(path: Path, part: ImageFile, images: ImageSet) -> Array:
    """The pixels of one file, ``(count, D)`` in uint8, once they are known to be the right ones."""
    pixels = read_idx(path)
    wanted = (part.count, *images.shape)
    if pixels.shape != wanted:
        raise DataError(f"{path} has shape {pixels.shape}, not the {wanted} of {images.name}: replace it.")
    crc32 = zlib.crc32(pixels.data)
    for other in SETS:
        if other.name != images.name and crc32 in (known.crc32 for known in other.files):
            raise DataError(
                f"{path} holds the images of {other.name}, not of {images.name}: keep each set "
                f"in a folder of its own, {images.name}/ and {other.name}/."
            )
    return pixels.reshape(part.count, -1)

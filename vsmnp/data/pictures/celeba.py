"""CelebA from the user's folder of aligned pictures: search folders, and the standard partition.

References
----------
Z. Liu, P. Luo, X. Wang, X. Tang, "Deep learning face attributes in the wild", ICCV 2015.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from ...errors import DataError
from ...storage import known_cache, may_be_file, may_be_folder
from ..arrays.load import hold_out
from ..dataset import Bounds, paragraph
from ..fixed import FixedDataset
from ..parse_errors import reading
from .cache import decoded
from .decode import PictureOptions
from .folder import of_pictures
from .listing import list_pictures
from .reader import Listing, PictureFile

NAME = "celeba"
#: Width and height of the aligned pictures.
ORIGINAL = (178, 218)
#: Side to which the pictures are resized, and side of the central square that is cut out before.
SIZE, CROP = 32, 140
PARTITION = "list_eval_partition.txt"
_ABOUT = """Faces of celebrities, in colour, pixels in [0, 1] (Liu, Luo, Wang, Tang 2015; for non-commercial
research only, so it is never downloaded). Read from the user's folder of aligned JPEGs of 178 x 218 pixels
(img_align_celeba), which is looked for in --data-dir, $VSMNP_DATA and the user's cache: the 140 x 140 in
their middle (--crop), resized to 32 x 32 (--image-size), decoded once into the user's cache. A file
list_eval_partition.txt beside them, or in Eval, tells training from test pictures; without it, the last
tenth of a fixed permutation is held out."""
#: Usual folders of the pictures below a search folder.
_INNER = tuple(
    f"{outer}/{inner}"
    for outer in ("celeba", ".")
    for inner in ("img_align_celeba", "Img/img_align_celeba", ".")
)


def describe_celeba() -> str:
    """Write the paragraph of the set, without reading it."""
    return paragraph(
        NAME, "3 x 32 x 32 values a sample, 162,770 to train and 19,962 to test on.", _ABOUT, Bounds()
    )


def load_celeba(data_dir: Path | None, options: PictureOptions, memory_budget: float) -> FixedDataset:
    """Load the training and test pictures of CelebA; its validation pictures are left out.

    Raises
    ------
    DataError
        If the pictures are not found, the partition does not match them, or they are not the aligned ones.
    StorageError
        If the cache cannot be written.
    """
    if data_dir is not None and not may_be_folder(data_dir):
        raise DataError(f"The data folder {data_dir} does not exist: create it or name another.")
    folder, files = _find(data_dir)
    folder = Path(os.path.abspath(folder))
    places = (folder / PARTITION, *(up / inner / PARTITION for up in (folder.parent, folder.parent.parent)
                                    for inner in (".", "Eval", "eval")))  # fmt: skip
    partition = next((path for path in places if may_be_file(path)), None)
    train, test = ([files[i] for i in sorted(index)] for index in hold_out(len(files)))
    if partition is not None:
        of = read_partition(partition, [each.name for each in files], folder)
        train, test = ([each for each in files if of[each.name] == which] for which in (0, 2))
        if not (train and test):
            raise DataError(
                f"{partition} leaves no training or no test pictures in {folder}: get the whole set."
            )
    options = replace(options, size=options.size or SIZE, crop=options.crop or CROP, original=ORIGINAL)
    found = decoded(Listing(folder, train, test, options), NAME, memory_budget)
    about = (
        f"{_ABOUT} Here from {folder}, {'with' if partition else 'without'} the partition; in {found.path}."
    )
    return of_pictures(found, NAME, about, "", memory_budget)


def read_partition(path: Path, names: Sequence[str], folder: Path) -> dict[str, int]:
    """Read the part of each picture: 0 training, 1 validation, 2 test.

    Raises
    ------
    DataError
        If a line is malformed, or the pictures that it names are not those of the folder.
    """
    part_of: dict[str, int] = {}
    with reading(path, "CelebA's partition", "get it again"):
        for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), start=1):
            match line.split():
                case [name, ("0" | "1" | "2") as part]:
                    part_of[name] = int(part)
                case []:
                    pass
                case _:
                    raise DataError(
                        f"Line {number} of {path} is {line[:40]!r}, not a file name and 0, 1 or 2: "
                        "get it again."
                    )
    for some, others, what in (
        (names, part_of, f"pictures in {folder} are not named in {path}"),
        (list(part_of), set(names), f"pictures named in {path} are not in {folder}"),
    ):
        missing = [name for name in some if name not in others]
        if missing:
            raise DataError(
                f"{len(missing):,} {what}, {missing[0]} for one: get the whole set, or remove the file to "
                "have a tenth held out."
            )
    return part_of


def _find(data_dir: Path | None) -> tuple[Path, list[PictureFile]]:
    """Find the first folder with at least two pictures, and list them."""
    looked = []
    for folder in _folders(data_dir):
        looked.append(str(folder))
        if may_be_folder(folder):
            files = list_pictures(folder, deep=False).files
            if len(files) >= 2:
                return folder, files
    places = f"none of {', '.join(looked)}" if looked else "no known folder"
    raise DataError(
        f"The pictures of {NAME} are in {places}: name the folder of the aligned JPEGs (img_align_celeba) "
        "with --data-dir."
    )


def _folders(data_dir: Path | None) -> Iterator[Path]:
    variable = os.environ.get("VSMNP_DATA")
    for place in (data_dir, Path(variable) if variable else None, known_cache()):
        if place is not None:
            yield from (place / inner for inner in _INNER)

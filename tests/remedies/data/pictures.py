"""Situations of folders of pictures, and of CelebA's."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vsmnp.data.pictures.celeba import ORIGINAL

from ..follow import Step, read, remedy, train

FOLDER = Path("x")


def noise(seed: int, height: int = 6, width: int = 6) -> Image.Image:
    """Make a coloured picture of noise."""
    shape = (height, width, 3)
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8))


def fill(folder: Path = FOLDER, n: int = 6, suffix: str = ".png") -> Path:
    """Write pictures of noise, 0.png and so on."""
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(n):
        noise(i).save(folder / f"{i}{suffix}")
    return folder


# --- what a folder holds --------------------------------------------------------------------------


@remedy("it takes at least 2; convert those that end in .gif")
def pictures_of_another_format(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    folder = fill(suffix=".gif")
    yield train(folder)
    for path in list(folder.iterdir()):
        with Image.open(path) as picture:
            picture.convert("RGB").save(path.with_suffix(".png"))
    yield train(folder)


@remedy("but val holds no picture: put pictures in it, or remove it to have a tenth of the others held out")
def an_empty_part_of_a_split(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    fill(FOLDER / "train")
    (FOLDER / "val").mkdir()
    yield train(FOLDER)
    (FOLDER / "val").rmdir()
    yield train(FOLDER)
    fill(FOLDER / "val", 2)
    yield train(FOLDER)


@remedy("cannot be read (Permission denied): change its permissions")
def a_folder_that_may_not_be_read(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    def forbidden(path: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    fill()
    with pytest.MonkeyPatch.context() as closed:
        closed.setattr(os, "scandir", forbidden)
        yield read(FOLDER)
    yield read(FOLDER)


# --- one picture ----------------------------------------------------------------------------------


def opened(error: OSError) -> Iterator[Step]:
    """Yield the step that reads pictures whose files cannot be opened, and then one that can."""

    def refuse(path: object, **options: object) -> None:
        raise error

    fill()
    with pytest.MonkeyPatch.context() as broken:
        broken.setattr(Image, "open", refuse)
        yield read(FOLDER)
    yield read(FOLDER)


@remedy("may not be read: change its permissions")
def a_picture_that_may_not_be_read(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield from opened(PermissionError(errno.EACCES, "Permission denied"))


@remedy("has gone while its folder was read: try again")
def a_picture_that_is_gone(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield from opened(FileNotFoundError(errno.ENOENT, "No such file"))


@remedy("could not be read (Input/output error): see to its disk")
def a_picture_on_a_failing_disk(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield from opened(OSError(errno.EIO, "Input/output error"))


@remedy("not of bytes: save it with 8 bits a channel")
def a_picture_of_16_bits(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    fill()
    Image.new("I;16", (6, 6)).save(FOLDER / "odd.png")
    yield train(FOLDER)
    noise(9).save(FOLDER / "odd.png")
    yield train(FOLDER)


@remedy("is neither grey nor RGB but RGBA: say --channels 1 or --channels 3 to convert")
def a_picture_with_transparency(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    fill()
    noise(9).convert("RGBA").save(FOLDER / "odd.png")
    yield train(FOLDER)
    yield train(FOLDER, "--channels", "1")
    yield train(FOLDER, "--channels", "3")


@remedy("is 8 x 5 pixels, too small for --crop 6: lower it")
def a_picture_smaller_than_the_crop(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    fill()
    noise(9, 5, 8).save(FOLDER / "odd.png")
    yield train(FOLDER, "--crop", "6")
    yield train(FOLDER, "--crop", "5")


# --- pictures beside each other -------------------------------------------------------------------


@remedy("say --image-size, and --crop if you like, to make them agree")
def pictures_of_two_sizes(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    fill()
    noise(9, 5, 8).save(FOLDER / "odd.png")
    yield train(FOLDER)
    yield train(FOLDER, "--image-size", "4")
    yield train(FOLDER, "--image-size", "4", "--crop", "5")


@remedy("say --channels 1 or --channels 3 to make them agree")
def grey_and_coloured_pictures(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    fill()
    noise(9).convert("L").save(FOLDER / "odd.png")
    yield train(FOLDER)
    yield train(FOLDER, "--channels", "1")
    yield train(FOLDER, "--channels", "3")


@remedy("None of the training or none of the test pictures")
def pictures_that_are_none(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    FOLDER.mkdir()
    for name in ("0.png", "1.png", "2.png"):
        (FOLDER / name).write_bytes(b"no picture")
    yield train(FOLDER)
    yield train(fill(), "--batch-size", "1")


@remedy("look at the files")
def no_test_picture_that_can_be_read(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    fill(FOLDER / "train")
    fill(FOLDER / "test", 1)
    (FOLDER / "test" / "0.png").write_bytes(b"no picture")
    yield train(FOLDER)
    fill(FOLDER / "test", 1)
    yield train(FOLDER)


# --- the cache of decoded pictures ----------------------------------------------------------------


def cached(patch: pytest.MonkeyPatch, target: str, error: OSError | RuntimeError) -> Iterator[Step]:
    """Yield the step that writes a cache while a function fails, and then does not."""

    def fail(*arguments: object, **options: object) -> None:
        raise error

    fill()
    with pytest.MonkeyPatch.context() as broken:
        broken.setattr(target, fail)
        yield read(FOLDER)
    patch.setenv("XDG_CACHE_HOME", str(Path("elsewhere").absolute()))
    yield read(FOLDER)
    assert list(Path("elsewhere/pictures").iterdir())


@remedy("free some space there, or set XDG_CACHE_HOME to a folder on another disk")
def a_cache_on_a_full_disk(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield from cached(patch, "os.posix_fallocate", OSError(errno.ENOSPC, "No space left on device"))


@remedy("free some space there, or set XDG_CACHE_HOME to a folder on another disk")
def a_cache_that_is_too_large_for_the_system(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield from cached(patch, "os.posix_fallocate", OSError(errno.EFBIG, "File too large"))


@remedy("was written but cannot be read back: free some space there, or set XDG_CACHE_HOME")
def a_cache_that_cannot_be_read_back(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield from cached(
        patch, "vsmnp.data.pictures.cache.open_regular", OSError(errno.EIO, "Input/output error")
    )


# --- CelebA ---------------------------------------------------------------------------------------

PARTITION = Path("faces/list_eval_partition.txt")


def faces(n: int = 5) -> Path:
    """Write pictures of the size of the aligned ones, 000001.jpg and so on."""
    folder = Path("faces")
    folder.mkdir(exist_ok=True)
    for i in range(1, n + 1):
        noise(i, ORIGINAL[1], ORIGINAL[0]).save(folder / f"{i:06d}.jpg")
    return folder


def parted(*parts: int) -> None:
    """Write the partition of the faces."""
    lines = [f"{i:06d}.jpg {part}" for i, part in enumerate(parts, start=1)]
    PARTITION.write_text("\n".join(lines) + "\n")


def celeba(folder: Path | str = "faces") -> Step:
    return train("celeba", "--data-dir", str(folder))


@remedy("name the folder of the aligned JPEGs (img_align_celeba) with --data-dir")
def faces_that_are_nowhere(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield train("celeba")
    yield celeba(faces())


@remedy("does not exist: create it or name another")
def a_folder_of_faces_that_does_not_exist(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield celeba("nowhere")
    yield celeba(faces())
    faces().rename("nowhere")
    yield celeba("nowhere")


@remedy("name the right folder")
def pictures_that_are_not_the_aligned_ones(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield celeba(fill())
    yield celeba(faces())


@remedy("is '000001.jpg 3', not a file name and 0, 1 or 2: get it again")
def a_line_of_a_partition_that_is_none(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    faces()
    parted(3, 0, 0, 2, 2)
    yield celeba()
    parted(0, 0, 0, 2, 2)
    yield celeba()


@remedy("leaves no training or no test pictures in")
def a_partition_without_tests(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    faces()
    parted(0, 0, 0, 0, 0)
    yield celeba()
    faces(6)
    parted(0, 0, 0, 0, 0, 2)
    yield celeba()


@remedy("get the whole set, or remove the file to have a tenth held out")
def a_partition_of_other_pictures(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    faces()
    parted(0, 0, 0, 0, 0, 2)
    yield celeba()
    faces(6)
    yield celeba()
    PARTITION.unlink()
    yield celeba()


@remedy("cannot be read as CelebA's partition, it is corrupt or truncated: get it again")
def a_partition_that_is_no_text(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    faces()
    PARTITION.write_bytes(b"\xff\xfe\x00")
    yield celeba()
    parted(0, 0, 0, 2, 2)
    yield celeba()

"""Situations of the built-in sets: MNIST's files, downloads, and the names of sets."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest
from test_data_idx import idx_bytes
from test_data_images import PACKED, PIXELS, put, tiny

from vsmnp.data.catalogue import describe
from vsmnp.data.mnist import mnist
from vsmnp.data.mnist.idx import read_idx
from vsmnp.data.mnist.mnist import ImageSet, load_images

from ..follow import Step, remedy, train


def images(folder: str | None = "x", download: bool = False, of: ImageSet | None = None) -> Step:
    """Return the step that reads a small set of images like MNIST."""
    place = None if folder is None else Path(folder)
    return lambda: load_images(of or tiny(), place, download)


# --- names and options of sets --------------------------------------------------------------------


@remedy("(did you mean 'mixture'?): choose one of star, mixture")
def a_set_that_does_not_exist(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield lambda: describe("mixtrue")
    yield lambda: describe("mixture")
    yield train("mixture")


@remedy("or name a file that ends in .npy, .npz")
def data_without_a_suffix(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield train("measured")
    np.save("measured.npy", np.eye(20, 3))
    yield train("measured.npy")


@remedy("it is for pictures in files")
def a_crop_of_points(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield train("mixture", "--crop", "5")
    yield train("mixture")


@remedy("it is for pictures")
def an_image_size_of_points(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield train("mixture", "--image-size", "32")
    yield train("mixture")


# --- where files are looked for -------------------------------------------------------------------


@remedy("does not exist: create it or name another")
def a_data_folder_that_does_not_exist(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield images("nowhere")
    put(Path("nowhere"))
    yield images("nowhere")


@remedy("allow the download, name the folder that holds them with --data-dir, or put train.gz and test.gz in")
def files_that_are_nowhere(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield images(None)
    put(Path("x"))
    yield images("x")
    put(Path("cache/tiny"))
    yield images(None)


# --- downloads ------------------------------------------------------------------------------------


@remedy("get it by hand from http://127.0.0.1:9/ and put it in")
def a_mirror_that_is_not_reached(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    patch.setenv("NO_PROXY", "127.0.0.1")
    away = tiny("http://127.0.0.1:9/")
    yield images(None, True, away)
    put(Path("x"))
    yield images("x", True, away)
    put(Path("cache/tiny"))
    yield images(None, True, away)


@remedy("make room there or change its permissions")
def a_cache_that_cannot_be_written(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    import pooch

    def refuse(*arguments: object, **options: object) -> None:
        raise PermissionError(13, "Permission denied")

    def deliver(url: str, known_hash: str, file: str, folder: Path, downloader: Callable[..., None]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / file).write_bytes(PACKED[file])

    patch.setattr(pooch, "retrieve", refuse)
    yield images(None, True, tiny("http://127.0.0.1:9/"))
    patch.setattr(pooch, "retrieve", deliver)
    yield images(None, True, tiny("http://127.0.0.1:9/"))


# --- the files themselves -------------------------------------------------------------------------

GOOD = idx_bytes(PIXELS["test.gz"])


def idx(content: bytes) -> Step:
    """Write an IDX file, and return the step that reads it."""
    Path("images").write_bytes(content)
    return lambda: read_idx(Path("images"))


def got_again(content: bytes) -> Iterator[Step]:
    """Yield the step that reads a wrong file, and then the one that reads it after it was got again."""
    yield idx(content)
    yield idx(GOOD)


@remedy("its first two bytes are not zero: delete it and get it again")
def a_file_of_another_format(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield from got_again(b"text")


@remedy("not 0x08 (unsigned bytes): delete it and get it again")
def an_idx_file_of_floats(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield from got_again(GOOD[:2] + b"\x0d" + GOOD[3:])


@remedy("whose header names no axes or is cut short: delete it and get it again")
def half_a_header(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield from got_again(GOOD[:10])


@remedy("holds fewer bytes than the 48 of its IDX shape (3, 4, 4): delete it and get it again")
def an_idx_file_that_ends_early(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield from got_again(GOOD[:-1])


@remedy("it is corrupt or truncated: delete it and get it again")
def half_a_packed_file(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield from got_again(gzip.compress(GOOD)[:30])


@remedy("has the shape of tiny and other values, as its checksum says: delete it and get it again")
def images_of_no_set(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    put(Path("x"))
    Path("x/test.gz").write_bytes(gzip.compress(GOOD[:-1] + bytes([GOOD[-1] ^ 1])))
    yield images("x")
    put(Path("x"))
    yield images("x")


@remedy("not the (3, 4, 4) of tiny: replace it")
def a_file_of_another_shape(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    put(Path("x"))
    Path("x/test.gz").write_bytes(PACKED["train.gz"])
    yield images()
    put(Path("x"))
    yield images()


@remedy("holds the images of tiny, not of twin: keep each set in a folder of its own, twin/ and tiny/")
def the_images_of_another_set(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    one = tiny()
    train, test = (replace(each, crc32=crc32(255 - PIXELS[each.file])) for each in one.files)
    twin = replace(one, name="twin", train=train, test=test)
    patch.setattr(mnist, "SETS", (one,))
    put(Path("x"))
    yield images(of=twin)
    Path("x/tiny").mkdir()
    Path("x/twin").mkdir()
    for file, pixels in PIXELS.items():
        Path("x", file).rename(Path("x/tiny", file))
        Path("x/twin", file).write_bytes(gzip.compress(idx_bytes(255 - pixels)))
    yield images(of=one)
    yield images(of=twin)

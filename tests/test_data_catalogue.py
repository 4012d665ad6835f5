"""Test datasets by name: the known ones, their descriptions, and the message for an unknown name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vsmnp.data import NAMES, describe, load_data
from vsmnp.errors import DataError


def test_names() -> None:
    assert NAMES == (
        "star",
        "mixture",
        "ring",
        "banana",
        "helicoid",
        "pinwheel",
        "mnist",
        "fashion",
        "celeba",
    )


@pytest.mark.parametrize("name", NAMES)
def test_every_set_describes_itself(name: str) -> None:
    heading, about, *floors = describe(name).splitlines()
    assert heading.startswith(f"{name}: ")
    assert about.endswith(".")
    known = name in ("star", "mixture", "ring", "banana", "helicoid")
    assert len(floors) == (2 if known else 0)


@pytest.mark.parametrize("name", NAMES[:6])
def test_a_dataset_says_what_the_catalogue_says(name: str) -> None:
    assert load_data(name).describe() == describe(name)


@pytest.mark.parametrize("name", ["stars", "", "MNIST", "no/such/thing"])
def test_an_unknown_name_lists_the_known_ones(name: str) -> None:
    for ask in (load_data, describe):
        with pytest.raises(DataError, match="star, mixture, ring"):
            ask(name)


@pytest.mark.parametrize("name", ["\0", "x" * 5000, "~nobody/x", "\ud800"])
def test_names_that_no_file_can_have(name: str) -> None:
    for ask in (name, name + ".npy", name + ".h5"):
        with pytest.raises(DataError):
            load_data(ask)


def test_what_is_no_picture_has_no_size(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.eye(3))
    for name in ("star", str(tmp_path / "x.npy")):
        with pytest.raises(DataError, match="--image-size 32 makes no sense"):
            load_data(name, image_size=32)


def test_an_unknown_suffix_lists_the_known_ones(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("1")
    (tmp_path / "x").write_text("1")
    for name in ("x.txt", "x"):
        with pytest.raises(DataError, match=r"unknown suffix: use one of \.npy"):
            load_data(str(tmp_path / name))

"""Settings as they are at hand in Python: NumPy's numbers and types, ranges, arrays and paths."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vsmnp.errors import ConfigError
from vsmnp.settings.settings import Settings


@pytest.mark.parametrize(
    ("name", "given", "plain"),
    [
        ("lr", np.float64(0.5), 0.5),
        ("lr", np.float32(0.5), 0.5),
        ("lr", np.array(0.5), 0.5),
        ("epochs", np.int64(3), 3.0),
        ("steps", np.int64(5), 5),
        ("latent", np.uint8(3), 3),
        ("seeds", range(2), (0, 1)),
        ("seeds", 3, (3,)),
        ("seeds", np.arange(2), (0, 1)),
        ("seeds", [np.int32(4), 5], (4, 5)),
        ("hidden", 8, (8,)),
        ("hidden", np.array([8, 4], np.int32), (8, 4)),
        ("dtype", np.float64, "float64"),
        ("dtype", np.dtype("float64"), "float64"),
        ("gamma", np.float64(0.25), "0.25"),
        ("gamma", np.int64(1), "1"),
        ("sigmoid_output", np.bool_(True), True),
        ("dataset", Path("a") / "b.npy", "a/b.npy"),
        ("data_dir", Path("."), "."),
    ],
)
def test_a_value_becomes_plain(name: str, given: Any, plain: Any) -> None:
    found = getattr(Settings(**{name: given}), name)
    assert (found, type(found)) == (plain, type(plain))


@pytest.mark.parametrize(
    ("name", "given", "wanted"),
    [
        ("steps", np.float64(2.0), "an integer"),
        ("latent", np.bool_(True), "an integer"),
        ("lr", np.array([1.0, 2.0]), "a number"),
        ("seeds", np.array([0.5]), "a list of integers"),
        ("seeds", [True], "a list of integers"),
        ("dtype", float, "a text"),
        ("hidden", np.array([[1, 2]]), "a list of integers"),
    ],
)
def test_other_values_are_refused_in_a_sentence(name: str, given: Any, wanted: str) -> None:
    with pytest.raises(ConfigError, match=rf"--{name} must be {wanted}, not "):
        Settings(**{name: given})

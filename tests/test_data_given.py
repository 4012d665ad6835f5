"""Data given in Python: arrays of every library by their protocols, lists, and tables with named columns."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import xarray as xr
from scipy import sparse

from vsmnp.data import Dataset, load_data
from vsmnp.errors import DataError

X = np.random.default_rng(0).normal(size=(30, 3))
NAMES = ("a", "b", "c")


class Shares:
    """An array that has the protocol of DLPack alone."""

    def __dlpack__(self, **wanted: Any) -> Any:
        return X.__dlpack__(**wanted)

    def __dlpack_device__(self) -> Any:
        return X.__dlpack_device__()


class OnDevice:
    """An array on a GPU, which is copied by the method of its library, and by no other."""

    __cuda_array_interface__: Any = None

    def __init__(self, values: np.ndarray = X) -> None:
        self.values = values

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        raise TypeError("Implicit conversion to a NumPy array is not allowed.")

    def get(self) -> Any:
        return self.values


def rows(data: Dataset) -> np.ndarray:
    """Return all samples, in an order of their own."""
    both = np.concatenate([data.epoch(0, 0, np.float64), data.test(0, np.float64)])
    return both[np.lexsort(both.T)]


GIVEN: dict[str, Callable[[], Any]] = {
    "float64": lambda: X,
    "Fortran order": lambda: np.asfortranarray(X),
    "big-endian": lambda: X.astype(">f8"),
    "reversed": lambda: X[::-1],
    "read-only": lambda: np.frombuffer(X.tobytes()).reshape(X.shape),
    "objects": lambda: X.astype(object),
    "list": X.tolist,
    "list of rows": lambda: list(X),
    "masked, with nothing masked": lambda: np.ma.masked_array(X, np.zeros(X.shape, bool)),
    "xarray": lambda: xr.DataArray(X, dims=("row", "column")),
    "dlpack": Shares,
    "on a device": OnDevice,
    "list of rows on a device": lambda: [OnDevice(row) for row in X],
    "pandas without names": lambda: pd.DataFrame(X),
}


@pytest.mark.parametrize("make", GIVEN.values(), ids=GIVEN)
def test_an_array_of_any_kind_is_its_numbers(make: Callable[[], Any]) -> None:
    data = load_data(make())
    assert (data.name, data.shape, data.n_train, data.n_test, data.columns) == ("array", (3,), 27, 3, ())
    np.testing.assert_array_equal(rows(data), X[np.lexsort(X.T)])


TABLES: dict[str, Callable[[], Any]] = {
    "pandas": lambda: pd.DataFrame(X, columns=list(NAMES), index=range(5, 35)),
    "polars": lambda: pl.DataFrame(X, schema=list(NAMES)),
    "pyarrow": lambda: pa.table({name: X[:, i] for i, name in enumerate(NAMES)}),
}


@pytest.mark.parametrize("make", TABLES.values(), ids=TABLES)
def test_a_table_keeps_the_names_of_its_columns(make: Callable[[], Any]) -> None:
    data = load_data(make())
    assert data.columns == NAMES
    np.testing.assert_array_equal(rows(data), X[np.lexsort(X.T)])
    assert load_data(make(), columns=("c", "a")).columns == ("c", "a")
    assert load_data(make(), drop_columns=("c",)).columns == ("a", "b")


@pytest.mark.parametrize(
    "table",
    [
        pd.DataFrame({"n": pd.array([1, 2, None, 4], dtype="Int64"), "m": [1.0, 2, 3, 4]}),
        pd.DataFrame({"n": [1, 2, None, 4], "m": pd.array([True, False, True, True], dtype="boolean")}),
        pd.DataFrame({"n": pd.Series([1, 2, pd.NA, 4], dtype=object), "m": [1.0, 2, 3, 4]}),
        pl.DataFrame({"n": [1, 2, None, 4], "m": [1, 2, 3, 4]}),
        pa.table({"n": [1, 2, None, 4], "m": [1, 2, 3, 4]}),
    ],
)
def test_missing_values_of_a_table_are_named_or_dropped(table: Any) -> None:
    with pytest.raises(DataError, match=r"lacks values in 1 of 4 rows: 1 in column 'n'.*--missing drop"):
        load_data(table)
    data = load_data(table, missing="drop")
    assert (data.n_train + data.n_test, data.columns) == (3, ("n", "m"))


def test_masked_values_are_missing() -> None:
    with pytest.raises(DataError, match="lacks values in 1 of 30 rows"):
        load_data(np.ma.masked_array(X, X.max() == X))
    with pytest.raises(DataError, match="lacks values in 30 of 30 rows: 30 in column 2"):
        load_data(np.array([[1, pd.NA, 3]] * 30, object))


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ((row for row in X), "is of type generator: give an array"),
        ({"a": 1}, "is of type dict: give an array"),
        (pd.DataFrame, "is of type type: give an array"),
        (np, "is of type module: give an array"),
        (X[0], r"has shape \(3,\): give it two axes"),
        (None, r"has shape \(\): give it two axes"),
        (X.astype(str), "has dtype <U32: convert it to real numbers"),
        (X + 1j, "has dtype complex128"),
        (X.astype("M8[s]"), "has dtype datetime64"),
        ([[1, 2], [3]], "a list, has rows of several lengths: give rows of one length"),
        ([[10**400, 1]], "holds objects that are no numbers .int too large to convert to float"),
        (np.array([[1, "x"], [2, "y"]], object), "holds 'x', which is no number"),
        (sparse.csr_matrix(X), "is sparse: give its .toarray"),
        (np.where(X.max() == X, np.inf, X), "holds infinity"),
        (X[:0], "has 0 rows"),
        (pd.DataFrame({"a": [1, 2], "t": ["x", "y"]}), r"no numbers in t \(str\).*--drop-columns t"),
        (pl.DataFrame({"a": [1, 2], "t": ["x", "y"]}), r"no numbers in t \(String\).*--drop-columns t"),
        (pd.DataFrame({"t": pd.to_datetime(["2020-01-01", "2020-01-02"])}), r"no numbers in t \(datetime64"),
        (pd.DataFrame(X[:, :2], columns=["a", "a"]), "several columns of the name a"),
        (pd.Series(X[:, 0]), r"has shape \(30,\)"),
        (pd.DataFrame(X)[[]], "has no columns: give it one at least"),
        (pl.DataFrame({"a": X}, schema={"a": pl.Array(pl.Float64, 3)}), "has no numbers in a .Array"),
        (pl.LazyFrame(X), r"is a LazyFrame, which holds no values yet: give its .collect\(\)"),
        (xr.Dataset({"a": xr.DataArray(X)}), r"is a Dataset of named arrays: .* its .to_dataframe\(\)"),
    ],
)
def test_what_does_not_fit_is_one_sentence(given: Any, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence) as caught:
        load_data(given)
    assert str(caught.value).startswith("The array")
    assert "\n" not in str(caught.value)


def test_a_test_set_may_be_given() -> None:
    data = load_data(X, test=X[:4])
    assert (data.n_train, data.n_test) == (30, 4)
    np.testing.assert_array_equal(data.test(0, np.float64), X[:4])
    with pytest.raises(DataError, match="give both the same columns"):
        load_data(pd.DataFrame(X, columns=list("abc")), test=X)
    with pytest.raises(DataError, match="makes no sense for mixture"):
        load_data("mixture", test=X)


def test_bytes_are_pixels_as_in_files(tmp_path: Path) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (20, 4, 5, 3), np.uint8)
    np.save(tmp_path / "p.npy", pictures)
    given, read = load_data(pictures), load_data(tmp_path / "p.npy")
    assert given.image == read.image == (3, 4, 5)
    assert given.epoch(0, 3, np.float32).tobytes() == read.epoch(0, 3, np.float32).tobytes()


def test_the_data_stay_as_they_were_given() -> None:
    x = X.copy()
    data = load_data(x)
    x[:] = 0
    np.testing.assert_array_equal(rows(data), X[np.lexsort(X.T)])

"""Situations of arrays: in NumPy's files, and given in Python."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vsmnp.data.arrays import formats
from vsmnp.data.held_out import training_part
from vsmnp.data.preprocessing import Preprocessing
from vsmnp.data.standardize import MOST_WHITENED

from ..follow import Step, read, remedy, train

X = np.random.default_rng(0).standard_normal((20, 3))
PICTURES = np.random.default_rng(0).integers(0, 256, (20, 8, 8), dtype=np.uint8)


def npy(values: Any, name: str = "x.npy") -> str:
    """Write an array to a file."""
    np.save(name, values)
    return name


def npz(**arrays: Any) -> str:
    """Write an archive of arrays."""
    np.savez("x.npz", **arrays)
    return "x.npz"


# --- NumPy's files --------------------------------------------------------------------------------


@remedy("numpy.save(file, x.astype(float))")
def objects_in_a_file(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    x = X.astype(object)
    yield train(npy(x))
    yield train(npy(x.astype(float)))


@remedy("numpy.savez(file, x=x.astype(float))")
def objects_in_an_archive(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    x = X.astype(object)
    yield train(npz(x=x))
    yield train(npz(x=x.astype(float)))


@remedy("rename it to .npy")
def an_array_that_is_named_as_an_archive(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    Path(npy(X)).rename("x.npz")
    yield train("x.npz")
    Path("x.npz").rename("x.npy")
    yield train("x.npy")


@remedy("save it again with numpy.savez")
def no_array_in_an_archive(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    from zipfile import ZipFile

    with ZipFile("x.npz", "w") as archive:
        archive.writestr("x", b"text")
    yield train("x.npz")
    yield train(npz(x=X))


@remedy("save it again with numpy.save")
def half_an_array(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    path = Path(npy(X))
    path.write_bytes(path.read_bytes()[:200])
    yield train(path)
    yield train(npy(X))


@remedy("is corrupt or truncated: save it again with numpy.savez")
def half_an_archive(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    path = Path(npz(x=X))
    path.write_bytes(path.read_bytes()[:200])
    yield train(path)
    yield train(npz(x=X))


@remedy("store one under the name 'x'")
def an_archive_with_a_test_set_alone(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield train(npz(test=X))
    yield train(npz(x=X, test=X))


@remedy("rename the samples to 'x'")
def several_arrays(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield train(npz(a=X, b=X))
    yield train(npz(x=X, b=X))


@remedy("convert it to real numbers")
def complex_numbers(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield train(npy(X + 1j))
    yield train(npy((X + 1j).real))


@remedy("make them equal")
def samples_and_test_samples_of_two_shapes(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield train(npz(x=X, test=X[:, :2]))
    yield train(npz(x=X[:, :2], test=X[:, :2]))


@remedy("make them equal")
def samples_and_test_samples_of_two_types(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield train(npz(x=PICTURES, test=PICTURES / 255))
    yield train(npz(x=PICTURES, test=PICTURES))


# --- rows and values ------------------------------------------------------------------------------


@remedy("give it two axes at least, (samples, values)")
def an_array_with_one_axis(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield train(npy(X[:, 0]))
    yield train(npy(X[:, :1]))


@remedy("it needs at least 2")
def an_array_with_one_row(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield train(npy(X[:1]))
    yield train(npy(X[:2]), "--batch-size", "1")


@remedy("give every sample some")
def samples_without_values(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield train(npy(X[:, :0]))
    yield train(npy(X[:, :1]))


@remedy("standardise the data")
def numbers_that_are_too_large(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    large = 1e8 * X
    yield train(npy(large))
    yield train(npy((large - large.mean(0)) / large.std(0)))


@remedy("use --standardize columns")
def dependent_columns_that_are_whitened(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    path = npy(np.column_stack([X, X[:, 0] + X[:, 1]]))
    yield train(path, "--standardize", "whiten")
    yield train(path, "--standardize", "columns")


@remedy("use --standardize columns")
def many_columns_that_are_whitened(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    path = npy(np.random.default_rng(0).standard_normal((4, MOST_WHITENED + 1)))
    yield train(path, "--standardize", "whiten")
    yield train(path, "--standardize", "columns")


# --- pictures in arrays ---------------------------------------------------------------------------


@remedy("it is for pictures, and its samples have the shape (3,)")
def a_frame_around_a_table(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield train(npy(X), "--image-size", "32")
    yield train("x.npy")
    yield train(npy(PICTURES), "--image-size", "32")


@remedy("so say 8 or more")
def a_frame_that_is_too_small(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield train(npy(PICTURES), "--image-size", "7")
    yield train("x.npy", "--image-size", "8")


@remedy("raise --memory-budget above 1e-05, or save the pictures with zeros around them")
def a_frame_above_the_budget(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield train(npy(PICTURES), "--image-size", "64", "--memory-budget", "0.00001")
    yield train("x.npy", "--image-size", "64", "--memory-budget", "0.001")
    yield train(npy(np.pad(PICTURES, [(0, 0), (28, 28), (28, 28)])), "--memory-budget", "0.00001")


@remedy("it is for pictures in files")
def an_option_of_files_for_an_array(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield train(npy(PICTURES), "--crop", "4")
    yield train("x.npy")


# --- arrays in Python -----------------------------------------------------------------------------


@remedy("give both the same columns")
def a_test_table_with_other_columns(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    import pandas as pd

    table = pd.DataFrame(X, columns=["a", "b", "c"])
    yield read(table, test=table.rename(columns={"c": "d"}))
    yield read(table, test=table)
    yield read(X, test=X)


@remedy("--columns makes no sense for an array of shape (20, 8, 8)")
def columns_of_pictures(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield read(PICTURES, columns=["1"])
    yield read(X, columns=["1"])


@remedy("give an array or a list of rows")
def a_generator_of_rows(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield read(iter(X))
    yield read(list(iter(X)))


@remedy("is of type function: give an array or a list of rows")
def a_function(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield read(lambda: X)
    yield read(X)


@remedy("give a NumPy array of numbers")
def an_array_of_another_library(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    """Raise the error of a sparse tensor of torch."""

    class Sparse:
        def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
            raise TypeError("can't convert Sparse layout tensor to numpy. Use Tensor.to_dense() first.")

    yield read(Sparse())
    yield read(X)


@remedy("give its .collect()")
def a_table_that_is_not_computed_yet(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    import polars as pl

    lazy = pl.LazyFrame(X)
    yield read(lazy)
    yield read(lazy.collect())


@remedy("has no numbers in a (Array(Float64, shape=(3,))): convert them to numbers")
def a_table_with_a_column_of_arrays(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    import polars as pl

    table = pl.DataFrame({"a": X}, schema={"a": pl.Array(pl.Float64, 3)})
    yield read(table)
    yield read(table["a"].to_numpy())


@remedy("give one of them, or its .to_dataframe()")
def several_named_arrays(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    import xarray as xr

    named = xr.Dataset({"a": ("row", X[:, 0]), "b": ("row", X[:, 1])})
    yield read(named)
    yield read(named.to_dataframe())
    yield read(named["a"].expand_dims("column", 1))


@remedy("has no columns: give it one at least")
def a_table_without_columns(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    import pandas as pd

    table = pd.DataFrame(X)
    yield read(table[[]])
    yield read(table[[0]])


@remedy("give its .toarray(), which must fit in memory")
def a_sparse_matrix(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    from scipy.sparse import csr_array

    sparse = csr_array(X)
    yield read(sparse)
    yield read(sparse.toarray())


@remedy("give rows of one length")
def rows_of_two_lengths(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield read([[1.0, 2.0], [3.0], [4.0]])
    yield read([[1.0, 2.0], [3.0, 5.0], [4.0, 6.0]])


@remedy("which is no number: give numbers alone")
def words_among_numbers(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    rows = [[1.0, None], ["two", 3.0], [4.0, 5.0]]
    yield read(np.array(rows, object))
    rows[0][1], rows[1][0] = 0.0, 2.0
    yield read(np.array(rows, object))


@remedy("give numbers alone")
def objects_that_are_no_numbers(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    class Strange:
        def __float__(self) -> float:
            raise TypeError("it has no value")

    yield read(np.array([[Strange(), 1.0], [2.0, 3.0]], object))
    yield read(np.array([[0.0, 1.0], [2.0, 3.0]], object))


@remedy("give each a name of its own")
def a_table_in_python_with_a_name_twice(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    import pandas as pd

    yield read(pd.DataFrame(X, columns=["a", "b", "a"]))
    yield read(pd.DataFrame(X, columns=["a", "b", "c"]))


@remedy("convert them to numbers, or say --drop-columns level")
def text_in_a_table_in_python(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    import pandas as pd

    table = pd.DataFrame({"a": X[:, 0], "level": ["low", "high"] * 10})
    yield read(table)
    yield read(table, drop_columns=["level"])
    yield read(table.assign(level=table["level"] == "low"))


@remedy("store it in the file as 'test'")
def a_test_array_beside_a_file(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield read(npy(X), test=X)
    yield read(npz(x=X, test=X))


@remedy("vsmnp.load_run(folder, X) or vsmnp.resume(folder, X)")
def a_run_on_an_array(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    import vsmnp

    vsmnp.train(X, out="run", steps=2, hidden=(4,), kernels="reference", batch_size=5)
    yield lambda: vsmnp.evaluate(vsmnp.load_run("run"), prior_draws=10)
    yield lambda: vsmnp.evaluate(vsmnp.load_run("run", X), prior_draws=10)
    yield lambda: vsmnp.resume("run", X, steps=4)


@remedy("--validation needs data that vsmnp has read, not a Foreign")
def a_validation_part_of_a_foreign_data_set(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    class Foreign:
        """A data set of a class that is not vsmnp's."""

    yield lambda: training_part(Foreign(), 0.1, 0)  # type: ignore[arg-type]
    yield lambda: training_part(read(X)(), 0.1, 0)


@remedy("is not a NumPy array: save it again with numpy.savez")
def a_member_that_is_no_array(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield lambda: formats._plain(b"text", "The array 'x'")
    yield lambda: formats._plain(X, "The array 'x'")


@remedy("start a new run")
def a_checkpoint_without_its_standardisation(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    import vsmnp

    vsmnp.train(npy(X), out="new", steps=2, hidden=(4,), kernels="reference", batch_size=5)
    yield lambda: Preprocessing.from_arrays("columns", 1.0, {})
    yield lambda: vsmnp.load_run("new")

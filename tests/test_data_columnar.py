"""Test Parquet and Arrow tables: their columns, nulls and index, and a missing library."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vsmnp.data import load_data
from vsmnp.errors import DataError

SUFFIXES = (".parquet", ".feather", ".arrow", "stream.arrow")


@pytest.fixture
def table() -> Any:
    pa = import_module("pyarrow")
    return pa.table({
        "a": [1, 2, None, 4],
        "city": ["Oslo", "Rome", "Bonn", "Bern"],
        "b": pa.array([1.5, 2, 3, 4], pa.float32()),
        "flag": [True, False, True, True],
    })  # fmt: skip


def save(folder: Path, suffix: str, table: Any) -> str:
    import pyarrow as pa
    from pyarrow import feather, parquet

    path = folder / f"x{suffix}"
    if suffix == ".parquet":
        parquet.write_table(table, path)
    elif suffix == ".feather":
        feather.write_feather(table, path)
    else:
        new = pa.ipc.new_stream if suffix.startswith("stream") else pa.ipc.new_file
        with pa.OSFile(str(path), "wb") as sink, new(sink, table.schema) as writer:
            writer.write_table(table)
    return str(path)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_columns_of_a_table(tmp_path: Path, suffix: str, table: Any) -> None:
    path = save(tmp_path, suffix, table)
    with pytest.raises(DataError, match=r"no numbers in city \(string\): .*or say --drop-columns city\."):
        load_data(path)
    with pytest.raises(
        DataError, match=r"1 in column 'a' \(first: row 2 .*--missing drop .*or --drop-columns a\."
    ):
        load_data(path, drop_columns=["city"])
    data: Any = load_data(path, drop_columns=["city"], missing="drop")
    assert (data.columns, data.n_train, data.n_test) == (("a", "b", "flag"), 2, 1)
    rows = data.train_rows[np.sort([*data.train_index, *data.test_index])]
    np.testing.assert_array_equal(rows, [[1, 1.5, 1], [2, 2, 0], [4, 4, 1]])
    assert "4 rows of 3 columns (a, b, flag)." in data.describe()
    chosen: Any = load_data(path, columns=["flag", "b"])
    assert chosen.columns == ("flag", "b")
    assert chosen.train_rows.tolist() == [[1, 1.5], [0, 2], [1, 3], [1, 4]]
    with pytest.raises(DataError, match=r"--columns c is no column of .*: choose from a, city, b, flag"):
        load_data(path, columns=["c"])


def test_the_index_of_pandas_is_left_out(tmp_path: Path, table: Any) -> None:
    about = {b"pandas": b'{"index_columns": ["a"]}'}
    path = save(tmp_path, ".parquet", table.select(["a", "b"]).replace_schema_metadata(about))
    data = load_data(path)
    assert data.columns == ("b",)
    assert data.notes[0] == "The index of x.parquet (a) was left out."


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_damaged_table(tmp_path: Path, suffix: str, table: Any) -> None:
    path = Path(save(tmp_path, suffix, table.select(["b"])))
    content = path.read_bytes()
    for damaged in (content[: len(content) // 2], b"", b"ARROW1" + bytes(40)):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match=r"cannot be read as an? (Parquet|Arrow) table"):
            load_data(str(path))
    path.write_bytes(content)
    assert load_data(str(path)).dim == 1


def test_a_missing_library_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: Any
) -> None:
    path = save(tmp_path, ".parquet", table)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(
        DataError, match=r"read by pyarrow, which is not installed: pip install 'vsmnp\[tables\]', or"
    ):
        load_data(path)
    (tmp_path / "x.csv").write_text("b\n1.5\n2\n")
    assert load_data(str(tmp_path / "x.csv")).columns == ("b",)

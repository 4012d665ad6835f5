"""Read Parquet and Arrow tables through the optional library pyarrow."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import DataError
from ...types import Array
from ..parse_errors import reading
from .table import Arrays, ColumnChoice, as_option, size_of


def read_parquet(path: Path, memory_budget: float, choice: ColumnChoice) -> Arrays:
    """Read the numbers of a Parquet table, into memory for any budget."""
    parquet_file = _pyarrow(path)("pyarrow.parquet").ParquetFile
    with reading(path, "a Parquet table", "write it again"), parquet_file(path) as parquet:
        return _numbers(parquet.schema_arrow, parquet.read, path, choice)


def read_arrow(path: Path, memory_budget: float, choice: ColumnChoice) -> Arrays:
    """Read the numbers of an Arrow table, in the file or in the stream format, into memory for any budget."""
    from_pyarrow = _pyarrow(path)
    with reading(path, "an Arrow table", "write it again"), path.open("rb") as file:
        ipc = from_pyarrow("pyarrow.ipc")
        of_file = file.read(6) == b"ARROW1"
        file.seek(0)
        table = (ipc.open_file if of_file else ipc.open_stream)(file).read_all()
        return _numbers(table.schema, table.select, path, choice)


#: Feather, in its second version, is the Arrow file format.
read_feather = read_arrow


def _pyarrow(path: Path) -> Callable[[str], Any]:
    """Return the import of pyarrow's modules, or say how to install it."""
    from importlib import import_module

    try:
        import_module("pyarrow")
    except ImportError as error:
        raise DataError(
            f"{path} is read by pyarrow, which is not installed: pip install 'vsmnp[tables]', or save the "
            "table as .csv."
        ) from error
    return import_module


def _numbers(schema: Any, read: Callable[[list[str]], Any], path: Path, choice: ColumnChoice) -> Arrays:
    """Read the chosen columns as numbers, ``(N, D)``; nulls become NaN."""
    index = _index_columns(schema)
    names = [name for name in schema.names if name not in index]
    taken = [names[i] for i in choice.indices(names, str(path))]
    if len(set(taken)) < len(taken):
        raise DataError(f"{path} holds two columns of one name: give every column a name of its own.")
    text = [name for name in taken if not _is_number(schema.field(name).type)]
    if text:
        found = ", ".join(f"{name} ({schema.field(name).type})" for name in text[:8])
        remedy = as_option("--drop-columns", text) if len(text) < len(taken) else "--columns with others"
        raise DataError(f"{path} has no numbers in {found}: write numbers, or say {remedy}.")
    table = read(taken)
    small = all(str(schema.field(name).type) in ("float", "halffloat") for name in taken)
    values = np.empty((table.num_rows, len(taken)), np.float32 if small else np.float64)
    for i, name in enumerate(taken):
        values[:, i] = _column(table.column(name))
    left = [name for name in index if name in schema.names]
    notes = (f"The index of {path.name} ({', '.join(left)}) was left out.",) if left else ()
    return Arrays(values, columns=tuple(taken), size=size_of(len(values), taken), notes=notes)


def _column(column: Any) -> Array:
    """Return one column as floating-point numbers, ``(N,)``."""
    kind = str(column.type)
    plain = column.cast("float64") if kind.startswith("decimal") or kind == "bool" else column
    return np.asarray(plain.to_numpy(), np.float64)


def _is_number(kind: Any) -> bool:
    return str(kind).startswith(("int", "uint", "float", "double", "halffloat", "decimal", "bool", "null"))


def _index_columns(schema: Any) -> list[str]:
    """Return the columns in which pandas has written the index of a DataFrame."""
    about = (schema.metadata or {}).get(b"pandas")
    index = json.loads(about).get("index_columns", []) if about else []
    return [name for name in index if isinstance(name, str)]

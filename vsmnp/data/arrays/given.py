"""Read data that are given in Python: arrays of any library, lists of numbers, and tables with named columns.

No library but NumPy is imported: an array is known by the protocols that it has (``__array__``,
``__array_interface__``, ``__dlpack__``, ``__cuda_array_interface__``), a table by its columns.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np

from ...errors import DataError
from ...types import Array
from .table import ALL, Arrays, ColumnChoice, as_option, require_numbers, size_of

#: What may be given where data are wanted: a name, a path, or anything that :func:`numbers_of` reads.
Given: TypeAlias = Any

#: The setting ``dataset`` of a run that was trained on data given in Python.
FROM_PYTHON = "<array>"

#: Names of columns that cannot be read which a sentence lists.
_NAMED = 8


def is_name(given: Given) -> bool:
    """Return whether data are given by their name or their path."""
    return isinstance(given, str | os.PathLike)


def arrays_given(given: Given, test: Given = None, choice: ColumnChoice = ALL) -> Arrays:
    """Read samples and test samples that are given in Python, with the names of their columns.

    Parameters
    ----------
    given : array_like
        ``(N, ...)``: whatever :func:`numbers_of` reads.
    test : array_like, optional
        The test set, with the same columns.
    choice : ColumnChoice
        The columns of a table that are the samples; columns without names are called by their numbers from 1.

    Raises
    ------
    DataError
        If it cannot be read as real numbers, or a chosen column does not exist.
    """
    x, columns = numbers_of(given, "The array", choice)
    tested, tested_columns = (None, columns) if test is None else numbers_of(test, "The test array", choice)
    if tested_columns != columns:
        raise DataError(
            f"The test array has the columns {', '.join(tested_columns) or 'without names'}, and the samples "
            f"have {', '.join(columns) or 'none with names'}: give both the same columns."
        )
    size = size_of(len(x), columns or x.shape[1]) if x.ndim == 2 else ""
    return Arrays(x, tested, columns, size)


def numbers_of(given: Given, where: str, choice: ColumnChoice = ALL) -> tuple[Array, tuple[str, ...]]:
    """Return given data as a NumPy array of real numbers, and the names of its columns, if it has any.

    Parameters
    ----------
    given : array_like
        An array of any library, on a CPU or a GPU, in any order of memory and any real type, or a list of
        such rows; a tensor of torch, also in its graph; a list of numbers; or a table with columns (pandas,
        polars, pyarrow). Masked and missing values become NaN.
    where : str
        The subject of an error message.
    choice : ColumnChoice
        The columns that are taken from an array with two axes.

    Raises
    ------
    DataError
        If it is no array, or not one of real numbers.
    """
    if is_table(given):
        return _table(given, where, choice)
    values = _array(given, where)
    if not choice:
        return values, ()
    if values.ndim != 2:
        raise DataError(f"{choice.option} makes no sense for an array of shape {values.shape}.")
    return values[:, choice.indices([str(i + 1) for i in range(values.shape[1])], where.lower())], ()


def _array(given: Given, where: str) -> Array:
    """Convert an array of any library, or nested lists."""
    _refuse_others(given, where)
    try:
        values = np.asarray(_on_host(given))
    except (TypeError, ValueError, RuntimeError, BufferError, AttributeError) as error:
        raise _no_array(given, where, str(error)) from error
    if isinstance(given, np.ma.MaskedArray) and np.ma.getmaskarray(given).any():
        require_numbers(values.dtype, where)
        values = np.ma.filled(given.astype(np.float64), np.nan)
    if values.dtype == object:
        if values.ndim == 0 and not (given is None or hasattr(given, "__float__")):
            raise DataError(f"{where} is of type {type(given).__name__}: give an array or a list of rows.")
        values = _objects(values, where)
    require_numbers(values.dtype, where)
    return values


def _refuse_others(given: Given, where: str) -> None:
    """Raise a DataError for tables in parts, names, and what is no array although NumPy may convert it."""
    kind = type(given).__name__
    if hasattr(given, "toarray") and hasattr(given, "nnz"):
        raise DataError(f"{where} is sparse: give its .toarray(), which must fit in memory.")
    if hasattr(given, "data_vars"):
        raise DataError(f"{where} is a {kind} of named arrays: give one of them, or its .to_dataframe().")
    if hasattr(given, "collect"):
        raise DataError(f"{where} is a {kind}, which holds no values yet: give its .collect().")
    if isinstance(given, Iterator | dict | set | type) or is_name(given):
        raise DataError(f"{where} is of type {kind}: give an array or a list of rows.")


def _no_array(given: Given, where: str, reason: str) -> DataError:
    """Build the error for what NumPy cannot convert for some reason."""
    kind, reason = type(given).__name__, reason.partition("\n")[0].rstrip(".")
    if "inhomogeneous" in reason:
        return DataError(f"{where}, a {kind}, has rows of several lengths: give rows of one length.")
    return DataError(f"{where}, a {kind}, is no array of numbers ({reason}): give a NumPy array of numbers.")


def _on_host(given: Given) -> Any:
    """Copy an array from a device to the memory of the host; return others as they are."""
    if isinstance(given, list | tuple) and _is_foreign(_first(given)):
        return [np.asarray(_on_host(each)) for each in given]
    if hasattr(given, "detach"):
        given = _detached(given)
    if not hasattr(given, "__cuda_array_interface__"):
        return given if hasattr(given, "__array__") or not hasattr(given, "__dlpack__") else _by_dlpack(given)
    for copy in ("get", "cpu"):
        if hasattr(given, copy):
            return getattr(given, copy)()
    return _by_dlpack(given)


def _first(given: Given) -> Any:
    """Return the first member of nested lists that is no list, or an empty one."""
    while isinstance(given, list | tuple) and given:
        given = given[0]
    return given


def _is_foreign(given: Given) -> bool:
    """Return whether NumPy may be unable to convert an array: a tensor, or an array on a device."""
    return hasattr(given, "detach") or hasattr(given, "__cuda_array_interface__")


def _detached(given: Given) -> Any:
    """Return a tensor without its graph and its pending signs, in a type that NumPy has."""
    given = given.detach()
    if hasattr(given, "resolve_neg"):  # a part of a conjugate: its sign is changed when it is read
        given = given.resolve_conj().resolve_neg()
    kind = str(getattr(given, "dtype", "")).removeprefix("torch.")
    return given.float() if kind.startswith(("bfloat16", "float8")) else given


def _by_dlpack(given: Given) -> Array:
    try:
        return np.from_dlpack(given, device="cpu", copy=True)
    except TypeError:  # the protocol before devices could be asked for
        return np.from_dlpack(given)


def _objects(values: Array, where: str) -> Array:
    """Convert Python numbers that are stored as objects; None and pandas' mark become NaN.

    Raises
    ------
    DataError
        If one of them is no number.
    """
    values = _without_missing(values)
    for value in values.ravel():
        if isinstance(value, str | bytes) or not (value is None or hasattr(value, "__float__")):
            raise DataError(f"{where} holds {value!r}, which is no number: give numbers alone.")
    try:
        return values.astype(np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(
            f"{where} holds objects that are no numbers ({error}): give numbers alone."
        ) from error


def is_table(given: Given) -> bool:
    """Return whether there are named columns: pandas' and polars' DataFrames, and pyarrow's Tables."""
    has_names = hasattr(given, "to_numpy") and hasattr(given, "columns")
    return not isinstance(given, type) and (has_names or hasattr(given, "column_names"))


def _table(given: Given, where: str, choice: ColumnChoice) -> tuple[Array, tuple[str, ...]]:
    """Read the columns of a table; the index of a DataFrame is not one of them."""
    labels = list(given.column_names if hasattr(given, "column_names") else given.columns)
    if not labels:
        raise DataError(f"{where} has no columns: give it one at least.")
    named = not all(isinstance(label, int | np.integer) for label in labels)
    names = [str(label) if named else str(i + 1) for i, label in enumerate(labels)]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError(f"{where} has several columns of the name {twice[0]}: give each a name of its own.")
    taken = choice.indices(names, where.lower())
    columns, text = [], []
    for i in taken:
        try:
            columns.append(_column(given[labels[i]], f"Column {names[i]}"))
        except DataError:
            text.append(i)
    if text:
        found = ", ".join(f"{names[i]} ({_kind(given[labels[i]])})" for i in text[:_NAMED])
        remedy = f", or say {as_option('--drop-columns', [names[i] for i in text])}" * (
            len(text) < len(taken)
        )
        raise DataError(f"{where} has no numbers in {found}: convert them to numbers{remedy}.")
    dtype = np.result_type(*columns) if columns else np.dtype(np.float64)
    x = np.empty((len(columns[0]), len(columns)), dtype)
    for i, column in enumerate(columns):
        x[:, i] = column
    return x, tuple(names[i] for i in taken) if named else ()


def _column(column: Any, where: str) -> Array:
    """Read one column, ``(N,)``; missing values become NaN."""
    values = np.asarray(column.to_numpy())
    values = _objects(values, where) if values.dtype == object else values
    require_numbers(values.dtype if values.ndim == 1 else np.dtype(object), where)  # or a column of arrays
    return values


def _without_missing(values: Array) -> Array:
    """Replace pandas' mark of a missing value, which equals nothing and is no number, by None."""
    values = values.copy()
    marks = [type(value).__name__ in ("NAType", "NaTType") for value in values.flat]
    values[np.reshape(marks, values.shape)] = None
    return values


def _kind(column: Any) -> str:
    return str(getattr(column, "dtype", getattr(column, "type", "objects")))

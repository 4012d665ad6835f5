"""Situations of notes on data, which stop no training: columns without use, and scales."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from ..follow import Step, remedy, unnoted_train
from .tables import write

#: Rows whose columns number nothing and are of one scale.
PLAIN = [f"{0.5 + i},{np.cos(i):.3f},{np.sin(i):.3f}" for i in range(20)]


@remedy("it was left out as an index; give it a name to keep it")
def a_first_column_without_a_name(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield unnoted_train("left out as an index", write(",a,b", *PLAIN))
    yield unnoted_train("left out as an index", write("length,a,b", *PLAIN), "--columns", "length,a,b")


@remedy("nothing can be learned of such a column, and --drop-columns leaves it out")
def a_column_of_one_value(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield unnoted_train("is constant", write("a,b,c,d", *(f"{row},3" for row in PLAIN)))
    yield unnoted_train("is constant", "x.csv", "--drop-columns", "d")


@remedy("as its integers rise from row to row: --drop-columns leaves it out")
def a_column_that_numbers_the_rows(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield unnoted_train("like an index", write("a,b,c,d", *(f"{row},{i}" for i, row in enumerate(PLAIN))))
    yield unnoted_train("like an index", "x.csv", "--drop-columns", "d")


@remedy("--standardize columns gives all of them mean 0 and standard deviation 1")
def columns_of_unlike_scales(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    write("a,b,c,d", *(f"{row},{1e4 * np.cos(2 * i):.1f}" for i, row in enumerate(PLAIN)))
    yield unnoted_train("unlike scales", "x.csv", "--standardize", "none")
    yield unnoted_train("unlike scales", "x.csv", "--standardize", "columns")


@remedy("where the sigmoid of the decoder cannot go: scale the data to [0, 1]")
def data_outside_the_sigmoid(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    values = np.random.default_rng(0).normal(0, 3, (20, 3))
    np.save("x.npy", values)
    yield unnoted_train("outside [0, 1]", "x.npy", "--sigmoid-output")
    yield unnoted_train("outside [0, 1]", "x.npy")
    np.save("x.npy", (values - values.min()) / np.ptp(values))
    yield unnoted_train("outside [0, 1]", "x.npy", "--sigmoid-output")


@remedy("leave out --standardize, or use an mlp without --sigmoid-output")
def standardised_data_outside_the_sigmoid(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    np.save("x.npy", np.random.default_rng(0).uniform(size=(20, 3)))
    yield unnoted_train("outside [0, 1]", "x.npy", "--sigmoid-output", "--standardize", "columns")
    yield unnoted_train("outside [0, 1]", "x.npy", "--sigmoid-output")
    yield unnoted_train("outside [0, 1]", "x.npy", "--standardize", "columns")

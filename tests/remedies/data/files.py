"""Situations of any file, and of the number of its samples."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from vsmnp.data.parse_errors import reading

from ..follow import Step, read, remedy, train
from .tables import ROWS, named, write


@remedy("change its permissions")
def a_file_that_may_not_be_read(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    def forbidden(self: Path, *arguments: object, **options: object) -> None:
        raise PermissionError(13, "Permission denied")

    table = named()
    with pytest.MonkeyPatch.context() as closed:
        closed.setattr(Path, "open", forbidden)
        yield read(table)
    yield read(table)


@remedy("holds more than fits in memory, or is corrupt: save less")
def a_file_that_does_not_fit(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    def parse(n: int) -> bytearray:
        with reading(Path("x"), "bytes", "save less"):
            return bytearray(n)

    yield lambda: parse(2**62)
    yield lambda: parse(10)


@remedy("use one of .npy")
def a_suffix_without_a_reader(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield train(write(*ROWS, name="x.txt"))
    Path("x.txt").rename("x.csv")
    yield train("x.csv")


@remedy("check its name")
def a_file_that_does_not_exist(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield train("xs.csv")
    yield train(named())


@remedy("make it smaller")
def fewer_samples_than_a_minibatch(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield train(named(), "--batch-size", "50")
    yield train("x.csv", "--batch-size", "5")


@remedy("choose another share")
def a_validation_part_of_nothing(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield train(named(), "--validation", "0.001", "--patience", "1")
    yield train("x.csv", "--validation", "0.2", "--patience", "1")

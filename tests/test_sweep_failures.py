"""Test that cells which fail for the system or for want of a fit worker are rows, and that others go on."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from small_data import smaller_sets

import vsmnp
from vsmnp.errors import ConfigError
from vsmnp.runs.session import Session
from vsmnp.sweeps.cells import cells_of
from vsmnp.sweeps.driver import Driver
from vsmnp.sweeps.engines.driver_file import DriverFile
from vsmnp.sweeps.engines.engine import Order
from vsmnp.sweeps.engines.remote import ExecutorPool

SMALL: dict[str, Any] = {"hidden": (4,), "steps": 4, "batch_size": 10, "kernels": "reference"}


@pytest.fixture(autouse=True)
def few_data() -> Iterator[None]:
    with smaller_sets(100, 20):
        yield


@pytest.mark.parametrize("file", [None, "/data/rows.npy", b"/data/rows.npy"], ids=["none", "text", "bytes"])
@pytest.mark.parametrize(
    "code", [errno.ENOSPC, errno.EACCES, errno.EIO, errno.EMFILE], ids=errno.errorcode.get
)
def test_a_failed_call_of_the_system_is_a_row_that_names_the_cell_the_file_and_the_cause(
    code: int, file: str | bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is no fault of vsmnp. The other cells are trained."""
    train = Session.train

    def fail(session: Session, *rest: Any) -> Any:
        if session.trainer.settings.samples == 3:
            raise OSError(code, os.strerror(code), *(() if file is None else (file,)))
        return train(session, *rest)

    axes = {"samples": [3, 4], "seed": [0, 1]}
    with monkeypatch.context() as patch:
        patch.setattr(Session, "train", fail)
        table = vsmnp.sweep(axes, out=tmp_path, jobs=1, pack=2, **SMALL)
    assert table.column("status") == ["failed", "failed", "finished", "finished"]
    what = "a call of the operating system failed" if file is None else "/data/rows.npy could not be read or"
    for name, sentence in table.failures:
        assert sentence.startswith(f"The cell {name} is not trained to its end, because {what}")
        assert f"({os.strerror(code)}): see to the disk" in sentence
        assert "fault" not in sentence
    again = vsmnp.sweep(axes, out=tmp_path, jobs=1, pack=2, **SMALL)
    assert again.failures == []


def test_a_pack_that_no_worker_can_begin_is_a_failed_row_and_the_others_are_trained(tmp_path: Path) -> None:
    """The sentence is that of the last worker."""
    sentence = "The worker on a lacks numba: install vsmnp there with its libraries."

    class Unfit(ExecutorPool):
        def submit(self, work: Any, index: int, item: Any) -> Any:
            if index:
                return super().submit(work, index, item)
            future: Future[Any] = Future()
            future.set_exception(ConfigError(sentence))
            return future

        def is_loss(self, error: BaseException) -> bool:
            return True

    class Engine:
        workers = 2

        @contextmanager
        def started(self, order: Order) -> Iterator[ExecutorPool]:
            with ThreadPoolExecutor(1) as executor:
                pool = Unfit(executor, DriverFile.below(tmp_path), 1)
                pool.file.write()
                yield pool

    table = Driver(tmp_path, Engine(), pack=2).train(cells_of(SMALL, [{"seed": seed} for seed in range(4)]))
    assert [row["status"] for row in table.rows] == ["failed", "failed", "finished", "finished"]
    assert {error for _, error in table.failures} == {sentence}

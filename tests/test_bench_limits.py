"""Test the measurements of the machine's limits, and the rows that are made of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vsmnp.bench import Case, PeerFolder
from vsmnp.bench.bench import Bench
from vsmnp.bench.evaluation import EvaluationPart
from vsmnp.bench.kernels import ProductPart
from vsmnp.bench.limits import caches, fma, part
from vsmnp.bench.steps import StepPart
from vsmnp.bench.timing import Pace

BENCH = Bench(PeerFolder(None), (), False, Pace(7, 0.001), lambda note: None, (0,))


@pytest.mark.parametrize(("dtype", "size"), [("float32", 4), ("float64", 8)])
def test_multiply_adds_are_as_many_as_are_counted(dtype: str, size: int) -> None:
    from vsmnp.kernels.cpu.llvm import VECTOR_BYTES

    loop, lanes = fma._loop(dtype)
    assert lanes == VECTOR_BYTES // size
    one, zero = (np.dtype(dtype).type(value) for value in (1.0, 0.0))
    # With the factor 1 each multiply-add adds the term once, to a sum that begins with it.
    for steps in (fma.SUMS, 10 * fma.SUMS):
        assert loop(steps, one, one) == (steps + fma.SUMS) * lanes
    assert loop(10 * fma.SUMS, zero, one) == fma.SUMS * lanes
    call, operations = fma.multiply_adds(dtype)
    assert operations == 2 * lanes * (fma.STEPS - fma.STEPS % fma.SUMS)
    call.step()


def _describe(folder: Path, index: int, level: int, kind: str, size: str) -> None:
    place = folder / f"index{index}"
    place.mkdir()
    for name, value in {"level": str(level), "type": kind, "size": size}.items():
        (place / name).write_text(value + "\n")


def test_levels_are_the_data_caches_that_the_system_describes(tmp_path: Path) -> None:
    assert caches.levels(tmp_path / "none") == caches.USUAL
    _describe(tmp_path, 0, 1, "Data", "48K")
    _describe(tmp_path, 1, 1, "Instruction", "32K")
    _describe(tmp_path, 2, 2, "Unified", "1024K")
    assert caches.levels(tmp_path) == {"L1": 48 * 1024, "L2": 2**20}
    (tmp_path / "index2" / "size").unlink()
    assert caches.levels(tmp_path) == caches.USUAL


def test_copies_write_both_arrays() -> None:
    source, target = np.arange(9, dtype=np.float32), np.zeros(9, np.float32)
    caches._loop()(target, source, 3)
    np.testing.assert_array_equal(target, np.arange(9))
    np.testing.assert_array_equal(source, np.arange(9))


def test_limits_have_a_row_for_the_peak_and_each_level(monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(caches.working_sets()) == [*caches.levels(), "memory"]
    monkeypatch.setattr(part, "working_sets", lambda: {"L1": 2**14, "memory": 2**16})
    rows = {row.case: row for row in part.LimitsPart(Case()).rows(BENCH)}
    assert set(rows) == {"fma/float32", "copy/L1", "copy/memory"}
    assert (rows["fma/float32"].gflops or 0) > 0
    assert all((row.bandwidth or 0) > 0 for name, row in rows.items() if name.startswith("copy"))


def test_steps_and_products_have_their_share_of_the_peak() -> None:
    case = Case(hidden=(4, 4), batch_size=20, kernels="reference")
    (row,) = StepPart(case).rows(BENCH)
    (product,) = ProductPart(20, 4, case).rows(BENCH)
    assert 0 < (row.fraction_of_peak or 0) < 1
    assert 0 < (product.fraction_of_peak or 0) < 1


def test_a_bilevel_step_has_no_rate_because_a_fused_one_does_less_than_is_counted() -> None:
    case = Case(hidden=(4, 4), batch_size=20, bilevel_steps=2, encoder_optimizer="sgd")
    (row,) = StepPart(case).rows(BENCH)
    assert row.ms is not None
    assert row.gflops is row.fraction_of_limit is row.fraction_of_peak is None


def test_an_evaluation_is_timed_beside_plain_numpy() -> None:
    (row,) = EvaluationPart(Case(hidden=(4, 4)), draws=500).rows(BENCH)
    assert row.case == "evaluation/4x2/D2/N1000/draws500"
    assert row.peer == "numpy"
    assert (row.ratio or 0) > 0
    (plain,) = EvaluationPart(Case(hidden=(4, 4), kernels="reference"), draws=500).rows(BENCH)
    assert plain.peer is None

"""Test that arrays of the simulated device refuse what CuPy refuses, and what makes the host wait."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from remote import MIXED, NO_CONVERSION, NO_FILL, Remote, opened

HERE = np.ones((2, 3))


@pytest.fixture
def x() -> Remote:
    return Remote(np.arange(6.0).reshape(2, 3))


REFUSED: list[tuple[str, Callable[[Any], object], str]] = [
    ("asarray", np.asarray, NO_CONVERSION),
    ("array", lambda x: np.array([x[0, 0]]), NO_CONVERSION),
    ("ascontiguousarray", np.ascontiguousarray, NO_CONVERSION),
    ("write to the host", lambda x: HERE.copy().__setitem__(0, x[0]), NO_CONVERSION),
    ("operator", lambda x: x * HERE, MIXED),
    ("operator from the left", lambda x: HERE * x, MIXED),
    ("array of no axis", lambda x: x * np.array(2.0), MIXED),
    ("out", lambda x: np.sqrt(x, out=HERE.copy()), MIXED),
    ("where", lambda x: np.where(x > 1, HERE, x), MIXED),
    ("stack", lambda x: np.stack([x, HERE]), MIXED),
    ("fill", lambda x: x.__setitem__(0, np.ones(3)), NO_FILL),
    ("fill by a list", lambda x: x.__setitem__(0, [1, 2, 3]), NO_FILL),
    ("reduce", lambda x: np.maximum.reduce(x), "not supported yet"),
    ("addresses", lambda x: np.shares_memory(x, x), "wait"),
    ("mask", lambda x: x[x > 1], "wait"),
    ("mask of the host", lambda x: x[np.array([True, False])], "wait"),
    ("write by a mask", lambda x: x.__setitem__(x > 1, 0), "wait"),
    ("nonzero", np.nonzero, "wait"),
    ("bool", lambda x: bool(x[0, 0]), "wait"),
    ("and", lambda x: x[0, 0] > 1 and 1, "wait"),
    ("float", lambda x: float(x[0, 0]), "wait"),
    ("int", lambda x: int(x[0, 0]), "wait"),
    ("range", lambda x: range(x[0, 0]), "wait"),
    ("numbers", lambda x: list(x[0]), "wait"),
    ("any", lambda x: any(x[0]), "wait"),
    ("in", lambda x: 1.0 in x, "wait"),
    ("item", lambda x: x[0, 0].item(), "wait"),
    ("tolist", lambda x: x.tolist(), "wait"),
    ("text", lambda x: f"{x[0, 0]}", "wait"),
]


@pytest.mark.parametrize(("what", "use", "words"), REFUSED, ids=[case[0] for case in REFUSED])
def test_what_cupy_refuses_or_synchronises_for_is_refused(
    x: Remote, what: str, use: Callable[[Any], object], words: str
) -> None:
    with pytest.raises((TypeError, ValueError, NotImplementedError)) as found:
        use(x)
    assert words in str(found.value)


def test_what_cupy_does_at_once_is_done(x: Remote) -> None:
    for use in (
        lambda a: np.exp(2 * a), lambda a: np.where(a > 1, a, 0), lambda a: a * np.float64(2),
        lambda a: np.concatenate([a, a]), lambda a: np.add.reduce(a), lambda a: a[:, None].sum(0),
    ):  # fmt: skip
        done = use(x)
        assert isinstance(done, Remote)
        np.testing.assert_array_equal(opened(done), use(x.inside))
    assert np.may_share_memory(x, x[0]) is True
    assert np.may_share_memory(x, x.copy()) is False
    assert [row.shape for row in x] == [(3,), (3,)]


def test_indices_of_the_host_are_not_recorded(x: Remote) -> None:
    np.testing.assert_array_equal(opened(x[[1, 0]]), x.inside[[1, 0]])
    Remote.tape = []
    try:
        with pytest.raises(RuntimeError, match="Indices"):
            x[[1, 0]]
    finally:
        Remote.tape = None

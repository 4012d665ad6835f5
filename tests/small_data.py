"""Make the built-in point sets smaller, so that a test trains on them in a moment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from vsmnp.data.synthetic.synthetic import Synthetic


@contextmanager
def smaller_sets(n_train: int, n_test: int) -> Iterator[None]:
    """Give every built-in point set these numbers of samples, until the context ends."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Synthetic, "n_train", n_train)
        patch.setattr(Synthetic, "n_test", n_test)
        yield

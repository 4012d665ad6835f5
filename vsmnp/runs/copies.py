"""Copy and pickle objects that compute by a kernel set, which is named in the copy and not copied."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any, TypeVar

import numpy as np

from ..kernels import load, stand_in
from ..types import Array

T = TypeVar("T")


def reduced(made: Any) -> tuple[Any, ...]:
    """Return how to make a frozen dataclass with the field ``k`` again, as ``__reduce__`` does.

    Arrays are copied to the host. A kernel set of a GPU that is missing is replaced by one of the CPU.
    """
    k = made.k
    values = {spec.name: getattr(made, spec.name) for spec in fields(made) if spec.name != "k"}
    arrays = {name: np.array(k.to_host(value)) for name, value in values.items() if hasattr(value, "dtype")}
    others = {name: value for name, value in values.items() if name not in arrays}
    return restored, (type(made), k.name, arrays, others)


def restored(kind: Callable[..., T], kernels: str, arrays: dict[str, Array], others: dict[str, Any]) -> T:
    """Make the object that :func:`reduced` took apart."""
    k = load(stand_in(kernels))
    return kind(k=k, **{name: k.asarray(value) for name, value in arrays.items()}, **others)

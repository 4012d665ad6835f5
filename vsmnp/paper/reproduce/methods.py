"""List the seven objectives that the paper compares, in its order and under its names."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Method:
    """An inference objective with a learning objective."""

    #: The paper's name: ``K-M1`` for KL inference and M1, ``F-M1`` for Fisher inference and M1.
    name: str
    #: Options of :class:`vsmnp.Settings`.
    inference: str
    objective: str

    @property
    def folder(self) -> str:
        """Part of a folder's name, such as ``kl-m1``."""
        return f"{self.inference}-{self.objective}"


METHODS = (
    Method("K-ELBO", "kl", "elbo"),
    Method("K-M1", "kl", "m1"),
    Method("F-M1", "fisher", "m1"),
    Method("K-M2", "kl", "m2"),
    Method("F-M2", "fisher", "m2"),
    Method("K-M3", "kl", "m3"),
    Method("F-M3", "fisher", "m3"),
)

#: Names of the methods in the order of the paper's tables.
NAMES = tuple(method.name for method in METHODS)
KL = tuple(method.name for method in METHODS if method.inference == "kl")
FISHER = tuple(method.name for method in METHODS if method.inference == "fisher")


def methods(names: tuple[str, ...]) -> tuple[Method, ...]:
    """Return the methods of the given names, in the paper's order."""
    return tuple(method for method in METHODS if method.name in names)

"""Show an object in a few words at a prompt, and as a small table in a notebook."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from html import escape


class Shown(ABC):
    """An object that is shown by a few facts instead of all its arrays."""

    @abstractmethod
    def facts(self) -> Mapping[str, str]:
        """Return the names and values that are shown, in their order."""

    def __repr__(self) -> str:
        facts = ", ".join(f"{name}: {value}" for name, value in self.facts().items())
        return f"<{type(self).__name__} {facts}>"

    def _repr_html_(self) -> str:
        """Format the facts as a table, for notebooks."""
        return html_table(type(self).__name__, self.facts())


def html_table(title: str, facts: Mapping[str, str]) -> str:
    """Format names and values as an HTML table with a title."""
    cell = '<t{0} style="text-align: left">{1}</t{0}>'
    rows = "".join(
        f"<tr>{cell.format('h', escape(name))}{cell.format('d', escape(value))}</tr>"
        for name, value in facts.items()
    )
    return f"<table><caption>{escape(title)}</caption><tbody>{rows}</tbody></table>"


def counted(n: int, noun: str) -> str:
    """Format ``1 model`` or ``3 models``."""
    return f"{n:,} {noun}{'s' * (n != 1)}"


def shortened(values: list[str], most: int = 4) -> str:
    """Join the first values by commas, and count the rest."""
    more = f" and {len(values) - most:,} more" if len(values) > most else ""
    return ", ".join(values[:most]) + more

"""Write the report as a page: `python -m gpu.page gpu.json` (in `benchmarks`) writes `gpu.md` beside it."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def markdown(report: Mapping[str, Any]) -> str:
    """Return the page of a report: the machine, a table of all parts, and a table of findings for each part.

    Parameters
    ----------
    report : mapping
        Content of `gpu.json`: ``facts`` and ``parts``.
    """
    lines = ["# What a GPU settles", "", "Written by `benchmarks/gpu.sh`.", ""]
    lines += [f"- {name}: {_cell(value)}" for name, value in report["facts"].items()]
    lines += ["", *_table([_brief(part) for part in report["parts"]])]
    for part in report["parts"]:
        if part["rows"] or part["output"]:
            lines += ["", f"## {part['name']}: {part['title']}", ""]
            lines += [f"`{part['command']}`: {part['status']} {_cell(part['why'])}".rstrip(), ""]
        if part["rows"]:
            lines += _table(part["rows"])
        if part["output"]:
            lines += ["", "```text", *(line.replace("```", "'''") for line in part["output"]), "```"]
    return "\n".join([*lines, ""])


def _brief(part: Mapping[str, Any]) -> dict[str, Any]:
    """Return one row of the table of all parts."""
    return {
        "part": part["name"], "what": part["title"], "status": part["status"],
        "seconds": round(part["seconds"], 1), "limit": round(part["limit"], 1), "rows": len(part["rows"]),
        "why": part["why"],
    }  # fmt: skip


def _table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a table with the columns of all rows, in the order of their first occurrence."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    head = [f"| {' | '.join(columns)} |", "|" + "---|" * len(columns)]
    return head + [f"| {' | '.join(_cell(row.get(name, '')) for name in columns)} |" for row in rows]


def _cell(value: Any) -> str:
    """Format a value in a table: numbers to four digits, text on one line."""
    if isinstance(value, float):
        return f"{value:.4g}"
    return " ".join(str("" if value is None else value).replace("|", "\\|").split())


def main(path: str) -> None:
    """Write the page of a report beside it."""
    file = Path(path)
    file.with_suffix(".md").write_text(markdown(json.loads(file.read_text("utf-8"))), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])

"""Write each finding of a part, when it is known, as a line of JSON to the file that the report reads."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

#: Names the file of rows in the environment of a part; `vsmnp` takes options from VSMNP_*.
VARIABLE = "GPU_ROWS"


#: Looked up once: tests may change the environment of their process.
_FILE = os.environ.get(VARIABLE)


def write_row(**values: Any) -> None:
    """Append a row to the file that the environment named at the start; without one, print it.

    Parameters
    ----------
    **values : Any
        Columns and what JSON can hold.
    """
    line, path = json.dumps(values), _FILE
    if path is None:
        print(line, flush=True)
        return
    with Path(path).open("a", encoding="utf-8") as file:
        file.write(line + "\n")
        file.flush()
        os.fsync(file.fileno())


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Read a file of rows, or a file that is one JSON list; an incomplete last line is left out.

    Returns
    -------
    list of dict
        Empty where there is no file yet.
    """
    try:
        text = path.read_text("utf-8", errors="replace")
    except OSError:
        return []
    try:
        whole = json.loads(text)
    except ValueError:
        pass
    else:
        return whole if isinstance(whole, list) else [whole]
    rows = []
    for line in text.splitlines():
        try:
            rows.append(json.loads(line))
        except ValueError:
            continue
    return rows

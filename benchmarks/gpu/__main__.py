"""Run the parts one after the other and write a report of them: `python -m gpu FOLDER [PART ...]`.

``BUDGET`` in the environment is the time limit of all parts together, in seconds. If the command line names
parts, only these run, in their order. If a part fails, hangs, crashes or is missing, its reason is recorded
and the others run. Time that a part does not use is added to the limit of the next one.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from .parts import BUDGET, parts
from .process import Part, perform
from .record import Journal, Record

#: Seconds below which a part is not started.
LEAST = 2.0


def main(folder: Path, chosen: Sequence[Part], budget: float, scratch: Path) -> Journal:
    """Run parts within a time budget.

    Parameters
    ----------
    folder : Path
        Folder of `gpu.json` and `gpu.md`; it is created.
    chosen : sequence of Part
        Parts to run, in order.
    budget : float
        Seconds of all parts together; no part's limit takes from the time of the parts after it.
    scratch : Path
        Working folder of the commands.
    """
    start = time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    records = [Record(part.name, part.title, limit=part.seconds) for part in chosen]
    facts = {"date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()), "budget": f"{budget:.0f} s"}
    journal = Journal(folder, facts, records)
    journal.save()
    obstacle = None
    try:
        for place, (part, record) in enumerate(zip(chosen, records, strict=True)):
            later = sum(other.seconds for other in chosen[place + 1 :])
            left = budget - (time.monotonic() - start) - later
            if part.needs_gpu and obstacle is not None:
                record.status, record.why = "skipped", obstacle
            elif left < min(LEAST, part.seconds / 2):
                record.status, record.why = "skipped", "the time of all parts is used up"
            else:
                print(f"{part.name} ...", flush=True)
                perform(part, record, journal, scratch, left)
            if part.name == "card":
                obstacle = _obstacle(record)
                facts |= {row["fact"]: row["value"] for row in record.rows if "fact" in row}
            print(f"{part.name}: {record.status} {record.seconds:.1f} s {record.why}", flush=True)
            journal.save()
    except (KeyboardInterrupt, SystemExit):
        for record in records:
            if record.status in ("running", "waiting"):
                record.status, record.why = "stopped", "the whole command was stopped"
        journal.save()
        raise
    return journal


def _obstacle(record: Record) -> str | None:
    """Return the reason why no part that needs a GPU can run."""
    if record.status == "passed":
        return None
    return record.output[-1] if record.output else record.why


def _stop(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _command(arguments: Sequence[str]) -> int:
    """Run the parts that the command line names."""
    signal.signal(signal.SIGTERM, _stop)
    folder, names = Path(arguments[0]).resolve(), arguments[1:]
    with tempfile.TemporaryDirectory() as place:
        everything = parts(Path(place))
        unknown = [name for name in names if name not in {part.name for part in everything}]
        if unknown:
            print(f"There is no part '{unknown[0]}': name some of {', '.join(p.name for p in everything)}.")
            return 2
        chosen = [part for part in everything if not names or part.name in (*names, "install", "card")]
        main(folder, chosen, float(os.environ.get("BUDGET", BUDGET)), Path(place))
    print(f"{folder / 'gpu.json'}\n{folder / 'gpu.md'}")
    return 0


if __name__ == "__main__":
    sys.exit(_command(sys.argv[1:]))

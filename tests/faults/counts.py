"""The figures of a campaign: what was tried, and what went wrong."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass, field
from typing import Any

#: Faults that are described, of each campaign.
_SHOWN = 40


@dataclass
class Counts:
    """The row of a campaign; all but ``tried`` must be zero.

    Attributes
    ----------
    tried : int
        Faults, crashes, pairs or inputs that were tried.
    lost : int
        Runs, caches or results that could not be finished afterwards.
    differing : int
        Those with other bytes than undisturbed.
    tracebacks : int
        Tracebacks, ends by a signal, and ends without exactly one sentence.
    hangs : int
        Processes that were ended by the time limit.
    outside : int
        Files that were read but not named.
    programs : int
        Programs that were started.
    """

    tried: int = 0
    lost: int = 0
    differing: int = 0
    tracebacks: int = 0
    hangs: int = 0
    outside: int = 0
    programs: int = 0
    #: Ends by SIGSEGV or SIGABRT within a library that was refused memory; nothing on the disk may suffer.
    refused: int = 0
    #: Trials that another process of the same campaign does, or that were left out of a sample.
    skipped: int = 0
    faults: list[str] = field(default_factory=list)

    def fault(self, kind: str, text: str) -> None:
        """Count a fault of a kind, and describe it."""
        setattr(self, kind, getattr(self, kind) + 1)
        print(f"{kind}: {text}", file=sys.stderr, flush=True)
        if len(self.faults) < _SHOWN:
            self.faults.append(f"{kind}: {text}")

    def progress(self, name: str) -> None:
        """Print how far a campaign is."""
        print(f"{name}: {self.tried} tried, {len(self.faults)} faults", file=sys.stderr, flush=True)

    def as_json(self) -> dict[str, Any]:
        """Return the figures as they are printed."""
        return asdict(self)

"""The types of functions that long work calls: to report its progress, and to ask whether to stop."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

#: Called with the completed and the total amount of work, in any unit.
Progress: TypeAlias = Callable[[int, int], None]
#: Returns true to stop early.
Stop: TypeAlias = Callable[[], bool]

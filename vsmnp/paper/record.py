"""Find the records of the long experiments, which are installed with the package."""

from __future__ import annotations

from pathlib import Path

#: The folder of the records: CSV files that ``vsmnp reproduce`` wrote.
RECORDS = Path(__file__).parent / "records"

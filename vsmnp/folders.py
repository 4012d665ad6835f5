"""Where a run lives on disk: the names of its files, and how a folder is chosen and claimed."""

from __future__ import annotations

from pathlib import Path

from .config import Settings
from .errors import StorageError
from .files import make_folder

CHECKPOINT, CONFIG, METRICS = "checkpoint.h5", "config.toml", "metrics.csv"
EVALUATION = "evaluation.csv"


def free_folder(settings: Settings) -> Path:
    """A folder under ``runs/`` that does not exist yet, named after the settings."""
    first, last = settings.seeds[0], settings.seeds[-1]
    seeds = f"seed{first}" if first == last else f"seeds{first}-{last}"
    published = "-as-published" if settings.as_published else ""
    name = f"{Path(settings.dataset).stem}-{settings.inference}-{settings.objective}{published}-{seeds}"
    folder, number = Path("runs") / name, 1
    while folder.exists():
        number += 1
        folder = Path("runs") / f"{name}-run{number}"
    return folder


def claim(folder: Path) -> None:
    """Create the folder; one that holds anything is left alone.

    Raises
    ------
    StorageError
        If it cannot be created or is not empty.
    """
    make_folder(folder)
    if any(not entry.name.startswith(".") for entry in folder.iterdir()):
        raise StorageError(
            f"The folder {folder} is not empty: choose another with --out, or go on with the run in it by "
            f"--resume {folder}."
        )

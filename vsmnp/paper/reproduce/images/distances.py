"""Measure FID and KID of a run's samples once and save them in its folder."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ....errors import CheckpointError
from ....evaluation.classifier import SUFFIX
from ....evaluation.classifier.store import SHIPPED
from ....evaluation.feature_choice import LENET, FeatureChoice
from ....evaluation.sample_quality import sample_quality
from ....runs.newest import is_newest
from ....runs.session import Run, load_run
from ....storage import read_json, write_text
from .records import QUALITY

DISTANCES = "distances.json"


def measure_distances(folder: Path, run: Run | None, features: FeatureChoice) -> None:
    """Measure FID and KID of the run in a folder, unless they are known for its state and these features.

    The run is loaded if it is not given. The features ``lenet`` measure nothing for data that no shipped
    classifier fits.

    Raises
    ------
    VsmnpError
        If the features are not available, or the result cannot be written.
    """
    if run is None and read(folder, features):
        return
    run = run or load_run(folder)
    if features.name == LENET and not (SHIPPED / f"{run.dataset.name}{SUFFIX}").exists():
        return
    found = sample_quality(run, features.extractor(run))
    figures = {name: values[0] for name, values in found.figures.items()}
    known = {
        "of": run.seal, "features": features.label, "file": features.sha256,
        **figures, "about": found.about,
    }  # fmt: skip
    write_text(folder / DISTANCES, json.dumps(known))


def read(folder: Path, features: FeatureChoice) -> Mapping[str, Any]:
    """Read the saved distances of a run in its present state by these features; empty if there are none.

    If the file of the features is missing, the saved ones are taken to be of those features.
    """
    try:
        known = read_json(folder / DISTANCES)
        if not is_newest(folder, known["of"]) or known["features"] != features.label:
            return {}
        return known if features.sha256 in ("", known["file"]) else {}
    except (OSError, ValueError, TypeError, KeyError, CheckpointError):
        return {}


def figures(folder: Path, features: FeatureChoice) -> dict[str, float]:
    """Return the known ``fid`` and ``kid`` of a run; a value is infinite if the run diverged."""
    known = read(folder, features)
    return {name: math.inf if known[name] is None else known[name] for name in QUALITY if name in known}


def about(folders: Iterable[Path], features: FeatureChoice) -> list[Mapping[str, Any]]:
    """List the distinct descriptions of what the distances of the runs in these folders compare."""
    known = [known["about"] for folder in folders if (known := read(folder, features))]
    return [each for i, each in enumerate(known) if each not in known[:i]]

"""Evaluations that a run keeps in its folder: the figures with all that they depend on, as JSON."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..data.dataset import fingerprint
from ..errors import VsmnpError
from ..metrics import metric
from ..runs.lock import lock_folder
from ..runs.machine import machine
from ..runs.session import Run
from ..settings.draws import POSTERIOR_SAMPLES
from ..storage import read_json, remove_leftovers, write_text
from ..version import VERSION
from .floors import floors

Figures = dict[str, list[float | None]]

#: File of the last evaluation of the last state in the folder of a run.
EVALUATION = "evaluation.json"
#: The same of the best states on the validation part.
BEST_EVALUATION = "evaluation-best.json"
#: The file that locks both while one of them is read and replaced; a run in training has another lock.
LOCK = ".evaluation.lock"
#: Seconds to wait for another process that replaces an evaluation, which takes less than one.
_PATIENCE = 10.0
_FORMAT = 1
_CURE = "copy the run to another folder and evaluate the copy"


@dataclass(frozen=True)
class KeptEvaluation:
    """An evaluation in the folder of a run.

    Attributes
    ----------
    state : str
        Seal of the evaluated checkpoint; see :func:`vsmnp.runs.checkpoint.seal`.
    draws : dict
        ``prior`` and ``iwae``, the numbers of draws that were asked for.
    figures : dict
        For each metric a list over the models.
    quality : dict or None
        What FID and KID compare, and under ``asked`` by which choices, if they were computed.
    document : dict
        The whole file.
    """

    state: str
    draws: dict[str, int]
    figures: Figures
    quality: dict[str, Any] | None
    document: dict[str, Any]

    def fits(self, state: str, prior_draws: int, iwae_samples: int) -> bool:
        """Return whether this is the evaluation of a state, by this version and numbers of draws."""
        same = self.draws["prior"], self.draws["iwae"], self.document["vsmnp"]
        return self.state == state and same == (prior_draws, iwae_samples, VERSION)


def keep(
    run: Run, figures: Mapping[str, list[float | None]], prior_draws: int, iwae_samples: int,
    quality: Mapping[str, Any] | None = None,
) -> None:  # fmt: skip
    """Write the evaluation of a run to its folder; without a folder, write nothing.

    FID and KID of an earlier evaluation of the same state stay if this one has none.

    Raises
    ------
    StorageError
        If the file cannot be written.
    """
    if run.folder is None or not run.seal:
        return
    lock = lock_folder(run.folder, "evaluate again", _CURE, LOCK, _PATIENCE)
    try:
        _replace(run, run.folder, dict(figures), prior_draws, iwae_samples, quality)
    finally:
        lock.release()


def _replace(
    run: Run, folder: Path, figures: Figures, prior_draws: int, iwae_samples: int,
    quality: Mapping[str, Any] | None,
) -> None:  # fmt: skip
    """Write the evaluation, with FID and KID of an earlier one; the caller has locked the evaluations."""
    path = folder / (BEST_EVALUATION if run.is_best else EVALUATION)
    earlier = kept(folder, run.is_best)
    if quality is None and earlier is not None and earlier.fits(run.seal, prior_draws, iwae_samples):
        quality = earlier.quality
        figures = {**earlier.figures, **figures}
    settings, known = run.settings, floors(run)
    document = {
        "format": _FORMAT,
        "vsmnp": VERSION,
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "state": run.seal,
        "step": run.step,
        "best_steps": run.best.best_step.tolist() if run.is_best else None,
        "seeds": list(settings.seeds),
        "data": {
            "name": run.dataset.name,
            "sha256": fingerprint(run.dataset, settings.data_seed),
            "seed": settings.data_seed,
            "test_samples": run.dataset.n_test,
            "noise": settings.noise,
        },
        "draws": {"prior": prior_draws, "iwae": iwae_samples, "posterior": POSTERIOR_SAMPLES},
        "kernels": run.vae.k.name,
        "dtype": settings.dtype,
        "settings": settings.to_mapping(),
        "machine": machine(),
        "metrics": {name: _entry(name, values, known.get(name)) for name, values in figures.items()},
        "quality": None if quality is None else dict(quality),
    }
    remove_leftovers(path)
    write_text(path, json.dumps(document, indent=2, allow_nan=False) + "\n", _CURE)


def _entry(name: str, values: list[float | None], floor: float | None) -> dict[str, Any]:
    """Return the values of a metric over the models, with its unit, its lower bound and its meaning."""
    row = metric(name)
    return {
        "values": list(values),
        "unit": row.unit,
        "floor": floor,
        "best": row.best.value,
        "meaning": row.meaning,
    }


def kept(folder: Path, best: bool = False) -> KeptEvaluation | None:
    """Read the kept evaluation of a run, or that of its best state; None if none is readable."""
    try:
        document = read_json(folder / (BEST_EVALUATION if best else EVALUATION))
        if document["format"] != _FORMAT:
            return None
        figures: Figures = {}
        for name, entry in document["metrics"].items():
            figures[metric(name).name] = [None if v is None else float(v) for v in entry["values"]]
        draws = {name: int(count) for name, count in document["draws"].items()}
        found = KeptEvaluation(str(document["state"]), draws, figures, document["quality"], document)
        return found if {"prior", "iwae"} <= draws.keys() and "vsmnp" in document else None
    except (OSError, ValueError, TypeError, KeyError, AttributeError, OverflowError, VsmnpError):
        return None

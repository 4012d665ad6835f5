"""Options and words for the quality of samples: which features FID and KID compare."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from .console import Progress
from .onnx_options import ONNX_OPTIONS, feature_choice

if TYPE_CHECKING:
    from vsmnp.evaluation.sample_quality import SampleQuality
    from vsmnp.runs.session import Run

F = TypeVar("F", bound=Callable[..., Any])

#: Files that hold an extractor, not features.
_EXTRACTORS = (".onnx", ".lenet")

_OPTIONS = (
    click.option(
        "--fid", is_flag=True, help="Of images also FID and KID, of samples against the test set."
    ),
    click.option(
        "--features", default="lenet", show_default=True,
        help="Whose features: lenet (our classifier of the data; also lenet-mnist, lenet-fashion, or a "
        "FILE.lenet of 'vsmnp classifier'), a network FILE.onnx, or a file with those of generated samples.",
    ),
    click.option(
        "--reference", type=click.Path(path_type=Path), help="The data's features, if --features is a file."
    ),
    click.option(
        "--fid-samples", type=click.IntRange(min=0), default=0,
        help="Generated images a model; default: as many as the test set has.",
    ),
    *ONNX_OPTIONS,
)  # fmt: skip


@dataclass(frozen=True)
class QualityOptions:
    """What the user said of FID and KID."""

    fid: bool
    features: str
    reference: Path | None
    fid_samples: int
    onnx_output: str
    onnx_layout: str
    onnx_scaling: str
    onnx_size: int

    def measure(self, run: Run, quiet: bool) -> SampleQuality | None:
        """FID and KID of a run, with a progress bar; None if they were not asked for."""
        if not self.fid:
            return None
        from vsmnp.data.arrays.formats import READERS
        from vsmnp.evaluation.sample_quality import quality_of_files, sample_quality

        path = Path(self.features)
        with Progress("Comparing features", 100, quiet) as progress:

            def tell(done: int, total: int) -> None:
                progress.at(100 * done // total)

            named = self.features.startswith("lenet") and path.suffix.lower() not in READERS
            if not named and path.suffix.lower() not in _EXTRACTORS:
                return quality_of_files(path, self._reference(run), tell)
            return sample_quality(run, feature_choice(vars(self)).extractor(run), self.fid_samples, tell)

    def _reference(self, run: Run) -> Path:
        if self.reference is None:
            raise click.UsageError(
                f"--features {self.features} holds the features of generated samples: name a file with "
                "those of the data by --reference, or an extractor, lenet or FILE.onnx."
            )
        if len(run.vae.seeds) > 1:
            raise click.UsageError(
                f"--features {self.features} holds the samples of one model and the run has "
                f"{len(run.vae.seeds)}: use lenet or FILE.onnx."
            )
        return self.reference


def quality_options(command: F) -> F:
    """Give a command the options that :class:`QualityOptions` holds."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def quality_note(quality: SampleQuality) -> str:
    """Two lines below a table: what the distances are of."""
    about = quality.about
    return (
        f"FID and KID of {about['samples']:,} samples against the {about['reference_samples']:,} of the "
        f"{about['reference']}, by {about['features']} features of {about['extractor']},\n"
        f"SHA-256 {about['sha256']}."
    )

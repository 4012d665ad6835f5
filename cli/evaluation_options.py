"""Options of the commands that evaluate runs, and the evaluation by their values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vsmnp.evaluation.feature_choice import FeatureChoice
from vsmnp.settings.draws import IWAE_SAMPLES, PRIOR_DRAWS

from .console import ProgressLine, optional, say
from .options import with_options
from .results import Evaluation, evaluate_with_progress, evaluation_json
from .values import PATH, NameChoice

if TYPE_CHECKING:
    from vsmnp.evaluation.kept import KeptEvaluation
    from vsmnp.evaluation.sample_quality import SampleQuality
    from vsmnp.runs.session import Run

#: Files that hold an extractor, not features.
_EXTRACTORS = (".onnx", ".lenet")

#: The first choices of --features, in its help.
EXTRACTORS = (
    "lenet (the classifier that comes with vsmnp for the data), lenet-mnist, lenet-fashion, a FILE.lenet of "
    "'vsmnp classifier',"
)

onnx_options = with_options(
    click.option("--onnx-output", default="", show_default=False,
                 help="Name of the output of FILE.onnx that is used; needed if it has several."),
    click.option("--onnx-layout", type=NameChoice(("nchw", "nhwc")), default="nchw",
                 help="Order of the axes at the input of FILE.onnx."),
    click.option("--onnx-scaling", type=NameChoice(("unit", "signed", "bytes")), default="unit",
                 help="Range of the pixels at the input of FILE.onnx: [0, 1], [-1, 1] or 0 to 255."),
    click.option("--onnx-size", type=click.IntRange(min=0), default=0,
                 help="Side to which images are resized for FILE.onnx; 0: images keep their size."),
)  # fmt: skip

evaluation_options = with_options(
    click.option("--draws", type=click.IntRange(min=2), default=PRIOR_DRAWS,
                 help="Number of draws from the prior that estimate the likelihood."),
    click.option("--iwae-samples", type=click.IntRange(min=0), default=IWAE_SAMPLES,
                 help="Posterior samples per datum of the importance-weighted bound, which takes most of the "
                 "time on images; 0 omits it."),
    click.option("--fid", is_flag=True, help="Compute also FID and KID of samples against the test images."),
    click.option("--features", default="lenet",
                 help=f"Features of FID and KID: {EXTRACTORS} a network FILE.onnx, or a file with the "
                 "features of generated samples."),
    click.option("--reference", type=PATH,
                 help="File with the features of the data; needed if --features is a file of features."),
    click.option("--fid-samples", type=click.IntRange(min=0), default=0,
                 help="Number of generated images per model; 0: as many as the test set has."),
    onnx_options,
)  # fmt: skip


def feature_choice(values: Mapping[str, Any]) -> FeatureChoice:
    """Build the choice of features from the values of these options."""
    fields = ("output", "layout", "scaling", "size")
    return FeatureChoice(values["features"], **{field: values[f"onnx_{field}"] for field in fields})


@dataclass(frozen=True)
class Evaluated:
    """The figures of a run, with FID and KID if requested, and what these two compare."""

    run: Run
    figures: Evaluation
    quality: SampleQuality | None

    def to_json(self) -> dict[str, Any]:
        """Return the figures by name, and the origin of FID and KID."""
        about = {} if self.quality is None else {"quality": self.quality.about}
        return {**evaluation_json(self.run, self.figures), **about}

    @property
    def note(self) -> str:
        """A description of FID and KID for the lines below a table; empty without them."""
        if self.quality is None:
            return ""
        about = self.quality.about
        return (
            f"FID and KID of {about['samples']:,} samples against the {about['reference_samples']:,} of the "
            f"{about['reference']}, by {about['features']} features of {about['extractor']},\n"
            f"SHA-256 {about['sha256']}."
        )


def evaluate_by_options(run: Run, options: Mapping[str, Any], quiet: bool, reuse: bool = False) -> Evaluated:
    """Evaluate a run by the values of :data:`evaluation_options`, with a progress bar, and keep the result.

    FID and KID come first, because only their options can be wrong. With ``reuse`` what the run has kept of
    this state and by these options is read instead of computed.
    """
    from vsmnp.evaluation.kept import keep, kept
    from vsmnp.metrics import MODEL_METRICS

    draws, iwae = options["draws"], options["iwae_samples"]
    found = kept(run.folder) if reuse and run.folder is not None else None
    if found is not None and not found.fits(run.seal, draws, iwae):
        found = None
    if reuse:
        work = "Evaluating" if found is None else "Reading the evaluation that was kept in"
        say(f"{work} {run.folder}", quiet)
    asked = _asked_quality(options) if options["fid"] else None
    read = None if asked is None else _kept_quality(found, asked)
    quality = read if read is not None or asked is None else _quality(run, options, quiet)
    if found is None:
        figures = evaluate_with_progress(run, quiet, draws, iwae)
    else:
        figures = {each.name: found.figures[each.name] for each in MODEL_METRICS}
    if quality is not None:
        figures |= quality.figures
    about = None if quality is None else {**quality.about, "asked": asked}
    if found is None or quality is not read:
        with optional("the evaluation is not kept", quiet):
            keep(run, figures, draws, iwae, about)
    return Evaluated(run, figures, quality)


def _asked_quality(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of FID and KID, with the SHA-256 of a file in the place of its name."""
    from vsmnp.evaluation.features import sha256_of

    asked: dict[str, Any] = {name: options[name] for name in ("features", "fid_samples")}
    asked |= {name: value for name, value in options.items() if name.startswith("onnx_")}
    for name in ("features", "reference"):
        path = Path(options[name] or "")
        asked[name] = sha256_of(path) if path.is_file() else str(options[name])
    return asked


def _kept_quality(found: KeptEvaluation | None, asked: Mapping[str, Any]) -> SampleQuality | None:
    """Return FID and KID of a kept evaluation if they were asked for by the same options."""
    from vsmnp.evaluation.sample_quality import SampleQuality
    from vsmnp.metrics import SAMPLE_METRICS

    if found is None or found.quality is None or found.quality.get("asked") != asked:
        return None
    names = [each.name for each in SAMPLE_METRICS]
    if not found.figures.keys() >= set(names):
        return None
    about = {name: value for name, value in found.quality.items() if name != "asked"}
    return SampleQuality({name: found.figures[name] for name in names}, about)


def _quality(run: Run, options: Mapping[str, Any], quiet: bool) -> SampleQuality:
    from vsmnp.data.arrays.formats import is_readable
    from vsmnp.evaluation.sample_quality import quality_of_files, sample_quality

    features = options["features"]
    path = Path(features)
    with ProgressLine("Comparing features", 100, quiet) as progress:
        named = features.startswith("lenet") and not is_readable(path)
        if named or path.suffix.lower() in _EXTRACTORS:
            extractor = feature_choice(options).extractor(run)
            return sample_quality(run, extractor, options["fid_samples"], progress.part)
        if options["reference"] is None:
            raise click.UsageError(
                f"--features {features} holds the features of generated samples: name a file with those of "
                "the data by --reference, or an extractor: lenet-mnist, lenet-fashion or FILE.onnx."
            )
        if len(run.vae.seeds) > 1:
            raise click.UsageError(
                f"--features {features} holds the samples of one model and the run has {len(run.vae.seeds)}: "
                "use lenet-mnist, lenet-fashion or FILE.onnx."
            )
        return quality_of_files(path, options["reference"], progress.part)

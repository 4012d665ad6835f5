"""The user's choice of features for FID and KID, without imports of the extractors."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from ..runs.session import Run
    from .features import Extractor

#: Name of the features of the classifier that comes with vsmnp for the data.
LENET = "lenet"


@dataclass(frozen=True)
class FeatureChoice:
    """A choice of features for FID and KID.

    Attributes
    ----------
    name : str
        ``lenet``, ``lenet-mnist``, ``lenet-fashion``, a FILE.lenet of ``vsmnp classifier`` or a network
        FILE.onnx.
    output, layout, scaling, size : str, str, str, int
        For a network FILE.onnx: the output, and the format of images at its input; see
        :class:`vsmnp.evaluation.features.OnnxInput`.
    """

    name: str = LENET
    output: str = ""
    layout: Literal["nchw", "nhwc"] = "nchw"
    scaling: Literal["unit", "signed", "bytes"] = "unit"
    size: int = 0

    @property
    def is_network(self) -> bool:
        """Whether the features come from a network FILE.onnx."""
        return Path(self.name).suffix.lower() == ".onnx"

    @property
    def label(self) -> str:
        """Text that distinguishes this choice from any other."""
        return " ".join(map(str, astuple(self))) if self.is_network else self.name

    @property
    def sha256(self) -> str:
        """SHA-256 of the file of the features; empty if there is none."""
        from ..errors import DataError
        from .features import sha256_of

        try:
            return "" if self.name == LENET else sha256_of(Path(self.name))
        except DataError:
            return ""

    def extractor(self, run: Run) -> Extractor:
        """Build the extractor for a run's images; ``lenet`` is the classifier of the run's dataset.

        Raises
        ------
        VsmnpError
            If the extractor cannot be built.
        """
        from .classifier import SUFFIX, load, shipped
        from .features import LenetFeatures, OnnxFeatures, OnnxInput

        path = Path(self.name)
        if self.is_network:
            enters = OnnxInput(self.layout, self.scaling, self.size)
            return OnnxFeatures(path, self.output, enters, run.settings.threads)
        if path.suffix.lower() == SUFFIX:
            return LenetFeatures(run.vae.k, load(path))
        name = self.name.removeprefix(LENET).removeprefix("-") or run.dataset.name
        return LenetFeatures(run.vae.k, shipped(name))

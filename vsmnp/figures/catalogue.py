"""Every figure of a single run, by its name on the command line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from ..runs.session import Run
from .curves import curves
from .density import density
from .evaluation import evaluation
from .latent import latent
from .posterior_sds import posterior_sds
from .samples import samples

#: Functions of a run and the path of a PNG file, by name.
FIGURES: Mapping[str, Callable[[Run, Path], None]] = MappingProxyType({
    "samples": samples,
    "curves": curves,
    "evaluation": evaluation,
    "density": density,
    "latent": latent,
    "posterior-sds": posterior_sds,
})  # fmt: skip

"""Define the case of a benchmark: objective, inference, architecture, sizes and device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any

from ..errors import member_of
from ..settings.choices import ARCHITECTURES, INFERENCES
from ..settings.presets import PRESETS
from ..settings.settings import Settings
from ..types import Shape

#: Sizes that a name shows where they differ from the default, by the letter before them.
_SIZES = {"J": "encoder_steps", "K": "bilevel_steps", "N": "batch_size", "D": "d_x", "Z": "latent"}


def paper_of(arch: str) -> Mapping[str, Any]:
    """Return the paper's preset of an architecture for images.

    Raises
    ------
    ConfigError
        If there is no preset of the paper for the architecture.
    """
    return member_of(PRESETS, "preset", f"paper-{arch}")


@dataclass(frozen=True)
class Case:
    """Settings of a training step; one step is J encoder updates and one decoder update.

    The decoder's gradient is taken through K bi-level updates of the encoder, by default none. The defaults
    are the paper's two-dimensional setting: batch 1000, S = J = 1, two layers of 30. The networks of images
    have a width in place of hidden layers; see :meth:`of_images`.
    """

    objective: str = "m1"
    inference: str = "kl"
    hidden: tuple[int, ...] = (30, 30)
    samples: int = 1
    encoder_steps: int = 1
    batch_size: int = 1000
    d_x: int = 2
    latent: int = 2
    activation: str = "relu"
    models: int = 1
    dtype: str = "float32"
    device: str = "cpu"
    kernels: str = "auto"
    threads: int = 1
    tf32: bool = False
    arch: str = "mlp"
    width: float = 1.0
    bilevel_steps: int = 0
    encoder_optimizer: str = "adam"
    parts: int = 1

    @classmethod
    def of_images(cls, arch: str = "dcgan", **chosen: Any) -> Case:
        """Return the paper's setting of MNIST: batch 100, 32 x 32 pixels, Z = 100, S = 5 (resnet18: 1)."""
        paper = paper_of(arch)
        usual = {name: paper[name] for name in ("samples", "batch_size", "latent")}
        return cls(arch=arch, **{**usual, "d_x": paper["image_size"] ** 2, **chosen})

    @property
    def image(self) -> Shape | None:
        """``(C, H, W)`` if the data are images, else None."""
        return (1, 32, self.d_x // 32) if ARCHITECTURES[self.arch].of_images else None

    @property
    def name(self) -> str:
        """``K-M2/30x2/S1``: inference and objective, network, S; then values that differ from the default."""
        layers = [(width, len(list(same))) for width, same in groupby(self.hidden)]
        network = "-".join(f"{width}x{count}" for width, count in layers)
        usual = Case()
        if self.image:
            network, usual = self.arch + f"x{self.width:g}" * (self.width != 1), Case.of_images(self.arch)
        parts = [f"{INFERENCES[self.inference].letter}-{self.objective.upper()}", network, f"S{self.samples}"]
        for sign, name in _SIZES.items():
            parts += [f"{sign}{getattr(self, name)}"] * (getattr(self, name) != getattr(usual, name))
        parts += [f"R{self.models}"] * (self.models > 1)
        parts += [f"{self.parts} parts"] * (self.parts > 1)
        parts += [self.activation] * (self.activation != usual.activation)
        parts += [self.dtype] * (self.dtype != usual.dtype)
        parts += [self.encoder_optimizer] * (self.encoder_optimizer != usual.encoder_optimizer)
        return "/".join(parts + ["tf32"] * self.tf32)

    @property
    def settings(self) -> Settings:
        """The settings of the run whose steps are timed.

        Raises
        ------
        ConfigError
            If the case is invalid.
        """
        mine = asdict(self)
        del mine["d_x"], mine["models"]
        if self.image:
            mine |= {name: paper_of(self.arch)[name] for name in ("lr", "encoder_lr")}
        return Settings(seeds=tuple(range(self.models)), **mine)

    def to_mapping(self) -> dict[str, Any]:
        """Return names and values, with tuples as lists."""
        return {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self).items()}

    @classmethod
    def from_mapping(cls, values: dict[str, Any]) -> Case:
        """Rebuild the case from :meth:`to_mapping`."""
        known: dict[str, Any] = {n: tuple(v) if isinstance(v, list) else v for n, v in values.items()}
        return cls(**known)

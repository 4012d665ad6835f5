"""What the networks of images share: which images they take, how wide they are, how they normalise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from ...errors import ConfigError
from ...layers.norm import BatchNorm, FrozenNorm
from ...types import Layer, Shape
from .mlp import activation_named

BatchNormRule: TypeAlias = Literal["off", "coupled", "frozen"]

#: Sides of the images that the architectures are laid out for.
SIDES = (32, 64)


@dataclass(frozen=True)
class ImagePlan:
    """The choices that an architecture leaves open.

    Parameters
    ----------
    image : tuple of int
        ``(C, H, W)``, 1 or 3 channels, 32 or 64 pixels a side.
    features : int
        Outputs of the encoder.
    latent : int
        Inputs of the decoder.
    activation : str
        Between the layers.
    width : float
        What every number of channels is multiplied by.
    batch_norm : {"off", "coupled", "frozen"}
        Normalisation after the convolutions.

    Raises
    ------
    ConfigError
        If the architectures have no layout for such images, or the width leaves no channel.
    """

    image: Shape
    features: int
    latent: int
    activation: str = "relu"
    width: float = 1.0
    batch_norm: BatchNormRule = "off"

    def __post_init__(self) -> None:
        channels, height, side = self.image
        if channels not in (1, 3) or height != side or side not in SIDES:
            raise ConfigError(
                f"dcgan and resnet18 take images of 1 or 3 channels and 32x32 or 64x64 pixels, not "
                f"{channels} channel(s) of {height}x{side}: use --image-size 32, or --arch mlp."
            )
        if self.channels(64) < 1:
            raise ConfigError(f"--width {self.width:g} leaves no channel: use at least {1 / 64:g}.")

    @property
    def side(self) -> int:
        """Pixels a side."""
        return self.image[1]

    def channels(self, full: int) -> int:
        """Channels where the architecture has ``full`` at width 1."""
        return round(full * self.width)

    def norm(self, channels: int) -> tuple[Layer, ...]:
        """The normalisation, if there is one."""
        if self.batch_norm == "off":
            return ()
        return ((BatchNorm if self.batch_norm == "coupled" else FrozenNorm)(channels),)

    def between(self) -> Layer:
        """The activation."""
        return activation_named(self.activation)

"""Options of the networks for images: image size, activation, width and normalisation."""

from __future__ import annotations

from dataclasses import dataclass

from ...errors import ConfigError
from ...layers.norm import BatchNorm, FrozenNorm
from ...settings.choices import IMAGE_ARCHITECTURES, IMAGE_SIDES, BatchNormRule
from ...types import Layer, Shape
from .mlp import activation_named


@dataclass(frozen=True)
class ImagePlan:
    """The options of an image architecture: image, sizes, activation, width and normalisation.

    Parameters
    ----------
    image : tuple of int
        ``(C, H, W)``, 1 or 3 channels, 32 or 64 pixels per side.
    features : int
        Outputs of the encoder.
    latent : int
        Inputs of the decoder.
    activation : str
        Activation between the layers.
    width : float
        Factor on every number of channels.
    batch_norm : {"off", "coupled", "frozen"}
        Normalisation after the convolutions.

    Raises
    ------
    ConfigError
        If the architectures do not support such images, or the width leaves no channel.
    """

    image: Shape
    features: int
    latent: int
    activation: str = "relu"
    width: float = 1.0
    batch_norm: BatchNormRule = "off"

    def __post_init__(self) -> None:
        channels, height, side = self.image
        if channels not in (1, 3) or height != side or side not in IMAGE_SIDES:
            raise ConfigError(
                f"{' and '.join(IMAGE_ARCHITECTURES)} take images of 1 or 3 channels and 32x32 or 64x64 "
                f"pixels, not {channels} channel(s) of {height}x{side}: {self._remedy}, or use --arch mlp."
            )
        if self.channels(64) < 1:
            raise ConfigError(f"--width {self.width:g} leaves no channel: use at least {1 / 64:g}.")

    @property
    def _remedy(self) -> str:
        """The remedy for images of another size or number of channels."""
        if self.image[0] not in (1, 3):
            return "save them with 1 or 3 channels"
        if max(self.image[1:]) > max(IMAGE_SIDES):
            return "save smaller ones (--image-size 32 makes them if each is a file of its own)"
        return f"use --image-size {min(side for side in IMAGE_SIDES if side >= max(self.image[1:]))}"

    @property
    def side(self) -> int:
        """Pixels per side of the image."""
        return self.image[1]

    def channels(self, full: int) -> int:
        """Return the number of channels where the architecture has ``full`` at width 1."""
        return round(full * self.width)

    def norm(self, channels: int) -> tuple[Layer, ...]:
        """Return the normalisation layer in a tuple, empty if there is none."""
        if self.batch_norm == "off":
            return ()
        return ((BatchNorm if self.batch_norm == "coupled" else FrozenNorm)(channels),)

    def between(self) -> Layer:
        """Return the activation between the layers."""
        return activation_named(self.activation)

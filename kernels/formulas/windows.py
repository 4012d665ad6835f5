"""How images fall into the windows of a convolution, and how many of them are taken at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from vsmnp.types import Shape, Window


@dataclass(frozen=True)
class Windows:
    """All places of a window on images ``(H, W, C)``.

    Parameters
    ----------
    window : Window
        What is seen at a place.
    image : tuple of int
        ``(H, W)``.
    channels : int
        C.
    room : int
        Elements that the windows of a tile of images may take together.
    """

    window: Window
    image: Shape
    channels: int
    room: int

    @property
    def places(self) -> tuple[int, int]:
        """``(H', W')``."""
        down, right = (self.window.places(pixels) for pixels in self.image)
        return down, right

    @property
    def width(self) -> int:
        """Elements of a window."""
        return self.window.size**2 * self.channels

    @property
    def count(self) -> int:
        """Windows of an image."""
        return self.places[0] * self.places[1]

    @property
    def as_they_lie(self) -> bool:
        """Whether the images are their own windows: one is the whole image, or a pixel."""
        whole = self.image == (self.window.size, self.window.size)
        return self.window.pad == 0 and (whole or self.window == Window(1))

    @property
    def numbers(self) -> tuple[int, int, int, int, int, int]:
        """What a loop over them is told."""
        window = self.window
        return window.size, window.stride, window.pad, self.image[0], self.image[1], self.channels

    @property
    def tile(self) -> int:
        """Images of a tile."""
        return max(1, self.room // max(1, self.count * self.width))

    def tiles(self, images: int) -> Iterator[slice]:
        """Consecutive images, all of them where nothing is gathered."""
        tile = images if self.as_they_lie else self.tile
        for first in range(0, images, max(1, tile)):
            yield slice(first, min(first + tile, images))

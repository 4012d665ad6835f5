"""The geometry of a convolution's windows on images, and the tiling of images into groups."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from vsmnp.types import Shape, Window


@dataclass(frozen=True)
class Windows:
    """The positions of a convolution's window on images ``(H, W, C)``.

    Parameters
    ----------
    window : Window
        Size, stride and padding of the window.
    image : tuple of int
        ``(H, W)``.
    channels : int
        C.
    most : int
        The most elements that the windows of a tile of images may occupy together.
    """

    window: Window
    image: Shape
    channels: int
    most: int

    @property
    def places(self) -> tuple[int, int]:
        """Output height and width ``(H', W')``."""
        down, right = (self.window.places(pixels) for pixels in self.image)
        return down, right

    @property
    def width(self) -> int:
        """Number of elements of a window."""
        return self.window.size**2 * self.channels

    @property
    def count(self) -> int:
        """Number of windows of an image."""
        return self.places[0] * self.places[1]

    @property
    def are_images(self) -> bool:
        """Whether the windows are the images in memory: each is a whole image, or one pixel."""
        whole = self.image == (self.window.size, self.window.size)
        return self.window.pad == 0 and (whole or self.window == Window(1))

    @property
    def numbers(self) -> tuple[int, int, int, int, int, int]:
        """Window size, stride, padding, H, W and C, the arguments of a loop over the windows."""
        window = self.window
        return window.size, window.stride, window.pad, self.image[0], self.image[1], self.channels

    @property
    def tile(self) -> int:
        """Number of images of a tile."""
        return max(1, self.most // max(1, self.count * self.width))

    def tiles(self, images: int) -> Iterator[slice]:
        """Yield slices of consecutive images, one slice of all where no gathering is needed."""
        tile = images if self.are_images else self.tile
        for first in range(0, images, max(1, tile)):
            yield slice(first, min(first + tile, images))

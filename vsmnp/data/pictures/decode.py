"""Decode one picture file to pixels: crop, resize, and convert the channels."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

import numpy as np

from ...errors import DataError
from ...storage import open_regular
from ...types import Array

if TYPE_CHECKING:
    from PIL.Image import Image

Channels: TypeAlias = Literal["auto", "1", "3"]

#: Suffixes of picture files in a folder.
SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".pgm", ".ppm", ".tif", ".tiff", ".webp")
#: Pillow's formats of these: some that it knows beside them start a program or read other files.
_FORMATS = ("JPEG", "PNG", "BMP", "PPM", "TIFF", "WEBP")
#: Most pixels of a picture that is opened; a small file that claims more is not decoded.
MOST_PIXELS = 2**26
#: Pillow's modes that hold one and three channels of bytes without conversion.
_AS_THEY_ARE = {"1": 1, "L": 1, "RGB": 3}
#: Modes whose conversion to grey or RGB loses only colour or transparency.
_CONVERTIBLE = {*_AS_THEY_ARE, "LA", "P", "PA", "RGBA", "RGBX", "CMYK", "YCbCr", "HSV"}
#: The EXIF tag of the orientation.
_ORIENTATION = 0x0112
#: A handler of what Pillow logs of a corrupt file, which Python would print if there were none.
_SILENT = logging.NullHandler()


def as_channels(name: str) -> Channels:
    """Return the channels option of that name, which a setting has validated."""
    return "1" if name == "1" else "3" if name == "3" else "auto"


@dataclass(frozen=True)
class PictureOptions:
    """The options that turn pictures into samples of one shape.

    Parameters
    ----------
    size : int
        Side in pixels to which they are resized; 0: the original size.
    crop : int
        Side of the central square that is cut out before; 0: the largest one if they are resized,
        else no cut.
    channels : {"auto", "1", "3"}
        Channels as stored, grey, or colour.
    original : tuple of int, optional
        ``(width, height)`` that every file must have.
    """

    size: int = 0
    crop: int = 0
    channels: Channels = "auto"
    original: tuple[int, int] | None = None


class Picture(NamedTuple):
    """The pixels ``(C, H, W)`` of a picture in uint8, and what was done to get them.

    ``on_white``: its transparent parts were laid on white; ``frames``: it has several, of which this is the
    first.
    """

    pixels: Array
    on_white: bool = False
    frames: bool = False


@dataclass(frozen=True)
class Broken:
    """A file that is not a readable picture, with the reason."""

    reason: str


def read_picture(path: Path, options: PictureOptions) -> Picture | Broken:
    """Read the pixels of a picture, or the reason why they cannot be read.

    The EXIF orientation is applied, and transparent parts are laid on white, so that the pixels are those
    that a viewer shows; of several frames, the first is read. Pictures are resized by Pillow's bilinear
    filter, whose support grows with the factor, which avoids aliasing.

    Raises
    ------
    DataError
        If the file is a valid picture that does not match the options, cannot be read, or is gone.
    """
    from PIL import Image, UnidentifiedImageError

    logging.getLogger("PIL").addHandler(_SILENT)  # what a decoder says is in the reason
    try:
        with open_regular(path) as file, Image.open(file, formats=_FORMATS) as picture:
            width, height = picture.size
            if width * height > MOST_PIXELS:
                return Broken(f"claims {width} x {height} pixels")
            picture.load()
            if options.original not in (None, picture.size):
                wanted = " x ".join(map(str, options.original or ()))
                raise DataError(
                    f"{path} is {width} x {height} pixels, not the {wanted} of this set: "
                    "name the right folder."
                )
            return _decode(picture, path, options)
    except DataError:
        raise
    except UnidentifiedImageError:
        return Broken(f"is of none of the formats {', '.join(_FORMATS)}")
    except PermissionError as error:
        raise DataError(f"{path} may not be read: change its permissions.") from error
    except FileNotFoundError as error:
        raise DataError(f"{path} has gone while its folder was read: try again.") from error
    except Exception as error:  # Pillow's decoders raise almost any exception on corrupt bytes
        if isinstance(error, OSError) and error.errno is not None:  # the system's error, not a decoder's
            raise DataError(f"{path} could not be read ({error.strerror}): see to its disk.") from error
        return Broken(" ".join(str(error).split()) or type(error).__name__)


def _decode(picture: Image, path: Path, options: PictureOptions) -> Picture:
    from PIL.Image import Resampling
    from PIL.ImageOps import exif_transpose

    frames = bool(getattr(picture, "is_animated", False))
    turned = picture.getexif().get(_ORIENTATION, 1) not in (0, 1)
    upright = exif_transpose(picture) if turned else picture
    converted, on_white = _converted(upright, path, options.channels)
    cut = _cut(converted, path, options)
    if options.size and cut.size != (options.size, options.size):
        cut = cut.resize((options.size, options.size), Resampling.BILINEAR)
    pixels = np.asarray(cut)
    pixels = np.ascontiguousarray(np.moveaxis(pixels, 2, 0) if pixels.ndim == 3 else pixels[None])
    return Picture(pixels, on_white, frames)


def _converted(picture: Image, path: Path, channels: Channels) -> tuple[Image, bool]:
    """Convert the picture to mode L or RGB, and say whether transparent parts were laid on white.

    No copy is made where none is needed: it costs half of decoding.
    """
    if picture.mode not in _CONVERTIBLE:
        raise DataError(
            f"{path} has pixels of Pillow's mode {picture.mode}, not of bytes: save it with 8 bits a channel."
        )
    if channels == "auto" and picture.mode not in _AS_THEY_ARE:
        raise DataError(
            f"{path} is neither grey nor RGB but {picture.mode}: say --channels 1 or --channels 3 to convert."
        )
    grey = channels == "1" or (channels == "auto" and _AS_THEY_ARE[picture.mode] == 1)
    on_white = picture.has_transparency_data
    if on_white:
        picture, on_white = _on_white(picture)
    return _in_mode("L" if grey else "RGB", picture), on_white


def _on_white(picture: Image) -> tuple[Image, bool]:
    """Combine a picture with a white background, and return whether any of it was transparent."""
    from PIL import Image

    layered = picture.convert("RGBA")
    if layered.getchannel("A").getextrema()[0] == 255:
        return layered, False
    return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), layered), True


def _in_mode(mode: str, picture: Image) -> Image:
    return picture if picture.mode == mode else picture.convert(mode)


def _cut(picture: Image, path: Path, options: PictureOptions) -> Image:
    """Cut out the central square that the options define, or return the picture unchanged."""
    width, height = picture.size
    side = options.crop or (min(width, height) if options.size else 0)
    if not side:
        return picture
    if side > min(width, height):
        raise DataError(f"{path} is {width} x {height} pixels, too small for --crop {side}: lower it.")
    left, top = (width - side) // 2, (height - side) // 2
    return picture.crop((left, top, left + side, top + side))

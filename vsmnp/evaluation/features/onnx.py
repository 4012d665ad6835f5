"""Features of any network in an ONNX file, such as Inception, computed by onnxruntime."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import numpy as np

from ...errors import ConfigError, DataError, LibraryError
from ...types import Array, Shape
from .extractor import sha256_of

#: Number of images that pass through the network at once, if the file does not fix it.
_BATCH = 100

#: Map from pixels in [0, 1] to the network's input, by the name of its range.
SCALINGS: Mapping[str, Callable[[Array], Array]] = MappingProxyType({
    "unit": lambda x: x,
    "signed": lambda x: 2 * x - 1,
    "bytes": lambda x: np.rint(255 * x.clip(0, 1)),
})  # fmt: skip
_DTYPES: Mapping[str, type] = MappingProxyType({
    "tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
})  # fmt: skip


@dataclass(frozen=True)
class OnnxInput:
    """The format of images at the network's input, which an ONNX file does not state.

    Parameters
    ----------
    layout : {"nchw", "nhwc"}
        Order of the axes, which gives the position of the channels.
    scaling : {"unit", "signed", "bytes"}
        Range of the pixels: [0, 1], [-1, 1], or whole numbers from 0 to 255.
    size : int
        Side to which images are resized (bicubic, smoothed when they shrink); 0: the original size.
    """

    layout: Literal["nchw", "nhwc"] = "nchw"
    scaling: Literal["unit", "signed", "bytes"] = "unit"
    size: int = 0


class OnnxFeatures:
    """An extractor whose features are one flattened output of a network in an ONNX file.

    Parameters
    ----------
    path : Path
        The .onnx file; custom operators outside onnxruntime are not loaded.
    output : str
        Name of the output; empty if there is only one.
    enters : OnnxInput
        Format of the images at the input.
    threads : int
        Number of threads of onnxruntime.

    Raises
    ------
    LibraryError
        If onnxruntime is not installed.
    ConfigError
        If there is no such output, or the network does not have exactly one input of pixels.
    DataError
        If the file cannot be read.
    """

    def __init__(
        self, path: Path, output: str = "", enters: OnnxInput | None = None, threads: int = 1
    ) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise LibraryError(
                "Networks in ONNX files are run by onnxruntime: pip install vsmnp[fid]."
            ) from error
        self.path, self.enters, self.sha256 = path, enters or OnnxInput(), sha256_of(path)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = threads, 4
        with _explained(f"{path} cannot be read as an ONNX network", "export it again"):
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        self.output = self._chosen(output)
        self._input = self._only_input()

    @property
    def name(self) -> str:
        """Name of the file and of the output."""
        return f"{self.path.name}:{self.output}"

    def __call__(self, x: Array, image: Shape | None) -> Array:
        if image is None:
            raise DataError(
                "The data are no images, which a network in an ONNX file needs: compare features in files, "
                "by --features and --reference."
            )
        prescribed, parts = self._wanted("n"), []
        batch = prescribed or _BATCH
        for start in range(0, len(x), batch):
            rows = x[start : start + batch].reshape(-1, *image)
            short = batch - len(rows) if prescribed else 0
            pixels = self._entering(np.pad(rows, [(0, short), (0, 0), (0, 0), (0, 0)]))
            refused = f"{self.path.name} does not take images of shape {pixels.shape}"
            with _explained(refused, "try other values of --onnx-layout and --onnx-size"):
                (found,) = self._session.run([self.output], {self._input.name: pixels})
            parts.append(self._flat(np.asarray(found), len(pixels))[: len(rows)])
        return np.concatenate(parts)

    def _entering(self, pixels: Array) -> Array:
        """Convert images ``(n, C, H, W)`` to the network's input; repeat grey ones for three channels."""
        height, channels = self._wanted("h"), self._wanted("c")
        if self.enters.size:
            pixels = _resized(pixels, self.enters.size)
        if channels == 3 and pixels.shape[1] == 1:
            pixels = pixels.repeat(3, axis=1)
        if channels not in (None, pixels.shape[1]):
            raise ConfigError(
                f"{self.path.name} takes {channels} channels with --onnx-layout {self.enters.layout}, and "
                f"the images have {pixels.shape[1]}: try the other layout, or another network."
            )
        if height not in (None, pixels.shape[2]):
            raise ConfigError(
                f"{self.path.name} takes images of {height} pixels a side, and they have {pixels.shape[2]}: "
                f"say --onnx-size {height} to resize them."
            )
        pixels = SCALINGS[self.enters.scaling](pixels)
        if self.enters.layout == "nhwc":
            pixels = np.moveaxis(pixels, 1, -1)
        return np.ascontiguousarray(pixels, _DTYPES[self._input.type])

    def _wanted(self, axis: str) -> int | None:
        """Return the length of an axis of the input if the network prescribes it, else None."""
        size = self._input.shape[self.enters.layout.index(axis)]
        return size if isinstance(size, int) else None

    def _flat(self, found: Array, count: int) -> Array:
        if found.ndim < 2 or len(found) != count or found.dtype.kind != "f":
            raise ConfigError(
                f"Output '{self.output}' of {self.path.name} has shape {found.shape} and dtype {found.dtype} "
                f"for {count} images: name one with a row of real numbers an image by --onnx-output."
            )
        return found.reshape(count, -1)

    def _chosen(self, output: str) -> str:
        names = [each.name for each in self._session.get_outputs()]
        if output in names or (not output and len(names) == 1):
            return output or names[0]
        told = f"no output '{output}'" if output else f"{len(names)} outputs"
        raise ConfigError(
            f"{self.path.name} has {told}: name one of {', '.join(names[:8])} by --onnx-output."
        )

    def _only_input(self) -> Any:
        inputs = self._session.get_inputs()
        if len(inputs) != 1 or len(inputs[0].shape) != 4 or inputs[0].type not in _DTYPES:
            found = ", ".join(f"{each.name} {each.type} {each.shape}" for each in inputs)
            raise ConfigError(
                f"{self.path.name} takes {found or 'nothing'}: it must have one input, images of 4 axes."
            )
        if inputs[0].type == "tensor(uint8)" and self.enters.scaling != "bytes":
            raise ConfigError(f"{self.path.name} takes whole numbers: say --onnx-scaling bytes.")
        return inputs[0]


def _resized(pixels: Array, size: int) -> Array:
    """Resize by a bicubic filter, widened for downsampling, one channel at a time in 32-bit floats."""
    from PIL import Image

    out = np.empty((*pixels.shape[:2], size, size), np.float32)
    for place in np.ndindex(pixels.shape[:2]):
        channel = Image.fromarray(np.asarray(pixels[place], np.float32))
        out[place] = np.asarray(channel.resize((size, size), Image.Resampling.BICUBIC))
    return out


@contextmanager
def _explained(what: str, remedy: str) -> Iterator[None]:
    """Turn any exception of onnxruntime into one DataError, which ends with ``remedy``."""
    try:
        yield
    except Exception as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise DataError(f"{what} ({reason[0].rstrip('.')}): {remedy}.") from error

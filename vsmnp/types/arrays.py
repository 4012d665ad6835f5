"""Define the types of arrays and shapes, the quadratic form of every objective, and convolution windows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import numpy.typing as npt

    Array: TypeAlias = npt.NDArray[Any]
    DType: TypeAlias = npt.DTypeLike
else:  # the settings name layers and kernel sets, and are read before NumPy may be loaded
    Array = DType = Any

Shape: TypeAlias = tuple[int, ...]

#: A name of ``vsmnp.kernels.reference.activations.ACTIVATIONS``.
ActivationName: TypeAlias = str


@dataclass(frozen=True)
class QuadraticForm:
    r"""Coefficients that turn residuals into a score-matching loss of one sample.

    With :math:`e_i = g(z_i) - x`, :math:`q_i = s^q_i` and bars for means over the S posterior samples,

    .. math:: a = c_0 \,\overline{|e|^2} + c_1 |\bar e|^2, \qquad
              h = d_0 \,\overline{q \cdot e} + d_1\, \bar q \cdot \bar e .

    Every Gaussian-likelihood term of the paper is a function of ``a``, ``h`` and gamma alone.
    """

    c_each: float
    c_mean: float
    d_each: float = 0.0
    d_mean: float = 0.0

    @property
    def crosses(self) -> bool:
        """Whether the form contains the score :math:`s^q`."""
        return self.d_each != 0.0 or self.d_mean != 0.0


@dataclass(frozen=True)
class Window:
    """A square window that slides over an image padded with zeros, as in a convolution.

    Parameters
    ----------
    size : int
        Pixels a side.
    stride : int
        Pixels between neighbouring positions.
    pad : int
        Width of the zero padding.
    """

    size: int
    stride: int = 1
    pad: int = 0

    def places(self, pixels: int) -> int:
        """Count the window's positions along an axis of ``pixels`` pixels."""
        return (pixels + 2 * self.pad - self.size) // self.stride + 1

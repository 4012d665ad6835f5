"""LeNet-5 with tanh activations: two convolutions, two hidden layers, one score per class.

References
----------
Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to document recognition",
Proceedings of the IEEE 86, 1998.
"""

from __future__ import annotations

import numpy as np

from ...errors import DataError
from ...layers.activations import Tanh
from ...layers.compose import Chain
from ...layers.conv import AveragePool, ChannelsLast, Conv
from ...layers.dense import Dense
from ...layers.reshape import Reshape
from ...types import Array, Shape, Window

#: Pixels per side of its images, and the width of the last hidden layer, whose values are the features.
SIDE = 32
FEATURES = 84


def lenet5(channels: int, classes: int) -> Chain:
    """Build the network, ``(R, 1, N, C*32*32) -> (R, 1, N, classes)``: a chain of features and scores."""
    window = Window(5)
    features = Chain((
        ChannelsLast((channels, SIDE, SIDE)),
        Conv(channels, 6, window, (32, 32)), Tanh(), AveragePool(2),
        Conv(6, 16, window, (14, 14)), Tanh(), AveragePool(2),
        Reshape((5, 5, 16), (400,)),
        Dense(400, 120), Tanh(),
        Dense(120, FEATURES), Tanh(),
    ))  # fmt: skip
    return Chain((features, Dense(FEATURES, classes)))


def fitted(x: Array, image: Shape | None, channels: int) -> Array:
    """Pad flat images ``(N, D)`` of shape ``image`` with zeros on all sides to 32 x 32 pixels.

    Raises
    ------
    DataError
        If they are not images, are larger than 32 x 32, or have another number of channels.
    """
    if image is None or image[0] != channels or max(image[1:]) > SIDE:
        found = "no images" if image is None else f"images of {' x '.join(map(str, image))}"
        raise DataError(
            f"LeNet-5 takes images of {channels} channel(s) and at most {SIDE} x {SIDE} pixels, and the data "
            f"are {found}: use another extractor, such as --features FILE.onnx."
        )
    around = [((SIDE - side) // 2, (SIDE - side + 1) // 2) for side in image[1:]]
    pixels = np.pad(x.reshape(len(x), *image), [(0, 0), (0, 0), *around])
    return pixels.reshape(len(x), channels * SIDE**2)

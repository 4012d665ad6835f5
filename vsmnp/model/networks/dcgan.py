"""The convolutional networks of the paper's images: DCGAN as an encoder and a decoder.

For 32 x 32 pixels the encoder halves the image three times, by convolutions of 4 x 4 pixels with stride 2,
to 64, 128 and 256 channels; the decoder inverts the sizes by transposed convolutions without biases. For
64 x 64 pixels both have one more stage, of 512 channels.

References
----------
A. Radford, L. Metz, S. Chintala, "Unsupervised representation learning with deep convolutional generative
adversarial networks", ICLR 2016.
"""

from __future__ import annotations

from itertools import pairwise

from ...layers.activations import Sigmoid
from ...layers.compose import Chain
from ...layers.conv import ChannelsFirst, ChannelsLast, Conv, ConvTranspose
from ...layers.dense import Dense
from ...layers.reshape import Reshape
from ...types import Layer, Window
from .image_options import ImagePlan

_HALVING = Window(4, stride=2, pad=1)
#: Pixels per side of the smallest image, between the convolutions and the latent code.
_SMALLEST = 4


def _channels(plan: ImagePlan) -> list[int]:
    """Return the number of channels after each halving."""
    widths: list[int] = []
    side = plan.side
    while side > _SMALLEST:
        widths.append(plan.channels(64 * 2 ** len(widths)))
        side //= 2
    return widths


def dcgan(plan: ImagePlan) -> tuple[Chain, Chain]:
    """Build the encoder and the decoder."""
    return dcgan_encoder(plan), dcgan_decoder(plan)


def dcgan_encoder(plan: ImagePlan) -> Chain:
    """Build the network from flat images ``(C*H*W,)`` to ``plan.features``.

    The first convolution has no normalisation.
    """
    layers: list[Layer] = [ChannelsLast(plan.image)]
    widths, side = _channels(plan), plan.side
    for i, (n_in, n_out) in enumerate(pairwise([plan.image[0], *widths])):
        layers += [
            Conv(n_in, n_out, _HALVING, (side, side)),
            *(plan.norm(n_out) if i else ()),
            plan.between(),
        ]
        side //= 2
    smallest = (_SMALLEST, _SMALLEST, widths[-1])
    flat = _SMALLEST**2 * widths[-1]
    return Chain((*layers, Reshape(smallest, (flat,)), Dense(flat, plan.features)))


def dcgan_decoder(plan: ImagePlan) -> Chain:
    """Build the network from a code ``(Z,)`` to flat images through a sigmoid.

    Its convolutions have no biases, and there is no normalisation before the sigmoid.
    """
    widths = _channels(plan)[::-1]
    side = _SMALLEST
    layers: list[Layer] = [
        Reshape((plan.latent,), (1, 1, plan.latent)),
        ConvTranspose(plan.latent, widths[0], Window(_SMALLEST), (side, side), bias=False),
    ]
    for n_in, n_out in pairwise([*widths, plan.image[0]]):
        side *= 2
        up = ConvTranspose(n_in, n_out, _HALVING, (side, side), bias=False)
        layers += [*plan.norm(n_in), plan.between(), up]
    return Chain((*layers, Sigmoid(), ChannelsFirst(plan.image)))

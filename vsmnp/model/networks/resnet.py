"""The residual networks of the paper's images: ResNet18 as an encoder, and its mirror as a decoder.

A basic block is two convolutions of 3 x 3 pixels with a shortcut. The encoder halves the image in the
first convolution and in the first block of three of its four stages; the decoder doubles it in the second
block of its stages, by nearest-neighbour upsampling and a convolution. Convolutions have no biases where a
normalisation follows.

References
----------
K. He, X. Zhang, S. Ren, J. Sun, "Deep residual learning for image recognition", CVPR 2016.
"""

from __future__ import annotations

from ...layers.activations import Sigmoid
from ...layers.compose import IDENTITY, Chain, Residual
from ...layers.conv import ChannelsFirst, ChannelsLast, Conv, GlobalMean, Upsample, UpsampledConv
from ...layers.dense import Dense
from ...layers.reshape import Reshape
from ...types import Layer, Window
from .image_options import ImagePlan

#: Number of basic blocks per stage.
_BLOCKS = 2
_ENCODER = (64, 128, 256, 512)


def _convolution(
    plan: ImagePlan, n_in: int, n_out: int, side: int, size: int = 3, stride: int = 1
) -> tuple[Layer, ...]:
    """Return a convolution of images of ``side`` pixels, padded to keep or divide the side, and its norm."""
    window = Window(size, stride, pad=size // 2)
    bias = plan.batch_norm == "off"
    return Conv(n_in, n_out, window, (side, side), bias), *plan.norm(n_out)


def _block(plan: ImagePlan, n_in: int, n_out: int, side: int, stride: int = 1) -> tuple[Layer, ...]:
    """Return two 3x3 convolutions with a shortcut, a 1x1 convolution where the size changes."""
    first = _convolution(plan, n_in, n_out, side, stride=stride)
    second = _convolution(plan, n_out, n_out, side // stride)
    shortcut: Layer = IDENTITY
    if stride > 1 or n_in != n_out:
        shortcut = Chain(_convolution(plan, n_in, n_out, side, size=1, stride=stride))
    return Residual(Chain((*first, plan.between(), *second)), shortcut), plan.between()


def _growing_block(plan: ImagePlan, n_in: int, n_out: int, side: int) -> tuple[Layer, ...]:
    """Return the mirror of a halving block: 3x3, doubling and 3x3, with a shortcut of doubling and 3x3."""
    first = _convolution(plan, n_in, n_in, side)
    second, shortcut = ((UpsampledConv(n_in, n_out, (side, side)), *plan.norm(n_out)) for _ in range(2))
    return Residual(Chain((*first, plan.between(), *second)), Chain(shortcut)), plan.between()


def resnet18(plan: ImagePlan) -> tuple[Chain, Chain]:
    """Build the encoder and the decoder."""
    return resnet18_encoder(plan), resnet18_decoder(plan)


def resnet18_encoder(plan: ImagePlan) -> Chain:
    """Build the network from flat images ``(C*H*W,)`` to ``plan.features``."""
    side, n_in = plan.side, plan.channels(_ENCODER[0])
    layers: list[Layer] = [
        ChannelsLast(plan.image), *_convolution(plan, plan.image[0], n_in, side, stride=2), plan.between(),
    ]  # fmt: skip
    side //= 2
    for stage, full in enumerate(_ENCODER):
        n_out = plan.channels(full)
        for i in range(_BLOCKS):
            stride = 2 if stage and not i else 1
            layers += _block(plan, n_in, n_out, side, stride)
            n_in, side = n_out, side // stride
    return Chain((*layers, GlobalMean((side, side)), Dense(n_in, plan.features)))


def resnet18_decoder(plan: ImagePlan) -> Chain:
    """Build the network from a code ``(Z,)`` to flat images through a sigmoid."""
    wide, middle, narrow = (plan.channels(full) for full in (256, 128, 64))
    side = plan.side // 8
    layers: list[Layer] = [
        Dense(plan.latent, wide), Reshape((wide,), (1, 1, wide)), Upsample(side),
        *_block(plan, wide, wide, side), *_growing_block(plan, wide, middle, side),
        *_block(plan, middle, middle, 2 * side), *_growing_block(plan, middle, narrow, 2 * side),
        *_block(plan, narrow, narrow, 4 * side), *_block(plan, narrow, narrow, 4 * side),
        UpsampledConv(narrow, plan.image[0], (4 * side, 4 * side)),
        Sigmoid(), ChannelsFirst(plan.image),
    ]  # fmt: skip
    return Chain(tuple(layers))

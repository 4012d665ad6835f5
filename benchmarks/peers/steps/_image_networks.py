"""DCGAN and ResNet18 for images as PyTorch functions, written from the paper's layer tables.

A network reads its parameters one after the other, in the order of its layers. They come from a flat vector
of the engine (:class:`FlatParameters`, weights ``(O, k, k, I)``), or are tensors in the layout of PyTorch
(:class:`Leaves`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

EPSILON = 1e-5


class Parameters(Protocol):
    """Give the arrays of a network in the order of its layers."""

    def conv(self, n_out: int, n_in: int, size: int) -> Tensor:
        """Return weights ``(O, I, k, k)``; a transposed convolution has those of its adjoint."""

    def array(self, *shape: int) -> Tensor:
        """Return an array that is not a weight of a convolution."""


class FlatParameters:
    """A flat vector in which the engine's arrays follow each other without padding."""

    def __init__(self, vector: Tensor) -> None:
        self.vector, self.start = vector, 0

    def array(self, *shape: int) -> Tensor:
        first, self.start = self.start, self.start + math.prod(shape)
        return self.vector[first : self.start].reshape(shape)

    def conv(self, n_out: int, n_in: int, size: int) -> Tensor:
        return self.array(n_out, size, size, n_in).permute(0, 3, 1, 2)


class Leaves:
    """A list of tensors with the window axes last, the layout of PyTorch."""

    def __init__(self, tensors: Sequence[Tensor]) -> None:
        self.rest = iter(tensors)

    def array(self, *shape: int) -> Tensor:
        return next(self.rest)

    def conv(self, n_out: int, n_in: int, size: int) -> Tensor:
        return next(self.rest)


@dataclass(frozen=True)
class Plan:
    """Options of both networks; ``batch_norm`` is off, coupled (batch statistics) or frozen (slots)."""

    arch: str
    image: tuple[int, int, int]
    latent: int
    activation: Callable[[Tensor], Tensor] = torch.relu
    width: float = 1.0
    batch_norm: str = "off"

    def channels(self, full: int) -> int:
        return round(full * self.width)

    def norm(self, p: Parameters, x: Tensor) -> Tensor:
        """Normalise the channels of ``x (N, C, H, W)``."""
        if self.batch_norm == "off":
            return x
        scale, shift, mean, variance = (p.array(x.shape[1]) for _ in range(4))
        if self.batch_norm == "coupled":
            return functional.batch_norm(x, None, None, scale, shift, training=True, eps=EPSILON)
        return functional.batch_norm(
            x, mean.detach(), variance.detach(), scale, shift, training=False, eps=EPSILON
        )

    def encode(self, p: Parameters, x: Tensor) -> Tensor:
        """Map flat images ``(N, D)`` to features ``(N, 2 Z)``."""
        x = x.reshape(len(x), *self.image)
        return (_dcgan_encoder if self.arch == "dcgan" else _resnet_encoder)(self, p, x)

    def decode(self, p: Parameters, z: Tensor) -> Tensor:
        """Map codes ``(N, Z)`` to flat images ``(N, D)``."""
        return (_dcgan_decoder if self.arch == "dcgan" else _resnet_decoder)(self, p, z).flatten(1)


# --- DCGAN ----------------------------------------------------------------------------------------


def _dcgan_encoder(plan: Plan, p: Parameters, x: Tensor) -> Tensor:
    for i, full in enumerate((64, 128, 256)):
        n_out = plan.channels(full)
        x = functional.conv2d(x, p.conv(n_out, x.shape[1], 4), p.array(n_out), stride=2, padding=1)
        x = plan.activation(plan.norm(p, x) if i else x)
    flat = x.permute(0, 2, 3, 1).flatten(1)
    return functional.linear(flat, p.array(2 * plan.latent, flat.shape[1]), p.array(2 * plan.latent))


def _dcgan_decoder(plan: Plan, p: Parameters, z: Tensor) -> Tensor:
    widths = [plan.channels(full) for full in (256, 128, 64)]
    x = functional.conv_transpose2d(z[:, :, None, None], p.conv(plan.latent, widths[0], 4))
    for n_in, n_out in zip(widths, [*widths[1:], plan.image[0]], strict=True):
        x = plan.activation(plan.norm(p, x))
        x = functional.conv_transpose2d(x, p.conv(n_in, n_out, 4), stride=2, padding=1)
    return torch.sigmoid(x)


# --- ResNet18 -------------------------------------------------------------------------------------


def _convolution(
    plan: Plan, p: Parameters, x: Tensor, n_out: int, size: int = 3, stride: int = 1, bias: bool = False
) -> Tensor:
    w = p.conv(n_out, x.shape[1], size)
    b = p.array(n_out) if bias or plan.batch_norm == "off" else None
    return plan.norm(p, functional.conv2d(x, w, b, stride=stride, padding=size // 2))


def _block(plan: Plan, p: Parameters, x: Tensor, n_out: int, stride: int = 1) -> Tensor:
    body = plan.activation(_convolution(plan, p, x, n_out, stride=stride))
    body = _convolution(plan, p, body, n_out)
    changes = stride > 1 or x.shape[1] != n_out
    shortcut = _convolution(plan, p, x, n_out, size=1, stride=stride) if changes else x
    return plan.activation(body + shortcut)


def _growing_block(plan: Plan, p: Parameters, x: Tensor, n_out: int) -> Tensor:
    body = plan.activation(_convolution(plan, p, x, x.shape[1]))
    body = _convolution(plan, p, functional.interpolate(body, scale_factor=2), n_out, bias=True)
    shortcut = _convolution(plan, p, functional.interpolate(x, scale_factor=2), n_out, bias=True)
    return plan.activation(body + shortcut)


def _resnet_encoder(plan: Plan, p: Parameters, x: Tensor) -> Tensor:
    x = plan.activation(_convolution(plan, p, x, plan.channels(64), stride=2))
    for stage, full in enumerate((64, 128, 256, 512)):
        x = _block(plan, p, x, plan.channels(full), 2 if stage else 1)
        x = _block(plan, p, x, plan.channels(full))
    x = x.mean((2, 3))
    return functional.linear(x, p.array(2 * plan.latent, x.shape[1]), p.array(2 * plan.latent))


def _resnet_decoder(plan: Plan, p: Parameters, z: Tensor) -> Tensor:
    wide, middle, narrow = (plan.channels(full) for full in (256, 128, 64))
    x = functional.linear(z, p.array(wide, plan.latent), p.array(wide))[:, :, None, None]
    x = functional.interpolate(x, scale_factor=plan.image[1] // 8)
    x = _block(plan, p, x, wide)
    x = _growing_block(plan, p, x, middle)
    x = _block(plan, p, x, middle)
    x = _growing_block(plan, p, x, narrow)
    x = _block(plan, p, x, narrow)
    x = _block(plan, p, x, narrow)
    x = functional.interpolate(x, scale_factor=2)
    return torch.sigmoid(
        functional.conv2d(x, p.conv(plan.image[0], narrow, 3), p.array(plan.image[0]), padding=1)
    )

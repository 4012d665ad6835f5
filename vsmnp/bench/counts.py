"""Count floating-point operations and bytes of a step by formula: the least that it needs.

A dense layer of I inputs and O outputs costs ``2 I O`` operations per row in each of three directions:
forward (or a tangent forward), backward to its input, backward to its weights; a convolution as many for each
tap at each position of its window. Elementwise operations are not counted, nor are the savings of minimal
filtering and of what a fused step keeps of bi-level updates: ``cpu`` may be faster than these counts suggest,
and a rate by the count of a bi-level step would exceed that of the processor; such steps have none.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..layers.compose import Chain, Residual
from ..layers.conv import Conv, ConvTranspose, UpsampledConv
from ..layers.dense import Dense
from ..model.gaussian import DiagonalGaussian
from ..model.vae import GaussianVAE
from ..settings.choices import INFERENCES, OBJECTIVES, OPTIMIZERS
from ..settings.in_effect import batch_norm
from ..settings.settings import Settings
from ..types import Layer
from .case import Case


@dataclass(frozen=True)
class Network:
    """The products of one network, in operations per row: those of each layer, in order."""

    layers: tuple[int, ...]
    parameters: int

    @property
    def all(self) -> int:
        """Operations of one direction through every layer."""
        return sum(self.layers)

    @property
    def but_first(self) -> int:
        """Operations of a backward sweep without the gradient in the network's input."""
        return sum(self.layers[1:])


def _operations(layer: Layer) -> Iterator[int]:
    """Yield the operations of each layer with weights, in one direction."""
    match layer:
        case Chain(layers):
            for part in layers:
                yield from _operations(part)
        case Residual(body, shortcut):
            yield from _operations(body)
            yield from _operations(shortcut)
        case Dense(n_in, n_out):
            yield 2 * n_in * n_out
        case Conv() | ConvTranspose():
            down, right = (layer.window.places(pixels) for pixels in layer.image)
            yield 2 * down * right * layer.window.size**2 * layer.n_in * layer.n_out
        case UpsampledConv(n_in, n_out, (height, width)):
            yield 2 * height * width * 16 * n_in * n_out


def networks(case: Case) -> tuple[Network, Network]:
    """Count the operations and parameters of encoder and decoder."""
    if case.image is None:
        model = GaussianVAE.mlp(case.d_x, case.latent, case.hidden)
    else:
        rule, posterior = batch_norm(case.settings), DiagonalGaussian(case.latent)
        model = GaussianVAE.of_images(case.arch, case.image, posterior, width=case.width, batch_norm=rule)
    encoder = Network(tuple(_operations(model.encoder)), model.phi_layout.count)
    return encoder, Network(tuple(_operations(model.decoder)), model.theta_layout.count - 1)


def inference_flops(case: Case) -> int:
    """Count the operations of one encoder update of one model."""
    encoder, decoder = networks(case)
    n, rows = case.batch_size, case.samples * case.batch_size
    flops = n * encoder.all + rows * 2 * decoder.all  # forward, and the decoder back to z
    flops += n * (encoder.all + encoder.but_first)
    if INFERENCES[case.inference].reparametrised:  # along d: forward, and back with its tangent
        flops += rows * 3 * decoder.all
    if OBJECTIVES[
        case.objective
    ].joint:  # s^q; along it forward, back with its tangent, two kinds of weight gradient
        flops += rows * (3 * encoder.all + 2 * encoder.but_first) + n * encoder.all
    return flops


def learning_flops(case: Case) -> int:
    """Count the operations of one decoder update of one model."""
    encoder, decoder = networks(case)
    n, rows = case.batch_size, case.samples * case.batch_size
    flops = n * encoder.all + rows * decoder.all
    if OBJECTIVES[case.objective].joint:
        # back to z; along d forward, back with its tangent, three weight gradients; s^q
        return flops + rows * (5 * decoder.all + 2 * decoder.but_first + encoder.all)
    flops += rows * (decoder.all + decoder.but_first)
    return flops + rows * encoder.all * OBJECTIVES[case.objective].crosses


def bilevel_flops(case: Case) -> int:
    """Count the operations that K bi-level updates add to the decoder update of one model."""
    if not case.bilevel_steps:
        return 0
    encoder, decoder = networks(case)
    n, rows = case.batch_size, case.samples * case.batch_size
    # the learning loss back to z and to phi; where it contains s^q, along y forward, back with its tangent
    outer = rows * (decoder.all - decoder.but_first) + n * (encoder.all + encoder.but_first)
    if OBJECTIVES[case.objective].crosses:
        outer += rows * 2 * (encoder.all + encoder.but_first) + n * encoder.all
    # back through an update: both networks, and along lambda forward, back with their tangents
    back = n * (3 * encoder.all + 5 * encoder.but_first) + rows * 6 * decoder.all
    # nothing needs the first update's derivative in phi, nor, in KL, the cotangent of z and its tangent
    unused = n * (encoder.all + 4 * encoder.but_first)
    if INFERENCES[case.inference].reparametrised is None:
        unused += rows * 2 * (decoder.all - decoder.but_first)
    return outer + case.bilevel_steps * (inference_flops(case) + back) - unused


def step_flops(case: Case) -> int:
    """Count the operations of a whole step of all R models."""
    updates = case.encoder_steps * inference_flops(case) + learning_flops(case)
    return case.models * (updates + bilevel_flops(case))


def step_bytes(case: Case) -> int:
    """Count the bytes of a step: its minibatch per pass, and parameters and moments through the optimisers.

    A bi-level update is a pass and a gradient step forwards, and a pass and a gradient step of ``lambda`` and
    of ``G`` on the way back.
    """
    encoder, decoder = networks(case)
    J, K = case.encoder_steps, case.bilevel_steps
    batches = (J + 1 + 2 * K) * case.batch_size * case.d_x
    learned = decoder.parameters + 1
    each = {name: row.moved for name, row in OPTIMIZERS.items()}
    moved = J * each[case.encoder_optimizer] * encoder.parameters + each[Settings.optimizer] * learned
    moved += K * each["sgd"] * (2 * encoder.parameters + learned)
    return np.dtype(case.dtype).itemsize * (batches + case.models * moved)

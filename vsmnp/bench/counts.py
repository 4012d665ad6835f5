"""Floating-point operations and bytes by formula: what a step or a kernel cannot do without.

A dense layer of I inputs and O outputs costs ``2 I O`` operations a row in each of three directions: forward
(or a tangent forward), backward to its input, backward to its weights. The pointwise rest is not counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from .case import Case


@dataclass(frozen=True)
class Perceptron:
    """The products of one network, in operations a row."""

    widths: tuple[int, ...]

    @property
    def all(self) -> int:
        """One direction through every layer."""
        return sum(2 * n_in * n_out for n_in, n_out in pairwise(self.widths))

    @property
    def but_first(self) -> int:
        """Backward, where nobody wants the gradient in the network's input."""
        return self.all - 2 * self.widths[0] * self.widths[1]

    @property
    def parameters(self) -> int:
        """Weights and biases."""
        return sum((n_in + 1) * n_out for n_in, n_out in pairwise(self.widths))


def networks(case: Case) -> tuple[Perceptron, Perceptron]:
    """Encoder and decoder."""
    encoder = Perceptron((case.d_x, *case.hidden, 2 * case.latent))
    return encoder, Perceptron((case.latent, *reversed(case.hidden), case.d_x))


def inference_flops(case: Case) -> int:
    """The products of one encoder update of one model."""
    encoder, decoder = networks(case)
    n, rows = case.batch_size, case.samples * case.batch_size
    flops = n * encoder.all + rows * 2 * decoder.all  # forward, and the decoder back to z
    flops += n * (encoder.all + encoder.but_first)
    if case.inference == "fisher-reparam":  # along d: forward, and back with its tangent
        flops += rows * 3 * decoder.all
    if case.objective == "fae":  # s^q; along it forward, back with its tangent, two kinds of weight gradient
        flops += rows * (3 * encoder.all + 2 * encoder.but_first) + n * encoder.all
    return flops


def learning_flops(case: Case) -> int:
    """The products of one decoder update of one model."""
    encoder, decoder = networks(case)
    n, rows = case.batch_size, case.samples * case.batch_size
    flops = n * encoder.all + rows * decoder.all
    if (
        case.objective == "fae"
    ):  # back to z; along d forward, back with its tangent, three weight gradients; s^q
        return flops + rows * (5 * decoder.all + 2 * decoder.but_first + encoder.all)
    flops += rows * (decoder.all + decoder.but_first)
    return flops + rows * encoder.all * (case.objective == "m3")


def step_flops(case: Case) -> int:
    """The products of a whole step of all R models."""
    return case.models * (case.encoder_steps * inference_flops(case) + learning_flops(case))


def step_bytes(case: Case) -> int:
    """A step must read its minibatch once an update, and move parameters and moments through Adam."""
    encoder, decoder = networks(case)
    batches = (case.encoder_steps + 1) * case.batch_size * case.d_x
    adam = 7 * case.models * (case.encoder_steps * encoder.parameters + decoder.parameters + 1)
    return np.dtype(case.dtype).itemsize * (batches + adam)


def terms_elements(S: int, N: int, D: int, crosses: bool) -> int:
    """Gaussian terms: x, g and perhaps s^q are read, the gradient in g, ``a`` and ``h`` are written."""
    return (2 * S + 1 + S * crosses) * N * D + 2 * N


def fisher_elements(S: int, N: int, Z: int) -> int:
    """Posterior Fisher divergence: mu, s, eps, b are read; d, the loss and two gradients are written."""
    return (3 * S + 4) * N * Z + N


def adam_elements(P: int) -> int:
    """Parameters, gradient and two moments are read, all but the gradient written."""
    return 7 * P


def sample_elements(S: int, N: int, Z: int) -> int:
    """Sampling with the noise made inside: mu and s are read, z is written."""
    return (S + 2) * N * Z

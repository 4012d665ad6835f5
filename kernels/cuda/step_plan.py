"""The plan of a fused step on a GPU: its constants as read by ``cu/step_plan.cuh``, and its memory.

The enumerations of the constants in C are generated from the tables of this file; see ``source.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from vsmnp.types.arrays import Array
from vsmnp.types.kl_weight import is_weighted
from vsmnp.types.step_spec import GAMMA_CODES, LOSS_CODES, NetworkSpec, StepLoss, StepSpec

from ..reference.activations import CODES

#: The losses of phi and of theta that the kernels compute; a step with another one is composed.
INFERENCE = StepLoss.KL, StepLoss.FISHER, StepLoss.JOINT
LEARNING = StepLoss.ELBO, StepLoss.SCORE_MATCHING, StepLoss.JOINT
#: The code of the identity in place of an activation.
NO_ACTIVATION = -1

#: Possible rows of a tile, the largest first. With fewer, there is too little work between two barriers.
ROWS = (64, 32, 16)
#: Padding of a feature's rows in elements.
PADDING = 4
#: Width up to which networks are narrow, and threads of a block for narrow networks.
NARROW, NARROW_THREADS = 32, 128
#: Blocks for which a multiprocessor has enough registers, for narrow networks and for others; half as many
#: for the joint Fisher divergence.
MOST_BLOCKS, MOST_WIDE_BLOCKS = 4, 2
#: Bytes of a block's shared memory that kernels use besides the dynamic allocation.
RESERVED = 2048


class Side(IntEnum):
    """The result of a part of an update: a gradient of phi or of theta, or the sums of an optimal gamma."""

    INFERENCE = 0
    LEARNING = 1
    GAMMA_SUMS = 2


class Finding(IntEnum):
    """The numbers per model that a divided update passes on besides the gradient: sums, then gamma."""

    SQUARE = 0
    CROSS = 1
    DIVERGENCE = 2
    ALIGNED = 3
    LOG_SD_NOW = 4
    GAMMA_KEPT = 5
    GAMMA_FLOORED = 6


#: The number of findings, and that of the sums, which come first.
FINDINGS, SUMS = len(Finding), Finding.ALIGNED + 1


@dataclass(frozen=True)
class StepPlan:
    """The constants that the kernels of a step read, and the memory that they need.

    Attributes
    ----------
    words, numbers, betas : Array
        Constants in the layout of the kernels: int32, real, float64.
    shared_numbers : int
        Count of numbers in the shared memory of a block, without moments.
    moments : int
        Count of the encoder's moments in shared memory while a block does a whole step; 0 if they stay in
        global memory.
    packed : tuple of int
        Counts of the encoder's and of the decoder's packed parameters.
    rows : int
        Number of rows of a tile.
    carve_out : int
        Preferred shared memory in percent of the most that a multiprocessor can provide: enough for the
        number of blocks that the plan assumes. The remaining fast memory caches global memory.
    """

    words: Array
    numbers: Array
    betas: Array
    shared_numbers: int
    moments: int
    packed: tuple[int, int]
    rows: int
    carve_out: int

    def __str__(self) -> str:
        """Describe the shared memory of a block in a sentence."""
        kept = "parameters and the encoder's moments" if self.moments else "parameters"
        size = (self.shared_numbers + self.moments) * self.numbers.itemsize
        return (
            f"The fused step keeps {kept} in {size} bytes of shared memory a block, and takes {self.rows} "
            "rows of a minibatch at a time."
        )


@dataclass(frozen=True)
class _Network:
    table: list[int]
    packed: int
    features: int
    widest: int


def _fours(width: int) -> int:
    return -(-width // 4) * 4


def _network(spec: NetworkSpec) -> _Network:
    """Build the layer table: eight ints per layer, and a last row with the offset of the output."""
    table, packed, at = [], 0, 0
    for i, (n_in, n_out) in enumerate(pairwise(spec.widths)):
        biases = packed + n_out * _fours(n_in)
        table += [n_in, n_out, _fours(n_in), spec.weights[i], spec.biases[i], packed, biases, at]
        packed, at = biases + _fours(n_out), at + n_in
    table += [0] * 7 + [at]
    return _Network(table, packed, at + spec.widths[-1], max(spec.widths))


def _unsupported(spec: StepSpec) -> str | None:
    """Name the feature of a step that these kernels do not support, or None if there is none."""
    for known, loss in ((INFERENCE, spec.inference.loss), (LEARNING, spec.learning.loss)):
        if loss not in known:
            return f"the loss {loss}"
    if spec.bilevel is not None:
        return "bi-level updates"
    if spec.inference.covariance:
        return "the covariance weight of the Fisher divergence"
    if any(is_weighted(loss.kl_weight, loss.kl_warmup) for loss in (spec.inference, spec.learning)):
        return "a weight of the KL divergence"
    if joint(spec) != (spec.learning.loss is StepLoss.JOINT):
        return "the joint Fisher divergence of one network alone"
    if spec.encoder.output is not None:
        return "an activation at the encoder's end"
    names = {spec.encoder.activation, spec.decoder.activation, spec.decoder.output or spec.scale, spec.scale}
    unknown = sorted(names - CODES.keys())
    return f"the activation {unknown[0]}" if unknown else None


def obstacle(spec: StepSpec, shared_memory: int) -> str | None:
    """Explain why a step cannot be fused with so many bytes of shared memory; None if it can."""
    what = _unsupported(spec)
    if what is not None:
        return f"The fused step on a GPU does not know {what}: every update is composed of kernels."
    if _rows(spec, shared_memory) is None:
        need = _bytes(spec, ROWS[-1])
        return (
            f"The fused step would need {need} bytes of shared memory a block, and the GPU gives "
            f"{shared_memory} (or S is more than {ROWS[0]}): every update is composed of kernels."
        )
    return None


def joint(spec: StepSpec) -> bool:
    """Return whether a step is the Fisher autoencoder's, which needs tangents of both networks."""
    return spec.inference.loss is StepLoss.JOINT


def second_order(spec: StepSpec) -> bool:
    """Return whether a step needs the decoder's tangents alone: z follows phi in a Fisher divergence."""
    return spec.inference.loss is StepLoss.FISHER and spec.inference.follows


def _shared_numbers(spec: StepSpec, rows: int) -> int:
    encoder, decoder = _network(spec.encoder), _network(spec.decoder)
    parameters = encoder.packed + decoder.packed + max(encoder.packed, decoder.packed)
    features = encoder.features + decoder.features + 2 * max(encoder.widest, decoder.widest)
    scores = spec.encoder.widths[0] if spec.learning.form.crosses else 0
    tangents = encoder.features + decoder.features if joint(spec) else 0
    tangents += decoder.features if second_order(spec) else 0
    return parameters + (features + 2 * spec.d_z + scores + tangents) * (rows + PADDING)


def _bytes(spec: StepSpec, rows: int, moments: int = 0) -> int:
    return (_shared_numbers(spec, rows) + moments) * np.dtype(spec.dtype).itemsize + RESERVED


def _rows(spec: StepSpec, shared_memory: int) -> int | None:
    """Choose the rows of a tile: the most for two blocks a multiprocessor if they fit, else for one."""
    samples = max(spec.inference.samples, spec.learning.samples)
    for share in (2, 1):
        for rows in ROWS:
            if rows >= samples and _bytes(spec, rows) * share <= shared_memory:
                return rows
    return None


def narrow(spec: StepSpec) -> bool:
    """Return whether no layer is wider than a warp."""
    return max(*spec.encoder.widths, *spec.decoder.widths) <= NARROW


def _blocks(spec: StepSpec, rows: int, moments: int, shared_memory: int) -> int:
    """Compute the number of resident blocks of a multiprocessor, by its registers and shared memory.

    ``shared_memory`` is the most that one block can have, a lower bound of the multiprocessor's.
    """
    most = MOST_BLOCKS if narrow(spec) else MOST_WIDE_BLOCKS
    most = most // 2 if joint(spec) else most
    return min(most, shared_memory // _bytes(spec, rows, moments))


def _carve_out(spec: StepSpec, rows: int, moments: int, shared_memory: int) -> int:
    need = _blocks(spec, rows, moments, shared_memory) * _bytes(spec, rows, moments)
    return -(-100 * need // shared_memory)


def _moments(spec: StepSpec, rows: int, shared_memory: int) -> int:
    """Compute how many of the encoder's moments to keep in shared memory: all or none.

    An update reads and writes each moment once in either memory: a step of one encoder update gains nothing
    from shared memory, and a longer step gains less than from another block on the multiprocessor.
    """
    if spec.encoder_steps < 2 or not spec.encoder_optimizer.adam:
        return 0
    moments = 2 * _network(spec.encoder).packed
    blocks, blocks_with = (_blocks(spec, rows, held, shared_memory) for held in (0, moments))
    return moments if blocks_with == blocks else 0


class _Parts(NamedTuple):
    """The arguments of the constants of a plan; ``moments`` is a count."""

    spec: StepSpec
    encoder: _Network
    decoder: _Network
    rows: int
    moments: int


def _code(name: str | None) -> int:
    return NO_ACTIVATION if name is None else CODES[name]


#: The words of a plan by their names in C.
WORDS: Mapping[str, Callable[[_Parts], int]] = MappingProxyType({
    "ENCODER_LAYERS": lambda p: len(p.spec.encoder.weights),
    "DECODER_LAYERS": lambda p: len(p.spec.decoder.weights),
    "ENCODER_ACTIVATION": lambda p: _code(p.spec.encoder.activation),
    "DECODER_ACTIVATION": lambda p: _code(p.spec.decoder.activation),
    "DECODER_OUTPUT": lambda p: _code(p.spec.decoder.output),
    "SCALE": lambda p: _code(p.spec.scale),
    "DATA": lambda p: p.spec.encoder.widths[0],
    "LATENT": lambda p: p.spec.d_z,
    "INFERENCE_LOSS": lambda p: LOSS_CODES[p.spec.inference.loss],
    "INFERENCE_SAMPLES": lambda p: p.spec.inference.samples,
    "LEARNING_LOSS": lambda p: LOSS_CODES[p.spec.learning.loss],
    "LEARNING_SAMPLES": lambda p: p.spec.learning.samples,
    "CROSSES": lambda p: p.spec.learning.form.crosses,
    "GAMMA": lambda p: GAMMA_CODES[p.spec.learning.gamma],
    "ENCODER_ADAM": lambda p: p.spec.encoder_optimizer.adam,
    "DECODER_ADAM": lambda p: p.spec.decoder_optimizer.adam,
    "ENCODER_STEPS": lambda p: p.spec.encoder_steps,
    "INFERENCE_STREAM": lambda p: p.spec.streams[0],
    "LEARNING_STREAM": lambda p: p.spec.streams[1],
    "LOG_SD": lambda p: p.spec.log_sd,
    "ENCODER_SIZE": lambda p: p.spec.encoder.size,
    "DECODER_SIZE": lambda p: p.spec.decoder.size,
    "ENCODER_PACKED": lambda p: p.encoder.packed,
    "DECODER_PACKED": lambda p: p.decoder.packed,
    "ENCODER_FEATURES": lambda p: p.encoder.features,
    "DECODER_FEATURES": lambda p: p.decoder.features,
    "WIDEST": lambda p: max(p.encoder.widest, p.decoder.widest),
    "ROWS": lambda p: p.rows,
    "MOMENTS": lambda p: p.moments > 0,
    "FOLLOWS": lambda p: p.spec.inference.follows,
    "BY_PROBE": lambda p: p.spec.inference.probe,
    "PROBE_STREAM": lambda p: p.spec.streams[2],
})  # fmt: skip
#: The real constants of a plan by their names in C.
NUMBERS: Mapping[str, Callable[[StepSpec], float]] = MappingProxyType({
    "INFERENCE_WEIGHT": lambda spec: spec.inference.weight,
    "C_EACH": lambda spec: spec.learning.form.c_each,
    "C_MEAN": lambda spec: spec.learning.form.c_mean,
    "D_EACH": lambda spec: spec.learning.form.d_each,
    "D_MEAN": lambda spec: spec.learning.form.d_mean,
    "GAMMA_C_EACH": lambda spec: spec.learning.form_for_gamma.c_each,
    "GAMMA_C_MEAN": lambda spec: spec.learning.form_for_gamma.c_mean,
    "GAMMA_D_EACH": lambda spec: spec.learning.form_for_gamma.d_each,
    "GAMMA_D_MEAN": lambda spec: spec.learning.form_for_gamma.d_mean,
    "GAMMA_FLOOR": lambda spec: spec.learning.gamma_floor,
    "ENCODER_EPS": lambda spec: spec.encoder_optimizer.eps,
    "DECODER_EPS": lambda spec: spec.decoder_optimizer.eps,
})  # fmt: skip


def plan(spec: StepSpec, shared_memory: int) -> StepPlan:
    """Compute the plan of a step that has no :func:`obstacle`."""
    rows = _rows(spec, shared_memory)
    assert rows is not None
    moments = _moments(spec, rows, shared_memory)
    encoder, decoder = _network(spec.encoder), _network(spec.decoder)
    parts = _Parts(spec, encoder, decoder, rows, moments)
    words = [int(word(parts)) for word in WORDS.values()]
    betas = [getattr(rule, name) for rule in (spec.encoder_optimizer, spec.decoder_optimizer)
             for name in ("beta1", "beta2")]  # fmt: skip
    return StepPlan(
        np.array([*words, *encoder.table, *decoder.table], np.int32),
        np.array([number(spec) for number in NUMBERS.values()], spec.dtype),
        np.array(betas, np.float64), _shared_numbers(spec, rows), moments, (encoder.packed, decoder.packed),
        rows, _carve_out(spec, rows, moments, shared_memory),
    )  # fmt: skip

"""The plan of a fused step on a GPU: the rows of a tile, its memory, and the blocks of a multiprocessor."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from vsmnp.types.arrays import Array
from vsmnp.types.kl_weight import is_weighted
from vsmnp.types.step_spec import StepLoss, StepSpec

from ..reference.activations import CODES
from .step_shape import NUMBERS, PADDING, Parts, packed_network, shape_of

#: The losses of phi and of theta that the kernels compute; a step with another one is composed.
INFERENCE = StepLoss.KL, StepLoss.FISHER, StepLoss.JOINT
LEARNING = StepLoss.ELBO, StepLoss.SCORE_MATCHING, StepLoss.JOINT

#: Possible rows of a tile, the largest first. With fewer, there is too little work between two barriers.
ROWS = (64, 32, 16)
#: Width up to which networks are narrow, and threads of a block for narrow networks.
NARROW, NARROW_THREADS = 32, 128
#: Blocks for which a multiprocessor has enough registers, for narrow networks and for others; half as many
#: for the joint Fisher divergence.
MOST_BLOCKS, MOST_WIDE_BLOCKS = 4, 2
#: Registers of a multiprocessor.
REGISTERS = 65536
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
    """The shape of a step, the numbers that its kernels read, and the memory that they need.

    Attributes
    ----------
    shape : tuple of str
        Lines of ``step_shape.cuh``: the constants of the kernels' source.
    numbers, betas : Array
        Numbers in the layout of the kernels: real, float64.
    threads : int
        Number of threads of a block.
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

    shape: tuple[str, ...]
    numbers: Array
    betas: Array
    threads: int
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


def topic_of(spec: StepSpec) -> str:
    """Return the name of the source of a step in one launch; that of many blocks ends in ``_tiled``."""
    return "step_joint" if joint(spec) else "step_second" if second_order(spec) else "step"


def _shared_numbers(spec: StepSpec, rows: int) -> int:
    encoder, decoder = packed_network(spec.encoder), packed_network(spec.decoder)
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


def _resident(spec: StepSpec, rows: int, moments: int, shared_memory: int, threads: int) -> int:
    """Compute the blocks of a multiprocessor for which the compiler bounds the registers of a thread.

    They bound a thread to 128 registers, or to 255 in double precision and for the joint divergence. If
    shared memory has room for fewer blocks, a thread may have more.
    """
    most = REGISTERS // (threads * (255 if joint(spec) or spec.dtype == "float64" else 128))
    return max(1, min(most, _blocks(spec, rows, moments, shared_memory)))


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
    moments = 2 * packed_network(spec.encoder).packed
    blocks, blocks_with = (_blocks(spec, rows, held, shared_memory) for held in (0, moments))
    return moments if blocks_with == blocks else 0


def plan(spec: StepSpec, shared_memory: int, threads: int) -> StepPlan:
    """Compute the plan of a step that has no :func:`obstacle`.

    Parameters
    ----------
    spec : StepSpec
        The step.
    shared_memory : int
        The most bytes of shared memory that a block can have.
    threads : int
        Number of threads of a block, at most as many as :data:`NARROW_THREADS` if the networks are narrow.
    """
    rows = _rows(spec, shared_memory)
    assert rows is not None
    moments = _moments(spec, rows, shared_memory)
    threads = min(threads, NARROW_THREADS) if narrow(spec) else threads
    parts = Parts(spec, packed_network(spec.encoder), packed_network(spec.decoder), rows, moments, threads,
                   _resident(spec, rows, moments, shared_memory, threads))  # fmt: skip
    betas = [getattr(rule, name) for rule in (spec.encoder_optimizer, spec.decoder_optimizer)
             for name in ("beta1", "beta2")]  # fmt: skip
    return StepPlan(
        shape_of(parts), np.array([number(spec) for number in NUMBERS.values()], spec.dtype),
        np.array(betas, np.float64), threads, _shared_numbers(spec, rows), moments,
        (parts.encoder.packed, parts.decoder.packed), rows, _carve_out(spec, rows, moments, shared_memory),
    )  # fmt: skip

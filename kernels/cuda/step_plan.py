"""The plan of a fused step on a card: its record as numbers for ``cu/step_plan.cuh``, and its memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType

import numpy as np

from vsmnp.types.arrays import Array
from vsmnp.types.step_spec import NetworkSpec, StepSpec

#: How activations and losses are told apart on a card.
ACTIVATIONS: Mapping[str | None, int] = MappingProxyType({
    None: -1, "relu": 0, "tanh": 1, "softplus": 2, "elu": 3, "sigmoid": 4, "exp": 5,
})  # fmt: skip
LOSSES: Mapping[str, int] = MappingProxyType({
    "kl": 0, "fisher": 1, "elbo": 2, "score-matching": 3, "joint": 4,
})  # fmt: skip
GAMMAS: Mapping[str, int] = MappingProxyType({"fixed": 0, "learn": 1, "optimal": 2})

#: Numbers that the kernels of a divided update keep of a model, beside its gradient.
FINDINGS = 7

#: Rows of a tile, the most first. Fewer leave too little work between two barriers.
ROWS = (64, 32, 16)
#: Elements between the same row of neighbouring features, beyond the rows.
PADDING = 4
#: Threads of a block where no layer is wider than this.
NARROW, NARROW_THREADS = 32, 128
#: Blocks that the registers of a multiprocessor have room for, of narrow networks and of others; half as many
#: of the joint Fisher divergence.
MOST_BLOCKS, MOST_WIDE_BLOCKS = 4, 2
#: Bytes of a block that kernels take beside what they are given.
RESERVED = 2048


@dataclass(frozen=True)
class Plan:
    """What the kernels are told, and what they need.

    Attributes
    ----------
    words, numbers, betas : Array
        As the kernels read them: int32, real, float64.
    shared_numbers : int
        Numbers in the shared memory of a block, without moments.
    moments : int
        Numbers of the encoder's moments there while a block does a whole step; 0 where they are left in the
        card's memory.
    packed : tuple of int
        Numbers of the encoder's and of the decoder's packed parameters.
    rows : int
        Of a tile.
    carve_out : int
        Percent of a multiprocessor's fast memory, the most that can be shared, which is to be shared: enough
        for as many blocks as the plan counts on. The rest caches what lies in the card's memory.
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
        """What a block keeps, in a sentence."""
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
    """The layer table: eight ints a layer, and a last row for the output's place."""
    table, packed, at = [], 0, 0
    for i, (n_in, n_out) in enumerate(pairwise(spec.widths)):
        biases = packed + n_out * _fours(n_in)
        table += [n_in, n_out, _fours(n_in), spec.weights[i], spec.biases[i], packed, biases, at]
        packed, at = biases + _fours(n_out), at + n_in
    table += [0] * 7 + [at]
    return _Network(table, packed, at + spec.widths[-1], max(spec.widths))


def _unsupported(spec: StepSpec) -> str | None:
    """What of a step these kernels have no code for, in a few words."""
    if joint(spec) != (spec.learning.loss == "joint"):
        return "the joint Fisher divergence of one network alone"
    if spec.encoder.output is not None:
        return "an activation at the encoder's end"
    return None


def obstacle(spec: StepSpec, shared_memory: int) -> str | None:
    """Why a step cannot be fused where a block is given so many bytes of shared memory; None if it can."""
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
    """Whether a step is the Fisher autoencoder's: it needs tangents of both networks."""
    return spec.inference.loss == "joint"


def second_order(spec: StepSpec) -> bool:
    """Whether a step needs tangents of the decoder alone: z follows phi in a Fisher divergence."""
    return spec.inference.loss == "fisher" and spec.inference.follows


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
    """The rows of a tile: two blocks a multiprocessor if they fit, else the most for one."""
    samples = max(spec.inference.samples, spec.learning.samples)
    for share in (2, 1):
        for rows in ROWS:
            if rows >= samples and _bytes(spec, rows) * share <= shared_memory:
                return rows
    return None


def narrow(spec: StepSpec) -> bool:
    """Whether no layer is wider than a warp."""
    return max(*spec.encoder.widths, *spec.decoder.widths) <= NARROW


def _blocks(spec: StepSpec, rows: int, moments: int, shared_memory: int) -> int:
    """Blocks that live on a multiprocessor, by its registers and its shared memory.

    The latter is at least what one block may be given.
    """
    most = MOST_BLOCKS if narrow(spec) else MOST_WIDE_BLOCKS
    most = most // 2 if joint(spec) else most
    return min(most, shared_memory // _bytes(spec, rows, moments))


def _carve_out(spec: StepSpec, rows: int, moments: int, shared_memory: int) -> int:
    need = _blocks(spec, rows, moments, shared_memory) * _bytes(spec, rows, moments)
    return -(-100 * need // shared_memory)


def _moments(spec: StepSpec, rows: int, shared_memory: int) -> int:
    """Numbers of the encoder's moments in shared memory.

    An update reads and writes each once, wherever they lie: a step of one encoder update gains nothing, and a
    longer one less than another block on the multiprocessor does.
    """
    if spec.encoder_steps < 2 or not spec.encoder_optimizer.adam:
        return 0
    moments = 2 * _network(spec.encoder).packed
    blocks, blocks_with = (_blocks(spec, rows, held, shared_memory) for held in (0, moments))
    return moments if blocks_with == blocks else 0


def plan(spec: StepSpec, shared_memory: int) -> Plan:
    """The plan of a step that has no :func:`obstacle`."""
    rows = _rows(spec, shared_memory)
    assert rows is not None
    moments = _moments(spec, rows, shared_memory)
    encoder, decoder = _network(spec.encoder), _network(spec.decoder)
    form, optimal = spec.learning.form, spec.learning.form_for_gamma
    words = [
        len(spec.encoder.weights), len(spec.decoder.weights), ACTIVATIONS[spec.encoder.activation],
        ACTIVATIONS[spec.decoder.activation], ACTIVATIONS[spec.decoder.output], ACTIVATIONS[spec.scale],
        spec.encoder.widths[0], spec.d_z, LOSSES[spec.inference.loss], spec.inference.samples,
        LOSSES[spec.learning.loss], spec.learning.samples, int(form.crosses), GAMMAS[spec.learning.gamma],
        int(spec.encoder_optimizer.adam), int(spec.decoder_optimizer.adam), spec.encoder_steps,
        *spec.streams[:2], spec.log_sd, spec.encoder.size, spec.decoder.size, encoder.packed, decoder.packed,
        encoder.features, decoder.features, max(encoder.widest, decoder.widest), rows,
        int(moments > 0), int(spec.inference.follows), int(spec.inference.probe), spec.streams[2],
    ]  # fmt: skip
    numbers = [
        spec.inference.weight, form.c_each, form.c_mean, form.d_each, form.d_mean,
        optimal.c_each, optimal.c_mean, optimal.d_each, optimal.d_mean, spec.learning.gamma_floor,
        spec.encoder_optimizer.eps, spec.decoder_optimizer.eps,
    ]  # fmt: skip
    betas = [getattr(rule, name) for rule in (spec.encoder_optimizer, spec.decoder_optimizer)
             for name in ("beta1", "beta2")]  # fmt: skip
    return Plan(
        np.array([*words, *encoder.table, *decoder.table], np.int32), np.array(numbers, spec.dtype),
        np.array(betas, np.float64), _shared_numbers(spec, rows), moments, (encoder.packed, decoder.packed),
        rows, _carve_out(spec, rows, moments, shared_memory),
    )  # fmt: skip

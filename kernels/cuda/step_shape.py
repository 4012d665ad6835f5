"""The shape of a fused step on a GPU, as constants of its source, and the layout of a network's parameters.

Widths, rows, samples, activations and losses become constants of the source, from the tables of this file;
see ``source.py``. A source is compiled once for each shape.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType
from typing import NamedTuple

from vsmnp.types.step_spec import GAMMA_CODES, LOSS_CODES, NetworkSpec, StepSpec

from ..reference.activations import CODES

#: The code of the identity in place of an activation.
NO_ACTIVATION = -1
#: Padding of a feature's rows in elements.
PADDING = 4


@dataclass(frozen=True)
class Packed:
    """A network's packed parameters: its layer table, their count, features of a tile, the widest layer."""

    table: list[list[int]]
    packed: int
    features: int
    widest: int


def _fours(width: int) -> int:
    return -(-width // 4) * 4


def padded_inputs(width: int) -> int:
    """Return the numbers from an output's weights to the next one's: an odd number of fours.

    So the same weight of outputs that are 1, 2 or 4 apart is in different banks of shared memory.
    """
    fours = _fours(width)
    return fours + 4 if fours % 8 == 0 else fours


def packed_network(spec: NetworkSpec) -> Packed:
    """Build the layer table: eight ints per layer, and a last row with the offset of the output."""
    table, packed, at = [], 0, 0
    for i, (n_in, n_out) in enumerate(pairwise(spec.widths)):
        row = padded_inputs(n_in)
        biases = packed + n_out * row
        table.append([n_in, n_out, row, spec.weights[i], spec.biases[i], packed, biases, at])
        packed, at = biases + _fours(n_out), at + n_in
    table.append([0] * 7 + [at])
    return Packed(table, packed, at + spec.widths[-1], max(spec.widths))


class Parts(NamedTuple):
    """The arguments of the constants of a plan; ``moments`` is a count."""

    spec: StepSpec
    encoder: Packed
    decoder: Packed
    rows: int
    moments: int
    threads: int
    resident: int


def _code(name: str | None) -> int:
    return NO_ACTIVATION if name is None else CODES[name]


#: The constants of a step's source by their names in C.
CONSTANTS: Mapping[str, Callable[[Parts], int]] = MappingProxyType({
    "THREADS": lambda p: p.threads,
    "RESIDENT": lambda p: p.resident,
    "ROWS": lambda p: p.rows,
    "PADDING": lambda p: PADDING,
    "SCALE": lambda p: _code(p.spec.scale),
    "DATA": lambda p: p.spec.encoder.widths[0],
    "LATENT": lambda p: p.spec.d_z,
    "WIDEST": lambda p: max(p.encoder.widest, p.decoder.widest),
    "INFERENCE_LOSS": lambda p: LOSS_CODES[p.spec.inference.loss],
    "INFERENCE_SAMPLES": lambda p: p.spec.inference.samples,
    "INFERENCE_STREAM": lambda p: p.spec.streams[0],
    "LEARNING_LOSS": lambda p: LOSS_CODES[p.spec.learning.loss],
    "LEARNING_SAMPLES": lambda p: p.spec.learning.samples,
    "LEARNING_STREAM": lambda p: p.spec.streams[1],
    "CROSSES": lambda p: p.spec.learning.form.crosses,
    "GAMMA": lambda p: GAMMA_CODES[p.spec.learning.gamma],
    "ENCODER_STEPS": lambda p: p.spec.encoder_steps,
    "LOG_SD": lambda p: p.spec.log_sd,
    "MOMENTS": lambda p: p.moments > 0,
    "FOLLOWS": lambda p: p.spec.inference.follows,
    "BY_PROBE": lambda p: p.spec.inference.probe,
    "PROBE_STREAM": lambda p: p.spec.streams[2],
})  # fmt: skip


def _struct(name: str, spec: NetworkSpec, network: Packed, adam: bool) -> str:
    """Write the constants of a network as a struct in C."""
    constants = {
        "LAYERS": len(spec.weights), "ACTIVATION": _code(spec.activation), "OUTPUT": _code(spec.output),
        "SIZE": spec.size, "PACKED": network.packed, "FEATURES": network.features, "ADAM": int(adam),
    }  # fmt: skip
    rows = ", ".join(f"{{{', '.join(map(str, row))}}}" for row in network.table)
    listed = ", ".join(f"{key} = {value}" for key, value in constants.items())
    return (
        f"struct {name} {{ static constexpr int {listed}; static constexpr int TABLE[][8] = {{{rows}}}; }};"
    )


def shape_of(parts: Parts) -> tuple[str, ...]:
    """Write the shape of a step in C."""
    spec = parts.spec
    return (
        *(f"constexpr int {name} = {int(value(parts))};" for name, value in CONSTANTS.items()),
        _struct("Encoder", spec.encoder, parts.encoder, spec.encoder_optimizer.adam),
        _struct("Decoder", spec.decoder, parts.decoder, spec.decoder_optimizer.adam),
    )


#: The real numbers of a plan by their names in C.
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

"""Predict the steps a second of many models that each have a block, from machine code and counts of products.

Instructions of the machine code are counted once for a tile of rows if they are in one of the loops over
tiles; in their innermost loops with multiply-adds, as often as the products have multiply-adds. A
multiprocessor issues four instructions of a warp a cycle and serves one wavefront of shared memory.

    most   = tiles max(issued / 4, wavefronts) + instructions of updates / 4      cycles of a multiprocessor
    least  = most + (cycles that one block waits) / (blocks a multiprocessor)

where a block waits for the latency of shared memory at each dependent step of a product and at each barrier.
It is a bound from below and one from above by this model, which no card has confirmed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from ...errors import ConfigError
from ...kernels.cuda import step_plan
from ...kernels.cuda.machine import OPTIONS
from ...kernels.cuda.source import joined
from ...kernels.cuda.step_shape import PADDING
from ...types.step_spec import StepSpec
from .compiler import Usage, compiled, usage
from .machine_code import Instruction, MachineCode, disassembled
from .products import ProductShape, TileProduct, network_backward, network_forward


class Card(NamedTuple):
    """The constants of a GPU by which a step is predicted."""

    name: str
    architecture: str
    multiprocessors: int
    #: Cycles a second.
    clock: float
    #: Bytes of shared memory of a multiprocessor, and the most of a block.
    shared: int
    block_shared: int
    registers: int
    #: Cycles from a load of shared memory to its use, and from a barrier to the next instruction.
    load_latency: int
    barrier_latency: int


#: The GPU that is predicted. Both latencies are assumptions, of the size usual for recent GPUs.
H100 = Card("H100 SXM", "sm_90", 132, 1.755e9, 228 * 1024, 227 * 1024, 65536, 33, 30)
WARP, ISSUED_A_CYCLE = 32, 4
#: Bits of an access of a lane to shared memory.
WIDTHS = 32, 64, 128
#: A loop over tiles, and those of its innermost loops that are half multiply-adds.
TileLoop: TypeAlias = tuple[list[Instruction], list[list[Instruction]]]


@dataclass(frozen=True)
class Forecast:
    """The counts of one kernel, and the model-steps a second that they allow.

    Attributes
    ----------
    code, usage
        Machine code of the kernel ``whole_step``, and the resources of a thread.
    shared : int
        Bytes of shared memory of a block.
    blocks : int
        Blocks of a multiprocessor.
    products : list of TileProduct
        Products of a tile.
    issued, wavefronts : float
        Instructions of warps, and wavefronts, of a tile in both updates.
    least, most : float
        Model-steps a second: with the waiting of each block, and without it.
    """

    code: MachineCode
    usage: Usage
    shared: int
    blocks: int
    products: Sequence[TileProduct]
    issued: float
    wavefronts: int
    least: float
    most: float

    def to_mapping(self) -> dict[str, Any]:
        """Return the counts by names."""
        code = self.code
        widths = {
            kind: {str(bits // 8): code.count(kind, bits) for bits in WIDTHS} for kind in ("LDS", "STS")
        }
        return {
            "instructions": len(code.instructions), "registers": self.usage.registers,
            "spilled": self.usage.spilled + self.usage.stack, "shared": self.shared, "blocks": self.blocks,
            "accesses": widths, "divisions": code.divisions, "divisions_in_loops": code.loop_divisions,
            "multiply_adds": sum(product.multiply_adds for product in self.products), "issued": self.issued,
            "wavefronts": self.wavefronts, "least": self.least, "most": self.most,
        }  # fmt: skip

    def rows(self) -> list[tuple[str, str]]:
        """List the counts with their names, as a table is printed."""
        code, adds = self.code, sum(product.multiply_adds for product in self.products)
        return [
            ("instructions", f"{len(code.instructions):,}"),
            ("registers of a thread", str(self.usage.registers)),
            ("bytes spilled", str(self.usage.spilled + self.usage.stack)),
            ("shared memory of a block, bytes", f"{self.shared:,}"),
            ("blocks a multiprocessor", str(self.blocks)),
            *(
                (f"{kind} of 4, 8 and 16 bytes", "  ".join(str(code.count(kind, bits)) for bits in WIDTHS))
                for kind in ("LDS", "STS")
            ),
            ("integer divisions, of them in innermost loops", f"{code.divisions}  {code.loop_divisions}"),
            ("multiply-adds of warps, products of a tile", f"{adds:,}"),
            ("instructions of warps, of a tile", f"{self.issued:,.0f}"),
            ("wavefronts, of a tile", f"{self.wavefronts:,}"),
            ("million model-steps a second, predicted", f"{self.least / 1e6:.2f} to {self.most / 1e6:.2f}"),
        ]  # fmt: skip


def options(architecture: str) -> tuple[str, ...]:
    """Return the options of the compiler, those of CuPy among them."""
    return f"--gpu-architecture={architecture}", "--ptxas-options=-v", "-ftz=true", *OPTIONS


def forecast(spec: StepSpec, batch: int, threads: int = 256, card: Card = H100) -> Forecast:
    """Compile the whole step for a card, count its instructions and predict its speed.

    Raises
    ------
    ConfigError
        If the step is composed on this card, is of second order, or a program is missing.
    """
    reason = step_plan.obstacle(spec, card.block_shared)
    if reason is None and step_plan.topic_of(spec) != "step":
        reason = (
            "The model counts products of first order alone: choose --inference kl or fisher, and another "
            "--objective than fae."
        )
    if reason is not None:
        raise ConfigError(reason)
    plan = step_plan.plan(spec, card.block_shared, threads)
    built = compiled(joined("step", np.dtype(spec.dtype), plan.shape), *options(card.architecture))
    code, used = disassembled(built.code)["whole_step"], usage(built.log)["whole_step"]
    shared = (plan.shared_numbers + plan.moments) * plan.numbers.itemsize + used.shared
    by_registers = card.registers // (plan.threads * (-(-used.registers // 8) * 8))
    blocks = min(by_registers, card.shared // (shared + 1024))
    products = [p for side in step_products(spec, plan) for p in side]
    tile = _tile_loops(code)
    issued = _issued(tile, products, plan.threads)
    waves = sum(product.wavefronts for product in products)
    updates = (len(code.instructions) - sum(len(loop) for loop, _ in tile)) * math.ceil(
        sum(plan.packed) / plan.threads / 2
    )
    tiles = math.ceil(batch / (plan.rows // spec.inference.samples))
    cycles = tiles * max(issued / ISSUED_A_CYCLE, waves) + updates * plan.threads / WARP / ISSUED_A_CYCLE
    barriers = sum(i.kind == "BAR" for loop, _ in tile for i in loop)
    waits = sum(p.steps for p in products) * card.load_latency + barriers * card.barrier_latency
    speed = card.multiprocessors * card.clock
    return Forecast(code, used, shared, blocks, products, issued, waves,
                    speed / (cycles + tiles * waits / blocks), speed / cycles)  # fmt: skip


def step_products(spec: StepSpec, plan: step_plan.StepPlan) -> tuple[list[TileProduct], list[TileProduct]]:
    """List the products of a tile of the encoder's updates and of the decoder's, of a step of first order."""
    found = []
    for side, encoder, decoder in (
        (spec.inference, (True, False), (False, True)),
        (spec.learning, None, (True, False)),
    ):
        data = plan.rows // side.samples
        small, tile = (ProductShape(-(-rows // 4) * 4, plan.rows + PADDING, plan.threads)
                       for rows in (data, data * side.samples))  # fmt: skip
        products = network_forward(small, spec.encoder) + network_forward(tile, spec.decoder)
        if side is spec.learning and spec.learning.form.crosses:
            products += network_backward(small, spec.encoder, False, True) * side.samples
        products += network_backward(tile, spec.decoder, *decoder)
        products += network_backward(small, spec.encoder, *encoder) if encoder else []
        found.append(products * (spec.encoder_steps if side is spec.inference else 1))
    return found[0], found[1]


def _tile_loops(code: MachineCode) -> list[TileLoop]:
    """Return the loops over tiles, each with its innermost loops that are half multiply-adds.

    They are the smallest loops that contain a barrier and several such innermost loops.
    """
    heavy = [loop for loop in code.loops if 2 * _adds(loop) >= len(loop)]
    found: list[TileLoop] = []
    for loop in sorted(code.all_loops, key=len):
        inside = [each for each in heavy if loop[0].at <= each[0].at and each[-1].at <= loop[-1].at]
        taken = any(loop[0].at <= other[0].at and other[-1].at <= loop[-1].at for other, _ in found)
        if len(inside) > 2 and not taken and any(i.kind == "BAR" for i in loop):
            found.append((loop, inside))
    return found


def _issued(tiles: Sequence[TileLoop], products: Sequence[TileProduct], threads: int) -> float:
    """Count the instructions of warps of one tile of both updates."""
    warps = threads // WARP
    inner = [i for _, loops in tiles for loop in loops for i in loop]
    outer = sum(len(loop) for loop, _ in tiles) - len(inner)
    # Multiply-adds outside loops are those of products whose loops are unrolled.
    unrolled = sum(_adds(loop) for loop, _ in tiles) - _adds(inner)
    looped = max(0, sum(product.multiply_adds for product in products) - unrolled * warps)
    return outer * warps + looped * len(inner) / max(1, _adds(inner))


def _adds(instructions: Sequence[Instruction]) -> int:
    return sum(i.kind in ("FFMA", "DFMA") for i in instructions)

"""Disassemble the machine code of CUDA kernels, and count their instructions.

A loop is the code between a branch and an earlier address that it jumps to. An innermost loop contains no
other loop. The compiler makes an integer division by a number that it does not know of a reciprocal in
floating point, which begins with a conversion of a kind that nothing else uses; one of 64 bits is a call.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from ...errors import ConfigError
from .compiler import installed_folders

MISSING = (
    "nvdisasm was not found, so machine code cannot be counted: pip install nvidia-cuda-nvdisasm (it is in "
    "the extra [test]) or install a CUDA toolkit."
)
#: The first instruction of an integer division of 32 bits.
_DIVIDES = ("I2F.RP", "I2F.U32.RP")

_SECTION = re.compile(r"^\.text\.(\w+):$")
_LABEL = re.compile(r"^(\.L\w+):$")
_INSTRUCTION = re.compile(r"^\s*/\*([0-9a-f]{4,})\*/\s+(?:@!?U?P\w+\s+)?([A-Z][\w.]*)([^;]*);")
_TARGET = re.compile(r"`\((\.L\w+)\)")


class Instruction(NamedTuple):
    """One instruction: its address, name with modifiers, and the address that it jumps to, if any."""

    at: int
    name: str
    target: int | None

    @property
    def kind(self) -> str:
        """The name without modifiers."""
        return self.name.partition(".")[0]


@dataclass(frozen=True)
class MachineCode:
    """The instructions of a kernel in the order of their addresses."""

    instructions: Sequence[Instruction]

    @cached_property
    def all_loops(self) -> list[list[Instruction]]:
        """All loops, in the order of their first addresses."""
        spans = {(i.target, i.at) for i in self.instructions if i.target is not None and i.target < i.at}
        return [[i for i in self.instructions if low <= i.at <= high] for low, high in sorted(spans)]

    @cached_property
    def loops(self) -> list[list[Instruction]]:
        """The innermost loops of the kernel."""
        spans = [(loop[0].at, loop[-1].at) for loop in self.all_loops]
        return [
            loop
            for loop, s in zip(self.all_loops, spans, strict=True)
            if not any(o != s and s[0] <= o[0] and o[1] <= s[1] for o in spans)
        ]

    def count(self, kind: str, bits: int | None = None) -> int:
        """Count the instructions of a kind, with accesses to memory of so many bits, if given."""
        found = [i.name.split(".") for i in self.instructions if i.kind == kind]
        widths = [next((int(part) for part in parts if part in ("64", "128")), 32) for parts in found]
        return len(found) if bits is None else widths.count(bits)

    @property
    def divisions(self) -> int:
        """Number of integer divisions by numbers that are not known when compiling."""
        return divisions(self.instructions)

    @property
    def loop_divisions(self) -> int:
        """Number of integer divisions in innermost loops."""
        return sum(map(divisions, self.loops))


def divisions(instructions: Sequence[Instruction]) -> int:
    """Count the integer divisions among instructions."""
    return sum(i.name in _DIVIDES for i in instructions)


def kinds(instructions: Sequence[Instruction]) -> Counter[str]:
    """Count instructions by their names without modifiers."""
    return Counter(i.kind for i in instructions)


def disassembled(code: bytes) -> dict[str, MachineCode]:
    """Return the instructions of each kernel.

    Raises
    ------
    ConfigError
        With a remedy, if there is no disassembler.
    """
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(code)
        file.flush()
        done = subprocess.run(
            [_program(), "-c", file.name], capture_output=True, text=True, check=True, timeout=120
        )
    return parsed(done.stdout)


def _program() -> Path:
    for folder in installed_folders("bin"):
        if (folder / "nvdisasm").exists():
            return folder / "nvdisasm"
    raise ConfigError(MISSING)


def parsed(text: str) -> dict[str, MachineCode]:
    """Parse the output of nvdisasm."""
    found: dict[str, list[tuple[int, str, str | None]]] = {}
    labels: dict[tuple[str, str], int] = {}
    waiting: list[str] = []
    kernel = ""
    for line in text.splitlines():
        section, label, instruction = _SECTION.match(line), _LABEL.match(line), _INSTRUCTION.match(line)
        if section is not None:
            kernel = section[1]
            found[kernel] = []
        elif label is not None:
            waiting.append(label[1])
        elif instruction is not None and kernel:
            at = int(instruction[1], 16)
            labels |= {(kernel, name): at for name in waiting}
            waiting = []
            jump = _TARGET.search(instruction[3]) if instruction[2].startswith("BRA") else None
            found[kernel].append((at, instruction[2], jump[1] if jump else None))
    return {
        name: MachineCode(
            [Instruction(at, word, labels.get((name, to)) if to else None) for at, word, to in lines]
        )
        for name, lines in found.items()
        if lines
    }

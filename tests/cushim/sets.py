"""The ``cuda`` set on this machine: its own wrappers, NumPy's arrays, its sources run by ``cushim.hpp``."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from vsmnp.kernels.cuda.kernel_set import CudaKernels
from vsmnp.kernels.cuda.machine import Machine

from .poisoned import Poisoned
from .runner import ShimLauncher


class Geometry(NamedTuple):
    """The geometry of launches: the block, the largest grid, and the seed of the order."""

    threads: int
    most_blocks: int
    most_rows: int
    seed: int


#: As on a card; one warp and few blocks, so that everything strides; a block that is not a power of two.
GEOMETRIES = (Geometry(256, 4096, 65535, 0), Geometry(32, 2, 1, 1), Geometry(96, 3, 2, 2))


def libraries(factory: pytest.TempPathFactory) -> Path:
    """Return the folder of compiled sources that all processes of a test session share."""
    base = factory.getbasetemp()
    folder = (base.parent if base.name.startswith("popen-") else base) / "cushim"
    folder.mkdir(exist_ok=True)
    return folder


def kernel_set(launcher: ShimLauncher, geometry: Geometry) -> CudaKernels:
    """Create the set on this machine with this geometry."""
    launcher.seed = geometry.seed
    return CudaKernels(Machine(Poisoned, launcher), *geometry[:3])

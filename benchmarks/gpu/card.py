"""Write a row for each fact about this machine: `python -m gpu.card`; exit with 1 if no GPU can be used."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version

from .rows import write_row

_PACKAGES = ("numpy", "numba", "numba-cuda", "cupy-cuda13x", "cupy-cuda12x", "torch", "jax", "pytest")


def main() -> int:
    """Write the facts, those of the GPU last; return 1 if `vsmnp` names an obstacle."""
    write_row(fact="Python", value=platform.python_version())
    write_row(fact="system", value=platform.platform())
    write_row(fact="cores", value=os.cpu_count())
    for package in _PACKAGES:
        try:
            write_row(fact=package, value=version(package))
        except PackageNotFoundError:
            continue
    smi = shutil.which("nvidia-smi")
    if smi is not None:
        query = "--query-gpu=name,driver_version,memory.total,clocks.sm,clocks.mem,power.draw,temperature.gpu"
        done = subprocess.run(
            [smi, query, "--format=csv,noheader"], capture_output=True, text=True, check=False, timeout=10
        )
        write_row(fact="nvidia-smi", value=done.stdout.strip() or done.stderr.strip())
    from vsmnp.kernels import gpu_obstacle

    obstacle = gpu_obstacle()
    if obstacle is not None:
        print(obstacle)
        return 1
    import cupy

    runtime, device = cupy.cuda.runtime, cupy.cuda.Device()
    properties = runtime.getDeviceProperties(device.id)
    for name, value in (
        ("card", properties["name"].decode()),
        ("compute capability", device.compute_capability),
        ("multiprocessors", properties["multiProcessorCount"]),
        ("memory, GiB", round(properties["totalGlobalMem"] / 2**30, 1)),
        ("shared memory of a block, bytes", device.attributes["MaxSharedMemoryPerBlockOptin"]),
        ("driver", runtime.driverGetVersion()),
        ("runtime", runtime.runtimeGetVersion()),
        ("CuPy", cupy.__version__),
    ):
        write_row(fact=name, value=value)
    return 0


if __name__ == "__main__":
    sys.exit(main())

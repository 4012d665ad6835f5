"""Build the device of these tests once; if that fails, skip them unless CUDA_ON_CPU_REQUIRED is set."""

import os
from pathlib import Path

import pytest
from cuda_on_cpu.commands import Unavailable
from cuda_on_cpu.device import Device
from cuda_on_cpu.run import environment


@pytest.fixture(scope="session")
def prepared() -> dict[str, str]:
    try:
        return environment()
    except Unavailable as reason:
        if os.environ.get("CUDA_ON_CPU_REQUIRED"):
            raise
        pytest.skip(f"CuPy cannot be run without a card: {reason}")


@pytest.fixture
def device(prepared: dict[str, str], tmp_path: Path) -> Device:
    return Device(prepared, tmp_path)

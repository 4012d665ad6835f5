"""Test that settings which ask for more memory than there is are refused before any of it is allocated."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vsmnp.errors import ConfigError
from vsmnp.runs.session import Session
from vsmnp.settings.settings import Settings
from vsmnp.training import memory

PARAMETERS, SAMPLES = "the parameters take", "the samples of a step take"


@pytest.fixture
def images(tmp_path: Path) -> str:
    """Write small pictures, of which a convolutional network can be made."""
    np.save(tmp_path / "x.npy", np.zeros((40, 32, 32), np.uint8))
    return str(tmp_path / "x.npy")


@pytest.mark.parametrize(
    ("choice", "what"),
    [
        ({"samples": 10**18}, SAMPLES),
        ({"samples": 2**63 - 1}, SAMPLES),
        ({"latent": 10**18}, PARAMETERS),
        ({"latent": 2**63 - 1}, PARAMETERS),
        ({"hidden": (10**18,)}, PARAMETERS),
        ({"hidden": (2**62, 2**62, 2**62)}, PARAMETERS),
        ({"hidden": (2**32, 2**32)}, PARAMETERS),
        ({"arch": "dcgan", "width": 1e10}, PARAMETERS),
        ({"arch": "resnet18", "width": 1e300}, PARAMETERS),
    ],
    ids=str,
)
@pytest.mark.parametrize("kernels", ["reference", "cpu"])
def test_absurd_sizes_are_one_sentence(images: str, choice: dict[str, Any], what: str, kernels: str) -> None:
    data = images if "arch" in choice else "mixture"
    with pytest.raises(ConfigError, match=f"{what} at least .* GiB of memory, and the machine has") as told:
        Session.new(Settings(kernels=kernels, dataset=data, **choice))
    assert len(str(told.value)) < 300


@pytest.mark.parametrize(("limit", "fits"), [(2**31, True), (2**20, False)])
def test_the_memory_of_the_machine_is_the_limit(
    monkeypatch: pytest.MonkeyPatch, limit: int, fits: bool
) -> None:
    """Two million numbers of samples, of which a step without a fused kernel has all in memory."""
    monkeypatch.setattr(memory, "memory_of_machine", lambda: limit)
    settings = Settings(kernels="reference", samples=10_000, batch_size=100, hidden=(2,))
    if fits:
        Session.new(settings)
    else:
        with pytest.raises(ConfigError, match=SAMPLES):
            Session.new(settings)


def test_the_machine_tells_its_memory() -> None:
    assert 2**28 < memory.memory_of_machine() <= 2**50

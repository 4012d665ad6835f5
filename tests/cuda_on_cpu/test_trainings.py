"""Every way to train, by the command line on real CuPy: equal to the reference, and captured equal to launched."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from cuda_on_cpu.device import Device, assert_close, assert_equal

pytestmark = pytest.mark.slow

OBJECTIVES = ("elbo", "m1", "m2", "m3", "fae")
INFERENCES = ("kl", "fisher", "fisher-reparam")
SMALL = (
    "--hidden",
    "6,5",
    "--batch-size",
    "20",
    "--samples",
    "2",
    "--steps",
    "5",
    "--log-every",
    "2",
    "--quiet",
)
GPU, REFERENCE = ("--device", "gpu"), ("--device", "cpu", "--kernels", "reference")
MANY = "0-99"


def three_runs(device: Device, options: Sequence[str], tolerance: float = 1e-12) -> None:
    """Train captured, launched and by the reference; captured steps were really replayed."""
    if "--dataset" not in options:
        options = ("--dataset", device.points(), *options)
    device.vsmnp(
        ("train", *options, *GPU, "--out", "captured"), ("train", *options, *REFERENCE, "--out", "reference")
    )
    counts = device.counts()
    assert counts["replays"] >= 3
    assert counts["captures_lost"] == 0
    assert counts["loads_in_capture"] == 0
    device.vsmnp(("train", *options, *GPU, "--out", "launched"), launched=True)
    assert device.counts()["replays"] == counts["replays"]
    assert_equal(device.folder / "captured", device.folder / "launched")
    assert_close(device.folder / "captured", device.folder / "reference", tolerance)


@pytest.mark.parametrize("seeds", ["0", MANY], ids=["one", "hundred"])
@pytest.mark.parametrize("inference", INFERENCES)
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_perceptrons(device: Device, objective: str, inference: str, seeds: str) -> None:
    three_runs(
        device,
        ("--objective", objective, "--inference", inference, "--seeds", seeds, "--dtype", "float64", *SMALL),
    )


@pytest.mark.parametrize("seeds", ["0", MANY], ids=["one", "hundred"])
def test_single_precision(device: Device, seeds: str) -> None:
    """Rounding is told apart from faults by its size; Adam divides by roots of small moments."""
    three_runs(
        device, ("--objective", "m3", "--encoder-steps", "2", "--seeds", seeds, *SMALL), tolerance=2e-3
    )


@pytest.mark.parametrize("objective", ["elbo", "m1"])
def test_binary_latents(device: Device, objective: str) -> None:
    three_runs(
        device,
        ("--objective", objective, "--posterior", "bernoulli", "--latent", "6", "--dtype", "float64", *SMALL),
    )


def test_large_networks(device: Device) -> None:
    """A step of two layers of 100 takes 220 kB of a block's shared memory."""
    options = (
        "--objective",
        "m2",
        "--hidden",
        "100,100",
        "--batch-size",
        "1000",
        "--steps",
        "4",
        "--dtype",
        "float32",
    )
    three_runs(device, (*options, "--samples", "1", "--quiet"), tolerance=2e-3)


@pytest.fixture
def pictures(device: Device) -> Path:
    rng = np.random.default_rng(0)
    path = device.folder / "pictures.npy"
    np.save(path, rng.integers(0, 256, (40, 16, 16, 1), np.uint8))
    return path


@pytest.mark.parametrize("inference", INFERENCES)
@pytest.mark.parametrize("arch", ["dcgan", "resnet18"])
def test_convolutional_networks(device: Device, pictures: Path, arch: str, inference: str) -> None:
    options = (
        "--dataset",
        str(pictures),
        "--arch",
        arch,
        "--width",
        "0.03",
        "--latent",
        "2",
        "--objective",
        "m2",
    )
    sizes = ("--batch-size", "4", "--samples", "1", "--steps", "4", "--dtype", "float64", "--quiet")
    three_runs(device, (*options, "--inference", inference, *sizes), tolerance=1e-10)


def test_tf32_rounds_factors(device: Device) -> None:
    options = (
        "train",
        "--objective",
        "m2",
        *GPU,
        "--hidden",
        "300,300",
        "--batch-size",
        "8",
        "--steps",
        "3",
        "--quiet",
    )
    device.vsmnp((*options, "--out", "plain"))
    assert device.counts()["tf32_products"] == 0
    device.vsmnp((*options, "--tf32", "--out", "rounded"))
    assert device.counts()["tf32_products"] > 0
    with pytest.raises(AssertionError, match="Not equal"):
        assert_equal(device.folder / "plain", device.folder / "rounded")
    assert_close(device.folder / "plain", device.folder / "rounded", 0.05)


def test_bench_has_rows_of_the_gpu(device: Device) -> None:
    said = device.vsmnp(
        ("bench", "--device", "gpu", "--suite", "steps", "--objective", "m2", "--inference", "kl", "--hidden", "5,5",
         "--batch-size", "20", "--quick", "--peer", "none", "--json", "rows.json")
    )  # fmt: skip
    assert "Traceback" not in said
    assert "cuda" in (device.folder / "rows.json").read_text()


@pytest.mark.parametrize("figure", ["fig1", "fig5"])
def test_reproductions_run_beside_the_device(device: Device, figure: str) -> None:
    device.vsmnp(("reproduce", figure, "--quick", "--out", figure))
    assert list((device.folder / figure).glob("*.png"))

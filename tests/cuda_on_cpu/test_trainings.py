"""Test every way to train on real CuPy: equal to the reference, and captured steps equal to launched ones."""

from __future__ import annotations

import csv
import json
import math
import os
import subprocess
import sys
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from cuda_on_cpu.device import Device, assert_close, assert_equal

pytestmark = pytest.mark.slow

OBJECTIVES = ("elbo", "m1", "m2", "m3", "fae")
INFERENCES = ("kl", "fisher", "fisher-reparam")
#: The Fisher autoencoder is one divergence of both networks, which does not use the inference setting.
PAIRS = [pair for pair in product(OBJECTIVES, INFERENCES) if pair != ("fae", "kl")]
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
    """Train captured, launched and by the reference; check that captured steps were really replayed."""
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
@pytest.mark.parametrize(("objective", "inference"), PAIRS)
def test_perceptrons(device: Device, objective: str, inference: str, seeds: str) -> None:
    three_runs(
        device,
        ("--objective", objective, "--inference", inference, "--seeds", seeds, "--dtype", "float64", *SMALL),
    )


@pytest.mark.parametrize("seeds", ["0", MANY], ids=["one", "hundred"])
def test_single_precision(device: Device, seeds: str) -> None:
    """Rounding is distinguished from faults by its size; Adam divides by roots of small moments."""
    three_runs(
        device, ("--objective", "m3", "--encoder-steps", "2", "--seeds", seeds, *SMALL), tolerance=2e-3
    )


@pytest.mark.parametrize("objective", ["elbo", "m1"])
def test_binary_latents(device: Device, objective: str) -> None:
    three_runs(
        device,
        ("--objective", objective, "--posterior", "bernoulli", "--latent", "6", "--dtype", "float64", *SMALL),
    )


@pytest.mark.parametrize("objective", OBJECTIVES[:4])
@pytest.mark.parametrize("inference", ["kl", "fisher", "covariance"])
def test_bilevel_updates(device: Device, objective: str, inference: str) -> None:
    chosen = ("fisher", "--fisher-weight", "covariance") if inference == "covariance" else (inference,)
    options = ("--objective", objective, "--bilevel-steps", "2", "--bilevel-lr", "1e-3", "--seeds", "0,7")
    three_runs(device, (*options, "--inference", *chosen, "--dtype", "float64", *SMALL))


@pytest.mark.parametrize("arch", ["dcgan", "resnet18"])
def test_bilevel_updates_of_convolutional_networks(device: Device, pictures: Path, arch: str) -> None:
    networks = ("--dataset", str(pictures), "--arch", arch, "--width", "0.03", "--latent", "2")
    sizes = ("--batch-size", "4", "--samples", "1", "--steps", "4", "--dtype", "float64", "--quiet")
    rules = ("--optimizer", "sgd", "--encoder-optimizer", "sgd", "--sd-init", "1", "--bilevel-steps", "2")
    descent = (*rules, "--lr", "1e-7", "--encoder-lr", "1e-7", "--bilevel-lr", "1e-5")
    three_runs(device, (*networks, "--objective", "m3", *descent, *sizes))


def test_large_networks(device: Device) -> None:
    """A step of two layers of 100 units needs 220 kB of a block's shared memory."""
    sizes = ("--dataset", "mixture", "--hidden", "100,100", "--batch-size", "1000", "--samples", "1")
    options = (*sizes, "--objective", "m2", "--steps", "4", "--dtype", "float32", "--quiet")
    three_runs(device, options, tolerance=2e-3)


@pytest.fixture
def pictures(device: Device) -> Path:
    rng = np.random.default_rng(0)
    path = device.folder / "pictures.npy"
    np.save(path, rng.integers(0, 256, (40, 32, 32, 1), np.uint8))
    return path


@pytest.mark.parametrize("inference", INFERENCES)
@pytest.mark.parametrize("arch", ["dcgan", "resnet18"])
def test_convolutional_networks(device: Device, pictures: Path, arch: str, inference: str) -> None:
    """Plain descent is used: Adam scales the rounding in the gradient of a bias before a batch norm."""
    networks = ("--dataset", str(pictures), "--arch", arch, "--width", "0.03", "--latent", "2")
    sizes = ("--batch-size", "4", "--samples", "1", "--steps", "4", "--dtype", "float64", "--quiet")
    rules = ("--optimizer", "sgd", "--encoder-optimizer", "sgd", "--sd-init", "1")
    descent = (*rules, "--lr", "1e-7", "--encoder-lr", "1e-7")
    three_runs(device, (*networks, "--objective", "m2", "--inference", inference, *descent, *sizes))


def test_tf32_rounds_factors(device: Device) -> None:
    data = ("--dataset", device.points(), "--batch-size", "8", "--hidden", "300,300")
    options = ("train", *data, "--objective", "m2", *GPU, "--steps", "3", "--quiet")
    device.vsmnp((*options, "--out", "plain"))
    assert device.counts()["tf32_products"] == 0
    device.vsmnp((*options, "--tf32", "--out", "rounded"))
    assert device.counts()["tf32_products"] > 0
    with pytest.raises(AssertionError, match="not equal"):
        assert_equal(device.folder / "plain", device.folder / "rounded")
    plain, rounded = (first_loss(device.folder / run) for run in ("plain", "rounded"))
    assert plain != rounded
    assert abs(rounded / plain - 1) < 0.01


def first_loss(run: Path) -> float:
    with (run / "metrics.csv").open() as file:
        return float(next(csv.DictReader(file))["learning.loss"])


def test_a_block_for_each_of_many_models(device: Device) -> None:
    """The card has 132 multiprocessors, and two models for each make the step one launch."""
    three_runs(
        device, ("--objective", "m2", "--inference", "kl", "--seeds", "0-263", "--dtype", "float64", *SMALL)
    )


def test_bench_has_rows_of_the_gpu(device: Device) -> None:
    device.vsmnp(
        ("bench", "--device", "gpu", "--suite", "steps", "--objective", "m2", "--inference", "kl",
         "--hidden", "5,5", "--batch-size", "20", "--quick", "--peer", "none", "--json", "rows.json")
    )  # fmt: skip
    rows = json.loads((device.folder / "rows.json").read_text())
    assert rows
    assert all(math.isfinite(row["ms"]) and row["ms"] > 0 for row in rows)
    assert device.counts()["replays"] > 0


def test_two_processes_build_at_once(prepared: dict[str, str], tmp_path: Path) -> None:
    command = [sys.executable, str(Path(__file__).with_name("run.py")), "--build"]
    environment = {**os.environ, "CUDA_ON_CPU_CACHE": str(tmp_path)}
    both = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate()[0].splitlines()[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert said[0] == said[1]
    assert len(list(tmp_path.glob("driver-*/libcublas.so.13"))) == 1

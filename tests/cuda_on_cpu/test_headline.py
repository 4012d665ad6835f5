"""Test the README's training command on the device, as a user types it, and the commands around it."""

from __future__ import annotations

from cuda_on_cpu.device import Device, assert_close, assert_equal

SMALL = ("--hidden", "8,8", "--batch-size", "20", "--samples", "2", "--quiet")


def test_train_on_the_gpu_then_evaluate(device: Device) -> None:
    train = ("train", "--objective", "m2", "--device", "gpu", "--steps", "12", "--out", "run")
    done = device.python("-c", "from vsmnp.cli import main; main()", *train)
    assert done.returncode == 0, done.stderr
    assert "Run: run" in done.stdout
    assert "not as a graph" not in done.stderr
    counts = device.counts()
    assert counts["replays"] >= 10, "the first step is rehearsed, the second captured, all others replayed"
    assert counts["captures_lost"] == 0
    assert counts["loads_in_capture"] == 0, "a kernel was compiled while a step was captured"
    assert "nll" in device.vsmnp(("evaluate", "run"))


def test_a_run_is_resumed_and_read(device: Device) -> None:
    train = (
        "train",
        "--objective",
        "m3",
        "--device",
        "gpu",
        "--dtype",
        "float64",
        "--dataset",
        device.points(),
        *SMALL,
    )
    device.vsmnp(
        (*train, "--steps", "9", "--out", "whole"),
        (*train, "--steps", "4", "--out", "parted"),
        ("train", "--resume", "parted", "--steps", "9", "--quiet"),
        ("sample", "parted", "-n", "7", "--out", "drawn.npy"),
        *(
            ("plot", "parted", figure)
            for figure in ("samples", "curves", "density", "latent", "posterior-sds")
        ),
    )
    assert_equal(device.folder / "whole", device.folder / "parted")
    assert (device.folder / "drawn.npy").exists()
    assert (device.folder / "parted" / "latent.png").exists()


def test_the_gpu_agrees_with_the_reference(device: Device) -> None:
    train = (
        "train",
        "--objective",
        "m2",
        "--inference",
        "fisher-reparam",
        "--dtype",
        "float64",
        "--dataset",
        device.points(),
        "--steps",
        "6",
        *SMALL,
    )
    gpu = (*train, "--device", "gpu")
    device.vsmnp(
        (*gpu, "--out", "captured"),
        (*train, "--device", "cpu", "--kernels", "reference", "--out", "reference"),
    )
    replays = device.counts()["replays"]
    device.vsmnp((*gpu, "--out", "launched"), launched=True)
    assert device.counts()["replays"] == replays > 0
    assert_equal(device.folder / "captured", device.folder / "launched")
    assert_close(device.folder / "captured", device.folder / "reference")

"""Situations of evaluations: features of FID and KID, classifiers, and data to evaluate on."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from test_features import Network

from vsmnp.evaluation.features import OnnxFeatures

from .follow import Step, declared, remedy
from .follow import vsmnp as command
from .options import TRAIN

FEW = ("--draws", "50", "--iwae-samples", "0", "-q")
FEATURES = np.random.default_rng(0).normal(size=(30, 3))


def pictures(side: int = 4, seeds: str = "0") -> None:
    """Train a run on pictures, with thirty to test on, in the folder ``pictures``."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (70, side, side), dtype=np.uint8)
    np.savez("images.npz", x=pixels[:40], test=pixels[40:])
    command(*TRAIN, "--dataset", "images.npz", "--seeds", seeds, "--out", "pictures", "-q")()


def fid(*options: str, run: str = "pictures") -> Step:
    """Return the step that computes FID and KID of a run."""
    return command("evaluate", run, "--fid", *FEW, *options)


def runtime(patch: pytest.MonkeyPatch, *shape: object, outputs: tuple[str, ...] = ("pooled",)) -> Any:
    """Put the stand-in for onnxruntime in its place, and write a network of one input of this shape."""
    own = type("Own", (Network,), {"outputs": outputs})
    own.inputs = (("images", "tensor(float)", list(shape or ("n", 1, 4, 4))),)
    module = ModuleType("onnxruntime")
    module.InferenceSession, module.SessionOptions = own, SimpleNamespace  # type: ignore[attr-defined]
    patch.setitem(sys.modules, "onnxruntime", module)
    Path("net.onnx").write_bytes(b"network")
    return own


NET = ("--features", "net.onnx")


# --- networks in ONNX files -----------------------------------------------------------------------


@remedy("pip install vsmnp[fid]")
def a_network_without_its_library(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    pictures()
    Path("net.onnx").write_bytes(b"network")
    with pytest.MonkeyPatch.context() as absent:
        absent.setitem(sys.modules, "onnxruntime", None)
        yield fid(*NET)
    yield declared("fid", "onnxruntime")
    runtime(patch)
    yield fid(*NET)


@remedy("check its name")
def a_network_that_does_not_exist(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    pictures()
    runtime(patch)
    yield fid("--features", "met.onnx")
    yield fid(*NET)


@remedy("change its permissions")
def a_network_that_may_not_be_read(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    def forbidden(path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    runtime(patch)
    with pytest.MonkeyPatch.context() as closed:
        closed.setattr("vsmnp.evaluation.features.extractor.open_regular", forbidden)
        yield lambda: OnnxFeatures(Path("net.onnx"))
    yield lambda: OnnxFeatures(Path("net.onnx"))


@remedy("export it again")
def a_network_that_is_none(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    pictures()
    runtime(patch)
    Path("net.onnx").write_bytes(b"bad")
    yield fid(*NET)
    Path("net.onnx").write_bytes(b"network")
    yield fid(*NET)


@remedy("name one of pooled, scores by --onnx-output")
def a_network_of_two_outputs(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    pictures()
    runtime(patch, outputs=("pooled", "scores"))
    yield fid(*NET)
    yield fid(*NET, "--onnx-output", "pooled")


@remedy("name one with a row of real numbers an image by --onnx-output")
def an_output_without_rows(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    pictures()
    runtime(patch, outputs=("pooled", "scores"))
    yield fid(*NET, "--onnx-output", "scores")
    yield fid(*NET, "--onnx-output", "pooled")


@remedy("try the other layout, or another network")
def a_network_of_another_layout(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    pictures()
    own = runtime(patch, "n", 4, 4, 1)
    yield fid(*NET)
    yield fid(*NET, "--onnx-layout", "nhwc")
    own.inputs = (("images", "tensor(float)", ["n", 1, 4, 4]),)
    yield fid(*NET)


@remedy("say --onnx-size 8 to resize them")
def a_network_of_larger_pictures(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    pictures()
    runtime(patch, "n", 1, 8, 8)
    yield fid(*NET)
    yield fid(*NET, "--onnx-size", "8")


@remedy("say --onnx-scaling bytes")
def a_network_of_bytes(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    pictures()
    runtime(patch).inputs = (("images", "tensor(uint8)", ["n", 1, 4, 4]),)
    yield fid(*NET)
    yield fid(*NET, "--onnx-scaling", "bytes")


@remedy("it must have one input, images of 4 axes")
def a_network_of_texts(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    pictures()
    own = runtime(patch)
    own.inputs = (("tokens", "tensor(int64)", ["n", 7]),)
    yield fid(*NET)
    own.inputs = (("images", "tensor(float)", ["n", 1, 4, 4]),)
    yield fid(*NET)


@remedy("try other values of --onnx-layout and --onnx-size")
def a_network_that_refuses_the_pictures(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    def only(self: Network, names: list[str], feed: dict[str, Any]) -> list[Any]:
        if feed["images"].shape[1:] != (8, 8, 1):
            raise ValueError("shapes differ")
        return [feed["images"].reshape(len(feed["images"]), -1)]

    pictures()
    own = runtime(patch, "n", "a", "b", "c")
    own.run = only
    yield fid(*NET)
    yield fid(*NET, "--onnx-layout", "nhwc", "--onnx-size", "8")


@remedy("compare features in files, by --features and --reference")
def a_network_for_points(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    runtime(patch)
    yield fid(*NET, run="run")
    np.save("own.npy", FEATURES)
    np.save("theirs.npy", FEATURES[::2])
    yield fid("--features", "own.npy", "--reference", "theirs.npy", run="run")


# --- features in files ----------------------------------------------------------------------------


def of_files(own: np.ndarray[Any, Any], name: str = "own.npy") -> Step:
    """Write features, and return the step that compares them with others."""
    np.save("theirs.npy", FEATURES)
    np.save("own.npy", own)
    return fid("--features", name, "--reference", "theirs.npy", run="run")


@remedy("use one of .npy, .npz")
def features_of_another_suffix(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield of_files(FEATURES, "t.txt")
    yield of_files(FEATURES)


@remedy("check its name")
def features_that_do_not_exist(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield of_files(FEATURES, "owm.npy")
    yield of_files(FEATURES)


@remedy("features are (N, d), N at least 2")
def features_of_one_sample(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield of_files(FEATURES[:1])
    yield of_files(FEATURES[:2])


@remedy("compute the features again")
def features_with_gaps(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield of_files(np.where(FEATURES > 1, np.nan, FEATURES))
    yield of_files(FEATURES)


@remedy("those of the data by --reference, or an extractor: lenet-mnist, lenet-fashion or FILE.onnx")
def features_without_a_reference(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    pictures()
    np.save("own.npy", FEATURES)
    yield fid("--features", "own.npy")
    yield fid("--features", "own.npy", "--reference", "own.npy")
    yield fid("--features", "lenet-mnist")
    yield fid("--features", "lenet-fashion")
    runtime(patch)
    yield fid(*NET)


@remedy("use lenet-mnist, lenet-fashion or FILE.onnx")
def features_of_one_model_of_two(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    pictures(seeds="0,1")
    np.save("own.npy", FEATURES)
    yield fid("--features", "own.npy", "--reference", "own.npy")
    yield fid("--features", "lenet-mnist")
    yield fid("--features", "lenet-fashion")
    runtime(patch)
    yield fid(*NET)


@remedy("needs at least 2 samples")
def a_distance_of_one_sample(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    pictures()
    yield fid("--features", "lenet-mnist", "--fid-samples", "1")
    yield fid("--features", "lenet-mnist", "--fid-samples", "2")

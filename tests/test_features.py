"""Test extractors of features, and the quality of a run's samples that is measured by them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from vsmnp import metrics
from vsmnp.cli import main
from vsmnp.errors import ConfigError, DataError, LibraryError
from vsmnp.evaluation.features import OnnxFeatures, OnnxInput, read_features
from vsmnp.evaluation.sample_quality import distances, sample_quality
from vsmnp.runs.session import Run, Session
from vsmnp.settings.settings import Settings
from vsmnp.types import Array, Shape


class Pixels:
    """An extractor whose features are the first pixels."""

    name, sha256 = "pixels", "0" * 64

    def __call__(self, x: Array, image: Shape | None) -> Array:
        return x[:, :3]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Create the folder of this file's runs."""
    return tmp_path_factory.mktemp("features")


@pytest.fixture(scope="module")
def folder(place: Path) -> Path:
    """Train a run of two models on pictures of 4 x 4 pixels, thirty to test on."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (70, 4, 4), dtype=np.uint8)
    np.savez(place / "images.npz", x=pixels[:40], test=pixels[40:])
    settings = Settings(
        dataset=str(place / "images.npz"), kernels="reference", steps=3, batch_size=20, hidden=(3,),
        samples=2, seeds=(1, 2), noise=0.1,
    )  # fmt: skip
    Session.new(settings, folder=place / "run").train()
    return place / "run"


@pytest.fixture
def run(folder: Path) -> Run:
    """Load the run in the folder."""
    from vsmnp.runs.session import load_run

    return load_run(folder)


def vsmnp(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


# --- samples and data -----------------------------------------------------------------------------


def test_quality_compares_means_of_the_decoder_with_the_clean_test_set(run: Run) -> None:
    quality = sample_quality(run, Pixels(), samples=50)
    test = run.dataset.test(0, np.float32)[:, :3]
    for r, generated in enumerate(run.vae.sample(50, noise=False)[..., :3]):
        expected = distances(generated, test)
        for name in ("fid", "kid", "kid_se"):
            assert quality.figures[name][r] == pytest.approx(expected[name], rel=1e-4), name
    assert quality.about == {
        "extractor": "pixels", "sha256": "0" * 64, "features": 3, "samples": 50,
        "reference": "test set of images.npz", "reference_samples": 30,
    }  # fmt: skip


def test_quality_does_not_depend_on_the_blocks(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = sample_quality(run, Pixels())
    monkeypatch.setattr("vsmnp.evaluation.sample_quality.BLOCK", 7)
    cut = sample_quality(run, Pixels())
    assert whole.about["samples"] == 30
    for name, values in whole.figures.items():
        assert cut.figures[name] == pytest.approx(values, rel=1e-4), name


def test_progress_reaches_the_whole(run: Run) -> None:
    seen: list[tuple[int, int]] = []
    sample_quality(run, Pixels(), progress=lambda *at: seen.append(at))
    done, totals = zip(*seen, strict=True)
    assert list(done) == sorted(done)
    assert set(totals) == {done[-1]}


def test_a_diverged_model_has_no_quality(run: Run) -> None:
    sound = sample_quality(run, Pixels())
    run.vae.theta[0] = np.nan
    broken = sample_quality(run, Pixels())
    assert broken.figures.keys() == sound.figures.keys() != set()
    for name, values in broken.figures.items():
        assert values == [None, sound.figures[name][1]]


def test_one_sample_has_no_distance(run: Run) -> None:
    with pytest.raises(ConfigError, match="at least 2 samples"):
        sample_quality(run, Pixels(), samples=1)


# --- ONNX, by a stand-in for onnxruntime ----------------------------------------------------------


class Network:
    """A substitute of onnxruntime's session, for a network that returns its input."""

    inputs = (("images", "tensor(float)", ["n", 3, 4, 4]),)
    outputs = ("pooled", "scores")
    seen: list[Array]

    def __init__(self, path: str, options: Any, providers: list[str]) -> None:
        assert providers == ["CPUExecutionProvider"]
        if Path(path).read_bytes() != b"network":
            raise RuntimeError("[ONNXRuntimeError] : 7 : Load model failed\nand more")
        type(self).seen = []

    def get_inputs(self) -> list[SimpleNamespace]:
        return [SimpleNamespace(name=n, type=t, shape=s) for n, t, s in self.inputs]

    def get_outputs(self) -> list[SimpleNamespace]:
        return [SimpleNamespace(name=name) for name in self.outputs]

    def run(self, names: list[str], feed: dict[str, Array]) -> list[Array]:
        (x,) = feed.values()
        self.seen.append(x)
        return [x.reshape(len(x), -1, 1, 1).astype(np.float32) if names == ["pooled"] else x[:, 0, 0, 0]]


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Network]]:
    """Import the substitute under the name of the module."""
    own = type("Own", (Network,), {})
    module = ModuleType("onnxruntime")
    module.InferenceSession = own  # type: ignore[attr-defined]
    module.SessionOptions = SimpleNamespace  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "onnxruntime", module)
    return own  # type: ignore[return-value]


@pytest.fixture
def network(tmp_path: Path) -> Path:
    """Write a file that the substitute accepts as a network."""
    path = tmp_path / "network.onnx"
    path.write_bytes(b"network")
    return path


X = np.random.default_rng(0).random((5, 48)).astype(np.float32)
IMAGE = (3, 4, 4)


def test_images_enter_as_the_options_say(session: Any, network: Path) -> None:
    found = OnnxFeatures(network, "pooled")
    np.testing.assert_array_equal(found(X, IMAGE), X)
    assert found.name == "network.onnx:pooled"
    signed = OnnxFeatures(network, "pooled", OnnxInput(scaling="signed"))
    np.testing.assert_allclose(signed(X, IMAGE), 2 * X - 1, rtol=1e-6)
    session.inputs = (("images", "tensor(uint8)", ["n", 4, 4, 3]),)
    pixels = OnnxFeatures(network, "pooled", OnnxInput("nhwc", "bytes"))(X, IMAGE)
    expected = np.rint(255 * X).reshape(5, 3, 4, 4).transpose(0, 2, 3, 1).reshape(5, -1)
    np.testing.assert_array_equal(pixels, expected)
    assert session.seen[0].dtype == np.uint8


def test_grey_images_become_coloured_and_small_ones_large(session: Any, network: Path) -> None:
    grey = np.full((2, 9), 0.25, np.float32)
    found = OnnxFeatures(network, "pooled", OnnxInput(size=4))(grey, (1, 3, 3))
    np.testing.assert_allclose(found, np.full((2, 48), 0.25), rtol=1e-5)


def test_a_prescribed_batch_is_filled_up(session: Any, network: Path) -> None:
    session.inputs = (("images", "tensor(float)", [2, 3, 4, 4]),)
    np.testing.assert_array_equal(OnnxFeatures(network, "pooled")(X, IMAGE), X)
    assert [len(x) for x in session.seen] == [2, 2, 2]


def test_unsuitable_networks_are_explained(session: Any, network: Path) -> None:
    with pytest.raises(ConfigError, match="2 outputs: name one of pooled, scores"):
        OnnxFeatures(network)
    with pytest.raises(ConfigError, match="no output 'logits'"):
        OnnxFeatures(network, "logits")
    with pytest.raises(ConfigError, match="by --onnx-output"):
        OnnxFeatures(network, "scores")(X, IMAGE)
    with pytest.raises(ConfigError, match="--onnx-size 4"):
        OnnxFeatures(network, "pooled")(np.zeros((1, 75), np.float32), (3, 5, 5))
    with pytest.raises(ConfigError, match="takes 4 channels with --onnx-layout nhwc"):
        OnnxFeatures(network, "pooled", OnnxInput("nhwc"))(X, IMAGE)
    with pytest.raises(DataError, match="no images"):
        OnnxFeatures(network, "pooled")(X, None)
    session.inputs = (("images", "tensor(uint8)", ["n", 3, 4, 4]),)
    with pytest.raises(ConfigError, match="--onnx-scaling bytes"):
        OnnxFeatures(network, "pooled")
    session.inputs = (("tokens", "tensor(int64)", ["n", 7]),)
    with pytest.raises(ConfigError, match="must have one input"):
        OnnxFeatures(network, "pooled")


def test_unreadable_networks_are_explained(session: Any, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        OnnxFeatures(tmp_path / "none.onnx")
    (tmp_path / "bad.onnx").write_bytes(b"bad")
    with pytest.raises(DataError, match=r"cannot be read as an ONNX network \(.*Load model failed\): export"):
        OnnxFeatures(tmp_path / "bad.onnx")


def test_an_exception_without_a_message_is_named(
    session: Any, network: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(session, "run", fail)
    with pytest.raises(DataError, match=r"does not take images .* \(MemoryError\): try other"):
        OnnxFeatures(network, "pooled")(X, IMAGE)


def test_without_onnxruntime_the_sentence_says_what_to_install(
    network: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(LibraryError, match=r"vsmnp\[fid\]"):
        OnnxFeatures(network)


def test_a_real_network_is_run(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        [helper.make_node("GlobalAveragePool", ["x"], ["mean"])], "mean",
        [helper.make_tensor_value_info("x", kind, ["n", 3, 4, 4])],
        [helper.make_tensor_value_info("mean", kind, ["n", 3, 1, 1])],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, tmp_path / "mean.onnx")
    found = OnnxFeatures(tmp_path / "mean.onnx")(X, IMAGE)
    np.testing.assert_allclose(found, X.reshape(5, 3, 16).mean(-1), rtol=1e-5)


# --- files ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".csv", ".h5"])
def test_features_come_from_files(tmp_path: Path, suffix: str) -> None:
    import h5py

    path, x = tmp_path / f"features{suffix}", np.random.default_rng(0).random((6, 3))
    if suffix == ".npy":
        np.save(path, x)
    elif suffix == ".npz":
        np.savez(path, x=x)
    elif suffix == ".csv":
        np.savetxt(path, x, delimiter=",")
    else:
        with h5py.File(path, "w") as file:
            file["x"] = x
    np.testing.assert_allclose(read_features(path), x)


def test_unusable_files_of_features_are_explained(tmp_path: Path) -> None:
    for name, content, match in (
        ("a.npy", np.zeros((4, 2, 2)), r"\(N, d\)"),
        ("b.npy", np.zeros((1, 2)), r"\(N, d\)"),
        ("c.npy", np.full((4, 2), np.nan), "NaN"),
        ("d.npy", np.array([{}], object), "holds Python objects"),
    ):
        np.save(tmp_path / name, content, allow_pickle=True)
        with pytest.raises(DataError, match=match):
            read_features(tmp_path / name)
    with pytest.raises(DataError, match="does not exist"):
        read_features(tmp_path / "none.npy")
    with pytest.raises(DataError, match=r"use one of \.npy"):
        read_features(tmp_path / "features.pt")


# --- the command line -----------------------------------------------------------------------------


def test_evaluate_says_whose_features_were_compared(folder: Path) -> None:
    told = json.loads(vsmnp("evaluate", folder, "--fid", "--features", "lenet-mnist", "--json").stdout)
    assert told["quality"]["extractor"] == "lenet-mnist"
    assert len(told["quality"]["sha256"]) == 64
    assert told["quality"]["samples"] == told["quality"]["reference_samples"] == 30
    assert len(told["fid"]) == len(told["kid"]) == 2
    shown = vsmnp("evaluate", folder, "--fid", "--features", "lenet-mnist", "-q", "--fid-samples", "9").stdout
    assert "9 samples against the 30" in shown
    assert told["quality"]["sha256"] in shown
    assert "fid" not in json.loads(vsmnp("evaluate", folder, "--json").stdout)


def test_compare_has_columns_for_them(folder: Path, tmp_path: Path) -> None:
    arguments = ("compare", folder, "--out", tmp_path / "c.png", "-q")
    shown = vsmnp(*arguments, "--fid", "--features", "lenet-mnist").stdout
    assert " fid " in shown.splitlines()[0]
    assert "SHA-256" in shown
    assert " fid " not in vsmnp(*arguments).stdout.splitlines()[0]
    told = json.loads(vsmnp(*arguments, "--json", "--fid", "--features", "lenet-fashion").stdout)
    assert told[0]["quality"]["extractor"] == "lenet-fashion"


@pytest.mark.parametrize("name", ["x.npy", "lenet_samples.npy"])
def test_features_of_files_are_compared_with_those_of_the_data(
    name: str, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(
        dataset=str(place / "images.npz"), kernels="reference", steps=1, batch_size=20, hidden=(3,)
    )
    Session.new(settings, folder=tmp_path / "single").train()
    rng = np.random.default_rng(0)
    x, y = rng.random((20, 3)), rng.random((30, 3))
    np.save(tmp_path / name, x)
    np.save(tmp_path / "y.npy", y)
    monkeypatch.chdir(tmp_path)
    asked = ("evaluate", "single", "--fid", "--json", "--features", name)
    told = json.loads(vsmnp(*asked, "--reference", tmp_path / "y.npy").stdout)
    expected = metrics.frechet_distance(metrics.moments_of(x), metrics.moments_of(y))
    assert told["fid"] == pytest.approx(expected, rel=1e-9)
    assert told["quality"]["reference"] == "y.npy"
    refused = vsmnp(*asked)
    assert refused.exit_code == 2
    assert "--reference" in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("--features", "lenet"), 1, "No classifier of images.npz comes with vsmnp"),
        (("--features", "none.lenet"), 1, "does not exist"),
        (("--features", "none.npy", "--reference", "none.npy"), 2, "samples of one model"),
        (("--features", "magic"), 2, "--reference"),
        (("--features", "lenet-mnist", "--fid-samples", "1"), 2, "at least 2 samples"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_bad_requests_are_one_sentence(
    folder: Path, arguments: tuple[str, ...], code: int, sentence: str
) -> None:
    result = vsmnp("evaluate", folder, "--fid", *arguments)
    assert result.exit_code == code, result.output
    assert sentence in result.stderr
    assert result.stdout == ""

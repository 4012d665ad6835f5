"""Test the networks of images: sizes, parameters, and training with running statistics."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vsmnp.data import Dataset, load_data
from vsmnp.errors import ConfigError
from vsmnp.kernels import load
from vsmnp.model.gaussian import DiagonalGaussian
from vsmnp.model.layout import STATISTICS
from vsmnp.model.networks import BatchNormRule
from vsmnp.model.vae import GaussianVAE
from vsmnp.runs.session import Session, load_run
from vsmnp.settings.in_effect import batch_norm
from vsmnp.settings.settings import Settings
from vsmnp.training.build import build_model
from vsmnp.training.history import History
from vsmnp.training.loop import Watch, run_loop
from vsmnp.training.trainer import Trainer

COUNTS = [
    ("dcgan", 1, 1_476_232, 1_065_984),
    ("dcgan", 3, 1_478_280, 1_068_032),
    ("resnet18", 1, 11_270_280, 3_126_977),
    ("resnet18", 3, 11_271_432, 3_128_131),
]


def model(arch: str, channels: int, side: int, width: float, rule: BatchNormRule) -> GaussianVAE:
    return GaussianVAE.of_images(
        arch, (channels, side, side), DiagonalGaussian(100), width=width, batch_norm=rule
    )


@pytest.mark.parametrize(("arch", "channels", "encoder", "decoder"), COUNTS)
def test_parameters_are_those_of_the_paper(arch: str, channels: int, encoder: int, decoder: int) -> None:
    """With the normalisation that each has there; the decoder's last one is log sqrt(gamma)."""
    vae = model(arch, channels, 32, 1.0, "off" if arch == "dcgan" else "coupled")
    assert (vae.phi_layout.count, vae.theta_layout.count - 1) == (encoder, decoder)


@pytest.mark.parametrize("arch", ["dcgan", "resnet18"])
@pytest.mark.parametrize("rule", ["off", "coupled", "frozen"])
@pytest.mark.parametrize(("channels", "side"), [(1, 32), (3, 64)])
def test_shapes(arch: str, channels: int, side: int, rule: BatchNormRule) -> None:
    k, vae = load("cpu"), model(arch, channels, side, 1 / 32, rule)
    phi, theta = (np.zeros((1, layout.size), np.float32) for layout in (vae.phi_layout, vae.theta_layout))
    x = np.zeros((1, 1, 2, vae.d_x), np.float32)
    q, _ = vae.encode(k, phi, x)
    g, _ = vae.decode(k, theta, np.zeros((1, 3, 2, 100), np.float32))
    assert (q.mu.shape, q.s.shape, g.shape) == ((1, 1, 2, 100), (1, 1, 2, 100), (1, 3, 2, vae.d_x))
    assert vae.frozen.phi_layout == vae.phi_layout


@pytest.mark.parametrize(
    ("arch", "image", "width", "words"),
    [
        ("dcgan", (1, 28, 28), 1.0, "--image-size 32"),
        ("resnet18", (2, 32, 32), 1.0, "2 channel"),
        ("dcgan", (1, 32, 64), 1.0, "32x64"),
        ("dcgan", (1, 32, 32), 0.001, "--width 0.001"),
        ("vgg", (1, 32, 32), 1.0, "dcgan, resnet18"),
    ],
)
def test_bad_plans_are_sentences(arch: str, image: tuple[int, ...], width: float, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        GaussianVAE.of_images(arch, image, DiagonalGaussian(2), width=width)


def test_an_architecture_of_images_needs_images() -> None:
    with pytest.raises(ConfigError, match="needs images"):
        build_model(Settings(arch="dcgan"), load_data("star"))


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        ({"width": 0.5}, "--width is a part of dcgan"),
        ({"batch_norm": "coupled"}, "--batch-norm is a part of dcgan"),
        ({"arch": "dcgan", "hidden": (3,)}, "--hidden is a part of mlp"),
        ({"arch": "resnet18", "sigmoid_output": True}, "--sigmoid-output is a part of mlp"),
        ({"arch": "dcgan", "width": -1.0}, "--width must be a positive"),
    ],
)
def test_settings_of_another_architecture_are_refused(chosen: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Settings.from_mapping(chosen)


def test_normalisation_is_the_papers_unless_said() -> None:
    rules = [batch_norm(Settings(arch=arch)) for arch in ("mlp", "dcgan", "resnet18")]
    assert rules == ["off", "off", "coupled"]
    assert batch_norm(Settings(arch="dcgan", batch_norm="frozen")) == "frozen"


# --- training -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Draw forty pictures of 32 x 32 pixels with a bright square."""
    rng, path = np.random.default_rng(0), tmp_path_factory.mktemp("pictures") / "pictures.npy"
    x = np.zeros((40, 1, 32, 32), np.uint8)
    for picture, (h, w) in zip(x, rng.integers(0, 20, (40, 2)), strict=True):
        picture[0, h : h + 12, w : w + 12] = 255
    np.save(path, x)
    return load_data(str(path))


def small(arch: str, **changes: object) -> Settings:
    return Settings.from_mapping({
        "arch": arch, "width": 1 / 32, "latent": 3, "batch_size": 4, "steps": 4, "samples": 2,
        "kernels": "cpu", "log_every": 2, "dtype": "float64", "seeds": (0, 1), "initial": "images", **changes,
    })  # fmt: skip


@pytest.mark.parametrize("rule", ["coupled", "frozen"])
def test_running_statistics_move_while_training_and_serve_afterwards(pictures: Dataset, rule: str) -> None:
    trainer = Trainer.build(load("cpu"), small("dcgan", batch_norm=rule, steps=30), pictures)
    before = trainer.initial_state()
    state = run_loop(trainer, before.copy(), History(), 30, 30, Watch())
    for layout, then, now in (
        (trainer.model.phi_layout, before.phi, state.phi),
        (trainer.model.theta_layout, before.theta, state.theta),
    ):
        moved = {name for (name, a), (_, b) in zip(layout.named(then), layout.named(now), strict=True)
                 if name.endswith(STATISTICS) and not np.array_equal(a, b)}  # fmt: skip
        assert moved == {slot.name for slot in layout.slots if slot.name.endswith(STATISTICS)} != set()
    x = trainer.batches.noisy(0, 0)
    whole, _ = trainer.model.frozen.encode(trainer.k, state.phi, x)
    single, _ = trainer.model.frozen.encode(trainer.k, state.phi, x[:, :, :1])
    np.testing.assert_allclose(single.mu, whole.mu[:, :, :1], rtol=1e-9)


@pytest.mark.parametrize("arch", ["dcgan", "resnet18"])
def test_a_run_resumes_bit_for_bit_with_its_running_statistics(
    pictures: Dataset, arch: str, tmp_path: Path
) -> None:
    settings = small(arch, batch_norm="coupled", dataset=pictures.source)
    through = Session.new(settings, folder=tmp_path / "through").train()

    class Tired(Exception):
        pass

    def stop_at_two(step: int) -> None:
        if step == 2:
            raise Tired

    session = Session.new(settings, folder=tmp_path / "stopped")
    with pytest.raises(Tired):
        session.train(Watch(on_step=stop_at_two))
    resumed = Session.resumed(tmp_path / "stopped").train()
    assert resumed.step == through.step
    np.testing.assert_array_equal(resumed.vae.phi, through.vae.phi)
    np.testing.assert_array_equal(resumed.vae.theta, through.vae.theta)
    loaded = load_run(tmp_path / "stopped")
    assert loaded.vae.model == loaded.vae.model.frozen

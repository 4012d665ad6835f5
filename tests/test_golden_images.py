"""Test both image networks against ``golden/golden_images.h5``: gradients by automatic differentiation.

A gradient is recorded as inner products with random vectors, slot by slot. Every kernel set gets the
reference's noise, which the fast sets reproduce to 1e-6 only.
"""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from image_problems import BATCH, CHANNELS, RULES, SAMPLES, draw, engine, products
from test_golden import FISHER_AUTOENCODER, INFERENCE, LEARNING, ReferenceKey, pack

from vsmnp.kernels import ON_HOST, load
from vsmnp.model.layout import Layout
from vsmnp.model.networks import BatchNormRule
from vsmnp.objectives import JointFisher, Objective
from vsmnp.rng import Stream
from vsmnp.types import Array

GOLDEN = Path(__file__).parent / "golden" / "golden_images.h5"
TOLERANCE = 1e-9
#: The key of the noise.
SEED, KEY_STEP = 0x9E3779B97F4A7C15, 3


def objective(name: str) -> Objective:
    if name in FISHER_AUTOENCODER:
        return JointFisher(SAMPLES, **FISHER_AUTOENCODER[name])
    return (INFERENCE | LEARNING)[name](SAMPLES)


def unpadded(layout: Layout, vector: Array) -> Array:
    return np.concatenate([array[0].ravel() for _, array in layout.named(vector)])


@pytest.mark.parametrize("kernels", ON_HOST)
@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("arch", CHANNELS)
def test_gradients(arch: str, rule: BatchNormRule, activation: str, kernels: str) -> None:
    k, vae = load(kernels), engine(arch, rule, activation)
    layouts = vae.phi_layout, vae.theta_layout
    with h5py.File(GOLDEN) as file:
        group = file[f"{arch}-{rule}-{activation}"]
        rng = np.random.default_rng(int(group["seed"][()]))
        phi, theta = (pack(layout, draw(layout, rng)) for layout in layouts)
        x = rng.uniform(0, 1, (BATCH, vae.d_x))[None, None]
        names = [name for name in group if name != "seed"]
        assert len(names) >= 10
        for name in names:
            stream = Stream.INFERENCE if name in INFERENCE else Stream.LEARNING
            found = objective(name)(k, vae, phi, theta, x, ReferenceKey((SEED,), stream, KEY_STEP))
            np.testing.assert_allclose(found.loss[0], group[name]["loss"][()], rtol=TOLERANCE, err_msg=name)
            for side, layout, g in zip(("phi", "theta"), layouts, (found.g_phi, found.g_theta), strict=True):
                assert (side in group[name]) == (g is not None)
                if g is not None:
                    expected = group[name][side][()]
                    actual = products(layout, unpadded(layout, g))
                    error = np.linalg.norm(actual - expected) / np.linalg.norm(expected)
                    assert error <= TOLERANCE, f"{name}, {side}: {error:.1e}"

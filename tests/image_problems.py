"""Small problems of both image networks, drawn from a seed, at which the golden gradients are computed."""

from __future__ import annotations

import math

import numpy as np

from vsmnp.model.gaussian import DiagonalGaussian
from vsmnp.model.layout import Layout
from vsmnp.model.networks import BatchNormRule
from vsmnp.model.vae import GaussianVAE
from vsmnp.types import Array

WIDTH, LATENT, BATCH, SAMPLES = 1 / 32, 3, 3, 2
RULES: tuple[BatchNormRule, ...] = ("off", "coupled", "frozen")
CHANNELS = {"dcgan": 3, "resnet18": 1}


def engine(arch: str, rule: BatchNormRule, activation: str) -> GaussianVAE:
    """Build the engine's model, for the order and the names of its slots."""
    image = (CHANNELS[arch], 32, 32)
    return GaussianVAE.of_images(
        arch, image, DiagonalGaussian(LATENT), activation, width=WIDTH, batch_norm=rule
    )


def draw(layout: Layout, rng: np.random.Generator) -> Array:
    """Draw random parameters, biases and running statistics included, laid end to end."""
    parts = []
    for slot in layout.slots:
        kind = slot.name.rsplit(".", 1)[-1]
        if kind == "log_sd":
            parts.append(np.array([-0.3]))
        elif kind in ("variance", "scale"):
            parts.append(rng.uniform(0.5, 1.5, slot.size))
        else:
            fan = math.prod(slot.shape[1:]) if kind == "w" else 6
            parts.append(rng.normal(0, fan**-0.5, slot.size))
    return np.concatenate(parts)


def products(layout: Layout, g: Array) -> Array:
    """Compute ``(slots, 3)`` inner products of a gradient with normals of a fixed seed."""
    rng, start, found = np.random.default_rng(0), 0, []
    for slot in layout.slots:
        part = g[start : start + slot.size]
        start += slot.size
        found.append(rng.standard_normal((3, slot.size)) @ part)
    return np.array(found)

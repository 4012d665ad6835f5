r"""Make ``golden_images.h5``: gradients of both image networks, from definitions and torch autograd alone.

The objectives are those of ``make_golden.py``; the networks are the PyTorch functions of the benchmarks,
written from the paper's layer tables. A gradient is kept as its inner products with three fixed random
vectors, slot by slot: a wrong entry moves them, and the file stays small.

Run ``python tests/golden/make_golden_images.py``; see the README beside this file.
"""

from __future__ import annotations

import itertools
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import h5py
import make_golden as definitions
import numpy as np
import torch
from make_golden import FISHER_AUTOENCODER, INFERENCE, LEARNING, OBJECTIVES, Point, grad, log_normal
from torch import Tensor

from vsmnp.kernels import load
from vsmnp.rng import Key, Stream

sys.path[:0] = [
    str(Path(__file__).parents[2] / "benchmarks" / "peers" / "steps"),
    str(Path(__file__).parents[1]),
]
from _image_networks import FlatParameters, Plan  # noqa: E402
from image_problems import BATCH, CHANNELS, LATENT, RULES, SAMPLES, WIDTH, draw, engine, products  # noqa: E402


@dataclass(frozen=True)
class Networks:
    """The functions that a ``Point`` calls on its model."""

    plan: Plan
    scale: str = "exp"
    sigmoid_output: bool = False  # the networks contain it

    @property
    def d_z(self) -> int:
        return self.plan.latent

    @property
    def d_x(self) -> int:
        return math.prod(self.plan.image)


@dataclass(frozen=True)
class ImagePoint(Point):
    """A point of an image network. Each posterior sample of x is a separate batch in the encoder."""

    def moments(self, x: Tensor) -> tuple[Tensor, Tensor]:
        plan = self.model.plan
        if x.ndim == 2:
            mu, rho = plan.encode(FlatParameters(self.phi), x).split(plan.latent, -1)
            return mu, torch.exp(rho)
        mus, sds = zip(*(self.moments(each) for each in x), strict=True)
        return torch.stack(mus), torch.stack(sds)

    def log_p(self, x: Tensor, z: Tensor) -> Tensor:
        mean = self.model.plan.decode(FlatParameters(self.theta), z.flatten(0, 1))
        return log_normal(x, mean.reshape(*z.shape[:2], -1), torch.exp(2 * self.theta[-1]))

    def score_p(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the score and, as pixels are independent given z, the sum of all second derivatives."""
        x = self.variable_x()
        score = grad(self.log_p(x, z), x)
        return score, grad(score, x).sum(-1)


def problems() -> Iterator[tuple[str, str, str]]:
    """Yield architecture, normalisation, activation: smooth ones for second order, and the paper's."""
    yield from itertools.product(("dcgan", "resnet18"), RULES, ("tanh", "relu"))


def main() -> None:
    torch.set_default_dtype(torch.float64)
    path = Path(__file__).with_name("golden_images.h5")
    second_order = {"fisher-reparametrised", *FISHER_AUTOENCODER}
    activations = {"tanh": torch.tanh, "relu": torch.relu}
    with h5py.File(path, "w", libver="latest") as file:
        for seed, (arch, rule, activation) in enumerate(problems()):
            vae, rng = engine(arch, rule, activation), np.random.default_rng(seed)
            layouts = vae.phi_layout, vae.theta_layout
            phi, theta = (torch.tensor(draw(layout, rng)).requires_grad_() for layout in layouts)
            x = torch.tensor(rng.uniform(0, 1, (BATCH, vae.d_x)))
            plan = Plan(arch, (CHANNELS[arch], 32, 32), LATENT, activations[activation], WIDTH, rule)
            group = file.create_group(f"{arch}-{rule}-{activation}")
            group["seed"] = seed
            for name, loss_of in OBJECTIVES.items():
                if activation == "relu" and (name in second_order or "published" in name):
                    continue
                stream = Stream.INFERENCE if name in INFERENCE else Stream.LEARNING
                key, k = Key((definitions.SEED,), stream, definitions.KEY_STEP), load("reference")
                eps = key.normal(k, (SAMPLES, BATCH, LATENT), np.float64)[0]
                signs = key.on(Stream.PROBE, key.step).signs(k, (SAMPLES, BATCH, 2 * LATENT), np.float64)[0]
                at = ImagePoint(Networks(plan), phi, theta, x, torch.tensor(eps), torch.tensor(signs))
                loss = loss_of(at)
                g_phi, g_theta = torch.autograd.grad(loss, (phi, theta), allow_unused=True)
                one = group.create_group(name)
                one["loss"] = loss.detach().numpy()
                if name not in LEARNING:
                    one["phi"] = products(layouts[0], g_phi.numpy())
                if name not in INFERENCE:
                    one["theta"] = products(layouts[1], g_theta.numpy())
            print(group.name)


if __name__ == "__main__":
    main()

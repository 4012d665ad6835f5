"""Full-width networks of images beside PyTorch on MNIST: equal parameters, minibatches and noise.

    python benchmarks/peers/images_beside_autograd.py --arch dcgan --steps 50
    python benchmarks/peers/images_beside_autograd.py --arch resnet18 --steps 50 --activation tanh

Both losses of both are printed at each step, and the largest relative difference of a loss at the end. How
long their steps take is measured by ``vsmnp bench --suite images``.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from vsmnp.bench import Case, Noise, PeerFolder, Problem
from vsmnp.bench.contender import Product
from vsmnp.bench.peers import folder_of_checkout
from vsmnp.data import load_data


@dataclass(frozen=True, eq=False)
class OnMNIST(Problem):
    """A problem whose minibatches are the first ones of a run on MNIST, each with its input noise."""

    steps: int = 50
    data_dir: str = ""

    @cached_property
    def batches(self) -> np.ndarray:
        case = self.case
        dtype = np.dtype(case.dtype)
        images = load_data("mnist", data_dir=self.data_dir, image_size=32).epoch(0, 0, dtype)
        chosen = images[: self.steps * case.batch_size].reshape(self.steps, case.batch_size, case.d_x)
        noise = np.random.default_rng(0).standard_normal(chosen.shape).astype(dtype)
        return chosen + np.asarray(0.1, dtype) * noise


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--arch", default="dcgan", choices=["dcgan", "resnet18"])
    parser.add_argument("--objective", default="m1", choices=["elbo", "m1", "m2"])
    parser.add_argument("--inference", default="kl", choices=["kl", "fisher"])
    parser.add_argument("--activation", default="relu", choices=["relu", "elu", "tanh"])
    parser.add_argument("--dtype", default="float32", choices=["float32", "float64"])
    parser.add_argument("--batch-size", type=int, default=100)
    parser.add_argument("--width", type=float, default=1.0)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--data-dir", default="")
    given = parser.parse_args()
    torch.set_num_threads(1)
    case = Case.of_images(
        given.arch, objective=given.objective, inference=given.inference, activation=given.activation,
        dtype=given.dtype, width=given.width, batch_size=given.batch_size, kernels="cpu",
    )  # fmt: skip
    problem = OnMNIST(case, given.steps, given.data_dir)
    mine, theirs = Product(problem), PeerFolder(folder_of_checkout()).load("torch-eager").make(problem)
    worst = np.zeros(2)
    for t in range(given.steps):
        noise: Noise = problem.noise(t)
        mine.step()
        theirs.step(noise)
        pairs = [(float(a[0]), float(b[0])) for a, b in zip(mine.losses(), theirs.losses(), strict=True)]
        worst = np.maximum(worst, [abs(a - b) / abs(b) for a, b in pairs])
        print(t, *(value for pair in pairs for value in pair), flush=True)
    print(
        f"{case.name}: largest relative difference of a loss in {given.steps} steps "
        f"{worst[0]:.1e} (encoder), {worst[1]:.1e} (decoder)"
    )


if __name__ == "__main__":
    main()

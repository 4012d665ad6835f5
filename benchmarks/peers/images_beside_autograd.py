"""Train full-width networks of images beside PyTorch on MNIST: equal parameters, minibatches and noise.

    python benchmarks/peers/images_beside_autograd.py --arch dcgan --steps 50
    python benchmarks/peers/images_beside_autograd.py --arch resnet18 --steps 50 --beside double rounded

The sides are the engine (vsmnp) and PyTorch; on demand also ``double``, PyTorch in double precision from the
same float32 numbers, and ``rounded``, the same with only its parameters rounded to float32 after every
update, which no float32 implementation can avoid. It prints the differences of their losses, and
the distances of the first gradients from those in double precision. ``vsmnp bench --suite images`` measures
the times of steps.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from types import ModuleType
from typing import Any

import numpy as np
import torch

from vsmnp.bench import Case, Contender, Evaluation, Noise, PeerFolder, Problem
from vsmnp.bench.contenders.contender import Engine
from vsmnp.bench.contenders.peers import folder_of_checkout
from vsmnp.data import load_data
from vsmnp.settings.settings import Settings

#: Rate of plain gradient descent: at a quarter of the width, ResNet18's losses fall by a fifth in 20 steps.
RATE = 1e-10


@dataclass(frozen=True)
class Descent(Case):
    """A case that is trained by plain gradient descent."""

    @property
    def settings(self) -> Settings:
        return replace(super().settings, optimizer="sgd", encoder_optimizer="sgd", lr=RATE, encoder_lr=RATE)


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


class Rounding:
    """An optimiser that rounds its parameters to float32 after each update."""

    def __init__(self, optimizer: torch.optim.Optimizer, params: list[torch.Tensor]) -> None:
        self.optimizer, self.params = optimizer, params

    def step(self) -> None:
        self.optimizer.step()
        with torch.no_grad():
            for p in self.params:
                p.copy_(p.float())


def pytorch(peer: ModuleType, problem: OnMNIST, double: bool = False, rounded: bool = False) -> Contender:
    """Build PyTorch's contender of the problem, on request in double precision from the same numbers."""
    contender = peer.make(problem)
    if double:
        for name in ("phi", "theta"):
            doubled = [p.detach().double().requires_grad_() for p in getattr(contender, name)]
            setattr(contender, name, doubled)
        contender.minibatches = contender.minibatches.double()
    settings = problem.case.settings
    pairs = (contender.phi, settings.encoder_lr), (contender.theta, settings.lr)
    if settings.optimizer == "sgd":
        contender.optimizers = [torch.optim.SGD(p, lr=lr) for p, lr in pairs]
    else:
        contender.optimizers = [torch.optim.Adam(p, lr=lr, fused=True) for p, lr in pairs]
    if rounded:
        contender.optimizers = [Rounding(o, p) for o, (p, _) in zip(contender.optimizers, pairs, strict=True)]
    return contender


def gradient_error(found: Evaluation, exact: Evaluation) -> list[float]:
    """Compute the median over the arrays of ``|g - exact| / |exact|``, of the encoder and the decoder."""
    errors = []
    for g, e in ((found.g_phi, exact.g_phi), (found.g_theta, exact.g_theta)):
        sizes = {name: float(np.linalg.norm(array)) for name, array in e.items()}
        each = [float(np.linalg.norm(g[name] - e[name])) / size for name, size in sizes.items() if size > 0]
        errors.append(float(np.median(each)))
    return errors


def differences(losses: Mapping[str, list[list[float]]]) -> list[dict[str, Any]]:
    """Compute the largest relative difference of both losses for each pair of sides, by number of steps."""
    pairs = [("vsmnp", "pytorch")]
    if "double" in losses:
        pairs += [(side, "double") for side in losses if side != "double"]
    rows: list[dict[str, Any]] = []
    for side, other in pairs:
        a, b = np.array(losses[side]), np.array(losses[other])
        largest = np.maximum.accumulate(np.abs(a - b) / np.abs(b))
        for steps in sorted({s for s in (1, 2, 5, 10, 20, 50) if s < len(a)} | {len(a)}):
            encoder, decoder = map(float, largest[steps - 1])
            rows.append({"side": side, "from": other, "steps": steps, "encoder": encoder, "decoder": decoder})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--arch", default="dcgan", choices=["dcgan", "resnet18"])
    parser.add_argument("--objective", default="m1", choices=["elbo", "m1", "m2"])
    parser.add_argument("--inference", default="kl", choices=["kl", "fisher"])
    parser.add_argument("--activation", default="relu", choices=["relu", "elu", "tanh"])
    parser.add_argument("--optimizer", default="adam", choices=["adam", "sgd"])
    parser.add_argument("--dtype", default="float32", choices=["float32", "float64"])
    parser.add_argument("--batch-size", type=int, default=100)
    parser.add_argument("--width", type=float, default=1.0)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--beside", nargs="*", default=[], choices=["double", "rounded"], help="more sides")
    parser.add_argument("--data-dir", default="")
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    given = parser.parse_args()
    torch.set_num_threads(1)
    case = (Descent if given.optimizer == "sgd" else Case).of_images(
        given.arch, objective=given.objective, inference=given.inference, activation=given.activation,
        dtype=given.dtype, width=given.width, batch_size=given.batch_size, kernels="cpu",
    )  # fmt: skip
    problem = OnMNIST(case, given.steps, given.data_dir)
    peer = PeerFolder(folder_of_checkout()).load("torch-eager")
    sides: dict[str, Contender] = {"vsmnp": Engine(problem), "pytorch": pytorch(peer, problem)}
    if given.beside:
        sides["double"] = pytorch(peer, problem, double=True)
    if "rounded" in given.beside:
        sides["rounded"] = pytorch(peer, problem, double=True, rounded=True)

    gradients: dict[str, list[float]] = {}
    if "double" in sides:
        found = {name: sides[name].evaluate(problem.noise(0)) for name in ("vsmnp", "pytorch", "double")}
        gradients = {name: gradient_error(found[name], found["double"]) for name in ("vsmnp", "pytorch")}
    losses: dict[str, list[list[float]]] = {name: [] for name in sides}
    for t in range(given.steps):
        noise: Noise = problem.noise(t)
        for name, side in sides.items():
            side.step(noise)
            losses[name].append([float(value[0]) for value in side.losses()])
        last = ", ".join("{} {:.8g} {:.8g}".format(name, *values[-1]) for name, values in losses.items())
        print(f"step {t + 1}: {last}", file=sys.stderr, flush=True)

    rows = differences(losses)
    if given.json:
        print(json.dumps({"case": case.name, "gradients": gradients, "rows": rows, "losses": losses}))
        return
    print(
        f"{case.name}, {given.optimizer}: losses of encoder and decoder, largest relative difference so far"
    )
    for row in rows:
        print("{side:8s} from {from:8s} {steps:3d} steps  {encoder:.1e}  {decoder:.1e}".format(**row))
    for name, (encoder, decoder) in gradients.items():
        print(f"{name:8s} from double    first gradients, median of the arrays  {encoder:.1e}  {decoder:.1e}")


if __name__ == "__main__":
    main()

r"""Make ``golden_bilevel.h5``: hypergradients and trajectories with bi-level updates, by torch autograd.

The K updates are recorded with ``create_graph=True`` and the gradient is taken through all of them; z and
the covariance in a Fisher update are detached. Networks, densities, problems and noise are those of
``make_golden.py``.

Run ``python tests/golden/make_golden_bilevel.py``; see the README beside this file.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import h5py
import numpy as np
import torch
from make_golden import (  # fmt: skip
    KEY_STEP,
    RATE,
    SEED,
    STEPS,
    TRAJECTORY_PROBLEM,
    Point,
    draw_problem,
    grad,
    log_normal,
    m1,
    m2_as_published,
    m3_as_published,
    negative_elbo,
    point,
    put,
    square,
    squared_mean,
)
from torch import Tensor

from vsmnp.rng import Key, Stream

#: J ordinary and K bi-level updates of a trajectory, and S.
J, K, SAMPLES = 2, 3, 3


def posterior_fisher(at: Point, weighted: bool) -> Tensor:
    """Compute ``E_q |grad_z log q(z|x) - grad_z log p(z, x)|^2 / 2`` with z and the weight s detached."""
    z, (_, s) = at.z().detach().requires_grad_(), at.moments(at.x)
    log_prior = log_normal(z, torch.zeros_like(z), torch.ones_like(z))
    d = grad(at.log_q(z, at.x) - log_prior - at.log_p(at.x, z), z)
    return 0.5 * square(s.detach() * d if weighted else d).mean()


INFERENCE: dict[str, Callable[[Point], Tensor]] = {
    "kl": negative_elbo,
    "fisher": lambda at: posterior_fisher(at, weighted=False),
    "fisher-covariance": lambda at: posterior_fisher(at, weighted=True),
}


def m2(at: Point, estimator: str) -> Tensor:
    s, divergence = at.score_p(at.z())
    return (square(s) + divergence).mean() - 0.5 * squared_mean(s, estimator).mean()


def m3(at: Point, estimator: str, baseline: bool) -> Tensor:
    z = at.z()
    (s, divergence), s_q = at.score_p(z), at.score_q(z)
    others = (s.sum(0) - s) / (len(s) - 1)
    cross = (s_q * (s - others if baseline else s)).sum(-1)
    return (cross + divergence).mean() + 0.5 * squared_mean(s, estimator).mean()


LEARNING: dict[str, Callable[[Point], Tensor]] = {
    "elbo": negative_elbo,
    "m1": lambda at: m1(at, at.z()),
    "m2-biased": lambda at: m2(at, "biased"),
    "m2-u-statistic": lambda at: m2(at, "u-statistic"),
    "m3-biased-none": lambda at: m3(at, "biased", baseline=False),
    "m3-u-statistic-leave-one-out": lambda at: m3(at, "u-statistic", baseline=True),
    "m2-as-published": m2_as_published,
    "m3-as-published": m3_as_published,
}


@dataclass(frozen=True)
class Case:
    """One recorded hypergradient: objectives, problem and K."""

    inference: str
    learning: str
    problem: str
    steps: int

    @property
    def name(self) -> str:
        return f"{self.inference}+{self.learning}-{self.problem}-k{self.steps}"


def cases() -> Iterator[Case]:
    """Yield the case of every hypergradient in the file."""
    yield from (Case(i, m, "tanh", k) for i, m, k in itertools.product(INFERENCE, LEARNING, (1, 3)))
    others = itertools.product(("softplus", "elu", "sigmoid", "wide-latent"), INFERENCE)
    yield from (Case(inference, "m3-u-statistic-leave-one-out", name, 3) for name, inference in others)


def after_updates(
    inference: str, problem: str, tensors: dict[str, Tensor], t: int, key: Key, steps: int
) -> Tensor:
    """Compute phi_K, with its dependence on theta."""
    phi = tensors["phi"].detach().requires_grad_()
    for each in range(steps):
        noise = key.on(Stream.BILEVEL, key.step * steps + each)
        at = point(problem, {**tensors, "phi": phi}, t, SAMPLES, noise)
        phi = phi - RATE * grad(INFERENCE[inference](at), phi)
    return phi


def hypergradient(
    inference: str, learning: str, problem: str, tensors: dict[str, Tensor], t: int, key: Key, steps: int
) -> tuple[Tensor, Tensor]:
    """Compute the loss after the updates and its gradient in theta."""
    theta = tensors["theta"].detach().requires_grad_()
    tensors = {**tensors, "theta": theta}
    phi = after_updates(inference, problem, tensors, t, key, steps)
    loss = LEARNING[learning](point(problem, {**tensors, "phi": phi}, t, SAMPLES, key))
    return loss, torch.autograd.grad(loss, theta)[0]


def trajectory(inference: str, learning: str, tensors: dict[str, Tensor]) -> dict[str, np.ndarray]:
    """Run ten steps of J encoder updates by plain descent and a decoder update by Adam with K."""
    phi, theta = (tensors[name].clone().requires_grad_() for name in ("phi", "theta"))
    moving = {**tensors, "phi": phi, "theta": theta}
    encoder, decoder = torch.optim.SGD([phi], lr=RATE), torch.optim.Adam([theta], lr=RATE)
    losses = np.empty((STEPS, J + 1))
    for t in range(STEPS):
        for j in range(J):
            at = point(TRAJECTORY_PROBLEM, moving, t, SAMPLES, Key((SEED,), Stream.INFERENCE, t * J + j))
            loss = INFERENCE[inference](at)
            (phi.grad,) = torch.autograd.grad(loss, phi)
            encoder.step()
            losses[t, j] = loss.item()
        key = Key((SEED,), Stream.LEARNING, t)
        loss, theta.grad = hypergradient(inference, learning, TRAJECTORY_PROBLEM, moving, t, key, K)
        decoder.step()
        losses[t, -1] = loss.item()
    return {"phi": phi.detach().numpy(), "theta": theta.detach().numpy(), "losses": losses}


def runs() -> Iterator[tuple[str, str]]:
    """Yield the inference and the learning objective of every trajectory."""
    yield from (("kl", name) for name in ("elbo", "m2-u-statistic", "m3-u-statistic-leave-one-out"))
    yield from (("fisher", name) for name in ("m1", "m3-biased-none"))
    yield ("fisher-covariance", "m2-biased")


def main() -> None:
    """Write ``golden_bilevel.h5`` beside this file, complete or not at all."""
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(1)
    path = Path(__file__).with_name("golden_bilevel.h5")
    unfinished = path.with_suffix(".part")
    with h5py.File(unfinished, "w", libver="latest") as file:
        file.attrs.update({"torch": str(torch.__version__), "numpy": np.__version__, "dtype": "float64"})
        file.attrs.update({"seed": np.uint64(SEED), "key_step": KEY_STEP, "learning_rate": RATE})
        file.attrs.update({"encoder_steps": J, "bilevel_steps": K, "samples": SAMPLES})
        for case in cases():
            key, tensors = Key((SEED,), Stream.LEARNING, KEY_STEP), draw_problem(case.problem)
            loss, g = hypergradient(case.inference, case.learning, case.problem, tensors, 0, key, case.steps)
            arrays = {"loss": loss.detach().numpy(), "g_theta": g.numpy()}
            put(file.create_group(f"gradients/{case.name}"), arrays, **asdict(case))
        for inference, learning in runs():
            found = trajectory(inference, learning, draw_problem(TRAJECTORY_PROBLEM))
            put(file.create_group(f"trajectories/{inference}+{learning}"), found)
    unfinished.replace(path)


if __name__ == "__main__":
    main()

r"""Make ``golden.h5``: every gradient and trajectory, from definitions and torch autograd alone.

No closed form of the engine is used. Scores are gradients of log-densities, divergences are traces of
their Jacobians, gradients of losses that contain scores are double backward passes, the best gamma is
found by Newton's method, and Adam is ``torch.optim.Adam``. Only the noise of a key is computed by vsmnp.

Run ``python tests/golden/make_golden.py``; see the README beside this file.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TypeAlias

import h5py
import numpy as np
import torch
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from vsmnp.kernels import load
from vsmnp.rng import Key, Stream

SEED = 0x9E3779B97F4A7C15
KEY_STEP = 3
STEPS, ENCODER_STEPS, RATE = 10, 2, 1e-2
TRAJECTORY_PROBLEM = "tanh"

ACTIVATION: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "relu": torch.relu,
    "elu": torch.nn.functional.elu,
    # torch's own softplus becomes linear above 20 and is off by 2e-9 there
    "softplus": lambda x: torch.logaddexp(x, torch.zeros_like(x)),
    "exp": torch.exp,
}

Shapes: TypeAlias = list[tuple[str, tuple[int, ...]]]


def grad(y: Tensor, x: Tensor) -> Tensor:
    """Compute the gradient of ``sum y`` in x, itself differentiable."""
    return torch.autograd.grad(y.sum(), x, create_graph=True)[0]


def log_normal(x: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    """Compute ``log N(x; mean, variance)`` over the last axis."""
    return -0.5 * ((x - mean) ** 2 / variance + torch.log(2 * math.pi * variance)).sum(-1)


# --- the model ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Architecture:
    """Two perceptrons, by the arguments of ``GaussianVAE.mlp``."""

    d_x: int = 3
    d_z: int = 2
    hidden: tuple[int, ...] = (5, 4)
    activation: str = "tanh"
    scale: str = "exp"
    sigmoid_output: bool = False

    def phi_shapes(self) -> Shapes:
        return _dense((self.d_x, *self.hidden, 2 * self.d_z))

    def theta_shapes(self) -> Shapes:
        return [*_dense((self.d_z, *reversed(self.hidden), self.d_x)), ("log_sd", ())]

    def network(self, vector: Tensor, shapes: Shapes, x: Tensor) -> Tensor:
        """Evaluate a perceptron whose parameters are laid end to end in ``vector``."""
        sizes = [math.prod(shape) for _, shape in shapes]
        arrays = [part.reshape(s) for part, (_, s) in zip(vector.split(sizes), shapes, strict=True)]
        for i in range(0, 2 * len(self.hidden) + 2, 2):
            x = (ACTIVATION[self.activation](x) if i else x) @ arrays[i].T + arrays[i + 1]
        return x


def _dense(widths: tuple[int, ...]) -> Shapes:
    pairs = enumerate(itertools.pairwise(widths))
    return [leaf for i, (n, m) in pairs for leaf in ((f"net.{2 * i}.w", (m, n)), (f"net.{2 * i}.b", (m,)))]


@dataclass(frozen=True)
class Point:
    """The arguments of a loss: parameters, a batch ``x (N, D)`` and noise."""

    model: Architecture
    phi: Tensor
    theta: Tensor
    x: Tensor
    eps: Tensor  # (S, N, Z)
    signs: Tensor  # (S, N, 2Z)

    def moments(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Compute mean and standard deviation of q(z|x)."""
        features = self.model.network(self.phi, self.model.phi_shapes(), x)
        mu, rho = features.split(self.model.d_z, -1)
        return mu, ACTIVATION[self.model.scale](rho)

    def z(self) -> Tensor:
        """Compute reparametrised samples ``(S, N, Z)``, which depend on phi; for fixed z, detach them."""
        mu, s = self.moments(self.x)
        return mu + s * self.eps

    def log_q(self, z: Tensor, x: Tensor) -> Tensor:
        mu, s = self.moments(x)
        return log_normal(z, mu, s**2)

    def log_p(self, x: Tensor, z: Tensor) -> Tensor:
        """Compute the log-density ``log p(x|z)``."""
        mean = self.model.network(self.theta, self.model.theta_shapes(), z)
        mean = torch.sigmoid(mean) if self.model.sigmoid_output else mean
        return log_normal(x, mean, torch.exp(2 * self.theta[-1]))

    def variable_x(self) -> Tensor:
        """Copy x for each z ``(S, N, D)``, to differentiate in it."""
        return self.x.expand(len(self.eps), *self.x.shape).clone().requires_grad_()

    def score_p(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Compute ``grad_x log p(x|z)`` and its divergence in x."""
        x = self.variable_x()
        score = grad(self.log_p(x, z), x)
        divergence = sum(grad(score[..., i], x)[..., i] for i in range(self.model.d_x))
        return score, divergence

    def score_q(self, z: Tensor) -> Tensor:
        """Compute ``grad_x log q(z|x)`` at fixed z (though z may depend on phi)."""
        x = self.variable_x()
        return grad(self.log_q(z, x), x)


def square(v: Tensor) -> Tensor:
    return (v**2).sum(-1)


# --- inference ------------------------------------------------------------------------------------


def negative_elbo(at: Point) -> Tensor:
    mu, s = at.moments(at.x)
    prior = Normal(torch.zeros_like(mu), torch.ones_like(s))
    return -at.log_p(at.x, at.z()).mean() + kl_divergence(Normal(mu, s), prior).sum(-1).mean()


def posterior_fisher(at: Point, z: Tensor) -> Tensor:
    """Compute ``E_q |grad_z log q(z|x) - grad_z log p(z, x)|^2 / 2``."""
    z = z if z.requires_grad else z.requires_grad_()
    log_prior = log_normal(z, torch.zeros_like(z), torch.ones_like(z))
    return 0.5 * square(grad(at.log_q(z, at.x) - log_prior - at.log_p(at.x, z), z)).mean()


INFERENCE: dict[str, Callable[[Point], Tensor]] = {
    "kl": negative_elbo,
    "fisher": lambda at: posterior_fisher(at, at.z().detach()),
    "fisher-reparametrised": lambda at: posterior_fisher(at, at.z()),
    "fisher-as-published": lambda at: 2 * posterior_fisher(at, at.z().detach()),
}


# --- learning -------------------------------------------------------------------------------------


def squared_mean(s: Tensor, estimator: str) -> Tensor:
    """Estimate ``|E s|^2`` from ``s (S, ., D)``: over all pairs of samples, or over unequal pairs."""
    products = torch.einsum("ind,jnd->ijn", s, s)
    if estimator == "biased":
        return products.mean((0, 1))
    different = ~torch.eye(len(s), dtype=torch.bool)
    return products[different].mean(0)


def m1(at: Point, z: Tensor) -> Tensor:
    s, divergence = at.score_p(z)
    return (0.5 * square(s) + divergence).mean()


def m2(at: Point, estimator: str) -> Tensor:
    s, divergence = at.score_p(at.z().detach())
    return (square(s) + divergence).mean() - 0.5 * squared_mean(s, estimator).mean()


def m3(at: Point, estimator: str, baseline: str) -> Tensor:
    z = at.z().detach()
    (s, divergence), s_q = at.score_p(z), at.score_q(z)
    cross = []
    for i in range(len(s)):
        others = [s[j] for j in range(len(s)) if j != i]
        off = sum(others) / len(others) if baseline == "leave-one-out" else 0
        cross.append((s_q[i] * (s[i] - off)).sum(-1))
    return (torch.stack(cross) + divergence).mean() + 0.5 * squared_mean(s, estimator).mean()


def m2_as_published(at: Point) -> Tensor:
    """Compute M2 with one z a datum and the mean over the minibatch inside the square, averaged over z."""
    s, divergence = at.score_p(at.z())
    over_data = squared_mean(s.transpose(0, 1), "biased")
    return (square(s) + divergence).mean() - 0.5 * over_data.mean()


def m3_as_published(at: Point) -> Tensor:
    """Compute M3 likewise; ``log q(z|x)`` is differentiated in x with z as a function of x."""
    x = at.variable_x()
    mu, s = at.moments(x)
    total = grad(log_normal(mu + s * at.eps, mu, s**2), x)
    score, divergence = at.score_p(at.z())
    over_data = squared_mean(score.transpose(0, 1), "biased")
    return 0.5 * over_data.mean() + ((total * score).sum(-1) + divergence).mean()


LEARNING: dict[str, Callable[[Point], Tensor]] = {
    "elbo": negative_elbo,
    "m1": lambda at: m1(at, at.z().detach()),
    "m2-biased": lambda at: m2(at, "biased"),
    "m2-u-statistic": lambda at: m2(at, "u-statistic"),
    "m3-biased-none": lambda at: m3(at, "biased", "none"),
    "m3-biased-leave-one-out": lambda at: m3(at, "biased", "leave-one-out"),
    "m3-u-statistic-none": lambda at: m3(at, "u-statistic", "none"),
    "m3-u-statistic-leave-one-out": lambda at: m3(at, "u-statistic", "leave-one-out"),
    "m2-as-published": m2_as_published,
    "m3-as-published": m3_as_published,
}


# --- the Fisher autoencoder -----------------------------------------------------------------------


def probe(at: Point) -> Tensor:
    """Compute ``sum_i eta_i grad mu_i / s_i + sqrt(2) eta'_i grad log s_i``, ``(S, N, D)``."""
    x = at.variable_x()
    mu, s = at.moments(x)
    sd = at.moments(at.x)[1]
    first, second = at.signs.split(at.model.d_z, -1)
    return grad(first / sd * mu + math.sqrt(2) * second * torch.log(s), x)


def joint_fisher(at: Point, z: Tensor, score_norm: str) -> Tensor:
    """Compute equation (6) with (8): posterior Fisher divergence, M1 and ``E|s^q|^2 / 2``."""
    s_q = probe(at) if score_norm == "probe" else at.score_q(z)
    return posterior_fisher(at, z) + m1(at, z) + 0.5 * square(s_q).mean()


FISHER_AUTOENCODER: dict[str, Callable[[Point], Tensor]] = {
    "fisher-autoencoder": lambda at: joint_fisher(at, at.z(), "pathwise"),
    "fisher-autoencoder-z-fixed": lambda at: joint_fisher(at, at.z().detach(), "pathwise"),
    "fisher-autoencoder-probe": lambda at: joint_fisher(at, at.z(), "probe"),
    "fisher-autoencoder-z-fixed-probe": lambda at: joint_fisher(at, at.z().detach(), "probe"),
}

OBJECTIVES = {**INFERENCE, **LEARNING, **FISHER_AUTOENCODER}


# --- gamma ----------------------------------------------------------------------------------------


def optimal_log_sd(objective: str, at: Point, floor: float) -> tuple[float, bool]:
    """Find ``l`` at the least loss over ``gamma >= floor``, and whether there is none so that l stays.

    Newton's method in ``1 / gamma``, in which every loss is convex.
    The u-statistic of ``|E s|^2`` can be negative, so the biased estimator replaces it here.
    """
    loss = OBJECTIVES[objective.replace("u-statistic", "biased")]
    tau = torch.tensor(1e-3)
    for _ in range(60):
        tau = tau.detach().requires_grad_()
        log_sd = -0.5 * torch.log(tau)
        slope = grad(loss(replace(at, theta=torch.cat([at.theta[:-1], log_sd[None]]))), tau)
        tau = tau - slope / grad(slope, tau)
        if tau <= 0:
            return float(at.theta[-1]), True
    return 0.5 * math.log(max(1 / tau.item(), floor)), False


# --- what is recorded -----------------------------------------------------------------------------

SMOOTH = {
    "tanh": Architecture(),
    "softplus": Architecture(activation="softplus", scale="softplus"),
    "elu": Architecture(activation="elu"),
    "sigmoid": Architecture(scale="softplus", sigmoid_output=True),
    "wide-latent": Architecture(d_x=2, d_z=4, hidden=(6,)),
}
PROBLEMS = {**SMOOTH, "relu": Architecture(activation="relu"), "narrow": Architecture()}
#: Seeds of the parameters; for "narrow" the requested losses have no best gamma.
SEEDS = {**{name: seed for seed, name in enumerate(PROBLEMS)}, "narrow": 9}
SECOND_ORDER = {"fisher-reparametrised", *FISHER_AUTOENCODER}
SEVERAL = {name for name in OBJECTIVES if "u-statistic" in name or "leave-one-out" in name}
FLOORS = {"optimal": 1e-6, "floor": 10.0}


@dataclass(frozen=True)
class Case:
    """One recorded gradient: objective, architecture, number of samples, and update of gamma."""

    objective: str
    problem: str
    samples: int = 3
    gamma: str = "learned"

    @property
    def name(self) -> str:
        return f"{self.objective}-{self.problem}-s{self.samples}-{self.gamma}"


def cases() -> Iterator[Case]:
    """Yield the case of every gradient in the file."""
    yield from itertools.starmap(Case, itertools.product(OBJECTIVES, SMOOTH))
    yield from (Case(name, "tanh", 1) for name in OBJECTIVES if name not in SEVERAL)
    yield from (Case(name, "relu") for name in OBJECTIVES if name not in SECOND_ORDER)
    for name in (*LEARNING, *FISHER_AUTOENCODER):
        yield from (Case(name, "tanh", 3, gamma) for gamma in ("fixed", "optimal", "floor"))
    yield from (Case(name, "narrow", 3, "optimal") for name in ("m3-biased-none", "fisher-autoencoder"))


def draw_problem(name: str) -> dict[str, Tensor]:
    """Draw random parameters, biases included, and one batch for each step of a trajectory."""
    model, rng = PROBLEMS[name], np.random.default_rng(SEEDS[name])

    def vector(shapes: Shapes) -> Tensor:
        sd = [1 / math.sqrt(shape[1]) if len(shape) == 2 else 0.4 for _, shape in shapes]
        parts = [rng.normal(0, width, math.prod(shape)) for width, (_, shape) in zip(sd, shapes, strict=True)]
        return torch.tensor(np.concatenate(parts))

    phi, theta = vector(model.phi_shapes()), vector(model.theta_shapes())
    theta[-1] = -0.3
    if name == "narrow":  # a small posterior scale makes large scores
        phi[-model.d_z :] -= 4
    batch = 5 if name == "wide-latent" else 7
    return {"phi": phi, "theta": theta, "x": torch.tensor(rng.normal(size=(STEPS, batch, model.d_x)))}


def point(problem: str, tensors: dict[str, Tensor], step: int, samples: int, key: Key) -> Point:
    """Create the arguments of a loss, with the noise that the engine draws from the key."""
    model, x, k = PROBLEMS[problem], tensors["x"][step], load("reference")
    shape = (samples, len(x), model.d_z)
    eps = key.normal(k, shape, np.float64)[0]
    signs = key.on(Stream.PROBE, key.step).signs(k, (*shape[:2], 2 * model.d_z), np.float64)[0]
    return Point(model, tensors["phi"], tensors["theta"], x, torch.tensor(eps), torch.tensor(signs))


def evaluate(case: Case, tensors: dict[str, Tensor]) -> dict[str, np.ndarray]:
    """Evaluate the loss, its gradients, and the chosen gamma."""
    stream = Stream.INFERENCE if case.objective in INFERENCE else Stream.LEARNING
    at = point(case.problem, tensors, 0, case.samples, Key((SEED,), stream, KEY_STEP))
    found = {}
    if case.gamma in FLOORS:
        log_sd, kept = optimal_log_sd(case.objective, at, FLOORS[case.gamma])
        at = replace(at, theta=torch.cat([at.theta[:-1], torch.tensor([log_sd])]))
        found = {"log_sd": np.array(log_sd), "gamma_kept": np.array(kept)}
        assert kept == (case.problem == "narrow"), case
    at = replace(at, phi=at.phi.clone().requires_grad_(), theta=at.theta.clone().requires_grad_())
    loss = OBJECTIVES[case.objective](at)
    g_phi, g_theta = torch.autograd.grad(loss, (at.phi, at.theta), allow_unused=True)
    found["loss"] = loss.detach().numpy()
    if case.objective not in LEARNING:
        found["g_phi"] = g_phi.numpy()
    if case.objective not in INFERENCE:
        g_theta[-1] *= case.gamma == "learned"
        found["g_theta"] = g_theta.numpy()
    return found


def trajectory(inference: str, learning: str, rule: str, tensors: dict[str, Tensor]) -> dict[str, np.ndarray]:
    """Run ten steps, each of two encoder updates and one decoder update on a separate batch."""
    phi, theta = (tensors[name].clone().requires_grad_() for name in ("phi", "theta"))
    moving = {**tensors, "phi": phi, "theta": theta}
    encoder = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}[rule]([phi], lr=RATE)
    decoder = torch.optim.Adam([theta], lr=RATE)
    losses = np.empty((STEPS, ENCODER_STEPS + 1))

    def update(objective: str, key: Key, t: int, vector: Tensor, optimiser: torch.optim.Optimizer) -> float:
        loss = OBJECTIVES[objective](point(TRAJECTORY_PROBLEM, moving, t, 3, key))
        (vector.grad,) = torch.autograd.grad(loss, vector)
        optimiser.step()
        return loss.item()

    for t in range(STEPS):
        for j in range(ENCODER_STEPS):
            key = Key((SEED,), Stream.INFERENCE, t * ENCODER_STEPS + j)
            losses[t, j] = update(inference, key, t, phi, encoder)
        losses[t, -1] = update(learning, Key((SEED,), Stream.LEARNING, t), t, theta, decoder)
    return {"phi": phi.detach().numpy(), "theta": theta.detach().numpy(), "losses": losses}


def runs() -> Iterator[tuple[str, str, str]]:
    """Yield every recorded trajectory: inference, learning, and the encoder's optimiser."""
    paper = ("kl", "fisher", "fisher-reparametrised")
    yield from ((inference, learning, "adam") for inference in INFERENCE for learning in LEARNING)
    yield from ((name, name, "adam") for name in FISHER_AUTOENCODER)
    yield from ((inference, "m1", "sgd") for inference in paper)


def put(group: h5py.Group, arrays: dict[str, np.ndarray], **attributes: object) -> None:
    """Write arrays and their attributes, if every number is finite."""
    group.attrs.update(attributes)
    for name, array in arrays.items():
        assert np.isfinite(array).all(), (group.name, name)
        group[name] = array


def write(file: h5py.File) -> None:
    """Write all cases and trajectories to the file."""
    file.attrs.update({"torch": str(torch.__version__), "numpy": np.__version__, "dtype": "float64"})
    file.attrs.update({"seed": np.uint64(SEED), "key_step": KEY_STEP})
    file.attrs.update({"encoder_steps": ENCODER_STEPS, "learning_rate": RATE})
    problems = {name: draw_problem(name) for name in PROBLEMS}
    for name, tensors in problems.items():
        shapes = {"phi_shapes": PROBLEMS[name].phi_shapes(), "theta_shapes": PROBLEMS[name].theta_shapes()}
        described = {"architecture": asdict(PROBLEMS[name]), **shapes}
        arrays = {part: tensor.numpy() for part, tensor in tensors.items()}
        put(file.create_group(f"problems/{name}"), arrays, **{k: json.dumps(v) for k, v in described.items()})
    for case in cases():
        group = file.create_group(f"gradients/{case.name}")
        put(group, evaluate(case, problems[case.problem]), **asdict(case))
    for inference, learning, rule in runs():
        arrays = trajectory(inference, learning, rule, problems[TRAJECTORY_PROBLEM])
        described = {"inference": inference, "learning": learning, "encoder_optimizer": rule}
        group = file.create_group(f"trajectories/{inference}+{learning}+{rule}")
        put(group, arrays, problem=TRAJECTORY_PROBLEM, **described)


def main() -> None:
    """Write ``golden.h5`` beside this file, complete or not at all."""
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(1)
    path = Path(__file__).with_name("golden.h5")
    unfinished = path.with_suffix(".part")
    with h5py.File(unfinished, "w", libver="latest") as file:
        write(file)
    unfinished.replace(path)


if __name__ == "__main__":
    main()

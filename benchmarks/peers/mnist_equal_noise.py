"""Train K-ELBO on MNIST in vsmnp and in PyTorch from equal parameters with equal noise, in float64.

It prints both losses during training and their largest relative difference. It needs torch beside vsmnp:

    python benchmarks/peers/mnist_equal_noise.py FOLDER_WITH_IDX_FILES
"""

from __future__ import annotations

import math
import sys

import numpy as np
import torch
from torch import Tensor

from vsmnp.rng import Key, Stream
from vsmnp.runs.session import Session
from vsmnp.settings.presets import preset
from vsmnp.settings.settings import Settings

STEPS = 150


def network(p: dict[str, Tensor], x: Tensor) -> Tensor:
    """Build three dense layers with relu between them."""
    for i in (0, 2, 4):
        x = x @ p[f"net.{i}.w"].T + p[f"net.{i}.b"]
        x = torch.relu(x) if i < 4 else x
    return x


def negative_elbo(encoder: dict[str, Tensor], decoder: dict[str, Tensor], x: Tensor, eps: Tensor) -> Tensor:
    """Compute equation (1) with one sample, the mean over the batch."""
    mu, log_s = network(encoder, x).chunk(2, -1)
    square = (x - torch.sigmoid(network(decoder, mu + log_s.exp() * eps))).square().sum(-1)
    log_sd = decoder["log_sd"]
    likelihood = 0.5 * square * (-2 * log_sd).exp() + x.shape[1] * (log_sd + 0.5 * math.log(2 * math.pi))
    return (likelihood + 0.5 * (mu.square() + (2 * log_s).exp() - 1).sum(-1) - log_s.sum(-1)).mean()


def main(data_dir: str) -> None:
    """Train both implementations side by side."""
    chosen = {
        "data_dir": data_dir, "objective": "elbo", "samples": 1, "encoder_steps": 1, "encoder_data": "same",
        "lr": 1e-3, "encoder_lr": 1e-3, "steps": STEPS, "kernels": "reference", "dtype": "float64",
    }  # fmt: skip
    session = Session.new(Settings.from_mapping(preset("paper-images", chosen)))
    trainer, state = session.trainer, session.state
    encoder, decoder = (
        {name: torch.tensor(np.array(value[0]), requires_grad=True) for name, value in layout.named(vector)}
        for layout, vector in (
            (trainer.model.phi_layout, state.phi),
            (trainer.model.theta_layout, state.theta),
        )
    )
    optimizers = [torch.optim.Adam(p.values(), 1e-3) for p in (encoder, decoder)]
    worst = 0.0
    for t in range(STEPS):
        for use, stream in enumerate((Stream.INFERENCE, Stream.LEARNING)):
            x = trainer.batches.noisy(t, 2 * t + use)
            eps = Key((0,), stream, t).normal(trainer.k, (1, 100, 50), np.float64)
            for optimizer in optimizers:
                optimizer.zero_grad()
            loss = negative_elbo(encoder, decoder, torch.tensor(x[0, 0]), torch.tensor(eps[0, 0]))
            loss.backward()
            optimizers[use].step()
        mine, theirs = float(trainer.step(state).learning.loss[0]), loss.item()
        worst = max(worst, abs(mine - theirs) / abs(theirs))
        if (t + 1) % 50 == 0:
            print(f"step {t + 1}: {mine:.6f} and {theirs:.6f} nats, largest relative difference {worst:.1e}")


if __name__ == "__main__":
    main(sys.argv[1])

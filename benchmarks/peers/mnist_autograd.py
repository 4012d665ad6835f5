"""Train the README's MNIST run in PyTorch: the same model, data, noise and algorithm, gradients by autograd.

It shares no code with vsmnp. Run it in a separate environment with torch and numpy:

    python benchmarks/peers/mnist_autograd.py --objective m1 --data FOLDER_WITH_IDX_FILES
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import json
import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn


def images(folder: Path, name: str) -> Tensor:
    """Read flat images in [0, 1] from an IDX .gz file."""
    raw = gzip.decompress((folder / f"{name}-images-idx3-ubyte.gz").read_bytes())
    return torch.from_numpy(np.frombuffer(raw, np.uint8, offset=16).reshape(-1, 784) / np.float32(255))


def network(*widths: int) -> nn.Sequential:
    """Build dense layers with relus between them; PyTorch's weights are uniform in +-1/sqrt(fan in)."""
    layers: list[nn.Module] = []
    for n_in, n_out in itertools.pairwise(widths):
        layers += [nn.Linear(n_in, n_out), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


class VAE(nn.Module):
    """The perceptron 784-500-500-2x50 and its mirror image, sigmoid output, one likelihood variance."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = network(784, 500, 500, 100)
        self.decoder = nn.Sequential(network(50, 500, 500, 784), nn.Sigmoid())
        self.log_sd = nn.Parameter(torch.tensor(math.log(0.1)))

    def sample(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        mu, log_s = self.encoder(x).chunk(2, -1)
        return mu + log_s.exp() * torch.randn_like(mu), mu, log_s

    def negative_elbo(self, x: Tensor) -> Tensor:
        z, mu, log_s = self.sample(x)
        square = (x - self.decoder(z)).square().sum(-1)
        kl = 0.5 * (mu.square() + (2 * log_s).exp() - 1).sum(-1) - log_s.sum(-1)
        return (
            0.5 * square * (-2 * self.log_sd).exp() + 784 * (self.log_sd + 0.5 * math.log(2 * math.pi)) + kl
        ).mean()

    def m1(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            z, _, _ = self.sample(x)
        tau = (-2 * self.log_sd).exp()
        return 0.5 * tau**2 * (x - self.decoder(z)).square().sum(-1).mean() - 784 * tau


def main() -> None:
    """Train, evaluate on noisy test images, print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objective", choices=["elbo", "m1"], default="elbo")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--noise", type=float, default=0.1)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    torch.set_num_threads(1)
    train, test = images(options.data, "train"), images(options.data, "t10k")
    vae = VAE()
    encoder = torch.optim.Adam(vae.encoder.parameters(), options.lr)
    decoder = torch.optim.Adam([*vae.decoder.parameters(), vae.log_sd], options.lr)
    learning = vae.negative_elbo if options.objective == "elbo" else vae.m1
    for _ in range(options.epochs):
        for rows in torch.randperm(len(train)).split(100):
            clean = train[rows]
            for optimizer, loss in ((encoder, vae.negative_elbo), (decoder, learning)):
                vae.zero_grad()
                loss(clean + options.noise * torch.randn_like(clean)).backward()
                optimizer.step()
    with torch.no_grad():
        noisy = test + options.noise * torch.randn_like(test)
        elbo = torch.stack([vae.negative_elbo(noisy) for _ in range(5)]).mean()
        mse = (vae.decoder(vae.encoder(noisy)[:, :50]) - test).square().mean()
        gamma = (2 * vae.log_sd).exp()
    print(json.dumps({"neg_elbo": float(elbo), "mse": float(mse), "gamma": float(gamma)}))


if __name__ == "__main__":
    main()

"""Full-width image networks beside PyTorch eager: equal parameters, data and noise.

    python benchmarks/peers/images_beside_autograd.py steps --arch dcgan --steps 50
    python benchmarks/peers/images_beside_autograd.py time --arch dcgan --objective m1 --inference fisher

``steps`` trains both for so many steps and prints the largest relative difference of a loss; ``time`` prints
the median time of one encoder and one decoder update of each, side by side in one process, and their ratio.
PyTorch is asked for the gradients of the network that an update trains and for nothing else; its Fisher
inference is written as one writes it, by differentiating the loss of a differentiable score
(``--peer double``), or with the score detached by hand (``--peer single``).
"""

from __future__ import annotations

import argparse
import math
import resource
import time

import numpy as np
import torch
from image_networks import Leaves, Plan, Recorded
from torch import Tensor

from vsmnp.config import Settings
from vsmnp.data import load_data
from vsmnp.kernels import load
from vsmnp.rng import Key, Stream
from vsmnp.trainer import Trainer


def packed(trainer: Trainer, vector: np.ndarray, encoder: bool) -> Tensor:
    """A flat vector without padding, and without log sqrt(gamma)."""
    layout = trainer.model.phi_layout if encoder else trainer.model.theta_layout
    parts = [array[0].ravel() for name, array in layout.named(vector) if name != "log_sd"]
    return torch.tensor(np.concatenate(parts))


class Peer:
    """The same VAE with autograd."""

    def __init__(self, trainer: Trainer, phi: np.ndarray, theta: np.ndarray, double: bool) -> None:
        s, self.double = trainer.settings, double
        rule = {"auto": "coupled" if s.arch == "resnet18" else "off"}.get(s.batch_norm, s.batch_norm)
        image = trainer.batches.dataset.image
        assert image is not None
        self.plan = Plan(s.arch, image, s.latent, width=s.width, batch_norm=rule)
        self.settings = s
        encoder, decoder = Recorded(packed(trainer, phi, True)), Recorded(packed(trainer, theta, False))
        self.plan.encode(encoder, torch.zeros(2, math.prod(image)))
        self.plan.decode(decoder, torch.zeros(2, s.latent))
        self.phi, self.theta = Leaves(encoder.tensors), Leaves(decoder.tensors)
        self.log_sd = torch.tensor(trainer.model.log_sd(theta)[0]).requires_grad_()
        trained_phi = list(self.phi.tensors)
        self.trained_theta = [*self.theta.tensors, self.log_sd]
        self.encoder = torch.optim.Adam(trained_phi, lr=s.encoder_lr, fused=True)
        self.decoder = torch.optim.Adam(self.trained_theta, lr=s.lr, fused=True)

    def moments(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mu, rho = self.plan.encode(self.phi.again(), x).split(self.settings.latent, -1)
        return mu, torch.exp(rho)

    def decode(self, z: Tensor) -> Tensor:
        return self.plan.decode(self.theta.again(), z.flatten(0, 1)).reshape(*z.shape[:2], -1)

    def log_p(self, x: Tensor, g: Tensor) -> Tensor:
        d = x.shape[-1]
        square = ((x - g) ** 2).sum(-1)
        return -0.5 * square * torch.exp(-2 * self.log_sd) - d * (self.log_sd + 0.5 * math.log(2 * math.pi))

    def inference(self, x: Tensor, eps: Tensor) -> Tensor:
        """The loss that the encoder descends."""
        mu, s = self.moments(x)
        z = mu + s * eps
        if self.settings.inference == "kl":
            kl = 0.5 * (mu**2 + s**2 - 1).sum(-1) - torch.log(s).sum(-1)
            return -self.log_p(x, self.decode(z)).mean() + kl.mean()
        z = z.detach().requires_grad_()
        (b,) = torch.autograd.grad(self.log_p(x, self.decode(z)).sum(), z, create_graph=self.double)
        d = -(z - mu) / s**2 + z - b
        return 0.5 * (d**2).sum(-1).mean()

    def learning(self, x: Tensor, eps: Tensor) -> Tensor:
        """The loss that the decoder descends."""
        with torch.no_grad():
            mu, s = self.moments(x)
            z = mu + s * eps
        e, tau, d = self.decode(z) - x, torch.exp(-2 * self.log_sd), x.shape[-1]
        square = (e**2).sum(-1)
        if self.settings.objective == "elbo":
            with torch.no_grad():
                kl = (0.5 * (mu**2 + s**2 - 1).sum(-1) - torch.log(s).sum(-1)).mean()
            return (0.5 * tau * square).mean() + d * (self.log_sd + 0.5 * math.log(2 * math.pi)) + kl
        if self.settings.objective == "m1":
            return (0.5 * tau**2 * square).mean() - tau * d
        mean = (e.mean(0) ** 2).sum(-1).mean()
        return tau**2 * (square.mean() - 0.5 * mean) - tau * d

    def update(self, x: Tensor, eps: Tensor, learns: bool) -> float:
        """One step of one optimiser."""
        loss = (self.learning if learns else self.inference)(x, eps)
        tensors = self.trained_theta if learns else self.phi.tensors
        grads = torch.autograd.grad(loss, tensors, allow_unused=True)
        for tensor, g in zip(tensors, grads, strict=True):
            # contiguous: the fused Adam of 2.13 pairs elements of differently strided arrays by their places
            tensor.grad = torch.zeros_like(tensor) if g is None else g.contiguous()
        (self.decoder if learns else self.encoder).step()
        return float(loss.detach())


def both(
    trainer: Trainer, peer: Peer, steps: int
) -> tuple[list[tuple[float, ...]], list[tuple[float, float]]]:
    """Losses ``(ours, theirs, ours, theirs)`` of the encoder and the decoder, and seconds, step by step."""
    state, settings = trainer.initial_state(), trainer.settings
    dtype = np.dtype(settings.dtype)
    losses, seconds = [], []
    for t in range(steps):
        key, inputs = Key(settings.seeds), []
        for learns in (False, True):
            x = trainer.batches.noisy(t, 2 * t + learns)
            stream = key.on(Stream.LEARNING if learns else Stream.INFERENCE, t)
            shape = (settings.samples, x.shape[2], settings.latent)
            eps = stream.normal(trainer.k, shape, dtype)[0]
            inputs.append((torch.tensor(x[0, 0]), torch.tensor(eps), learns))
        start = time.process_time()
        theirs = [peer.update(*given) for given in inputs]
        middle = time.process_time()
        info = trainer.step(state)
        seconds.append((time.process_time() - middle, middle - start))
        losses.append((float(info.inference.loss[0]), theirs[0], float(info.learning.loss[0]), theirs[1]))
    return losses, seconds


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["steps", "time"])
    parser.add_argument("--arch", default="dcgan", choices=["dcgan", "resnet18"])
    parser.add_argument("--objective", default="m1", choices=["elbo", "m1", "m2"])
    parser.add_argument("--inference", default="kl", choices=["kl", "fisher"])
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--samples", type=int, default=0)
    parser.add_argument("--dtype", default="float32", choices=["float32", "float64"])
    parser.add_argument("--initial", default="images", choices=["images", "uniform"])
    parser.add_argument("--width", type=float, default=1.0)
    parser.add_argument("--peer", default="double", choices=["double", "single"])
    parser.add_argument("--data-dir", default=None)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    torch.set_default_dtype(getattr(torch, given.dtype))
    extra = {"squared_mean": "biased"} if given.objective == "m2" else {}
    settings = Settings.from_mapping({
        "dataset": "mnist", "image_size": 32, "noise": 0.1, "arch": given.arch, "width": given.width,
        "latent": 100, "initial": given.initial, "dtype": given.dtype, "batch_size": 100,
        "objective": given.objective, "lr": 1e-4,
        "inference": given.inference, "encoder_lr": 1e-4, "kernels": "cpu",
        "samples": given.samples or (5 if given.arch == "dcgan" else 1), **extra,
    })  # fmt: skip
    dataset = load_data("mnist", data_dir=given.data_dir, image_size=32)
    trainer = Trainer.build(load("cpu"), settings, dataset)
    state = trainer.initial_state()
    peer = Peer(trainer, state.phi, state.theta, given.peer == "double")
    losses, seconds = both(trainer, peer, given.steps)
    values = np.array(losses)
    for t, row in enumerate(values):
        print(t, *row)
    error = np.abs(values[:, ::2] - values[:, 1::2]) / np.abs(values[:, 1::2])
    encoder, decoder = error.max(0)
    print(
        f"{given.arch} {given.objective} {given.inference}: largest relative difference of a loss "
        f"{encoder:.1e} (encoder), {decoder:.1e} (decoder) in {given.steps} steps"
    )
    if given.what == "time":
        ours, theirs = np.median(np.array(seconds)[1:], axis=0)
        ratio = np.median([b / a for a, b in seconds[1:]])
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(
            f"processor seconds a step: {ours:.3f} here, {theirs:.3f} PyTorch; ratio {ratio:.2f}; "
            f"peak memory of both {memory:.2f} GiB"
        )


if __name__ == "__main__":
    main()

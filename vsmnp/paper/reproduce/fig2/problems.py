r"""Define the problems of Figure 2: a prior ``N(0, I)`` in the plane and one datum, equation (11).

The posterior over z is to be approximated; q is a factorised Gaussian with free parameters, so that
inference needs no more than a VAE whose encoder ignores its input.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ....kernels import load
from ....layers.activations import Relu
from ....layers.families import NO_PARAMETERS
from ....model.gaussian import DiagonalGaussian
from ....model.vae import GaussianVAE
from ....types import Array
from ...toy_layers import Free, Product, SharpSoftplus


@dataclass(frozen=True)
class ToyProblem:
    """A likelihood ``N(x; f_1(z_1) f_2(z_2), sd^2)`` and the datum x.

    The latents have the names of equation (11), whose relu is of ``z_2``. The published script bends its
    first coordinate: its points are the exchanged ones of these.
    """

    #: Name in tables and files.
    name: str
    #: Formula in pictures, as mathematical text.
    formula: str
    #: The datum and the standard deviation of the likelihood.
    x: float
    sd: float
    #: The mean of the likelihood.
    decoder: Product
    #: The published script's order of z_1 and z_2, in which starts and noise are drawn.
    order: tuple[int, int] = (0, 1)

    @cached_property
    def model(self) -> GaussianVAE:
        """A VAE whose only parameters are q's, ``(mu_1, mu_2, log s_1, log s_2)``."""
        return GaussianVAE(Free(4), self.decoder, DiagonalGaussian(2), 1)

    def datum(self) -> Array:
        """Return the datum as a batch ``(1, 1, 1, 1)``."""
        return np.full((1, 1, 1, 1), self.x)

    def theta(self, models: int) -> Array:
        """Return the decoder's vector ``(R, P)``, which holds only the log standard deviation."""
        theta = np.zeros((models, self.model.theta_layout.size))
        self.model.log_sd(theta)[:] = np.log(self.sd)
        return theta

    def log_joint(self, z: Array) -> Array:
        """Compute the log-posterior ``log p(x, z)`` at points ``(..., 2)``, in nats, up to a constant."""
        mean, _ = self.decoder.forward(load("reference"), NO_PARAMETERS, z.reshape(1, 1, -1, 2))
        residual = (self.x - mean.reshape(z.shape[:-1])) / self.sd
        return np.asarray(-0.5 * (residual**2 + (z * z).sum(-1)))


PROBLEMS = (
    ToyProblem("p_I", r"$N(2;\ z_1 z_2,\ 0.5^2)$", 2.0, 0.5, Product()),
    ToyProblem("p_II as printed", r"$N(1;\ z_1\,\mathrm{relu}(z_2),\ 1)$", 1.0, 1.0, Product(second=Relu())),
    ToyProblem(
        "p_II as published code",
        r"$N(2;\ z_1\,\mathrm{softplus}(10 z_2)/10,\ 1)$",
        2.0,
        1.0,
        Product(second=SharpSoftplus(10.0)),
        order=(1, 0),
    ),
)

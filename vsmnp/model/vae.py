"""The Gaussian VAE, equation (3): z ~ p(z), x|z ~ N(g(z), gamma I), with q(z|x) of an encoder."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from ..errors import ConfigError, member_of
from ..layers.running_statistics import batch_statistics, frozen
from ..settings.choices import IMAGE_ARCHITECTURES
from ..types import Array, Cache, Kernels, Layer, Params, Shape
from .gaussian import DiagonalGaussian
from .layout import Layout
from .networks import BatchNormRule, ImagePlan, perceptrons
from .posterior import Moments, Posterior


@dataclass(frozen=True)
class GaussianVAE:
    """The architecture of a Gaussian VAE: its networks, posterior and dimensions, without parameters.

    Parameters are stored in two flat arrays, ``phi (R, P_e)`` of the encoder and ``theta (R, P_d)`` of the
    decoder, whose last slot is ``l = log sqrt(gamma)``.

    Parameters
    ----------
    encoder : Layer
        ``x (R|1, 1, N, D) -> (R, 1, N, features)``: ``(mu, rho)`` of a Gaussian, logits of a Bernoulli q.
    decoder : Layer
        ``z (R, S, N, Z) -> g (R, S, N, D)``.
    posterior : Posterior
        The map from the encoder's features to q, and the prior.
    d_x : int
        Data dimension.
    """

    encoder: Layer
    decoder: Layer
    posterior: Posterior
    d_x: int

    @classmethod
    def mlp(
        cls, d_x: int, d_z: int = 2, hidden: Sequence[int] = (30, 30), activation: str = "relu",
        scale: str = "exp", sigmoid_output: bool = False, posterior: Posterior | None = None,
    ) -> GaussianVAE:  # fmt: skip
        """Build a VAE of two multi-layer perceptrons; the decoder mirrors the encoder.

        A given ``posterior`` determines ``d_z``, and ``scale`` is then ignored; the default is a diagonal
        Gaussian.

        Raises
        ------
        ConfigError
            If a width, the activation or the scale is invalid.
        """
        q = posterior or DiagonalGaussian(d_z, scale)
        encoder, decoder = perceptrons(d_x, q.n_features, q.d_z, hidden, activation, sigmoid_output)
        return cls(encoder, decoder, q, d_x)

    @classmethod
    def of_images(
        cls, arch: str, image: Shape, posterior: Posterior, activation: str = "relu", width: float = 1.0,
        batch_norm: BatchNormRule = "off",
    ) -> GaussianVAE:  # fmt: skip
        """Build a VAE of networks for images, convolutional or residual, with a sigmoid output.

        Parameters
        ----------
        arch : str
            A name in :data:`vsmnp.settings.choices.IMAGE_ARCHITECTURES`, such as ``dcgan``.
        image : tuple of int
            ``(C, H, W)``: 1 or 3 channels, 32 or 64 pixels per side.
        width : float
            Factor on every number of channels.
        batch_norm : {"off", "coupled", "frozen"}
            See :mod:`vsmnp.layers.norm`.

        Raises
        ------
        ConfigError
            If the architecture is unknown, or does not support such images.
        """
        networks = member_of(IMAGE_ARCHITECTURES, "architecture of images", arch).load()
        plan = ImagePlan(image, posterior.n_features, posterior.d_z, activation, width, batch_norm)
        encoder, decoder = networks(plan)
        return cls(encoder, decoder, posterior, math.prod(image))

    @property
    def d_z(self) -> int:
        """Latent dimension of the model."""
        return self.posterior.d_z

    @property
    def gaussian_posterior(self) -> DiagonalGaussian:
        """The Gaussian posterior, for objectives that need its scores.

        Raises
        ------
        ConfigError
            If the posterior is not Gaussian.
        """
        if isinstance(self.posterior, DiagonalGaussian):
            return self.posterior
        raise ConfigError(
            f"A {type(self.posterior).__name__} posterior has no scores: Fisher inference, M3 and the Fisher "
            "autoencoder need --posterior gaussian."
        )

    @cached_property
    def phi_layout(self) -> Layout:
        """Layout of the encoder's parameters in phi."""
        return Layout({"net": self.encoder.shapes})

    @cached_property
    def theta_layout(self) -> Layout:
        """Layout of the decoder's parameters and ``log_sd`` in theta."""
        return Layout({"net": self.decoder.shapes, "log_sd": ()})

    def encoder_part(self, phi: Array) -> Params:
        """Return the encoder's parameter tree as views into a vector shaped like phi."""
        return self.phi_layout.views(phi).get("net", {})  # type: ignore[no-any-return]

    def decoder_part(self, theta: Array) -> Params:
        """Return the decoder's parameter tree as views into a vector shaped like theta."""
        return self.theta_layout.views(theta).get("net", {})  # type: ignore[no-any-return]

    def log_sd(self, theta: Array) -> Array:
        """Return ``l = log sqrt(gamma)``, ``(R,)``, as a view into theta."""
        return theta[:, self.theta_layout.slots[-1].start]

    def encode(self, k: Kernels, phi: Array, x: Array) -> tuple[Moments, Cache]:
        """Compute q(z|x) for ``x (R|1, 1, N, D)``, and the encoder's cache."""
        features, cache = self.encoder.forward(k, self.encoder_part(phi), x)
        return self.posterior.moments(k, features), cache

    def decode(self, k: Kernels, theta: Array, z: Array) -> tuple[Array, Cache]:
        """Compute ``g(z)`` for ``z (R, S, N, Z)``, and the decoder's cache."""
        return self.decoder.forward(k, self.decoder_part(theta), z)

    @property
    def frozen(self) -> GaussianVAE:
        """The same model with the running statistics in every normalisation, for evaluation."""
        return replace(self, encoder=frozen(self.encoder), decoder=frozen(self.decoder))

    def statistics(self, k: Kernels, cache: Cache, decoder_cache: Cache) -> tuple[Params, Params]:
        """Return the batch mean and variance of every normalisation of the encoder and of the decoder."""
        encoder = batch_statistics(k, self.encoder, cache)
        return encoder, batch_statistics(k, self.decoder, decoder_cache)

    def score_q(self, k: Kernels, phi: Array, q: Moments, cache: Cache, eps: Array) -> Array:
        """Compute ``s^q = grad_x log q(z|x)`` with z fixed, ``(R, S, N, D)``: one encoder vjp per sample."""
        a = self.gaussian_posterior.score_features(k, q, eps)
        s_q = self.encoder.vjp(k, self.encoder_part(phi), cache, a)
        assert s_q is not None
        return s_q

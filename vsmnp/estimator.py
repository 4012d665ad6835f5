"""A variational autoencoder as an estimator of scikit-learn, public as ``vsmnp.VAE``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from .api import train
from .data.arrays.given import FROM_PYTHON
from .data.fixed import FixedDataset
from .data.preprocessing import NONE
from .errors import LibraryError
from .settings.choices import OBJECTIVES, row_of
from .settings.settings import Settings
from .types import Array

try:
    from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
    from sklearn.utils import check_array, check_random_state
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError as error:
    raise LibraryError(
        "vsmnp.VAE is an estimator of scikit-learn 1.6 or later: pip install 'vsmnp[sklearn]', or use "
        "vsmnp.train."
    ) from error

#: Numbers in the decoded draws of one block of samples.
_BLOCK = 2**21


class VAE(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    r"""A Gaussian VAE with the methods of scikit-learn: codes as features, and a density.

    All samples are trained on; nothing is held out. The features should have scales near 1, where gamma also
    starts, as after a ``StandardScaler`` in a pipeline. The arithmetic is in float64.

    Parameters
    ----------
    latent : int
        Number of latent dimensions, the features of :meth:`transform`.
    objective, inference : str
        Objectives of the decoder and of the encoder; see :class:`vsmnp.Settings`.
    hidden : tuple of int
        Hidden widths of the encoder; the decoder has them in reverse order.
    activation : str
        Activation of the hidden layers.
    samples : int
        Posterior samples per datum in training.
    gamma : str or float
        Likelihood variance: ``"learn"``, ``"optimal"`` or a number.
    steps : int
        Number of decoder updates.
    batch_size : int
        Size of a minibatch; 0: 200, or all samples if there are fewer.
    lr : float
        Step size of both networks.
    draws : int
        Draws S from the posterior for :meth:`score_samples`.
    random_state : int, RandomState or None
        Seed of the parameters and of all noise.
    kernels : str
        Kernel set: ``"auto"``, ``"cpu"``, ``"reference"``, or one of a GPU.
    settings : mapping, optional
        Further fields of :class:`vsmnp.Settings`; they override the parameters above.

    Attributes
    ----------
    vae_ : TrainedVAE
        The trained model.
    history_ : History
        Losses over the steps.
    n_iter_ : int
        Number of steps made, fewer than ``steps`` after an interrupt.
    n_features_in_ : int
        Number D of features.
    feature_names_in_ : Array
        ``(D,)``, their names, if the training data had any.

    Raises
    ------
    LibraryError
        On import, if scikit-learn is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> import vsmnp
    >>> x = np.random.default_rng(0).normal(size=(100, 3))
    >>> vae = vsmnp.VAE(latent=2, steps=50).fit(x)
    >>> vae.transform(x).shape, vae.sample(4).shape
    ((100, 2), (4, 3))
    """

    def __init__(
        self, latent: int = 2, *, objective: str = "m1", inference: str = "kl",
        hidden: tuple[int, ...] = (30, 30), activation: str = "relu", samples: int = 5,
        gamma: str | float = "learn", steps: int = 2000, batch_size: int = 0, lr: float = 1e-3,
        draws: int = 500, random_state: Any = 0, kernels: str = "auto",
        settings: Mapping[str, Any] | None = None,
    ) -> None:  # fmt: skip
        self.latent = latent
        self.objective = objective
        self.inference = inference
        self.hidden = hidden
        self.activation = activation
        self.samples = samples
        self.gamma = gamma
        self.steps = steps
        self.batch_size = batch_size
        self.lr = lr
        self.draws = draws
        self.random_state = random_state
        self.kernels = kernels
        self.settings = settings

    def fit(self, X: Any, y: Any = None) -> VAE:
        """Train on the samples ``X (N, D)``; ``y`` is ignored.

        Raises
        ------
        ValueError
            If ``X`` is no table of finite numbers with two rows or more.
        VsmnpError
            If a parameter is invalid, or the loss diverges.
        """
        x = np.array(validate_data(self, X, dtype=np.float64, ensure_min_samples=2))
        names = tuple(map(str, getattr(self, "feature_names_in_", ())))
        data = FixedDataset(
            "array", x.shape[1:], x, x, "Given to vsmnp.VAE.", path=FROM_PYTHON, columns=names
        )
        run = train(data, progress=False, **{**self._settings(), **(self.settings or {})})
        self.vae_, self.history_, self.n_iter_ = run.vae, run.history, run.step
        self._n_features_out = self.vae_.model.d_z
        return self

    def _settings(self) -> dict[str, Any]:
        """Return the settings of the training."""
        seed = self.random_state
        if not isinstance(seed, int | np.integer):
            seed = check_random_state(seed).randint(2**31 - 1)
        shared = ("latent", "objective", "hidden", "activation", "samples", "gamma", "steps", "batch_size")
        values = {name: getattr(self, name) for name in (*shared, "lr", "kernels")}
        row, unchanged = row_of(OBJECTIVES, self.objective), self.inference == Settings.inference
        joint = {} if row and row.joint and unchanged else {"inference": self.inference}
        return {
            **values,
            **joint,
            "encoder_lr": self.lr,
            "seeds": (int(seed),),
            "sd_init": 1.0,
            "dtype": "float64",
        }

    def transform(self, X: Any) -> Array:
        """Return the posterior means of the codes of ``X (N, D)``, ``(N, latent)``."""
        codes: Array = self.vae_.encode(self._checked(X))[0][0]
        return codes

    def inverse_transform(self, X: Any) -> Array:
        """Return the decoder's means of the codes ``X (N, latent)``, ``(N, D)``."""
        check_is_fitted(self)
        means: Array = self.vae_.decode(check_array(X, dtype=np.float64))[0]
        return means

    def score_samples(self, X: Any) -> Array:
        r"""Estimate ``log p(x)`` of the samples ``X (N, D)`` in nats, ``(N,)``, by importance sampling.

        .. math:: \log\frac1S \sum_s \frac{p(x \mid z_s)\, p(z_s)}{q(z_s \mid x)},
            \qquad z_s = \mu + s\epsilon_s,

        where all samples share the S draws :math:`\epsilon_s`, so that a value does not depend on the others.
        Its expectation is at most ``log p(x)``.
        """
        x = self._checked(X)
        if self.draws < 1:
            raise ValueError(f"draws must be at least 1, not {self.draws}.")
        model = self.vae_.model
        eps = np.random.default_rng(0).standard_normal((self.draws, 1, model.d_z))
        rows = max(1, _BLOCK // (self.draws * max(model.d_x, *np.atleast_1d(self.hidden))))
        blocks = [self._log_density(x[i : i + rows], eps) for i in range(0, len(x), rows)]
        return np.concatenate(blocks)

    def _log_density(self, x: Array, eps: Array) -> Array:
        """Estimate ``log p(x)`` with the draws ``eps (S, 1, Z)``, ``(N,)``."""
        preprocessing, vae = self.vae_.preprocessing, replace(self.vae_, preprocessing=NONE)
        x = preprocessing.to_model(x)
        mean, sd = (part[0] for part in vae.encode(x))
        gamma = float(vae.gamma[0])
        z = mean + sd * eps
        g = vae.decode(z.reshape(-1, z.shape[-1]))[0].reshape(*z.shape[:2], -1)
        given_z = -((x - g) ** 2).sum(-1) / (2 * gamma) - x.shape[1] / 2 * np.log(2 * np.pi * gamma)
        ratio = (eps**2 - z**2).sum(-1) / 2 + np.log(sd).sum(-1)
        found: Array = np.logaddexp.reduce(given_z + ratio, axis=0) - np.log(len(eps))
        return found + preprocessing.log_abs_det

    def score(self, X: Any, y: Any = None) -> float:
        """Return the mean of :meth:`score_samples`, in nats; ``y`` is ignored."""
        return float(self.score_samples(X).mean())

    def sample(self, n_samples: int = 1, random_state: int = 0) -> Array:
        """Draw from p(x), ``(n_samples, D)``; another ``random_state`` gives other draws."""
        check_is_fitted(self)
        draws: Array = self.vae_.sample(n_samples, random_state)[0]
        return draws

    def _checked(self, X: Any) -> Array:
        check_is_fitted(self)
        found: Array = validate_data(self, X, dtype=np.float64, reset=False)
        return found

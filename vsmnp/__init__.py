"""Train variational autoencoders by hand-derived gradients, without automatic differentiation.

``vsmnp.train`` trains on data and returns a run, ``vsmnp.evaluate`` measures it, ``vsmnp.load_data`` loads
data, ``vsmnp.load_run`` reads a run from the disk, ``vsmnp.resume`` goes on with its training, and
``vsmnp.VAE`` is an estimator of scikit-learn.

Examples
--------
>>> import numpy as np
>>> import vsmnp
>>> x = np.random.default_rng(0).normal(size=(500, 3))
>>> run = vsmnp.train(x, objective="m1", latent=2, hidden=(8,), steps=100)
>>> mean, sd = run.vae.encode(x)
>>> mean.shape
(1, 500, 2)
>>> sorted(vsmnp.evaluate(run, prior_draws=100))[:3]
['ess', 'gamma', 'iwae']
"""

from importlib import import_module
from typing import TYPE_CHECKING

from .version import VERSION

__version__ = VERSION

if TYPE_CHECKING:
    from .api import resume, train
    from .data import load_data
    from .estimator import VAE as VAE
    from .evaluation.evaluate import evaluate
    from .model.vae import GaussianVAE
    from .runs.session import load_run
    from .settings.settings import Settings
    from .sweeps.sweep import sweep

_MODULES = {
    "GaussianVAE": "model.vae",
    "Settings": "settings.settings",
    "VAE": "estimator",
    "evaluate": "evaluation.evaluate",
    "load_data": "data",
    "load_run": "runs.session",
    "resume": "api",
    "sweep": "sweeps.sweep",
    "train": "api",
}

__all__ = [
    "GaussianVAE",
    "Settings",
    "__version__",
    "evaluate",
    "load_data",
    "load_run",
    "resume",
    "sweep",
    "train",
]


def __getattr__(name: str) -> object:
    """Import a public name on first access, so that ``import vsmnp`` loads few modules."""
    if name in _MODULES:
        return getattr(import_module(f".{_MODULES[name]}", __name__), name)
    raise AttributeError(f"module 'vsmnp' has no attribute '{name}'")


def __dir__() -> list[str]:
    """List the public names, and the packages that are imported."""
    from importlib.util import find_spec

    lacking = {"VAE"} if find_spec("sklearn") is None else set()  # what cannot be imported is not shown
    return sorted({*__all__, "VAE", *(name for name in globals() if name.startswith("__"))} - lacking)

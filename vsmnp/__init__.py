"""vsmnp: an autograd-free analytic engine for variational score matching in VAEs."""

from importlib import import_module
from typing import TYPE_CHECKING

from .version import VERSION

__version__ = VERSION

if TYPE_CHECKING:
    from .api import train
    from .data import load_data
    from .evaluation.evaluate import evaluate
    from .model.vae import GaussianVAE
    from .runs.session import load_run
    from .settings.settings import Settings

_HOMES = {
    "GaussianVAE": "model.vae",
    "Settings": "settings.settings",
    "evaluate": "evaluation.evaluate",
    "load_data": "data",
    "load_run": "runs.session",
    "train": "api",
}

__all__ = ["GaussianVAE", "Settings", "__version__", "evaluate", "load_data", "load_run", "train"]


def __getattr__(name: str) -> object:
    """Import a public name on first access, so that ``import vsmnp`` loads few modules."""
    if name in _HOMES:
        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module 'vsmnp' has no attribute '{name}'")

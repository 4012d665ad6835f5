"""An image classifier trained by this engine, whose last hidden layer gives features for FID and KID."""

from .store import SUFFIX, Classifier, check_name, load, save, shipped
from .training import train_classifier

__all__ = ["SUFFIX", "Classifier", "check_name", "load", "save", "shipped", "train_classifier"]

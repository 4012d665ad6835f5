"""A small classifier of images, trained by this engine: its last hidden layer is what FID and KID compare."""

from .store import SUFFIX, Classifier, check_name, load, save, shipped
from .training import train_classifier

__all__ = ["SUFFIX", "Classifier", "check_name", "load", "save", "shipped", "train_classifier"]

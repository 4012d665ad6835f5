"""Datasets: five synthetic ones, two of images, and the user's own files."""

from .catalogue import NAMES, describe, load_data
from .dataset import Bounds, Dataset

__all__ = ["NAMES", "Bounds", "Dataset", "describe", "load_data"]

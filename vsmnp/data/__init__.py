"""Datasets: synthetic points, images, and the user's files and folders."""

from .catalogue import NAMES, SYNTHETIC, describe, load_data
from .dataset import Bounds, Dataset

__all__ = ["NAMES", "SYNTHETIC", "Bounds", "Dataset", "describe", "load_data"]

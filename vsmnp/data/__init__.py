"""Datasets: five synthetic ones, three of images, and the user's files and folders."""

from .catalogue import NAMES, describe, load_data
from .dataset import Bounds, Dataset

__all__ = ["NAMES", "Bounds", "Dataset", "describe", "load_data"]

"""Kernel sets: the same arithmetic on different machines, loaded by name."""

from .registry import NAMES, ON_GPU, ON_HOST, choose, device_of, gpu_obstacle, load, stand_in

__all__ = ["NAMES", "ON_GPU", "ON_HOST", "choose", "device_of", "gpu_obstacle", "load", "stand_in"]

"""Kernel sets: the same arithmetic on different machines, loaded by name."""

from .registry import NAMES, choose, gpu_obstacle, load

__all__ = ["NAMES", "choose", "gpu_obstacle", "load"]

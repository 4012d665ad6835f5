"""Kernel sets: the same arithmetic on different machines, loaded by name."""

from .registry import NAMES, load

__all__ = ["NAMES", "load"]

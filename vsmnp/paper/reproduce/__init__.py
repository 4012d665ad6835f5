"""Reproduce the paper's figures; one call computes, draws and tabulates each."""

from .catalogue import NAMES, OPTIONS, load
from .reproduction import Result, Table

__all__ = ["NAMES", "OPTIONS", "Result", "Table", "load"]

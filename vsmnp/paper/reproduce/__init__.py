"""Reproduce the paper's figures; one call computes, draws and tabulates each."""

from .catalogue import NAMES, load
from .reproduction import Result, Table

__all__ = ["NAMES", "Result", "Table", "load"]

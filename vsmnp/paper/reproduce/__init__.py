"""The paper's figures, each by one call that computes, draws and tabulates it."""

from .catalogue import NAMES, load
from .reproduction import Result, Table

__all__ = ["NAMES", "Result", "Table", "load"]

"""The command line, which parses options, calls the library and prints results."""

from .main import main

__all__ = ["main"]

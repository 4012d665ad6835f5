"""Folders of picture files as datasets: decode, cache, hold out a test set."""

"""Folders of picture files as data sets: decode, cache, hold out a test set."""

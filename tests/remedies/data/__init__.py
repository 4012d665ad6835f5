"""Situations of the readers of data."""

"""Situations that a reader of data refuses, each with its remedy followed to the end."""

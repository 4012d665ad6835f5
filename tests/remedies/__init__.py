"""Situations that the package refuses or remarks on, each with its remedy followed to the end."""

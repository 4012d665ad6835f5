"""Limits of the machine: its arithmetic, its products, and its copies."""

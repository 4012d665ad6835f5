"""Reproduce Figure 1: which parameter joint divergences recover when the posterior is too narrow."""

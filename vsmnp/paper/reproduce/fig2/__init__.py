"""Reproduce Figure 2: inference by KL and by the Fisher divergence on posteriors with several modes."""

"""The Gaussian VAE: posterior, likelihood, prior, networks, and the layout of its parameters."""

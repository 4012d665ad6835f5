"""The usual numbers of draws and samples of a measurement, each stated once."""

from __future__ import annotations

#: Draws from the prior for log p(x) and its gradient, as in the paper.
PRIOR_DRAWS = 100_000
#: Posterior samples per datum for the importance-weighted bound.
IWAE_SAMPLES = 100
#: Posterior samples per datum for every other expectation under q(z|x).
POSTERIOR_SAMPLES = 5

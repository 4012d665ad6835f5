"""Algorithm 1 of the paper: J encoder updates and one decoder update per step, for R models."""

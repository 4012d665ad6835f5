"""Algorithm 1 of the paper: J encoder updates and one decoder update a step, for R models."""

"""vsmnp: an autograd-free analytic engine for variational score matching in VAEs."""

__version__ = "0.1.0"

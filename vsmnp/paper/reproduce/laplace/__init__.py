"""Reproduce Appendix A.5.3: a Laplace q, whose unparametrised gradient is zero in the location."""

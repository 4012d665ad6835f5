"""Appendix A.5.3: a Laplace q, whose location the gradient without reparametrisation does not see."""

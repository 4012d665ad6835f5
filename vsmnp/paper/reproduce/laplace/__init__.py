"""Appendix A.5.3: a Laplace q, whose gradient without reparametrisation is zero in the location."""

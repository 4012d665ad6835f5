"""Models that the statements are checked on, each small enough for the other side to be known.

``toy`` is a nonlinear model for quadrature, written out by hand. ``engine`` is a small VAE on the engine's
own code, ``expected`` its objectives without sampling noise, ``layer`` a single layer of it. ``moments`` has
what every objective for theta is made of, for both.

In the linear models the other side is a formula: ``linear_joint`` has the joint divergences,
``linear_posterior`` those of any q from the posterior, ``linear_engine`` the same model in the engine, and
``two_gaussians`` the line of Appendix A.5.1. ``minimum`` finds minima to nearly all digits.
"""

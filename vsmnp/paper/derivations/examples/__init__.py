"""Models on which the statements are checked, each small enough for an independent computation.

``toy`` is a nonlinear model for quadrature, written out by hand. ``engine`` is a small VAE on the engine's
own code, ``expected`` its objectives without sampling noise, ``layer`` a single layer of it. ``moments``
computes, for both, the moments that every objective for theta consists of; ``reconstruction_checks`` has the
checks of M1, M2 and M3 by them. ``target`` is a density of one latent for an arbitrary q. ``unrolled`` is an
example's bi-level updates as a map of theta.

In the linear models the independent result is a formula: ``linear_joint`` has the joint divergences,
``linear_posterior`` those of any q from the posterior, ``linear_engine`` the same model in the engine,
``linear_modes`` the fixed points of its objectives and their losses in symbols, and ``two_gaussians`` the
univariate Gaussians of Appendix A.5.1. ``minimum`` finds minima to nearly all digits.
"""

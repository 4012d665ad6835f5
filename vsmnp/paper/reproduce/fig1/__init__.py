"""Figure 1: the parameter that joint divergences recover when the posterior is too narrow."""

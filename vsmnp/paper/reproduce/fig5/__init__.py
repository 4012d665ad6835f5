"""Reproduce Figure 5: mixtures of Gaussians fitted by the Fisher gradient without reparametrisation."""

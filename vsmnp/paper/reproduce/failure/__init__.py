"""Find out which objectives fail, and whether by their definition, inference or optimisation."""

"""The paper's equations as executable statements, and the code that reproduces its figures and tables."""

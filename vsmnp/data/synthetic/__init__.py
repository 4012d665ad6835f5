"""Two-dimensional data sets that are drawn anew for each epoch, with their exact densities."""

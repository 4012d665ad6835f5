"""Two-dimensional datasets that are drawn anew for each epoch, with their exact densities."""

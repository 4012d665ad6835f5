"""Draw the panels of the figures about images, one kind of panel a file."""

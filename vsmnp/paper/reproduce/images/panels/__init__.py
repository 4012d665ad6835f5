"""Panels of the figures about images, one kind a file, and the style that they share."""

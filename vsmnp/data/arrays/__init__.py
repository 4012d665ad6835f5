"""The user's own arrays as data sets: file formats, requirements, a held-out test set."""

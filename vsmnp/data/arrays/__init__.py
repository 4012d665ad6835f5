"""The user's arrays as datasets: file formats, requirements, a held-out test set."""

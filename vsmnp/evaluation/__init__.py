"""Evaluation of a trained run: metrics on its test set, and the quality of its samples."""

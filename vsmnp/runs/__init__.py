"""Runs on disk: start, save, resume, load, and use of a trained model."""

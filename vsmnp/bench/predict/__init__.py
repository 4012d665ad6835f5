"""Predict the speed of the fused step on an absent GPU, from machine code and a model."""

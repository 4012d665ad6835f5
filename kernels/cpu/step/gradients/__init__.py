"""Stages of the fused step that compute the gradients of each loss on a tile."""

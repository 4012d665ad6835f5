"""The softmax cross-entropy and its hand-derived gradient."""

from __future__ import annotations

import numpy as np

from ...types import Array


def cross_entropy(y: Array, labels: Array) -> tuple[Array, Array]:
    r"""Compute the mean of :math:`\log \sum_c e^{y_c} - y_{label}` over the batch, and its gradient.

    .. math:: \partial / \partial y_c = (\mathrm{softmax}(y)_c - [c = label]) / N .

    Parameters
    ----------
    y : Array
        Scores ``(R, 1, N, C)``.
    labels : Array
        ``(N,)``, integers below C.

    Returns
    -------
    loss : Array
        ``(R,)``, nats.
    gy : Array
        ``(R, 1, N, C)``.
    """
    shifted = y - y.max(-1, keepdims=True)
    weights = np.exp(shifted)
    total = weights.sum(-1, keepdims=True)
    right = labels[:, None] == np.arange(y.shape[-1])
    losses = np.log(total)[..., 0] - (shifted * right).sum(-1)
    return losses.mean((1, 2)), (weights / total - right).astype(y.dtype) / len(labels)

"""Train the classifier: Adam on the cross-entropy, a fixed seed, weights rounded to 16 bits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ...data import Dataset
from ...data.batches import batches_per_epoch
from ...errors import DataError
from ...model.initial import uniform
from ...model.layout import Layout
from ...rng import Key, Stream
from ...training.optimizers import Adam
from ...types import Array, Kernels
from .cross_entropy import cross_entropy
from .lenet import fitted, lenet5
from .store import Classifier

#: Training settings; the seed is a choice of the caller.
BATCH_SIZE = 100
LEARNING_RATE = 1e-3
EPOCHS = 5
#: Largest number of classes that is accepted.
_MOST_CLASSES = 1000


def train_classifier(
    k: Kernels, dataset: Dataset, seed: int = 0, epochs: int = EPOCHS,
    progress: Callable[[int, int, float], None] | None = None,
) -> Classifier:  # fmt: skip
    """Train a LeNet-5 on the labels of a dataset.

    The result is a function of the data, the seed, the epochs and the kernel set, bit for bit on one machine.

    Parameters
    ----------
    dataset : Dataset
        Images of at most 32 x 32 pixels with labels.
    seed : int
        Seed of the initial weights and of the order of the data.
    epochs : int
        Passes over the training data; the learning rate decreases linearly to zero over them.
    progress : callable, optional
        Called with the number of steps done, their total and the last minibatch's loss in nats.

    Raises
    ------
    DataError
        If the data have no labels, or are not images that the network accepts.
    """
    labels = _classes(dataset)
    classes, channels = int(labels.max()) + 1, (dataset.image or (0,))[0] or 1
    fitted(np.zeros((0, dataset.dim)), dataset.image, channels)
    net = lenet5(channels, classes)
    layout = Layout(net.shapes)
    vector = k.asarray(uniform(layout, Key((seed,), Stream.PARAMETERS), False), np.float32)
    gradient, optimizer = k.zeros(vector.shape, vector.dtype), Adam()
    memory, active = optimizer.remember(k, vector), k.asarray(np.ones(1, bool))
    size = min(BATCH_SIZE, dataset.n_train)
    per_epoch = batches_per_epoch(dataset.n_train, size)
    total = epochs * per_epoch
    for epoch in range(epochs):
        rows, truth = dataset.stream(seed, epoch, np.float32), dataset.epoch_labels(seed, epoch)
        assert truth is not None
        for batch in range(per_epoch):
            place = slice(batch * size, (batch + 1) * size)
            x = k.asarray(fitted(rows[place], dataset.image, channels)[None, None])
            p = layout.views(vector)
            y, cache = net.forward(k, p, x)
            loss, gy = cross_entropy(y, k.asarray(truth[place]))
            gradient[:] = 0
            net.vjp(k, p, cache, gy, layout.views(gradient), want_x=False)
            step = epoch * per_epoch + batch
            lr = k.asarray(np.full(1, LEARNING_RATE * (1 - step / total), np.float32))
            optimizer.update(k, vector, gradient, memory, lr, active)
            if progress is not None:
                progress(step + 1, total, float(k.to_host(loss)[0]))
    rounded = k.to_host(vector).astype(np.float16).astype(np.float32)
    untested = Classifier(dataset.name, channels, classes, seed, epochs, 0.0, rounded)
    truth = dataset.test_labels()
    assert truth is not None
    scores = untested.scores(k, dataset.test(0, np.float32), dataset.image)
    return replace(untested, accuracy=float((scores.argmax(1) == truth).mean()))


def _classes(dataset: Dataset) -> Array:
    """Return the labels of the training data.

    Raises
    ------
    DataError
        If there are no labels, or they are not classes counted from 0.
    """
    labels = dataset.epoch_labels(0, 0)
    if labels is None:
        raise DataError(f"{dataset.name} has no labels to train a classifier on: use mnist or fashion.")
    if labels.min() < 0 or not 0 < labels.max() < _MOST_CLASSES:
        raise DataError(
            f"The labels of {dataset.name} lie between {labels.min()} and {labels.max()}: count at least two "
            f"classes from 0, {_MOST_CLASSES} at most."
        )
    return labels

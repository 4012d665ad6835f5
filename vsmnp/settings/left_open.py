"""The values of settings that are left open, where they depend on the data."""

from __future__ import annotations

#: Number of decoder updates of a run whose length is not chosen.
STEPS = 5_000
#: Most passes of such a run over its training data: longer runs on few data fit the noise in them.
MOST_EPOCHS = 1000
#: Minibatch size N, if the training data are not fewer.
BATCH_SIZE = 200
#: Initial ``sqrt(gamma)`` for data in units of their own.
SD_INIT = 0.05
#: The same with plain gradient steps of the decoder, which grow with powers of ``1/gamma``.
PLAIN_SD_INIT = 0.1
#: Initial ``sqrt(gamma)`` for standardised data, whose columns have this standard deviation.
STANDARDISED_SD_INIT = 1.0

"""Build the records of the arrays that the updates of a step read and write."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from vsmnp.types.arrays import Array
from vsmnp.types.step_spec import InferenceSpec, LearningSpec, StepSpec

from .losses import LEARNING
from .records import BilevelArrays, ModelArrays, ModelStatus, OptimizerArrays


def model_arrays(
    spec: StepSpec, phi: Array, theta: Array, *others: Array
) -> tuple[Sequence[ModelArrays], ...]:
    """Return the records of the encoder's, the decoder's, the bi-level updates and of their derivatives.

    Parameters
    ----------
    phi, theta : Array
        ``(R, P)``, parameters of the networks.
    others : Array
        The moments, counters and step sizes of the encoder's and of the decoder's optimiser, the five arrays
        of the models' status, the seeds, and the step sizes of the bi-level updates.

    Returns
    -------
    tuple of sequence of ModelArrays
        In the order of :class:`~vsmnp.kernels.cpu.step.plan.Updates`; one record for each bi-level update.
    """
    encoder, decoder = OptimizerArrays(*others[:4]), OptimizerArrays(*others[4:8])
    status, seeds, lr, models = ModelStatus(*others[8:13]), others[13], others[14], len(phi)
    steps = spec.bilevel.steps if spec.bilevel else 0

    def zeros(columns: int) -> Array:
        return np.zeros((models, columns), phi.dtype)

    def terms(loss: InferenceSpec | LearningSpec) -> Array:
        return np.zeros((len(loss.terms), models))

    phis = [phi, *(zeros(phi.shape[1]) for _ in range(steps))]
    gradients = (zeros(theta.shape[1]), zeros(phi.shape[1])) if steps else (zeros(0), zeros(0))
    chosen, learned, nothing = np.zeros((models, 3)), terms(spec.learning), np.zeros((0, models))

    def of_bilevel(after: Array, last: Array, is_first: bool = False) -> BilevelArrays:
        return BilevelArrays(lr, after, phi, last, *gradients, chosen, learned, int(is_first))

    empty = zeros(0)
    none = BilevelArrays(lr, empty, empty, empty, empty, empty, np.zeros((models, 3)), nothing, 0)
    last = of_bilevel(zeros(0), phis[-1]) if steps else none

    def own(at: Array, optimizer: OptimizerArrays, bilevel: BilevelArrays) -> ModelArrays:
        numbers = np.zeros((models, 3)), nothing, bilevel, np.zeros((models, 0))
        return ModelArrays(at, theta, optimizer, status, seeds, *numbers)

    means = np.zeros((models, LEARNING[spec.learning.loss].means(spec)))

    return (
        [own(phi, encoder, none)._replace(terms=terms(spec.inference))],
        [own(phis[-1], decoder, last)._replace(chosen=chosen, terms=learned, means=means)],
        [own(at, encoder, of_bilevel(after, phis[-1])) for at, after in pairwise(phis)],
        [own(at, decoder, of_bilevel(zeros(0), phis[-1], at is phi)) for at in phis[:-1]],
    )

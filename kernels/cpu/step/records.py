"""Define the records that the compiled loops of the fused step read and fill."""

from __future__ import annotations

from typing import NamedTuple

from vsmnp.types.arrays import Array

#: The losses.
KL, FISHER, JOINT, ELBO, SCORE_MATCHING = range(5)
#: A term of a loss, or a part of its slope in l that no term shows, as a row of a table: it is ``factor``
#: times gamma^-power times a sum over the batch (1 where that is -1), plus ``per_l l`` and a constant.
WHICH, FACTOR, POWER, PER_L, CONSTANT = range(5)
#: What becomes of gamma.
FIXED, LEARNED, OPTIMAL = range(3)
#: The turns of an update: what an optimal gamma is read from, and the gradient.
CHOOSING, TRAINING = range(2)
#: Columns of ``ModelArrays.chosen``: l of an update, and whether an optimal gamma was kept or floored.
L, KEPT, FLOORED = range(3)


class OptimizerArrays(NamedTuple):
    """Arrays of the optimiser of the trained network.

    Attributes
    ----------
    m, v : Array
        ``(R, P)``; ``(R, 0)`` for plain gradient descent.
    t, lr : Array
        ``(R,)``, counters of updates and step sizes.
    """

    m: Array
    v: Array
    t: Array
    lr: Array


class ModelStatus(NamedTuple):
    """Flags and counters of each model, ``(R,)``: diverged or not, why, when, and how gamma was chosen."""

    alive: Array
    cause: Array
    died_at: Array
    gamma_kept: Array
    gamma_floored: Array


class Plan(NamedTuple):
    """Constants of an update: its loss, its stages, its optimiser.

    Attributes
    ----------
    kind, share : int
        The loss, and the stage that computes a tile's share of its gradient.
    tiles : int
        Of a part.
    learns : int
        Whether theta is trained, else phi.
    weight : float
        A factor on the loss.
    follows, by_probe : int
        Whether z follows phi; whether the score's norm comes from a probe.
    forms : Array
        ``(2, 4)``, a turn's quadratic form ``(c_each, c_mean, d_each, d_mean)``.
    terms : Array
        ``(terms, 5)``, rows as above.
    gamma, gamma_floor : int, float
        Its rule, and the least optimal one.
    log_sd : int
        Where l lies in theta.
    first_cause, left_out : int
        The index of the first term among the causes of divergence, and a term without one (-1: all have one).
    stream, probe : int
        Of the noise.
    beta1, beta2, eps : float
        Of Adam; plain gradient descent has none.
    """

    kind: int
    share: int
    tiles: int
    learns: int
    weight: float
    follows: int
    by_probe: int
    forms: Array
    terms: Array
    gamma: int
    gamma_floor: float
    log_sd: int
    first_cause: int
    left_out: int
    stream: int
    probe: int
    beta1: float
    beta2: float
    eps: float


class ModelArrays(NamedTuple):
    """Arrays of the models that an update reads and writes, the same in every step.

    Attributes
    ----------
    phi, theta : Array
        ``(R, P)``, both networks.
    optimizer : OptimizerArrays
        Of the trained one.
    status : ModelStatus
        Of the models.
    seeds : Array
        ``(R,)``.
    chosen : Array
        ``(R, 3)``, in double precision.
    terms : Array
        ``(terms, R)``, in double precision.
    """

    phi: Array
    theta: Array
    optimizer: OptimizerArrays
    status: ModelStatus
    seeds: Array
    chosen: Array
    terms: Array


class StepInputs(NamedTuple):
    """Inputs of an update in one step: the minibatch ``x (N, D)``, the counter of its noise, the step."""

    x: Array
    noise: int
    step: int


class Accumulators(NamedTuple):
    """Accumulators of an update: ``parts, plain (parts, P)``, ``g (P,)``, ``sums (parts, 4)``.

    ``plain`` is what the joint Fisher divergence multiplies by tau at the end; for others it is empty.
    """

    parts: Array
    plain: Array
    g: Array
    sums: Array


class Noise(NamedTuple):
    """Key of the noise of an update: seed, stream and step."""

    seed: int
    stream: int
    step: int

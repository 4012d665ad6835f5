"""The records that the compiled loops of the fused step read and write."""

from __future__ import annotations

from typing import NamedTuple

from vsmnp.types.arrays import Array
from vsmnp.types.step_spec import GAMMA_CODES, LOSS_CODES, StepLoss

#: Columns of the table of terms. A row is a term of a loss, or a part of the slope in l that is no term's
#: derivative: ``factor`` times gamma^-power times the sum of index WHICH over the batch (1 if the index
#: is -1), plus ``per_l l`` and a constant.
WHICH, FACTOR, POWER, PER_L, CONSTANT = range(5)
#: Codes that compiled code compares with: of a loss, and of rules for gamma.
ELBO, JOINT = LOSS_CODES[StepLoss.ELBO], LOSS_CODES[StepLoss.JOINT]
LEARNED, OPTIMAL = GAMMA_CODES["learn"], GAMMA_CODES["optimal"]
#: The passes of an update: CHOOSING computes the sums of an optimal gamma and means over the batch, TRAINING
#: the gradient.
CHOOSING, TRAINING = range(2)
#: Number of sums of every loss, which those of g - x follow in a loss of means over the batch.
SUMS = 4
#: Columns of ``ModelArrays.chosen``: l of an update, and whether an optimal gamma was kept or floored.
L, KEPT, FLOORED = range(3)


class OptimizerArrays(NamedTuple):
    """The arrays of the optimiser of the trained network.

    Attributes
    ----------
    m, v : Array
        ``(R, P)``; ``(R, 0)`` for plain gradient descent.
    t, lr : Array
        ``(R,)``, counters of updates and learning rates.
    """

    m: Array
    v: Array
    t: Array
    lr: Array


class ModelStatus(NamedTuple):
    """Status of each model, ``(R,)``: whether, why and when it diverged, and how gamma was chosen."""

    active: Array
    cause: Array
    diverged_at: Array
    gamma_kept: Array
    gamma_floored: Array


class UpdatePlan(NamedTuple):
    """The constants of an update: its loss, stages, gamma rule and optimiser.

    Attributes
    ----------
    share, finish : int
        The places of the stages that compute a tile's share of the gradient, and that finish a pass.
    kind : int
        The code of the loss.
    tiles : int
        Number of tiles of a part.
    trains_theta : int
        Whether theta is trained; otherwise phi is.
    weight : float
        Weight of the loss.
    follows, by_probe, covariance : int
        Whether z follows phi; whether the norm of the score is estimated with a random probe; whether the
        Fisher divergence is weighted by the covariance of q.
    wants_phi, has_prior : int
        Whether a learning loss has its gradient in phi computed, and whether ``KL[q || p]`` is in it.
    kl_weight, kl_warmup : float
        The weight of ``KL[q || p]``, and the number of updates in which it grows; 0: none.
    weighting : int
        Index of the term ``(weight - 1) KL``, which follows that of KL; -1: none.
    forms : Array
        ``(2, 4)``, the quadratic form ``(c_each, c_mean, d_each, d_mean)`` of each pass.
    terms : Array
        ``(terms, 5)``, with the columns ``WHICH .. CONSTANT``.
    gamma, gamma_floor : int, float
        The rule for gamma, and the lower bound of an optimal gamma.
    first_pass : int
        Whether there is a first pass over the batch, which chooses gamma or computes means over the batch.
    keeps_phi : int
        Whether the encoder goes on from the phi after the last bi-level update.
    log_sd : int
        Index of l in theta.
    first_cause, left_out : int
        The index of the first term among the causes of divergence, and the term that is no cause (-1: none).
    stream, probe : int
        Streams of the samples' noise and of the probe.
    beta1, beta2, eps : float
        Constants of Adam; plain gradient descent uses none.
    """

    share: int
    finish: int
    kind: int
    tiles: int
    trains_theta: int
    weight: float
    follows: int
    by_probe: int
    covariance: int
    wants_phi: int
    has_prior: int
    kl_weight: float
    kl_warmup: float
    weighting: int
    forms: Array
    terms: Array
    gamma: int
    gamma_floor: float
    first_pass: int
    keeps_phi: int
    log_sd: int
    first_cause: int
    left_out: int
    stream: int
    probe: int
    beta1: float
    beta2: float
    eps: float


class BilevelArrays(NamedTuple):
    """The arrays of bi-level updates, with no columns in a step without them.

    Attributes
    ----------
    lr : Array
        ``(R,)``, step sizes of the updates.
    after : Array
        ``(R, P_e)``, phi after the update.
    first, last : Array
        ``(R, P_e)``, phi before the first update, the encoder's own, and phi after the last one, at which the
        learning loss is evaluated.
    g_theta, adjoint : Array
        ``(R, P_d)`` and ``(R, P_e)``, the decoder's gradient and the gradient of the learning loss in phi, on
        the way back through the updates.
    chosen, terms : Array
        Those of the learning loss; see :class:`ModelArrays`.
    is_first : int
        Whether the update is the first, whose derivative completes the decoder's gradient: that of its
        gradient in phi is not needed.
    """

    lr: Array
    after: Array
    first: Array
    last: Array
    g_theta: Array
    adjoint: Array
    chosen: Array
    terms: Array
    is_first: int


class ModelArrays(NamedTuple):
    """The arrays of the models that an update reads and writes, the same in every step.

    Attributes
    ----------
    phi, theta : Array
        ``(R, P)``, parameters of the encoder and the decoder.
    optimizer : OptimizerArrays
        Of the trained network.
    status : ModelStatus
        Divergence and gamma of the models.
    seeds : Array
        ``(R,)``, seeds of the noise.
    chosen : Array
        ``(R, 3)``, columns ``L, KEPT, FLOORED``, in double precision.
    terms : Array
        ``(terms, R)``, the loss terms in double precision.
    bilevel : BilevelArrays
        Those of bi-level updates.
    means : Array
        ``(R, S D)``, the means of g - x over the batch for each sample, in double precision; no columns for a
        loss without them.
    """

    phi: Array
    theta: Array
    optimizer: OptimizerArrays
    status: ModelStatus
    seeds: Array
    chosen: Array
    terms: Array
    bilevel: BilevelArrays
    means: Array


class StepInputs(NamedTuple):
    """Inputs of an update in one step: the minibatch ``x (N, D)``, the counter of its noise, the step.

    If x is a part of a minibatch of ``total`` rows, ``first`` is its first row in there.
    """

    x: Array
    first: int
    total: int
    noise: int
    step: int


class Accumulators(NamedTuple):
    """The accumulators of an update: ``parts, others (parts, P)``, ``g (P,)``, ``sums (parts, .)``.

    ``others`` are the parts of a second gradient: that of the joint Fisher divergence which is multiplied by
    tau at the end, or that in phi of an update with two; without one it has no columns.
    """

    parts: Array
    others: Array
    g: Array
    sums: Array


class NoiseKey(NamedTuple):
    """The key of the noise of an update: seed, stream and step, and the rows that it is drawn for.

    ``first`` is the first of these rows in a minibatch of ``batch`` rows, which has one run of numbers for
    each sample.
    """

    seed: int
    stream: int
    step: int
    first: int
    batch: int

"""What the compiled loops of the fused step are given, and what they fill."""

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
#: What ``Given.chosen`` holds: l of an update, and whether an optimal gamma was kept as it was, or floored.
L, KEPT, FLOORED = range(3)


class Moves(NamedTuple):
    """What the optimiser of the trained network needs and remembers.

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


class Fate(NamedTuple):
    """Who is alive, what broke first and when, and what became of gamma, each ``(R,)``; see ``State``."""

    alive: Array
    cause: Array
    died_at: Array
    gamma_kept: Array
    gamma_floored: Array


class Plan(NamedTuple):
    """What an update does, the same in every step.

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
        The place of the first term among the causes of death, and a term that has none (-1: all have).
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


class Given(NamedTuple):
    """What an update works on, the same arrays in every step.

    Attributes
    ----------
    phi, theta : Array
        ``(R, P)``, both networks.
    moves : Moves
        Of the trained one.
    fate : Fate
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
    moves: Moves
    fate: Fate
    seeds: Array
    chosen: Array
    terms: Array


class Now(NamedTuple):
    """What an update works on in one step: the minibatch ``x (N, D)``, its place in the noise, the step."""

    x: Array
    noise: int
    step: int


class Room(NamedTuple):
    """What is gathered of an update: ``parts, plain (parts, P)``, ``g (P,)``, ``sums (parts, 4)``.

    ``plain`` is what the joint Fisher divergence multiplies by tau at the end; for others it is empty.
    """

    parts: Array
    plain: Array
    g: Array
    sums: Array


class Noise(NamedTuple):
    """Where in the randomness an update is."""

    seed: int
    stream: int
    step: int

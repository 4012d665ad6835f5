"""The two kinds of updates of the fused step: which loop does which loss, with what, in whose memory."""

from __future__ import annotations

from abc import ABC, abstractmethod
from concurrent.futures import Executor
from typing import Any

import numpy as np

from vsmnp.arrays import Array, QuadraticForm
from vsmnp.steps import STEP_TERMS, InferenceSpec, LearningSpec, StepSpec

from .cpu_finish import ELBO, FISHER, JOINT, KL, SCORE_MATCHING, finish, optimal
from .cpu_inference import fisher, kl
from .cpu_joint import joint_inference, joint_learning
from .cpu_learning import quadratic
from .cpu_parts import PARTS, Room, Source
from .cpu_tiles import WIDTH, Tile, blocks, tile
from .cpu_update import Fate, Side


def _signed(seed: int) -> int:
    """The same 64 bits as a signed number, which is what compiled code passes on."""
    return seed - 2**64 if seed >= 2**63 else seed


class Update(ABC):
    """One update of one network, for batches of one size.

    Parameters
    ----------
    spec : StepSpec
        Of the step.
    loss : InferenceSpec or LearningSpec
        What this update descends.
    size : int
        P of the network that it trains.
    batch : int
        N.
    """

    def __init__(
        self,
        spec: StepSpec,
        loss: InferenceSpec | LearningSpec,
        size: int,
        batch: int,
        bends: bool,
        plain: bool,
    ) -> None:
        self.spec, self.samples, self.batch = spec, loss.samples, batch
        dtype = np.dtype(spec.dtype)
        self.tiles: list[Tile] = [tile(spec, loss.samples, batch, bends) for _ in range(spec.threads)]
        count = blocks(batch, int(self.tiles[0].at[WIDTH]))
        self.tiles_a_part = blocks(count, PARTS)
        parts = blocks(count, self.tiles_a_part)
        self.rooms = [
            Room(
                np.zeros((parts, size), dtype),
                np.zeros((parts, size if plain else 0), dtype),
                np.zeros(size, dtype),
                np.zeros((parts, 4)),
            )
            for _ in range(spec.threads)
        ]

    @abstractmethod
    def parts(
        self, tile: Tile, given: tuple[Any, ...], low: int, high: int, room: Room, choosing: bool
    ) -> None:
        """Parts ``low .. high``; ``choosing``: only what an optimal gamma is read from."""

    @abstractmethod
    def one_model(
        self, thread: int, state: Any, phi: Side, theta: Side, x: Array, r: int, seed: int, step: int,
        fate: Fate, terms: Array, pool: Executor | None = None,
    ) -> None:  # fmt: skip
        """The whole update of model r; its parts are shared among the threads of a pool, if there is one."""

    def _gather(
        self, thread: int, given: tuple[Any, ...], pool: Executor | None, choosing: bool = False
    ) -> Room:
        """All parts into the room of the thread."""
        room = self.rooms[thread]
        parts = room.parts.shape[0]
        if pool is None:
            self.parts(self.tiles[thread], given, 0, parts, room, choosing)
            return room
        sharers = min(len(self.tiles), parts)
        cuts = [parts * i // sharers for i in range(sharers + 1)]
        jobs = [
            pool.submit(self.parts, self.tiles[i], given, cuts[i], cuts[i + 1], room, choosing)
            for i in range(sharers)
        ]
        for job in jobs:
            job.result()
        return room


class InferenceUpdate(Update):
    """An update of the encoder."""

    def __init__(self, spec: StepSpec, batch: int) -> None:
        loss = spec.inference
        bends = loss.loss == "joint" or (loss.loss == "fisher" and loss.follows)
        super().__init__(spec, loss, spec.encoder.size, batch, bends, False)
        self.loss = loss
        self.kind = {"kl": KL, "fisher": FISHER, "joint": JOINT}[loss.loss]

    def parts(
        self, tile: Tile, given: tuple[Any, ...], low: int, high: int, room: Room, choosing: bool
    ) -> None:
        phi, theta, x, source, l = given
        common = tile, phi, theta, x, source, l, self.tiles_a_part, low, high, room
        if self.kind == KL:
            kl(*common)
        elif self.kind == FISHER:
            fisher(*common, self.loss.weight, self.loss.follows)
        else:
            joint_inference(*common, self.loss.probe, self.loss.follows)

    def one_model(
        self, thread: int, state: Any, phi: Side, theta: Side, x: Array, r: int, seed: int, step: int,
        fate: Fate, terms: Array, pool: Executor | None = None,
    ) -> None:  # fmt: skip
        stream, _, probe = self.spec.streams
        l = float(theta.vector[r, self.spec.log_sd])
        given = phi.vector[r], theta.vector[r], x, Source(_signed(seed), stream, probe, step), l
        room = self._gather(thread, given, pool)
        finish(
            self.kind, room, self.batch, self.samples, x.shape[1], l, self.loss.weight, -1, phi, r, fate,
            0, -1, terms,
        )  # fmt: skip


def _numbers(form: QuadraticForm) -> Array:
    return np.array([form.c_each, form.c_mean, form.d_each, form.d_mean])


class LearningUpdate(Update):
    """An update of the decoder."""

    def __init__(self, spec: StepSpec, batch: int) -> None:
        loss = spec.learning
        joint = loss.loss == "joint"
        super().__init__(spec, loss, spec.decoder.size, batch, joint, joint)
        self.loss = loss
        self.kind = {"elbo": ELBO, "score-matching": SCORE_MATCHING, "joint": JOINT}[loss.loss]
        self.forms = _numbers(loss.form), _numbers(loss.form_for_gamma)
        self.first = len(STEP_TERMS[spec.inference.loss]) + 1
        self.left_out = 1 if self.kind == SCORE_MATCHING and not loss.form.crosses else -1

    def parts(
        self, tile: Tile, given: tuple[Any, ...], low: int, high: int, room: Room, choosing: bool
    ) -> None:
        phi, theta, x, source, l = given
        common = tile, phi, theta, x, source, l, self.tiles_a_part, low, high, room
        if self.kind == JOINT:
            joint_learning(*common, self.loss.probe)
        else:
            quadratic(*common, self.forms[choosing], self.kind == ELBO, not choosing)

    def one_model(
        self, thread: int, state: Any, phi: Side, theta: Side, x: Array, r: int, seed: int, step: int,
        fate: Fate, terms: Array, pool: Executor | None = None,
    ) -> None:  # fmt: skip
        _, stream, probe = self.spec.streams
        log_sd, d_x, gamma = self.spec.log_sd, x.shape[1], self.loss.gamma
        l = float(theta.vector[r, log_sd])
        both, source = (phi.vector[r], theta.vector[r], x), Source(_signed(seed), stream, probe, step)
        kept = floored = False
        if gamma == "optimal":
            room = self._gather(thread, (*both, source, l), pool, choosing=True)
            l, kept, floored = optimal(room, self.batch, d_x, l, self.kind == ELBO, self.loss.gamma_floor)
        room = self._gather(thread, (*both, source, l), pool)
        before = theta.vector[r, log_sd]
        if gamma == "optimal":
            theta.vector[r, log_sd] = l
        finish(
            self.kind, room, self.batch, self.samples, d_x, l, 1.0, log_sd if gamma == "learn" else -1,
            theta, r, fate, self.first, self.left_out, terms,
        )  # fmt: skip
        if gamma == "optimal":
            if fate.alive[r]:
                state.gamma_kept[r] += kept
                state.gamma_floored[r] += floored
            else:
                theta.vector[r, log_sd] = before

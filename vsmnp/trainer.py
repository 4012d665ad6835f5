"""Training: J encoder updates, then one decoder update (Algorithm 1 of the paper), for R models at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .build import build_inference, build_learning, build_model, gamma_rule
from .config import Settings
from .data import Dataset
from .data.batches import Batches
from .errors import ConfigError
from .initial import initial_parameters
from .model import GaussianVAE
from .objectives import Objective, Outcome
from .optim import Optimizer, optimizer
from .rng import Key, Stream
from .state import State
from .types import Array, Kernels


@dataclass(frozen=True)
class Info:
    """What one training step saw: the last encoder update's loss, and the decoder update's."""

    inference: Outcome
    learning: Outcome

    def report(self) -> dict[str, Array]:
        """Both losses and all their terms, each ``(R,)`` in nats."""
        values = {}
        for side, outcome in (("learning", self.learning), ("inference", self.inference)):
            values[f"{side}.loss"] = outcome.loss
            values |= {f"{side}.{name}": term for name, term in outcome.terms.items()}
        return values


@dataclass(frozen=True)
class Trainer:
    """Everything that does not change during a run."""

    k: Kernels
    settings: Settings
    model: GaussianVAE
    batches: Batches
    learning: Objective
    inference: Objective
    encoder_optimizer: Optimizer
    decoder_optimizer: Optimizer

    @classmethod
    def build(cls, k: Kernels, settings: Settings, dataset: Dataset) -> Trainer:
        """The trainer of these settings on this data.

        Raises
        ------
        ConfigError
            If the settings do not fit the data.
        """
        batches = Batches(
            dataset, settings.batch_size, settings.data_seed, settings.noise, np.dtype(settings.dtype)
        )
        return cls(
            k, settings, build_model(settings, dataset.dim), batches, build_learning(settings),
            build_inference(settings), optimizer(settings.encoder_optimizer), optimizer(settings.optimizer),
        )  # fmt: skip

    @property
    def batches_per_step(self) -> int:
        """Minibatches that one step consumes: J when the encoder sees fresh ones."""
        return self.settings.encoder_steps if self.settings.encoder_data == "fresh" else 1

    @property
    def total_steps(self) -> int:
        """Decoder updates of the whole run."""
        per_epoch = self.batches.per_epoch / self.batches_per_step
        steps = self.settings.steps or max(1.0, self.settings.epochs * per_epoch)
        if steps >= 2**32:
            raise ConfigError("--steps and --epochs must come to fewer than 2^32 steps.")
        return round(steps)

    @property
    def parameter_count(self) -> tuple[int, int]:
        """Parameters of the encoder and of the decoder, of one model."""
        return self.model.phi_layout.count, self.model.theta_layout.count

    def initial_state(self) -> State:
        """Parameters drawn from the seeds, nothing remembered."""
        settings = self.settings
        sd = settings.sd_init
        if settings.gamma not in ("learn", "optimal"):
            sd = settings.fixed_gamma() ** 0.5
        dtype = np.dtype(settings.dtype)
        host = initial_parameters(self.model, settings.seeds, settings.initial, sd, dtype)
        phi, theta = (self.k.asarray(vector) for vector in host)
        models = len(settings.seeds)
        return State(
            0, phi, theta,
            self.encoder_optimizer.remember(self.k, phi), self.decoder_optimizer.remember(self.k, theta),
            self.k.asarray(np.ones(models, bool)), self.k.zeros((models,), np.int64),
        )  # fmt: skip

    def step(self, state: State) -> Info:
        """One step, in place: J encoder updates and one decoder update.

        Encoder update j of step t takes its noise from ``(INFERENCE, t J + j)``, the decoder update from
        ``(LEARNING, t)``.
        """
        k, settings, t = self.k, self.settings, state.step
        key, encoder_steps = Key(settings.seeds), settings.encoder_steps
        for j in range(encoder_steps):
            x = self._batch(t, j)
            noise = key.on(Stream.INFERENCE, t * encoder_steps + j)
            inferred = self.inference(k, self.model, state.phi, state.theta, x, noise)
            assert inferred.g_phi is not None
            self._bury(state, inferred, inferred.g_phi)
            self.encoder_optimizer.update(
                k, state.phi, inferred.g_phi, state.phi_memory, self._lr(settings.encoder_lr), state.alive
            )
        x = self._batch(t, encoder_steps)
        learned = self.learning(k, self.model, state.phi, state.theta, x, key.on(Stream.LEARNING, t))
        assert learned.g_theta is not None
        self._bury(state, learned, learned.g_theta)
        self._place_gamma(state, learned)
        self.decoder_optimizer.update(
            k, state.theta, learned.g_theta, state.theta_memory, self._lr(settings.lr), state.alive
        )
        state.step += 1
        return Info(inferred, learned)

    def _batch(self, t: int, use: int) -> Array:
        """The minibatch of use ``0 .. J`` in step t; use J is the decoder's."""
        settings = self.settings
        index = t
        if settings.encoder_data == "fresh":
            index = t * settings.encoder_steps + min(use, settings.encoder_steps - 1)
        return self.k.asarray(self.batches.noisy(index, t * (settings.encoder_steps + 1) + use))

    def _lr(self, lr: float) -> Array:
        return np.full(len(self.settings.seeds), lr, np.dtype(self.settings.dtype))

    def _bury(self, state: State, outcome: Outcome, g: Array) -> None:
        """Models with a loss or a gradient that is not finite take no further part."""
        state.alive &= self.k.finite(outcome.loss[:, None]) & self.k.finite(g)

    def _place_gamma(self, state: State, learned: Outcome) -> None:
        """Write the optimal gamma, where the rule has a closed form."""
        if gamma_rule(self.settings).closed_form and learned.log_sd is not None:
            log_sd = self.model.log_sd(state.theta)
            log_sd[:] = np.where(state.alive, learned.log_sd, log_sd)
            if learned.gamma_kept is not None:
                state.gamma_kept += learned.gamma_kept & state.alive

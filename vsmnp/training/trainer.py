"""Training: J encoder updates, then one decoder update (Algorithm 1 of the paper), for R models at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import cast

import numpy as np

from ..data import Dataset
from ..data.batches import Batches
from ..data.standardize import AS_THEY_ARE, Prepared
from ..data.store import Store
from ..errors import ConfigError
from ..layers.running_statistics import move_statistics
from ..model.initial import initial_parameters
from ..model.vae import GaussianVAE
from ..objectives import Objective, Outcome
from ..objectives.objective import LearningObjective
from ..parallel.devices import on_device
from ..parallel.division import DividedBatch
from ..parallel.single import ALONE
from ..rng import Key, Stream
from ..settings.in_effect import batches_per_step, initial_sd, length, steps_per_epoch
from ..settings.settings import Settings
from ..types import Array, FusedStep, Kernels, StepSpec, StepTerms
from ..types.division import Communicator
from ..types.step_spec import StepSizes
from .build import build_bilevel, build_inference, build_learning, build_model
from .divergence import mark, stop_diverged
from .divided import over_parts
from .fuse import outcome, step_spec
from .info import Info
from .memory import require_memory
from .optimizers import Optimizer, optimizer
from .replayed_step import ReplayedStep
from .schedule import ScheduledStepSizes, step_sizes
from .state import State, new_state


@dataclass(frozen=True)
class Trainer:
    """A training step and all objects of a run that do not change between steps."""

    k: Kernels
    settings: Settings
    model: GaussianVAE
    batches: Batches
    learning: Objective
    inference: Objective
    encoder_optimizer: Optimizer
    decoder_optimizer: Optimizer
    may_fuse: bool = True
    prepared: Prepared = AS_THEY_ARE
    #: Settings of each model, where they differ in what a model may have for itself; else empty.
    members: tuple[Settings, ...] = ()
    division: DividedBatch | None = None

    @classmethod
    def build(
        cls, k: Kernels, settings: Settings, dataset: Dataset, may_fuse: bool = True,
        prepared: Prepared = AS_THEY_ARE, members: tuple[Settings, ...] = (), ranks: Communicator = ALONE,
    ) -> Trainer:  # fmt: skip
        """Build the trainer of these settings for the dataset.

        Parameters
        ----------
        may_fuse : bool
            Whether a fused step may be used where the kernel set has one.
        prepared : Prepared
            The map of the data to the model's units; by default none.
        members : tuple of Settings
            Settings of each model, which may differ in :data:`~vsmnp.settings.in_effect.OF_A_MODEL`; by
            default all models have ``settings``.
        ranks : Communicator
            The processes that share the parts of each minibatch.

        Raises
        ------
        ConfigError
            If the settings do not match the data, or need more memory than the machine has, or the ranks or
            the minibatch do not match the parts.
        """
        dtype = np.dtype(settings.dtype)
        dataset = prepared.view(dataset)
        is_divided = settings.parts > 1 or ranks.size > 1
        threads = 1 if k.data_memory() else settings.threads  # a device computes one part after the other
        on = on_device(ranks, settings.device)
        division = DividedBatch(settings.parts, on, threads) if is_divided else None
        own = division.rows(settings.batch_size) if division else None
        batches = Batches(k, dataset, settings.batch_size, settings.data_seed, settings.noise, dtype, own)
        warmup = settings.kl_warmup * steps_per_epoch(settings, dataset.n_train)
        learning = build_learning(settings, warmup)
        if settings.bilevel_steps:
            lr = step_sizes(k, settings, members).bilevel
            learning = build_bilevel(settings, cast(LearningObjective, learning), lr, warmup)
        made = cls(
            k, settings, build_model(settings, dataset), batches, learning,
            build_inference(settings, warmup), optimizer(settings.encoder_optimizer),
            optimizer(settings.optimizer), may_fuse, prepared, members, division,
        )  # fmt: skip
        require_memory(settings, made.model, not k.data_memory(), lambda: made.fused is not None)
        return made

    @cached_property
    def fused(self) -> FusedStep | None:
        """A function that runs the whole step in one call, if the kernel set has one for these settings."""
        if not self.may_fuse or self.spec is None:
            return None
        return self.k.fused_step(self.spec, self.division)

    @cached_property
    def spec(self) -> StepSpec | None:
        """The plain record of the step, if it has one."""
        settings = self.settings
        return step_spec(
            self.model, self.inference, self.learning, self.encoder_optimizer, self.decoder_optimizer,
            settings.encoder_steps, settings.threads, settings.dtype,
        )  # fmt: skip

    @property
    def ranks(self) -> Communicator:
        """The processes that train together."""
        return self.division.ranks if self.division else ALONE

    @cached_property
    def scheduled(self) -> ScheduledStepSizes:
        """The schedule of the step sizes of both networks; bi-level updates keep theirs."""
        per_epoch = steps_per_epoch(self.settings, self.batches.dataset.n_train)
        return ScheduledStepSizes.of(self.k, self.settings, self.members, per_epoch, self.total_steps)

    @property
    def step_sizes(self) -> StepSizes:
        """Step sizes of every model in the current step, in arrays that stay at their addresses."""
        return self.scheduled.current

    @cached_property
    def store(self) -> Store | None:
        """The training data in the memory of the device; None if the kernels compute on the host.

        The own rows of divided minibatches are sent step by step.
        """
        memory = 0 if self.division else self.k.data_memory()
        return Store(self.batches, self.batches_per_step, memory) if memory else None

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seed of every model; those of ``members``, unlike those of an ensemble, may be equal."""
        return tuple(each.seeds[0] for each in self.members) or self.settings.seeds

    @property
    def batches_per_step(self) -> int:
        """Number of minibatches per step: J if the encoder has fresh ones, else 1."""
        return batches_per_step(self.settings)

    @property
    def total_steps(self) -> int:
        """Number of decoder updates of the whole run."""
        steps = length(self.settings, self.batches.dataset.n_train)
        if steps * max(self.settings.encoder_steps + 1, self.settings.bilevel_steps) >= 2**32:
            raise ConfigError(
                "--steps (or --epochs), --encoder-steps and --bilevel-steps come to more than 2^32 updates: "
                "lower one of them."
            )
        return round(steps)

    @property
    def evaluation_interval(self) -> int:
        """Steps between evaluations during training; 0 means none."""
        epochs = self.settings.evaluate_every
        per_epoch = steps_per_epoch(self.settings, self.batches.dataset.n_train)
        return max(1, round(epochs * per_epoch)) if epochs else 0

    def evaluates_at(self, step: int) -> bool:
        """Return whether an evaluation is due after ``step`` steps."""
        interval = self.evaluation_interval
        return interval > 0 and step > 0 and step % interval == 0

    @property
    def parameter_count(self) -> tuple[int, int]:
        """Parameter counts of the encoder and of the decoder of one model."""
        return self.model.phi_layout.count, self.model.theta_layout.count

    def initial_state(self) -> State:
        """Draw the parameters from the seeds, with new optimiser states."""
        settings = self.settings
        dtype = np.dtype(settings.dtype)
        sds = [initial_sd(each) for each in self.members or (settings,)]
        host = initial_parameters(self.model, self.seeds, settings.initial, sds, dtype)
        phi, theta = (self.k.asarray(vector) for vector in host)
        phi_memory = self.encoder_optimizer.remember(self.k, phi)
        return new_state(self.k, phi, theta, phi_memory, self.decoder_optimizer.remember(self.k, theta))

    def step(self, state: State) -> Info:
        """Run one step in place: J encoder updates and one decoder update.

        Encoder update j of step t takes its noise from ``(INFERENCE, t J + j)``, the decoder update from
        ``(LEARNING, t)``. The step does not synchronise with a device: diverged models and causes are read
        from the state later.
        """
        t, first = state.step, state.step * self.batches_per_step
        indices = range(first, first + self.batches_per_step)
        gathered = self.store is not None and self.store.bring(first)
        clean = [] if gathered else [self.k.asarray(self.batches.clean(index)) for index in indices]
        self.scheduled.place(t)  # before the work, which may be recorded
        seen = self._work(state, t, clean) if self.recorded is None else self.recorded(state, clean)
        state.step += 1
        return Info(partial(self._outcomes, seen), self.settings.bilevel_steps > 0)

    def _outcomes(self, seen: StepTerms | tuple[Outcome, Outcome]) -> tuple[Outcome, Outcome]:
        """Return the outcomes of a fused or composed step, before a replayed step overwrites them."""
        if not isinstance(seen, StepTerms):
            return seen
        assert self.spec is not None
        return outcome(self.spec.inference, seen.inference), outcome(self.spec.learning, seen.learning)

    @cached_property
    def recorded(self) -> ReplayedStep[StepTerms | tuple[Outcome, Outcome]] | None:
        """The recorded step, if the kernel set has a recorder.

        A weight that changes cannot be recorded, nor can what ranks exchange.
        """
        recorder = None if self.settings.kl_warmup or self.division else self.k.recorder()
        return None if recorder is None else ReplayedStep(recorder, self._work)

    def _work(self, state: State, t: int, clean: Sequence[Array]) -> StepTerms | tuple[Outcome, Outcome]:
        """Run step t in place on its clean minibatches, gathered here if none are given.

        Updates beyond the last minibatch use the last one.
        """
        if not clean:
            assert self.store is not None
            count = self.batches_per_step
            clean = [self.store.clean(t * count + use) for use in range(count)]

        def minibatch(use: int) -> Array:
            x = clean[min(use, len(clean) - 1)]
            return self.batches.with_noise(x, t * (self.settings.encoder_steps + 1) + use)

        if self.fused is None:
            return self._composed(state, t, minibatch)
        xs = [minibatch(use) for use in range(self.settings.encoder_steps + 1)]
        at_t = state if state.step is t else replace(state, step=t)  # in a recording, t is a ReplayedInt
        return self.fused(at_t, xs, self.seeds, self.step_sizes)

    def _composed(self, state: State, t: int, minibatch: Callable[[int], Array]) -> tuple[Outcome, Outcome]:
        """Run step t kernel by kernel; ``minibatch(use)`` is that of update ``0 .. J``, J the decoder's."""
        k, settings = self.k, self.settings
        key, encoder_steps = Key(self.seeds), settings.encoder_steps
        sizes = self.step_sizes
        for j in range(encoder_steps):
            x = minibatch(j)
            noise = key.on(Stream.INFERENCE, t * encoder_steps + j)
            arguments = k, self.model, state.phi, state.theta, x, noise
            inferred = over_parts(self.division, self.inference, *arguments)
            assert inferred.g_phi is not None
            stop_diverged(k, state, inferred, inferred.g_phi, 0)
            self.encoder_optimizer.update(
                k, state.phi, inferred.g_phi, state.phi_memory, sizes.encoder, state.active
            )
            self._place_statistics(state, inferred)
        x = minibatch(encoder_steps)
        noise = key.on(Stream.LEARNING, t)
        learned = over_parts(self.division, self.learning, k, self.model, state.phi, state.theta, x, noise)
        assert learned.g_theta is not None
        first = len(inferred.terms) + 1
        if learned.updates_finite is not None:
            mark(state, learned.updates_finite, first)
            first += 1
        stop_diverged(k, state, learned, learned.g_theta, first)
        self._place_gamma(state, learned)
        self.decoder_optimizer.update(
            k, state.theta, learned.g_theta, state.theta_memory, sizes.decoder, state.active
        )
        if learned.phi is not None:
            state.phi[:] = np.where(state.active[:, None], learned.phi, state.phi)
        self._place_statistics(state, learned)
        return inferred, learned

    def audit(self, state: State, info: Info) -> None:
        """Stop models whose parameters are not finite; their loss would show it only in the next step."""
        fine = self.k.finite(state.phi) & self.k.finite(state.theta)
        mark(state, fine, len(info.causes()) - 1)

    def _place_statistics(self, state: State, outcome: Outcome) -> None:
        """Update the running statistics of both networks with those of the batch."""
        encoder, decoder = outcome.statistics
        move_statistics(self.model.encoder_part(state.phi), encoder, state.active)
        move_statistics(self.model.decoder_part(state.theta), decoder, state.active)

    def _place_gamma(self, state: State, learned: Outcome) -> None:
        """Write the gamma that a closed form chose to the state."""
        if learned.gamma is not None:
            log_sd = self.model.log_sd(state.theta)
            log_sd[:] = np.where(state.active, learned.gamma.log_sd, log_sd)
            state.gamma_kept += learned.gamma.kept & state.active
            state.gamma_floored += learned.gamma.floored & state.active

    def seconds_per_step(self, trial: State, repeats: int) -> float:
        """Measure the time of a step by training ``trial``, without compilation and first-use costs."""
        with np.errstate(all="ignore"):  # the loop reports values that are not finite
            self.step(trial)
            self.k.to_host(trial.active)  # synchronises with the device
            start = time.perf_counter()
            for _ in range(repeats):
                self.step(trial)
            self.k.to_host(trial.active)
        return (time.perf_counter() - start) / repeats

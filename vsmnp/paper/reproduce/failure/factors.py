"""The factors of the controlled experiment, their levels, and the settings that each level stands for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from ....errors import member_of
from ....settings import choices
from ....settings.settings import Settings

#: Options of the learning objectives that are compared; each estimator has a name of its own.
OBJECTIVES: Mapping[str, Mapping[str, Any]] = {
    "elbo": {"objective": "elbo"},
    "m1": {"objective": "m1"},
    "m2-biased": {"objective": "m2", "squared_mean": "biased"},
    "m2-unbiased": {"objective": "m2", "squared_mean": "u-statistic"},
    "m3-biased": {"objective": "m3", "squared_mean": "biased", "baseline": "none"},
    "m3-unbiased": {"objective": "m3", "squared_mean": "u-statistic", "baseline": "leave-one-out"},
    "m2-as-published": {"objective": "m2", "as_published": True},
    "m3-as-published": {"objective": "m3", "as_published": True},
    "fae": {"objective": "fae"},
}

#: Names of the objectives of the exact posterior; see :mod:`.exact`. They have no estimators.
EXACT_OBJECTIVES = ("elbo", "m1", "m2", "marginal")

#: Options of the inferences; with the exact posterior there is no encoder to train.
INFERENCES: Mapping[str, Mapping[str, Any]] = {
    "kl": {"inference": "kl"},
    "fisher": {"inference": "fisher"},
    "fisher-covariance": {"inference": "fisher", "fisher_weight": "covariance"},
    "fisher-reparam": {"inference": "fisher-reparam"},
    "exact": {},
}

#: Options of the optimisers. "paper" has the initialisation, the minibatches and the plain encoder steps of
#: the author's script, and twice as many steps: 10,000 are the script's 100 epochs.
OPTIMISERS: Mapping[str, Mapping[str, Any]] = {
    "adam-3e-4": {"lr": 3e-4, "encoder_lr": 3e-4},
    "adam-1e-3": {"lr": 1e-3, "encoder_lr": 1e-3},
    "adam-3e-3": {"lr": 3e-3, "encoder_lr": 3e-3},
    "paper": {
        "lr": 1e-4, "encoder_optimizer": "sgd", "initial": "normal", "scale": "softplus",
        "batch_size": 1000,
    },
}  # fmt: skip
#: Values at which gamma is kept: near those that the ELBO reaches on each data set.
FIXED_GAMMA = {
    "star": 0.001, "mixture": 0.01, "ring": 0.001, "banana": 0.003, "helicoid": 0.0025, "pinwheel": 0.0003,
}  # fmt: skip


@dataclass(frozen=True)
class Factors:
    """The position of a run in the experiment: a level of each factor; the defaults are the centre."""

    dataset: str
    inference: str
    objective: str
    #: S, posterior samples per datum.
    samples: int = 5
    #: K, bi-level encoder updates.
    bilevel_steps: int = 0
    #: eta, the step size of bi-level updates; 0 where there are none.
    bilevel_lr: float = 0.0
    #: "learn", "fixed" (at ``FIXED_GAMMA``) or "optimal".
    gamma_rule: str = "learn"
    #: "random", or "elbo": the trained model of the ELBO with the same other factors.
    start: str = "random"
    #: A key of ``OPTIMISERS``.
    optimiser: str = "adam-1e-3"
    #: J, encoder updates per decoder update.
    encoder_steps: int = 2
    activation: str = "relu"
    batch_size: int = 200

    @property
    def moved(self) -> tuple[str, ...]:
        """Names of the factors that are not at the centre's level."""
        centre = Factors(self.dataset, self.inference, self.objective)
        names = (spec.name for spec in fields(self))
        return tuple(name for name in names if getattr(self, name) != getattr(centre, name))

    @property
    def family(self) -> str:
        """Name of the grid that the run belongs to: "main", or that of the factors that are moved."""
        return ", ".join(self.moved) or "main"

    @property
    def setting(self) -> str:
        """The levels that differ from the centre as a text, such as ``S = 25``; empty at the centre."""
        return ", ".join(_TEXTS[name].format(getattr(self, name)) for name in self.moved)

    @property
    def name(self) -> str:
        """Name of the run's folder: data, inference, objective, and the levels that are moved."""
        setting = self.setting.replace(" = ", "").replace(", ", "-").replace(" ", "-")
        return "-".join(filter(None, [self.dataset, self.inference, self.objective, setting]))

    @property
    def reference(self) -> Factors:
        """The run that this one is compared with: the ELBO at the same levels, without bi-level updates."""
        return replace(self, objective="elbo", bilevel_steps=0, bilevel_lr=0.0)

    @property
    def origin(self) -> Factors | None:
        """The run whose trained models this one starts from; None if its start is random."""
        return replace(self.reference, start="random") if self.start == "elbo" else None

    def settings(self, steps: int, seeds: tuple[int, ...]) -> Settings:
        """Return the settings of the run; an optimiser may have its own number of steps.

        Raises
        ------
        ConfigError
            If a level is unknown, or the combination invalid.
        """
        values: dict[str, Any] = {
            "dataset": self.dataset, "hidden": (30, 30), "samples": self.samples, "steps": steps,
            "bilevel_steps": self.bilevel_steps, "bilevel_lr": self.bilevel_lr, "batch_size": self.batch_size,
            "activation": self.activation, "encoder_steps": self.encoder_steps, "gamma": self.gamma_rule,
            "sd_init": 0.1, "seeds": seeds,
        }  # fmt: skip
        if self.gamma_rule == "fixed":
            gamma = FIXED_GAMMA[self.dataset]
            values |= {"gamma": str(gamma), "sd_init": gamma**0.5}
        values |= member_of(INFERENCES, "inference", self.inference)
        if self.inference == "exact":
            values |= {"objective": "m1", "samples": 1, "encoder_steps": 1}
        else:
            values |= member_of(OBJECTIVES, "objective", self.objective)
        values |= member_of(OPTIMISERS, "optimiser", self.optimiser)
        if self.optimiser == "paper":
            # the exact posterior has no encoder; its step size is used by nothing
            row = choices.INFERENCES[values.get("inference", "fisher")]
            step = row.plain_step(values.get("as_published", False))
            values |= {"encoder_lr": step, "steps": 2 * steps}
        return Settings(**values)


#: The text of a level in names of folders and in sentences.
_TEXTS = {
    "samples": "S = {}", "bilevel_steps": "K = {}", "bilevel_lr": "eta = {:g}", "gamma_rule": "gamma {}",
    "start": "start {}", "optimiser": "{}", "encoder_steps": "J = {}", "activation": "{}",
    "batch_size": "N = {}",
}  # fmt: skip

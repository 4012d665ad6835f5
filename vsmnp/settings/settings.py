"""All settings of a run in one table, shared by the command line, the files and Python.

A row is written by the function of its group, under which the help page of ``vsmnp train`` shows its option.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from ..errors import ConfigError, suggestion
from ..kernels import NAMES as KERNEL_SETS
from ..layers.activations import ACTIVATIONS
from .choices import (
    ARCHITECTURES,
    CHOSEN_BY,
    GAMMA_RULES,
    INFERENCES,
    INITIAL,
    LR_SCHEDULES,
    OBJECTIVES,
    OPTIMIZERS,
    POSTERIORS,
    SCALES,
    STANDARDIZE,
    bilevel_step_sizes,
    row_of,
)
from .combinations import check_combinations, check_parts, check_ranges
from .left_open import BATCH_SIZE, MOST_EPOCHS, PLAIN_SD_INIT, SD_INIT, STANDARDISED_SD_INIT, STEPS
from .values import GROUPS, BelongsTo, ShownByChanges, checked, is_positive, setting

#: The functions that write a row, one for each group.
_data, _objective, _network, _optimisation, _machine, _run = (partial(setting, group) for group in GROUPS)

#: The error for a setting whose choice is not said by the name of its members alone.
_OPTION = "{option} is a part of {choice} {members}: leave it out."


@dataclass(frozen=True, repr=False)
class Settings(ShownByChanges):
    """The model, the data and the training method of a run; the metadata of a field are its row of the table.

    Raises
    ------
    ConfigError
        From construction, if a value is out of its range or a combination is invalid.
    """

    dataset: str = _data(
        "mixture",
        "Built-in data (see 'vsmnp data'), a .npy, .npz, .csv, .tsv, .h5, .parquet, .arrow or .feather file, "
        "or a folder of pictures.",
    )
    data_dir: str = _data(
        "", "Folder that is searched first for the files of MNIST, Fashion-MNIST or CelebA.", free=True
    )
    image_size: int = _data(
        0,
        "Side of pictures: MNIST and those in arrays are padded with zeros, others resized; 0: no change, "
        "but networks of images get the next side that they take.",
        least=0,
    )
    crop: int = _data(
        0,
        "Side of the central square that is cut out before resizing; 0: the largest, and 140 for CelebA.",
        least=0,
    )
    channels: str = _data(
        "auto", "Channels of pictures in files: unchanged (auto), grey (1) or coloured (3).", "auto", "1", "3"
    )
    columns: str = _data("", "Columns of a table to train on, in this order, such as a,b; default: all.")
    drop_columns: str = _data("", "Columns of a table to leave out, such as id,name.")
    missing: str = _data(
        "error", "Rows with missing values: an error, or left out and counted.", "error", "drop"
    )
    standardize: str = _data(
        "auto",
        "Columns scaled to mean 0 and sd 1 for the model, or whitened; auto: columns, in tables of your own.",
        *STANDARDIZE,
    )
    memory_budget: float = _data(
        2.0, "GiB of samples that are kept in memory; larger data are read from the disk.", least=0, free=True
    )
    data_seed: int = _data(0, "Seed of the data, shared by all models of an ensemble.")
    noise: float = _data(
        0.0, "Standard deviation of the noise that is added to every input, new at each use.", least=0
    )

    objective: str = _objective("m1", "Learning objective of the decoder.", *OBJECTIVES)
    inference: str = _objective(
        "kl", "Inference objective of the encoder; the default with fae is fisher-reparam.", *INFERENCES
    )
    kl_weight: float = _objective(
        1.0, "Weight of KL[q || p(z)] in the loss of KL inference and in that of the ELBO.", least=0,
        part=BelongsTo("inference"),
    )  # fmt: skip
    kl_warmup: float = _objective(
        0.0, "Number of epochs in which the weight of KL[q || p(z)] grows from 0 to --kl-weight.", least=0,
        part=BelongsTo("inference"),
    )  # fmt: skip
    fisher_weight: str = _objective(
        "identity", "Weight in Fisher inference: none (identity), or the covariance of q.",
        "identity", "covariance", part=BelongsTo("inference"),
    )  # fmt: skip
    samples: int = _objective(5, "Number S of posterior samples per datum.", least=1)
    encoder_steps: int = _objective(2, "Number J of encoder updates before each decoder update.", least=1)
    bilevel_steps: int = _objective(
        0,
        "Number K of bi-level encoder updates, through which the decoder's gradient is taken (KL and fisher "
        "inference).",
        least=0,
    )
    bilevel_lr: float = _objective(
        0.0, f"Step size of the bi-level encoder updates; 0: that of the inference, {bilevel_step_sizes()}.",
        least=0,
    )  # fmt: skip
    encoder_data: str = _objective(
        "same",
        "Minibatches of the J encoder updates: that of the decoder (same), or new ones (fresh).",
        "same", "fresh",
    )  # fmt: skip
    squared_mean: str = _objective(
        "auto", "Estimator of |E_q s|^2 in M2 and M3; auto: u-statistic if S > 1.",
        "auto", "u-statistic", "biased", part=BelongsTo("objective"),
    )  # fmt: skip
    baseline: str = _objective(
        "auto", "Baseline in the cross term of M3; auto: leave-one-out if S > 1.",
        "auto", "leave-one-out", "none", part=BelongsTo("objective"),
    )  # fmt: skip
    as_published: bool = _objective(
        False, "Compute M2, M3, Fisher inference and bi-level updates as the paper's toy script does."
    )
    score_norm: str = _objective(
        "pathwise", "Estimator of E|s^q|^2 of the Fisher autoencoder: pathwise, or by random signs.",
        "pathwise", "probe", part=BelongsTo("objective"),
    )  # fmt: skip

    gamma: str = _objective(
        "learn", "Likelihood variance: learn, a number, or optimal (closed form on each batch, if it exists)."
    )
    gamma_floor: float = _objective(
        1e-6, "Lower limit of gamma with --gamma optimal.", positive=True, part=BelongsTo("gamma", _OPTION)
    )
    sd_init: float = _objective(
        0.0,
        f"Initial sqrt(gamma), the standard deviation of the likelihood; 0: {SD_INIT:g}, with --optimizer "
        f"sgd {PLAIN_SD_INIT:g}, or {STANDARDISED_SD_INIT:g} for standardised data.",
        least=0,
    )

    arch: str = _network(
        "mlp", "Architecture: perceptrons, or convolutional or residual networks for images.", *ARCHITECTURES
    )
    width: float = _network(
        1.0, "Factor of every number of channels of dcgan and resnet18.", positive=True,
        part=BelongsTo("arch"),
    )  # fmt: skip
    batch_norm: str = _network(
        "auto",
        "Batch normalisation by statistics of the batch (coupled), by running ones (frozen), or off; "
        "auto: coupled for resnet18, otherwise off.",
        "auto", "coupled", "frozen", "off", part=BelongsTo("arch", neutral=("off",)),
    )  # fmt: skip
    hidden: tuple[int, ...] = _network(
        (30, 30),
        "Hidden widths of the encoder of perceptrons; the decoder has them in reverse order.",
        part=BelongsTo("arch"),
    )
    activation: str = _network("relu", "Activation of the hidden layers.", *ACTIVATIONS)
    latent: int = _network(2, "Number of latent dimensions.", least=1)
    posterior: str = _network(
        "gaussian",
        "Posterior q(z|x) of real latents, or of binary ones, trained by a relaxation (kl; elbo or m1).",
        *POSTERIORS,
    )
    temperature: float = _network(
        0.5, "Temperature of the relaxation of binary latents.", positive=True,
        part=BelongsTo("posterior", _OPTION),
    )  # fmt: skip
    scale: str = _network(
        "exp", "Map from the encoder's output to the posterior's standard deviation.", *SCALES,
        part=BelongsTo("posterior", refusal=""),
    )  # fmt: skip
    sigmoid_output: bool = _network(
        False,
        "Apply a sigmoid to the mean of an mlp decoder; the other networks always apply it.",
        part=BelongsTo("arch"),
    )
    initial: str = _network(
        "uniform",
        "Initial weights: uniform in +-1/sqrt(fan in); normal, N(0, .1^2), as for the paper's toy data; or "
        "images, uniform for the encoder and N(0, .01^2) for the decoder.",
        *INITIAL,
    )

    steps: int = _optimisation(
        0, f"Number of decoder updates; 0: as many as --epochs needs; without either {STEPS}, but "
        f"at most {MOST_EPOCHS} passes over the training data.", least=0, free=True,
    )  # fmt: skip
    epochs: float = _optimisation(
        0.0, "Number of passes over the training data, if --steps is 0.", least=0, free=True
    )
    batch_size: int = _optimisation(
        0, f"Minibatch size N; 0: {BATCH_SIZE}, or all training data if there are fewer.", least=0
    )
    optimizer: str = _optimisation("adam", "Optimiser of the decoder.", *OPTIMIZERS)
    lr: float = _optimisation(1e-3, "Step size of the decoder.", positive=True)
    encoder_optimizer: str = _optimisation("adam", "Optimiser of the encoder.", *OPTIMIZERS)
    encoder_lr: float = _optimisation(1e-3, "Step size of the encoder.", positive=True)
    lr_schedule: str = _optimisation(
        "constant", "Step sizes of both networks over the run: constant, or falling to 0.", *LR_SCHEDULES
    )
    lr_warmup: float = _optimisation(
        0.0, "Number of epochs in which the step sizes of both networks grow from 0.", least=0
    )

    seeds: tuple[int, ...] = _run(
        (0,), "Seeds of the models, which are trained side by side: 3, 0-9 or 0,4,7."
    )
    dtype: str = _machine("float32", "Floating-point type of all arrays.", "float32", "float64")
    device: str = _machine(
        "auto", "Device of the training; auto: the CPU, unless --kernels needs a GPU.", "auto", "cpu", "gpu"
    )
    kernels: str = _machine("auto", "Kernel set; reference is plain NumPy.", "auto", *KERNEL_SETS)
    tf32: bool = _machine(False, "Round the factors of a GPU's float32 products to TF32 (10 bits).")
    threads: int = _machine(
        1, "Number of threads of the linear algebra, or of --parts that are computed at the same time; in "
        "Python, set OPENBLAS_NUM_THREADS before NumPy loads.", least=1, free=True,
    )  # fmt: skip
    parts: int = _machine(
        0, "Parts, a power of two, into which each minibatch is divided; ranks of mpiexec share them, and "
        "the bits depend on them alone; 0: as many as ranks.", least=0,
    )  # fmt: skip
    log_every: int = _run(
        0, "Number of steps between rows of metrics.csv; 0: about 200 rows per run.", least=0, free=True
    )
    evaluate_every: float = _run(
        0.0, "Number of epochs between evaluations on the test set, the rows of evaluation.csv; 0: none.",
        least=0, free=True,
    )  # fmt: skip
    validation: float = _run(
        0.0,
        "Share of the training data that is held out to find the best state; 0: none. Without "
        "--evaluate-every it is evaluated every epoch.",
        least=0,
    )
    patience: int = _run(
        0, "Number of evaluations without a better state on the validation part that end the run; 0: no end.",
        least=0, free=True,
    )  # fmt: skip

    def __post_init__(self) -> None:
        for spec in dataclasses.fields(self):
            object.__setattr__(self, spec.name, checked(spec, getattr(self, spec.name)))
        check_ranges(self)
        check_parts(self)
        check_combinations(self)

    def reads(self, name: str) -> bool:
        """Return whether the members that are chosen read the setting of that name."""
        part = type(self).__dataclass_fields__[name].metadata["part"]
        if part is None:
            return True
        member = CHOSEN_BY[part.of].get(getattr(self, part.of))  # a number for gamma is no member
        return member is not None and name in member.reads

    def fixed_gamma(self) -> float | None:
        """Return ``gamma`` as a number, or None if it is a rule.

        Raises
        ------
        ConfigError
            If it is neither a rule nor a positive number.
        """
        if self.gamma in GAMMA_RULES:
            return None
        try:
            value = float(self.gamma)
        except ValueError:
            value = -1.0
        if not is_positive(value):
            raise ConfigError(
                f"--gamma must be {', '.join(GAMMA_RULES)} or a positive number, not '{self.gamma}'"
                f"{suggestion(self.gamma, GAMMA_RULES)}."
            )
        return value

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Settings:
        """Create settings from names and values, as read from a file.

        Raises
        ------
        ConfigError
            If a name is unknown or a value is invalid.
        """
        known = {spec.name for spec in dataclasses.fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise ConfigError(
                f"There is no setting {unknown[0]!r}{suggestion(unknown[0], known)}: see 'vsmnp train "
                "--help' for all of them."
            )
        objective = row_of(OBJECTIVES, values.get("objective"))
        if objective and objective.joint:
            values = {"inference": objective.joint.default, **values}
        return cls(**values)

    def to_mapping(self) -> dict[str, Any]:
        """Return names and values, with tuples as lists."""
        return {name: list(v) if isinstance(v, tuple) else v for name, v in dataclasses.asdict(self).items()}


#: Settings that a resumed run may change, because they do not affect the mathematics.
FREE_TO_CHANGE = frozenset(spec.name for spec in dataclasses.fields(Settings) if spec.metadata["free"])

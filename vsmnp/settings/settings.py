"""All settings of a run in one record, shared by the command line, the files and Python."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import ConfigError
from ..layers.activations import ACTIVATIONS
from .values import checked, positive


def _setting(default: Any, text: str, *choices: str) -> Any:
    """Create a field with its one-line help and its choices, if any."""
    return field(default=default, metadata={"help": text, "choices": choices})


@dataclass(frozen=True)
class Settings:
    """The model, the data and the training method of a run; the help of each field is in its metadata.

    Raises
    ------
    ConfigError
        From construction, if a value is out of its range or a combination is invalid.
    """

    dataset: str = _setting(
        "mixture",
        "Built-in data (see 'vsmnp data'), a .npy, .npz, .csv or .h5 file, or a folder of pictures.",
    )
    data_dir: str = _setting("", "Folder with the files of MNIST, Fashion-MNIST or CelebA.")
    image_size: int = _setting(
        0, "Side of a picture: MNIST and Fashion-MNIST get a frame of zeros, others are resized; 0: as it is."
    )
    crop: int = _setting(
        0,
        "Side of the square cut out of a picture's middle before it is resized; 0: the largest, CelebA 140.",
    )
    channels: str = _setting(
        "auto", "Pictures in files as they are, grey (1) or coloured (3).", "auto", "1", "3"
    )
    memory_budget: float = _setting(2.0, "GiB of samples held in memory; larger data are read from the disk.")
    data_seed: int = _setting(0, "Seed of the data, shared by all models of an ensemble.")
    noise: float = _setting(
        0.0, "Standard deviation of the noise added to every input, drawn afresh at each use."
    )

    objective: str = _setting("m1", "Learning objective of the decoder.", "elbo", "m1", "m2", "m3", "fae")
    inference: str = _setting(
        "kl",
        "Inference objective of the encoder; with fae, fisher-reparam unless said.",
        "kl",
        "fisher",
        "fisher-reparam",
    )
    samples: int = _setting(5, "S, posterior samples a datum.")
    encoder_steps: int = _setting(1, "J, encoder updates before each decoder update.")
    encoder_data: str = _setting(
        "same", "Minibatch of the J encoder updates: the decoder's, or fresh ones.", "same", "fresh"
    )
    squared_mean: str = _setting(
        "auto", "Estimator of |E_q s|^2 in M2 and M3.", "auto", "u-statistic", "biased"
    )
    baseline: str = _setting("auto", "Baseline in the cross term of M3.", "auto", "leave-one-out", "none")
    as_published: bool = _setting(
        False, "M2 and M3 (and Fisher inference) as the paper's toy script computes them."
    )
    score_norm: str = _setting(
        "pathwise",
        "E|s^q|^2 of the Fisher autoencoder: through z, or by a Rademacher probe.",
        "pathwise",
        "probe",
    )

    gamma: str = _setting(
        "learn",
        "Likelihood variance: learn, a number, or optimal (closed form a batch; the last if there is none).",
    )
    gamma_floor: float = _setting(1e-6, "Smallest gamma that 'optimal' may choose.")
    sd_init: float = _setting(0.1, "Initial sqrt(gamma).")

    arch: str = _setting(
        "mlp", "Networks: perceptrons, or convolutional or residual ones for images.",
        "mlp", "dcgan", "resnet18",
    )  # fmt: skip
    width: float = _setting(1.0, "Factor on every number of channels of dcgan and resnet18.")
    batch_norm: str = _setting(
        "auto",
        "Batch normalisation: with the batch's statistics (coupled), the running ones (frozen), or off; "
        "auto: coupled for resnet18, else off.",
        "auto",
        "coupled",
        "frozen",
        "off",
    )
    hidden: tuple[int, ...] = _setting(
        (30, 30), "Hidden widths of the perceptrons' encoder; the decoder mirrors them."
    )
    activation: str = _setting("relu", "Activation of the hidden layers.", *ACTIVATIONS)
    latent: int = _setting(2, "Latent dimension.")
    posterior: str = _setting(
        "gaussian",
        "Latents and q(z|x): real ones, or binary ones trained by a relaxation (with kl, and elbo or m1).",
        "gaussian",
        "bernoulli",
    )
    temperature: float = _setting(0.5, "Temperature of the relaxation of binary latents.")
    scale: str = _setting("exp", "Map from the encoder's output to the posterior sd.", "exp", "softplus")
    sigmoid_output: bool = _setting(
        False, "Pass the mlp decoder's mean through a sigmoid; the others always do."
    )
    initial: str = _setting(
        "uniform",
        "Initial weights: uniform +-1/sqrt(fan in), N(0, .1^2) as in the paper's plane, or, as on its "
        "images, uniform for the encoder and N(0, .01^2) for the decoder.",
        "uniform",
        "normal",
        "images",
    )

    steps: int = _setting(0, "Decoder updates; 0: as many as --epochs says.")
    epochs: float = _setting(20.0, "Passes over the training data, when --steps is not given.")
    batch_size: int = _setting(0, "Minibatch size N; 0: 1000, or all training data if they are fewer.")
    optimizer: str = _setting("adam", "Optimiser of the decoder.", "adam", "sgd")
    lr: float = _setting(1e-3, "Step size of the decoder.")
    encoder_optimizer: str = _setting("adam", "Optimiser of the encoder.", "adam", "sgd")
    encoder_lr: float = _setting(1e-3, "Step size of the encoder.")

    seeds: tuple[int, ...] = _setting((0,), "One model a seed, trained side by side: 3, 0-9 or 0,4,7.")
    dtype: str = _setting("float32", "Arithmetic.", "float32", "float64")
    device: str = _setting("auto", "Where to run.", "auto", "cpu", "gpu")
    kernels: str = _setting(
        "auto", "Kernel set; reference is plain NumPy.", "auto", "reference", "cpu", "cuda", "numba-cuda"
    )
    tf32: bool = _setting(False, "Round the factors of a GPU's float32 products to TF32 (10 bits).")
    threads: int = _setting(
        1, "Threads of the linear algebra; from Python, set OPENBLAS_NUM_THREADS before NumPy loads."
    )
    log_every: int = _setting(0, "Steps between rows of metrics.csv; 0: about 200 rows a run.")
    evaluate_every: float = _setting(
        0.0, "Epochs between evaluations on the test set, the rows of evaluation.csv; 0: none on the way."
    )

    def __post_init__(self) -> None:
        for spec in dataclasses.fields(self):
            value = checked(spec.name, getattr(self, spec.name), spec.default, spec.metadata["choices"])
            object.__setattr__(self, spec.name, value)
        self._check_combinations()

    def _check_combinations(self) -> None:
        if not self.hidden or min(self.hidden) < 1:
            raise ConfigError(f"--hidden needs positive widths such as 30,30, not {self.hidden}.")
        if self.arch == "mlp" and (self.width != 1 or self.batch_norm not in ("auto", "off")):
            option = "--width" if self.width != 1 else "--batch-norm"
            raise ConfigError(f"{option} is a part of dcgan and resnet18, not of mlp: leave it out.")
        if self.arch != "mlp" and (self.hidden != Settings.hidden or self.sigmoid_output):
            option = "--hidden" if self.hidden != Settings.hidden else "--sigmoid-output"
            raise ConfigError(f"{option} is a part of mlp, not of {self.arch}: leave it out.")
        if not self.seeds or not all(0 <= seed < 2**63 for seed in self.seeds):
            raise ConfigError("--seeds needs at least one seed between 0 and 2^63 - 1.")
        if len(set(self.seeds)) < len(self.seeds):
            raise ConfigError("--seeds names a seed twice: two models would be the same.")
        if not 0 <= self.data_seed < 2**63:
            raise ConfigError("--data-seed must lie between 0 and 2^63 - 1.")
        if self.gamma not in ("learn", "optimal"):
            self.fixed_gamma()
        if self.objective == "fae" and self.inference == "kl":
            raise ConfigError(
                "--objective fae trains the encoder on the joint Fisher divergence, so --inference kl has no "
                "part in it: use fisher-reparam, or fisher for the gradient with z held fixed."
            )
        if self.posterior == "bernoulli" and (self.inference != "kl" or self.objective not in ("elbo", "m1")):
            raise ConfigError(
                "--posterior bernoulli has no scores, so it goes with --inference kl and --objective elbo or "
                f"m1, not with {self.inference} and {self.objective}."
            )
        if self.temperature != Settings.temperature and self.posterior != "bernoulli":
            raise ConfigError("--temperature is a part of --posterior bernoulli: leave it out.")
        if self.as_published and self.objective not in ("m2", "m3"):
            raise ConfigError(
                "--as-published exists for --objective m2 and m3, where the toy script leaves the paper, "
                f"not for {self.objective}."
            )
        if self.as_published and (self.squared_mean, self.baseline) != ("auto", "auto"):
            raise ConfigError("--as-published fixes the estimators: leave out --squared-mean and --baseline.")
        if self.squared_mean != "auto" and self.objective not in ("m2", "m3"):
            raise ConfigError(
                f"--squared-mean is a part of m2 and m3, not of {self.objective}: leave it out."
            )
        if self.baseline != "auto" and self.objective != "m3":
            raise ConfigError(f"--baseline is a part of m3, not of {self.objective}: leave it out.")
        if self.gamma_floor != Settings.gamma_floor and self.gamma != "optimal":
            raise ConfigError("--gamma-floor is a part of --gamma optimal: leave it out.")
        if self.score_norm != "pathwise" and self.objective != "fae":
            raise ConfigError(f"--score-norm is a part of fae, not of {self.objective}: leave it out.")
        if self.tf32 and self.device != "gpu" and self.kernels in ("auto", "reference", "cpu"):
            raise ConfigError("--tf32 is a mode of a GPU's products: add --device gpu or leave it out.")
        if self.tf32 and self.dtype != "float32":
            raise ConfigError(f"--tf32 is a mode of float32 products, not of {self.dtype}: leave it out.")
        if self.samples < 2 and (self.squared_mean == "u-statistic" or self.baseline == "leave-one-out"):
            raise ConfigError(
                "--squared-mean u-statistic and --baseline leave-one-out need --samples of at least 2."
            )

    def fixed_gamma(self) -> float:
        """Return ``gamma`` as a number.

        Raises
        ------
        ConfigError
            If it is not a number, or not positive.
        """
        try:
            value = float(self.gamma)
        except ValueError:
            value = -1.0
        if not positive(value):
            raise ConfigError(f"--gamma must be learn, optimal or a positive number, not '{self.gamma}'.")
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
                f"There is no setting {unknown[0]!r}: see 'vsmnp train --help' for all of them."
            )
        if values.get("objective") == "fae":  # KL inference does not train the encoder of fae
            values = {"inference": "fisher-reparam", **values}
        return cls(**values)

    def to_mapping(self) -> dict[str, Any]:
        """Return names and values, with tuples as lists."""
        return {name: list(v) if isinstance(v, tuple) else v for name, v in dataclasses.asdict(self).items()}


#: Settings that a resumed run may change, because they do not affect the mathematics.
FREE_TO_CHANGE = frozenset({"steps", "epochs", "data_dir", "log_every", "evaluate_every", "memory_budget"})

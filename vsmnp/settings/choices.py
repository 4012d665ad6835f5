"""The closed sets of a run: each objective, posterior, architecture, ... in one row with what is known of it.

A row names the class or function of a member instead of importing it, because the settings are read before
NumPy is loaded. Everything else reads these tables: options and their checks, files, figures and benchmarks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from types import MappingProxyType
from typing import Any, Literal, TypeAlias, TypeVar

BatchNormRule: TypeAlias = Literal["off", "coupled", "frozen"]


@dataclass(frozen=True)
class Member:
    """A member of a closed set: where its class or function is, and which settings belong to it.

    The parameters of the class or function are named as the values of
    :func:`vsmnp.training.build.ingredients`. A setting that members read has no effect without one of them.
    """

    place: str  #: ``module:name`` below ``vsmnp``
    reads: tuple[str, ...] = ()

    def load(self) -> Any:
        """Import the class or function of the member."""
        return imported(self.place)


Row = TypeVar("Row", bound=Member)


def imported(place: str) -> Any:
    """Import what ``module:name`` names below ``vsmnp``."""
    module, name = place.split(":")
    return getattr(import_module(f"vsmnp.{module}"), name)


@dataclass(frozen=True)
class Joint:
    """The parts of an objective that trains both networks, beside the one of the decoder."""

    inference: str  #: place of the part that trains the encoder
    both: str  #: place of the objective with both gradients
    trains: str  #: what the encoder is trained on
    default: str  #: the inference that is chosen unless the user chooses one


@dataclass(frozen=True)
class ObjectiveRow(Member):
    """The row of an objective that trains the decoder."""

    label: str = ""  #: name in figures
    unit: str = ""  #: of the loss: nats, or powers of the units of x and z
    published: str = ""  #: place of the variant of ``--as-published``, if there is one
    crosses: bool = False  #: whether the loss contains the score ``s^q``
    one_sample: str = ""  #: what the user should know about S = 1, if anything
    flat_ray: bool = False  #: whether ``(r(x) - x, gamma)`` times any number has the same loss if Z >= D
    joint: Joint | None = None


@dataclass(frozen=True)
class InferenceRow(Member):
    """The row of an objective that trains the encoder."""

    label: str = ""  #: name in figures
    unit: str = ""  #: of the loss, as of an objective
    letter: str = ""  #: name in tables of benchmarks
    #: Whether z is differentiated in phi in a Fisher divergence; None for a loss without that choice.
    reparametrised: bool | None = None
    #: Step size of bi-level updates unless the user chooses one, by ``--fisher-weight``, which is identity
    #: for a loss without it; empty for a loss without such updates.
    bilevel_lr: Mapping[str, float] = field(default_factory=dict)
    #: Plain gradient steps of the encoder in the author's code, bi-level ones included; None if it has none.
    published_lr: float | None = None
    #: The loss in the author's code over the one by definition: 2 where it leaves out a 1/2.
    published_weight: float = 1.0

    def plain_step(self, as_published: bool = False) -> float | None:
        """Return the learning rate with which the encoder takes the plain steps of the author's code.

        A loss by definition takes the same step with a larger rate, if the code's loss is larger.
        """
        if self.published_lr is None or as_published:
            return self.published_lr
        return self.published_weight * self.published_lr


@dataclass(frozen=True)
class PosteriorRow(Member):
    """The row of a family of q(z|x), with the objectives that it goes with (empty: all)."""

    inferences: tuple[str, ...] = ()
    objectives: tuple[str, ...] = ()
    bilevel: bool = False  #: whether it has the second derivatives that bi-level updates need


@dataclass(frozen=True)
class ArchitectureRow(Member):
    """The row of a function that returns an encoder and a decoder."""

    of_images: bool = False  #: whether it takes an ``ImagePlan``, and the data must be images
    batch_norm: BatchNormRule = "off"  #: what ``--batch-norm auto`` stands for


@dataclass(frozen=True, kw_only=True)
class OptimizerRow(Member):
    """The row of an optimiser."""

    moved: int  #: numbers per parameter that an update reads and writes
    is_plain: bool = False  #: whether it takes plain gradient steps


@dataclass(frozen=True)
class ScheduleRow(Member):
    """The row of a schedule of the step sizes."""

    ends_with_run: bool = False  #: whether the step sizes fall to 0 at the last update of the run


OBJECTIVES: Mapping[str, ObjectiveRow] = MappingProxyType({
    "elbo": ObjectiveRow("objectives.elbo:ELBO", label="ELBO", unit="nats"),
    "m1": ObjectiveRow("objectives.m1:M1", label="M1", unit="1/x^2"),
    "m2": ObjectiveRow(
        "objectives.m2:M2", reads=("squared_mean",), label="M2", unit="1/x^2",
        published="objectives.as_published:M2AsPublished",
        one_sample="With one posterior sample M2 is the same estimator as M1: use --samples 2 or more.",
    ),
    "m3": ObjectiveRow(
        "objectives.m3:M3", reads=("squared_mean", "baseline"), label="M3", unit="1/x^2",
        published="objectives.as_published:M3AsPublished", crosses=True, flat_ray=True,
        one_sample="With one posterior sample M3 is M1 plus the cross term, biased and without a baseline: "
        "use --samples 2 or more.",
    ),
    "fae": ObjectiveRow(
        "objectives.joint_fisher:JointFisherLearning", reads=("score_norm",), label="Fisher autoencoder",
        unit="1/x^2 + 1/z^2", crosses=True,
        joint=Joint(
            inference="objectives.joint_fisher:JointFisherInference",
            both="objectives.joint_fisher:JointFisher",
            trains="the joint Fisher divergence", default="fisher-reparam",
        ),
    ),
})  # fmt: skip

INFERENCES: Mapping[str, InferenceRow] = MappingProxyType({
    "kl": InferenceRow(
        "objectives.kl:KL", reads=("kl_weight", "kl_warmup"), label="KL", unit="nats", letter="K",
        bilevel_lr={"identity": 3e-4}, published_lr=1e-2,
    ),
    "fisher": InferenceRow(
        "objectives.posterior_fisher:PosteriorFisher", reads=("fisher_weight",), label="Fisher",
        unit="1/z^2", letter="F", reparametrised=False,
        bilevel_lr={"identity": 1e-5, "covariance": 3e-4},  # of curvatures 1/s^4 and 1/s^2
        published_lr=1e-3, published_weight=2.0,
    ),
    "fisher-reparam": InferenceRow(
        "objectives.posterior_fisher:PosteriorFisher", label="Fisher (reparametrised)", unit="1/z^2",
        letter="FR", reparametrised=True, published_lr=1e-3, published_weight=2.0,
    ),
})  # fmt: skip

POSTERIORS: Mapping[str, PosteriorRow] = MappingProxyType({
    "gaussian": PosteriorRow("model.gaussian:DiagonalGaussian", reads=("scale",), bilevel=True),
    "bernoulli": PosteriorRow(
        "model.bernoulli:Bernoulli", reads=("temperature",), inferences=("kl",), objectives=("elbo", "m1")
    ),
})  # fmt: skip

ARCHITECTURES: Mapping[str, ArchitectureRow] = MappingProxyType({
    "mlp": ArchitectureRow("model.networks.mlp:perceptrons", reads=("hidden", "sigmoid_output")),
    "dcgan": ArchitectureRow("model.networks.dcgan:dcgan", reads=("width", "batch_norm"), of_images=True),
    "resnet18": ArchitectureRow(
        "model.networks.resnet:resnet18", reads=("width", "batch_norm"), of_images=True, batch_norm="coupled"
    ),
})  # fmt: skip

#: Rules of gamma by name; a number instead of a name is a gamma that is kept.
GAMMA_RULES: Mapping[str, Member] = MappingProxyType({
    "learn": Member("objectives.gamma:LearnedGamma"),
    "optimal": Member("objectives.gamma:OptimalGamma", reads=("gamma_floor",)),
})  # fmt: skip

OPTIMIZERS: Mapping[str, OptimizerRow] = MappingProxyType({
    "adam": OptimizerRow("training.optimizers:Adam", moved=7),
    "sgd": OptimizerRow("training.optimizers:SGD", moved=3, is_plain=True),
})  # fmt: skip

#: Factors of the step sizes over a run, after their warm-up.
LR_SCHEDULES: Mapping[str, ScheduleRow] = MappingProxyType({
    "constant": ScheduleRow("training.schedule:constant"),
    "cosine": ScheduleRow("training.schedule:cosine", ends_with_run=True),
    "linear": ScheduleRow("training.schedule:linear", ends_with_run=True),
})  # fmt: skip

#: What is done to the data before the model; auto: the columns of the user's own tables are scaled.
STANDARDIZE = ("auto", "columns", "whiten", "none")

#: Maps from the encoder's output to the standard deviation of a Gaussian posterior.
SCALES = ("exp", "softplus")

#: Distributions of the initial parameters.
INITIAL: Mapping[str, Member] = MappingProxyType({
    name: Member(f"model.initial:{name}") for name in ("uniform", "normal", "images")
})  # fmt: skip

#: Suites of ``vsmnp bench``: functions from a choice of cases to the parts that are measured.
SUITES: Mapping[str, Member] = MappingProxyType({
    "summary": Member("bench.suites:summary"), "steps": Member("bench.suites:steps"),
    "kernels": Member("bench.suites:kernels"), "scaling": Member("bench.suites:scaling"),
    "ensemble": Member("bench.suites:ensemble"), "memory": Member("bench.suites:memory"),
    "images": Member("bench.suites:images"), "all": Member("bench.suites:all_suites"),
})  # fmt: skip

#: The sets whose members have settings of their own, by the setting that chooses the member.
CHOSEN_BY: Mapping[str, Mapping[str, Member]] = MappingProxyType({
    "objective": OBJECTIVES, "inference": INFERENCES, "posterior": POSTERIORS, "arch": ARCHITECTURES,
    "gamma": GAMMA_RULES,
})  # fmt: skip
#: Networks for images, by name.
IMAGE_ARCHITECTURES: Mapping[str, ArchitectureRow] = MappingProxyType(
    {name: row for name, row in ARCHITECTURES.items() if row.of_images}
)

#: Sides of the images, in pixels, that these networks support.
IMAGE_SIDES = (32, 64)


def row_of(members: Mapping[str, Row], name: object) -> Row | None:
    """Return the row of a member that an unchecked setting names, or None if there is no such member."""
    return members.get(name) if isinstance(name, str) else None


def bilevel_step_sizes() -> str:
    """Return the default step sizes of bi-level updates as a text, such as ``0.01 for kl``."""
    return ", ".join(
        f"{lr:g} for {name}" + f" ({weight})" * (len(row.bilevel_lr) > 1)
        for name, row in INFERENCES.items()
        for weight, lr in row.bilevel_lr.items()
    )


def is_second_order(objective: str, inference: str) -> bool:
    """Return whether the gradients contain second derivatives of a network."""
    return OBJECTIVES[objective].joint is not None or INFERENCES[inference].reparametrised is True

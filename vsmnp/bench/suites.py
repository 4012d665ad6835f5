"""List the cases of each suite, restricted by the user's choice."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import chain, product
from types import MappingProxyType
from typing import TypeAlias

from ..errors import ConfigError, member_of
from ..layers.activations import ACTIVATIONS
from ..settings.choices import IMAGE_ARCHITECTURES, INFERENCES, OBJECTIVES, SUITES, is_second_order
from ..settings.draws import PRIOR_DRAWS
from .bench import SuitePart
from .case import Case, paper_of
from .ensembles import EnsemblePart
from .evaluation import EvaluationPart
from .kernels import KERNELS, PRODUCTS, KernelPart, ProductPart
from .limits.part import LimitsPart
from .memory import PeakPart
from .profile import ProfilePart
from .steps import EpochPart, StepPart

#: Default peers of a suite on each device.
PEERS = MappingProxyType({
    "cpu": ("torch-eager", "jax-jit"),
    "gpu": ("torch-eager", "torch-compile", "torch-graphs", "jax-jit"),
})  # fmt: skip
ENSEMBLE_PEERS = ("torch-vmap", "jax-vmap")
IMAGE_PEERS = ("torch-eager",)
#: Additional peers of steps on a CPU: PyTorch in its usual style, beside the lean style of the others.
USUAL_PEERS = ("torch-backward",)
#: An additional peer of steps with bi-level updates: their graph is kept by torch-eager, and not by this one.
FUNCTIONAL_PEERS = ("torch-func",)

#: An objective and an inference.
Pair: TypeAlias = tuple[str, str]

#: K-ELBO ... F-M3 of the summary.
HEADLINE = (
    ("elbo", "kl"), ("m1", "kl"), ("m2", "kl"), ("m3", "kl"),
    ("m1", "fisher"), ("m2", "fisher"), ("m3", "fisher"),
)  # fmt: skip
#: Bi-level learning in the paper's two-dimensional setting: J = 5, and plain gradient steps of the encoder.
BILEVEL = MappingProxyType({"encoder_steps": 5, "encoder_optimizer": "sgd"})
#: K-M2 and K-M3 of bi-level learning.
OF_BILEVEL = (("m2", "kl"), ("m3", "kl"))
#: Numbers K of bi-level updates whose memory is measured.
DEPTHS = (0, 1, 5, 20)

#: K-ELBO, K-M1 and F-M1 of images.
OF_IMAGES = (("elbo", "kl"), ("m1", "kl"), ("m1", "fisher"))
#: K-M1 of images, whose epochs are timed; the memory of its objective is measured.
TIMED_EPOCHS = ("m1", "kl")
#: A smooth activation, in place of one with a kink.
SMOOTH = "tanh"


@dataclass(frozen=True)
class SuiteChoice:
    """The user's choice of cases; an empty tuple means the default of the suite."""

    #: A name of :data:`SUITES`.
    suite: str = "summary"
    #: Objectives and inferences, as in the settings.
    objectives: tuple[str, ...] = ()
    inferences: tuple[str, ...] = ()
    #: Hidden widths, one tuple per pair of perceptrons.
    hidden: tuple[tuple[int, ...], ...] = ()
    #: Numbers S of posterior samples.
    samples: tuple[int, ...] = ()
    #: All other options: batch, dtype, device, kernels, threads.
    template: Case = field(default_factory=Case)
    #: Threads of ensembles.
    threads: int = 2
    #: Whether to run fewer and smaller cases.
    quick: bool = False
    #: Architectures for images.
    archs: tuple[str, ...] = ()
    #: Whether to time the parts of each step instead.
    profile: bool = False

    def __post_init__(self) -> None:
        member_of(SUITES, "suite", self.suite)

    def first_case(self, **changes: object) -> Case:
        """Return the template with the first value of each choice, and the changes."""
        first = {"objective": self.objectives, "inference": self.inferences, "hidden": self.hidden,
                 "samples": self.samples}  # fmt: skip
        chosen = {name: values[0] for name, values in first.items() if values}
        joint = OBJECTIVES[str(chosen.get("objective", self.template.objective))].joint
        if joint:
            chosen.setdefault("inference", joint.default)
        return _smooth(replace(self.template, **{**chosen, **changes}))  # type: ignore[arg-type]


def plan(choice: SuiteChoice) -> list[SuitePart]:
    """Return the parts of a choice, in order.

    Raises
    ------
    ConfigError
        If no part is left, or a case is invalid.
    """
    parts = list(SUITES[choice.suite].load()(choice))
    if choice.profile:
        parts = [ProfilePart(part.case) for part in parts if isinstance(part, StepPart)]
    if not parts:
        raise ConfigError(
            "These choices exclude each other, so that nothing is left to measure: leave out one of "
            "--objective, --inference, --arch, --bilevel-steps and --profile."
        )
    for part in parts:
        if isinstance(part, StepPart | EnsemblePart | PeakPart | EpochPart | ProfilePart | EvaluationPart):
            part.case.settings  # noqa: B018 - it raises for an invalid case
    return parts


def _smooth(case: Case) -> Case:
    """Replace an activation with a kink in cases with second-order gradients, which miss the kinks."""
    second = is_second_order(case.objective, case.inference)
    return replace(case, activation=SMOOTH) if second and ACTIVATIONS[case.activation].has_kink else case


def _wanted(choice: SuiteChoice, pairs: Iterable[Pair]) -> list[Pair]:
    """Select the pairs whose objective and inference are among the chosen ones, if any are chosen."""
    return [
        (objective, inference) for objective, inference in pairs
        if objective in (choice.objectives or (objective,))
        and inference in (choice.inferences or (inference,))
    ]  # fmt: skip


def _cases(choice: SuiteChoice) -> Iterator[Case]:
    objectives = choice.objectives or tuple(OBJECTIVES)
    inferences = choice.inferences or tuple(INFERENCES)
    hidden = choice.hidden or (((30, 30),) if choice.quick else ((30, 30), (100, 100)))
    samples = choice.samples or ((1,) if choice.quick else (1, 5))
    for widths, S, inference, objective in product(hidden, samples, inferences, objectives):
        joint, follows = OBJECTIVES[objective].joint, INFERENCES[inference].reparametrised
        if (joint and follows is None) or (choice.template.bilevel_steps and (joint or follows)):
            continue
        chosen = {"objective": objective, "inference": inference, "hidden": widths, "samples": S}
        yield _smooth(replace(choice.template, **chosen))  # type: ignore[arg-type]


def _bilevel_cases(choice: SuiteChoice, *depths: int) -> Iterator[Case]:
    """Yield the chosen cases of bi-level learning with each K."""
    for objective, inference in _wanted(choice, OF_BILEVEL):
        for K in depths:
            yield choice.first_case(objective=objective, inference=inference, bilevel_steps=K, **BILEVEL)


def steps(choice: SuiteChoice) -> Iterator[SuitePart]:
    """Yield whole training steps: every chosen objective x inference x architecture."""
    yield from map(StepPart, _cases(choice))


def summary(choice: SuiteChoice) -> Iterator[SuitePart]:
    """Yield the cases that the project is judged by."""
    wanted = _wanted(choice, HEADLINE)

    def case(objective: str, inference: str, width: int, S: int) -> Case:
        chosen = {"objective": objective, "inference": inference, "hidden": (width, width), "samples": S}
        return _smooth(replace(choice.template, **chosen))  # type: ignore[arg-type]

    for S in choice.samples or ((1,) if choice.quick else (1, 5)):
        yield from (StepPart(case(*names, 30, S)) for names in wanted)
    if not choice.quick:
        yield from (StepPart(case(*names, 100, 1)) for names in wanted)
    for objective, inference in (("m1", "fisher-reparam"), ("fae", "fisher-reparam")):
        yield StepPart(case(objective, inference, 30, 1))
    yield from map(StepPart, _bilevel_cases(choice, 5))
    yield from ensemble(choice)
    shown = ("limits", "terms", "posterior", "gemm", "evaluation")
    yield from (part for part in kernels(choice) if part.title.startswith(shown))
    if choice.template.device == "cpu":
        for width, S in ((30, 1), (100, 5)):
            yield from (PeakPart(case(*names, width, S)) for names in (("m2", "kl"), ("m3", "fisher")))


def kernels(choice: SuiteChoice) -> Iterator[SuitePart]:
    """Yield single kernels beside plain NumPy and a plain copy."""
    if choice.template.device == "cpu":
        yield LimitsPart(choice.template)
    yield from (ProductPart(count, width, choice.template) for count, width in PRODUCTS)
    yield from (KernelPart(name, choice.template, 0.1 if choice.quick else 1.0) for name in KERNELS)
    yield from evaluation(choice)


def evaluation(choice: SuiteChoice) -> Iterator[SuitePart]:
    """Yield the evaluation of a model of plane data by draws of its prior, beside plain NumPy."""
    yield EvaluationPart(choice.first_case(), PRIOR_DRAWS // (10 if choice.quick else 1))


def scaling(choice: SuiteChoice) -> Iterator[SuitePart]:
    """Yield a step while N, S, the width, the depth or the number of models grows."""
    short = choice.quick
    series: dict[str, tuple[int, ...]] = {
        "N": (250, 1000, 4000) if short else (125, 250, 500, 1000, 2000, 4000, 8000, 16000),
        "S": (1, 4) if short else (1, 2, 4, 8, 16),
        "H": (16, 64) if short else (16, 32, 64, 128, 256, 512),
        "R": (1, 4) if short else (1, 2, 4, 8, 16, 32),
        "depth": (1, 2) if short else (1, 2, 3, 4, 6, 8),
    }
    base = choice.first_case()
    width = base.hidden[0]
    for axis, values in series.items():
        for value in values:
            changes: dict[str, dict[str, object]] = {
                "N": {"batch_size": value}, "S": {"samples": value}, "R": {"models": value},
                "H": {"hidden": (value,) * len(base.hidden)}, "depth": {"hidden": (width,) * value},
            }  # fmt: skip
            yield StepPart(choice.first_case(**changes[axis]), axis, value)


def ensemble(choice: SuiteChoice) -> Iterator[SuitePart]:
    """Yield models side by side on all threads against one model on one thread."""
    gpu = choice.template.device == "gpu"
    for hidden in choice.hidden or (((30, 30),) if choice.quick or gpu else ((30, 30), (100, 100))):
        objective = choice.objectives[0] if choice.objectives else "m2"
        for models in (1000, 8000) if gpu else (10,):
            threads = choice.threads if not gpu else 1
            yield EnsemblePart(
                choice.first_case(objective=objective, hidden=hidden, models=models, threads=threads)
            )


def memory(choice: SuiteChoice) -> Iterator[SuitePart]:
    """Yield peak memory, one fresh process for each contender."""
    if choice.template.device == "cpu":
        fewer = replace(choice, objectives=choice.objectives or ("elbo", "m3", "fae"))
        yield from map(PeakPart, _cases(fewer))
        yield from map(PeakPart, _bilevel_cases(fewer, *((0, 5) if choice.quick else DEPTHS)))


def _on_threads(choice: SuiteChoice, cases: Iterable[Case]) -> Iterator[SuitePart]:
    """Yield cases with a part of the minibatch for each thread: as many as are a power of two and fit."""
    for case in cases:
        parts = math.gcd(1 << (choice.threads.bit_length() - 1), case.batch_size)
        if case.device == "cpu" and parts > 1:
            yield EnsemblePart(replace(case, parts=parts, threads=parts))


def images(choice: SuiteChoice) -> Iterator[SuitePart]:
    """Yield steps, memory and epochs of the networks of images."""
    template, usual = choice.template, Case()
    given = {name: getattr(template, name) for name in ("device", "kernels", "threads", "dtype", "tf32")}
    if template.batch_size != usual.batch_size:
        given["batch_size"] = template.batch_size
    if choice.samples:
        given["samples"] = choice.samples[0]
    for arch in choice.archs or (("dcgan",) if choice.quick else tuple(IMAGE_ARCHITECTURES)):
        cases = [
            Case.of_images(arch, objective=objective, inference=inference, **given)
            for objective in choice.objectives or tuple(dict.fromkeys(name for name, _ in OF_IMAGES))
            for inference in choice.inferences or tuple(dict.fromkeys(name for _, name in OF_IMAGES))
            if choice.objectives or choice.inferences or (objective, inference) in OF_IMAGES
        ]
        cases = [replace(case, width=0.25) for case in cases] if choice.quick else cases
        yield from map(StepPart, cases)
        yield from _on_threads(choice, cases[:1])
        for case in cases:
            if (case.objective, case.inference) == TIMED_EPOCHS:
                yield EpochPart(replace(case, encoder_steps=paper_of(arch)["encoder_steps"]))
            if template.device == "cpu" and case.objective == TIMED_EPOCHS[0]:
                yield PeakPart(case)


def all_suites(choice: SuiteChoice) -> Iterator[SuitePart]:
    """Yield the parts of all suites but the summary."""
    others = (row for name, row in SUITES.items() if name not in ("summary", "all"))
    return chain.from_iterable(row.load()(choice) for row in others)


def peers_of(part: SuitePart, device: str) -> tuple[str, ...]:
    """Return the default peers of a part."""
    if isinstance(part, EnsemblePart):
        return ENSEMBLE_PEERS
    if isinstance(part, KernelPart | ProductPart | EpochPart | ProfilePart | EvaluationPart | LimitsPart):
        return ()
    lean = IMAGE_PEERS if isinstance(part, StepPart | PeakPart) and part.case.image else PEERS[device]
    if isinstance(part, StepPart) and part.case.models > 1:
        return ENSEMBLE_PEERS if part.axis is None else ()
    if device != "cpu" or not isinstance(part, StepPart) or part.axis is not None:
        return lean
    return (*USUAL_PEERS, *lean, *(FUNCTIONAL_PEERS if part.case.bilevel_steps else ()))

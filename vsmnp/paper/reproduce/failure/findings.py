"""State the verdicts of the experiment in sentences: one for each inference, then the other grids."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ....metrics import metric
from ..paired import LEVEL, median
from .factors import Factors
from .tables import MeasuredRun, floors
from .verdicts import MARGIN, TOLERANCE, FailureAnswer, FailureVerdict, has_converged

#: The inferences in the order of the sentences, with the subject of each sentence.
SUBJECTS = {
    "kl": "With KL inference",
    "fisher": "With Fisher inference",
    "fisher-covariance": "With Fisher inference weighted by the covariance of q",
    "fisher-reparam": "With reparametrised Fisher inference",
    "exact": "With the exact posterior",
}


def findings(
    rows: Sequence[MeasuredRun], found: Sequence[FailureVerdict], variances: Sequence[Mapping[str, Any]]
) -> tuple[str, ...]:
    """Write the rule, a sentence for each inference at the centre, and one for each level that is moved."""
    sentences = [_rule(rows, found), *by_inference(found), *_of_inference(found), *_moved(found)]
    sentences += [*_drifts(rows), *_unconverged(rows), *_diverged(rows)]
    if variances:
        listed = ", ".join(f"{row['objective']} {row['ratio_to_m1']:.2g}" for row in variances)
        sentences.append(f"Variance of the gradient at a trained model, against M1's: {listed}.")
    return tuple(sentences)


def by_inference(found: Sequence[FailureVerdict]) -> Iterator[str]:
    """Yield one sentence for each inference with the verdicts of the main grid."""
    main = [v for v in found if v.family == "main"]
    for inference, subject in SUBJECTS.items():
        here = [v for v in main if v.of.inference == inference]
        if here:
            yield f"{subject}, {_listed(here)}."


def contents(rows: Sequence[MeasuredRun]) -> Iterator[str]:
    """Yield a line for each command, machine and grid of the record with its data, inferences and runs."""
    groups: dict[tuple[str, str, int, str], list[Factors]] = {}
    for row in rows:
        groups.setdefault((row.command, row.machine, row.steps, row.factors.family), []).append(row.factors)
    for (command, machine, steps, family), runs in groups.items():
        parts = {
            name: ", ".join(dict.fromkeys(getattr(run, name) for run in runs))
            for name in ("dataset", "inference", "objective")
        }
        yield (
            f"{len(runs)} runs of {steps} steps by '{command}' on {machine}; grid {family}: "
            f"{parts['dataset']}; {parts['inference']}; {parts['objective']}"
        )


def _listed(found: Sequence[FailureVerdict]) -> str:
    """List the objectives with their verdicts; those that have the same on all data are named together."""
    alike: dict[tuple[tuple[str, FailureAnswer], ...], list[str]] = {}
    for objective in dict.fromkeys(v.of.objective for v in found):
        answers = tuple((v.of.dataset, v.answer) for v in found if v.of.objective == objective)
        alike.setdefault(answers, []).append(objective)
    parts = []
    for answers, objectives in alike.items():
        told = [
            f"{_verb(answer, len(objectives))} on {', '.join(data)} "
            f"({_range(v for v in found if v.of.objective in objectives and v.of.dataset in data)})"
            for answer in FailureAnswer
            if (data := [name for name, each in answers if each is answer])
        ]
        parts.append(f"{_joined(objectives)} {_joined(told)}")
    return "; ".join(parts)


def _range(found: Iterable[FailureVerdict]) -> str:
    """Write the least and the largest difference, or the only one."""
    centres = sorted(v.interval.centre for v in found)
    return " to ".join(dict.fromkeys(_signed(centre) for centre in (centres[0], centres[-1])))


def _joined(parts: Sequence[str]) -> str:
    """Join parts by commas and, before the last, "and"."""
    return " and ".join(filter(None, [", ".join(parts[:-1]), parts[-1]]))


#: The verb of each answer for one subject, and for several.
_VERBS = {
    FailureAnswer.FAILS: ("fails", "fail"),
    FailureAnswer.DOES_NOT_FAIL: ("does not fail", "do not fail"),
    FailureAnswer.UNDECIDED: ("is undecided", "are undecided"),
}


def _verb(answer: FailureAnswer, subjects: int = 1) -> str:
    return _VERBS[answer][subjects > 1]


def _named(verdict: FailureVerdict) -> str:
    """Name the data set with the difference, and with the reason why there is no answer."""
    because = f", {verdict.reason}" if verdict.reason and "interval" not in verdict.reason else ""
    return f"{verdict.of.dataset} ({_signed(verdict.interval.centre)}{because})"


def _rule(rows: Sequence[MeasuredRun], found: Sequence[FailureVerdict]) -> str:
    seeds = sorted({len(row.figures["nll"]) for row in rows})
    return (
        f"{len(rows)} runs of {' or '.join(map(str, seeds))} seeds, {len(found)} comparisons: an objective "
        f"fails where it is more than {MARGIN} nats behind the ELBO at the same levels of all other factors "
        f"(paired over seeds, {1 - LEVEL:.0%} for each grid together); differences are in brackets."
    )


def _of_inference(found: Sequence[FailureVerdict]) -> Iterator[str]:
    """Yield a sentence for each inference with the ELBO against KL inference with the ELBO."""
    for inference, subject in SUBJECTS.items():
        here = [v for v in found if v.family == "inference, main" and v.of.inference == inference]
        if here:
            answers = (f"{_verb(v.answer)} on {_named(v)}" for v in here)
            yield (
                f"{subject}, the decoder that the ELBO trains, against that with KL inference, "
                f"{'; '.join(answers)}."
            )


def _moved(found: Sequence[FailureVerdict]) -> Iterator[str]:
    """Yield a sentence for each level that is moved, with the comparisons that it decides differently."""
    centre = {(v.of.dataset, v.of.inference, v.of.objective): v for v in found if v.family == "main"}
    moved = [v for v in found if v.of.moved and not v.family.startswith("inference")]
    for setting in dict.fromkeys(v.of.setting for v in moved):
        here = [v for v in moved if v.of.setting == setting]
        known = [
            (v, centre[key])
            for v in here
            if (key := (v.of.dataset, v.of.inference, v.of.objective)) in centre
        ]
        changed = [
            f"{now.of.objective} on {now.of.dataset} with {now.of.inference} inference: {before.answer} "
            f"({_signed(before.interval.centre)}) becomes {now.answer} ({_signed(now.interval.centre)})"
            for now, before in known
            if now.answer is not before.answer
        ]
        counts = ", ".join(
            f"{sum(v.answer is answer for v in here)} {answer}" for answer in FailureAnswer
        )  # fmt: skip
        told = f"; against the centre {'; '.join(changed)}" if changed else ""
        yield f"{setting}: {counts} of {len(here)}{told}."


def _drifts(rows: Sequence[MeasuredRun]) -> Iterator[str]:
    """Yield a sentence with the change of each objective that was started from the trained ELBO model."""
    by_factors = {row.factors: row for row in rows}
    told = []
    for row in rows:
        origin = row.factors.origin
        if origin in by_factors and origin is not None:
            change = median(_changes(row, by_factors[origin]))
            told.append(
                f"{_run(row.factors)} {_signed(change.value)} [{_signed(change.low)}, {_signed(change.high)}]"
            )
    if told:
        yield (
            "Change of the negative log-likelihood from the trained ELBO model on, median over seeds with "
            f"its interval: {'; '.join(told)}."
        )


def _changes(row: MeasuredRun, start: MeasuredRun) -> list[float]:
    return [a - b for a, b in zip(row.figures["nll"], start.figures["nll"], strict=True)]


def _unconverged(rows: Iterable[MeasuredRun]) -> Iterator[str]:
    left = [_run(row.factors) for row in rows if not has_converged(row)]
    if left:
        yield (
            f"Not converged, by more than {TOLERANCE} nats in the last quarter of the training: "
            f"{', '.join(left)}."
        )


def _diverged(rows: Iterable[MeasuredRun]) -> Iterator[str]:
    told = [
        f"{_run(row.factors)} {len(active) - int(sum(active))} of {len(active)}"
        for row in rows
        if not all(active := row.figures["active"])
    ]
    if told:
        yield f"Models that diverged, measured in their last finite state: {', '.join(told)}."


def _run(factors: Factors) -> str:
    setting = f", {factors.setting}" if factors.setting else ""
    return f"{factors.objective} on {factors.dataset} ({factors.inference}{setting})"


def medians(rows: Sequence[MeasuredRun]) -> Iterator[tuple[Any, ...]]:
    """Yield the cells of the printed table: a run, and medians over the seeds with their intervals."""
    for row in rows:
        f, floor = row.factors, floors(row.factors.dataset, row.points)
        nll, sm_loss = median(row.figures["nll"]), median(row.figures["sm_loss"])
        yield (
            f.dataset, f.inference, f.objective, f.setting, nll.value, f"[{nll.low:.4g}, {nll.high:.4g}]",
            floor.nll, sm_loss.value, f"[{sm_loss.low:.4g}, {sm_loss.high:.4g}]", floor.sm_loss,
            *(median(row.figures[name]).value for name in SHOWN),
        )  # fmt: skip


#: Further measurements whose medians are printed.
SHOWN = ("gamma", "reconstruction_variance", "posterior_gap", "ess")
HEADER = (
    "data", "q", "objective", "setting", metric("nll").heading, "interval", "best", "sm loss", "interval",
    "best", "gamma", "tr Cov g", "KL[q||p]", "ess",
)  # fmt: skip


def _signed(number: float) -> str:
    """Write a number with its sign and two digits, such as ``+0.035`` and ``+1700``."""
    return f"{float(f'{number:.2g}'):+g}"

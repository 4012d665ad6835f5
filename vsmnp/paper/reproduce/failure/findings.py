"""State the results of the controlled experiment in sentences with its numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]

#: The minibatch size of the paper; the main grid has smaller ones.
LARGE_BATCH = 1000


def findings(rows: Sequence[Row], variances: Sequence[Row]) -> tuple[str, ...]:
    """Write a sentence for each setting, each objective over all settings, and each additional run.

    Medians over the models are compared: one diverged seed in ten shows in the standard error instead.
    """
    main = [row for row in rows if in_main_grid(row)]
    sentences = [_setting(group) for group in _groups(main)]
    sentences += _standings(_groups(main))
    sentences += [_additional(row) for row in rows if _is_additional(row)]
    large = [row for row in rows if row["batch_size"] >= LARGE_BATCH]
    if large:
        listed = ", ".join(f"{row['objective']} {row['nll_median']:.3f}" for row in large)
        sentences.append(
            f"{large[0]['dataset']}, {large[0]['inference']} inference, minibatches of {LARGE_BATCH}: nll "
            f"{listed}."
        )
    if variances:
        listed = ", ".join(f"{row['objective']} {row['ratio_to_m1']:.2g}" for row in variances)
        sentences.append(f"Variance of the gradient at a trained model, against M1's: {listed}.")
    return tuple(sentences)


def in_main_grid(row: Row) -> bool:
    """Return whether a row belongs to the main comparison, where only the learning objective differs."""
    plain = row["activation"] == "relu" and row["inference"] in ("kl", "fisher")
    return plain and row["batch_size"] < LARGE_BATCH


def _is_additional(row: Row) -> bool:
    return not in_main_grid(row) and row["batch_size"] < LARGE_BATCH


def _groups(rows: Sequence[Row]) -> list[dict[str, Row]]:
    """Group rows by setting, then by objective; keep settings that include the ELBO for comparison."""
    found: dict[tuple[Any, ...], dict[str, Row]] = {}
    for row in rows:
        key = (row["dataset"], row["inference"], row["encoder_steps"])
        found.setdefault(key, {})[row["objective"]] = row
    return [group for group in found.values() if "elbo" in group]


def _setting(group: Mapping[str, Row]) -> str:
    base = group["elbo"]
    others = {name: row["nll_median"] - base["nll_median"] for name, row in group.items() if name != "elbo"}
    listed = ", ".join(f"{name} {difference:+.3g}" for name, difference in others.items())
    return (
        f"{base['dataset']}, {base['inference']} inference, J = {base['encoder_steps']}: median nll "
        f"{base['nll_median']:.3f} nats with the ELBO; the others against it: {listed}."
    )


def _standings(groups: Sequence[Mapping[str, Row]]) -> list[str]:
    names = dict.fromkeys(name for group in groups for name in group if name != "elbo")
    sentences = []
    for name in names:
        here = [group for group in groups if name in group]
        ahead = sum(group[name]["nll_median"] <= group["elbo"]["nll_median"] for group in here)
        worst = max(group[name]["nll_median"] - group["elbo"]["nll_median"] for group in here)
        sentences.append(
            f"{name}: at least as good as the ELBO in {ahead} of {len(here)} settings; at worst {worst:+.3g} "
            "nats."
        )
    return sentences


def _additional(row: Row) -> str:
    return (
        f"{row['dataset']}, {row['objective']} with {row['inference']} inference, {row['activation']}: nll "
        f"{row['nll']:.3f} +- {row['nll_se']:.2g}, gamma {row['gamma']:.2g}."
    )

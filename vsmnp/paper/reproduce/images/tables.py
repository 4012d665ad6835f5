"""Make the tables that figures print: final metrics, sample quality beside the paper's, latents."""

from __future__ import annotations

from collections.abc import Sequence

from ..methods import NAMES
from ..reproduction import Table
from .printed import QUALITY
from .records import MEANS, METRICS, SDS, Row, last, mean_over_seeds

_KEYS = ("dataset", "architecture", "method")


def final_metrics(rows: Sequence[Row]) -> Table:
    """Make the table of the last evaluation of every run, means over the seeds."""
    return _table("metrics", rows, METRICS)


def sample_quality(rows: Sequence[Row]) -> Table:
    """Make the table of FID and KID x 1000 of generated samples, each beside the paper's."""
    header = ("data", "network", "method", "epochs", "FID", "paper", "KID x 1000", "paper")
    lines = []
    for keys, group in _groups(rows):
        fid, kid = (mean_over_seeds(group, metric) for metric in ("fid", "kid"))
        printed = QUALITY.get((keys[1], keys[0]), {}).get(keys[2])
        lines.append((
            *keys, group[0]["epoch"], fid and fid.mean, printed and printed.fid, kid and 1000 * kid.mean,
            printed and printed.kid,
        ))  # fmt: skip
    return Table("quality", header, lines)


def decided_latents(rows: Sequence[Row]) -> Table:
    """Make the table of the shares of posterior standard deviations near 0 or 1, near 0, and near 1."""
    return _table("latents", rows, SDS)


def idle_latents(rows: Sequence[Row]) -> Table:
    """Make the table of the share of binary latents whose posterior mean stays near one half."""
    return _table("latents", rows, MEANS)


def _table(name: str, rows: Sequence[Row], metrics: Sequence[str]) -> Table:
    """Make a table with a line for each method; with several seeds each mean has a standard error."""
    several = len({row["seed"] for row in rows}) > 1
    header = ["data", "network", "method", "epochs"]
    for metric in metrics:
        header += [metric, "+-"] if several else [metric]
    lines = []
    for keys, group in _groups(rows):
        line = [*keys, group[0]["epoch"]]
        for metric in metrics:
            value = mean_over_seeds(group, metric)
            line += [value and value.mean, value and value.error] if several else [value and value.mean]
        lines.append(line)
    return Table(name, header, lines)


def _groups(rows: Sequence[Row]) -> list[tuple[tuple[str, str, str], list[Row]]]:
    """Group the last rows of all seeds of a method, in the paper's order of methods."""
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for row in last(rows):
        dataset, architecture, method = (row[key] for key in _KEYS)
        groups.setdefault((dataset, architecture, method), []).append(row)
    places = list(dict.fromkeys(key[:2] for key in groups))
    return sorted(groups.items(), key=lambda item: (places.index(item[0][:2]), NAMES.index(item[0][2])))

"""Test that a kept picture is returned for an equal figure, and for no other."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from faults.drawn import kept
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle


def figure() -> Figure:
    """Draw one of each kind of artists."""
    found = Figure(figsize=(3, 2), layout="constrained")
    axes = found.subplots()
    axes.plot([1, 2], [3, 4], label="line")
    axes.scatter([1, 2], [3, 4], s=[5, 6])
    axes.imshow(np.array([[1.0, 2.0]]))
    axes.fill_between([1, 2], [3, 4])
    axes.add_patch(Rectangle((0, 0), 1, 1))
    axes.text(0, 0, "text")
    axes.legend()
    return found


CHANGES: dict[str, Callable[[Any], object]] = {
    "colour of a line": lambda axes: axes.lines[0].set_color("red"),
    "style of a line": lambda axes: axes.lines[0].set_linestyle(":"),
    "width of a line": lambda axes: axes.lines[0].set_linewidth(3),
    "markers of a line": lambda axes: axes.lines[0].set_marker("x"),
    "data of a line": lambda axes: axes.lines[0].set_data([1, 2], [3, 5]),
    "alpha of a line": lambda axes: axes.lines[0].set_alpha(0.5),
    "a hidden line": lambda axes: axes.lines[0].set_visible(False),
    "order of a line": lambda axes: axes.lines[0].set_zorder(9),
    "colours of points": lambda axes: axes.collections[0].set_facecolor(["red", "blue"]),
    "edges of points": lambda axes: axes.collections[0].set_edgecolor("red"),
    "sizes of points": lambda axes: axes.collections[0].set_sizes([5, 7]),
    "colour of an area": lambda axes: axes.collections[1].set_facecolor("red"),
    "colour map": lambda axes: axes.images[0].set_cmap("gray"),
    "limits of colours": lambda axes: axes.images[0].set_clim(0, 9),
    "scale of colours": lambda axes: axes.images[0].set_norm(LogNorm(1, 2)),
    "place of an image": lambda axes: axes.images[0].set_extent((0, 2, 0, 2)),
    "colour of a patch": lambda axes: axes.patches[0].set_facecolor("red"),
    "hatch of a patch": lambda axes: axes.patches[0].set_hatch("/"),
    "place of a text": lambda axes: axes.texts[0].set_position((0, 1)),
    "colour of a text": lambda axes: axes.texts[0].set_color("red"),
    "size of a text": lambda axes: axes.texts[0].set_fontsize(20),
    "limits of an axis": lambda axes: axes.set_xlim(0, 9),
    "scale of an axis": lambda axes: axes.set_yscale("log"),
    "ticks": lambda axes: axes.set_xticks([1], ["one"]),
    "format of ticks": lambda axes: axes.xaxis.set_major_formatter(lambda x, place: f"{x:.3f}"),
    "another format of ticks": lambda axes: axes.xaxis.set_major_formatter(lambda x, place: f"{x:.4f}"),
    "a legend": lambda axes: axes.legend(["other"]),
    "a title": lambda axes: axes.figure.suptitle("title"),
    "background": lambda axes: axes.set_facecolor("black"),
    "resolution": lambda axes: axes.figure.set_dpi(300),
}


def encoder() -> tuple[Callable[[Any, str], bytes], list[str]]:
    """Return a function that keeps pictures, and the list of those that were encoded."""
    drawn: list[str] = []

    def encode(figure: Any, ending: str) -> bytes:
        drawn.append(ending)
        return str(len(drawn)).encode()

    return kept(encode), drawn


def test_the_picture_of_an_equal_figure_is_drawn_once_for_each_format() -> None:
    encoded, drawn = encoder()
    assert [encoded(figure(), end) for end in (".png", ".png", ".svg", ".png")] == [b"1", b"1", b"2", b"1"]
    assert drawn == [".png", ".svg"]


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_figure_that_differs_is_drawn(change: Callable[[Any], object]) -> None:
    encoded, drawn = encoder()
    encoded(figure(), ".png")
    encoded(formatted := figure(), ".png")
    CHANGES["format of ticks"](formatted.axes[0])
    encoded(formatted, ".png")
    for _ in range(2):
        other = figure()
        change(other.axes[0])
        encoded(other, ".png")
    assert len(drawn) == 2 + (change is not CHANGES["format of ticks"])


def test_values_that_a_function_has_for_itself_are_seen() -> None:
    encoded, drawn = encoder()
    for digits in (1, 2, 2):
        found = figure()
        found.axes[0].xaxis.set_major_formatter(lambda x, place, digits=digits: f"{x:.{digits}f}")
        found.axes[0].yaxis.set_major_formatter(partial(str.format, "{0}"))
        encoded(found, ".png")
    assert len(drawn) == 2


def test_a_figure_with_something_unknown_is_drawn_each_time() -> None:
    encoded, drawn = encoder()
    for _ in range(2):
        found = figure()
        found.axes[0].unknown = memoryview(b"bytes")  # type: ignore[attr-defined]
        encoded(found, ".png")
    assert len(drawn) == 2

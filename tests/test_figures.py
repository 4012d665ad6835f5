"""Figures: whole PNG files that are not blank, honest scales and windows, failures in one sentence."""

from __future__ import annotations

import errno
import io
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from PIL import Image
from strategies import few, seeds

from vsmnp import figures
from vsmnp.api import train
from vsmnp.data.fixed import FixedDataset
from vsmnp.errors import ConfigError, StorageError
from vsmnp.figures.canvas import fit_scale
from vsmnp.figures.density import first_in_each_cell
from vsmnp.figures.labels import headline, run_names
from vsmnp.figures.mosaic import mosaic
from vsmnp.figures.panels import PlaneWindow, first_models, histogram, row_size
from vsmnp.runs.session import Run
from vsmnp.training.history import History
from vsmnp.types import Array, Shape

#: Every figure of a run, with as few draws as still give a picture.
DRAW: dict[str, Callable[..., Any]] = {**figures.FIGURES, "density": partial(figures.density, draws=200)}
PLANE = ("samples", "curves", "evaluation", "density", "latent", "posterior-sds")
DPI = 150


def small(data: Any, models: int = 1, **settings: Any) -> Run:
    """Train a run of a few steps."""
    chosen: dict[str, Any] = {
        "steps": 4,
        "log_every": 1,
        "batch_size": 20,
        "hidden": (8,),
        "seeds": tuple(range(models)),
    }
    return train(data, kernels="reference", **{**chosen, **settings})


def finite(shape: Shape, n: int = 90, name: str = "mine") -> FixedDataset:
    """Draw random samples in [0, 1]."""
    rows = np.random.default_rng(0).random((n, int(np.prod(shape))))
    return FixedDataset(name, shape, rows, rows, "")


@pytest.fixture(scope="module")
def single() -> Run:
    """One model in the plane."""
    return small("mixture")


@pytest.fixture(scope="module")
def ensemble() -> Run:
    """More models than get a panel."""
    return small("mixture", models=5)


@pytest.fixture(scope="module")
def images() -> Run:
    """Two models of tiny images."""
    return small(finite((6, 5)), models=2, noise=0.1, latent=3)


def picture(path: Path) -> Array:
    """Read the pixels of a PNG file, ``(H, W, 3)``, once it is known not to be blank."""
    content = path.read_bytes()
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    pixels = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"), float)
    assert min(pixels.shape[:2]) > 200
    assert pixels.std() > 5
    return pixels


def share(pixels: Array, colour: tuple[int, int, int]) -> float:
    """Compute the share of pixels within a few steps of a colour."""
    return float((np.abs(pixels - colour).max(-1) < 25).mean())


BLUE, VERMILION = (0, 114, 178), (213, 94, 0)


@pytest.mark.parametrize("name", PLANE)
def test_every_figure_of_one_model(single: Run, tmp_path: Path, name: str) -> None:
    DRAW[name](single, tmp_path / "one.png")
    picture(tmp_path / "one.png")
    assert [entry.name for entry in tmp_path.iterdir()] == ["one.png"]


@pytest.mark.parametrize("name", ["density", "latent", "posterior-sds"])
def test_every_other_figure_of_an_ensemble(ensemble: Run, tmp_path: Path, name: str) -> None:
    DRAW[name](ensemble, tmp_path / "five.png")
    picture(tmp_path / "five.png")


def test_the_command_line_lists_every_figure() -> None:
    assert tuple(figures.FIGURES) == PLANE
    assert figures.FIGURES["density"] is figures.density


def test_an_ensemble_has_four_panels_and_says_so(ensemble: Run, tmp_path: Path) -> None:
    figures.samples(ensemble, tmp_path / "a.png", n=50)
    height, width, _ = picture(tmp_path / "a.png").shape
    assert (width, height) == tuple(int(side * DPI) for side in row_size(5))
    part = first_models(ensemble)
    assert part.vae.seeds == (0, 1, 2, 3)
    np.testing.assert_array_equal(part.vae.sample(3), ensemble.vae.sample(3)[:4])
    assert headline(ensemble, 4) == "mixture: M1 with KL inference (4 of 5 models)"


def test_the_same_run_gives_the_same_bytes(single: Run, tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        figures.samples(single, tmp_path / name, n=50)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


@pytest.mark.parametrize("name", ["samples", "latent", "posterior-sds"])
def test_figures_of_images(images: Run, tmp_path: Path, name: str) -> None:
    DRAW[name](images, tmp_path / "a.png")
    picture(tmp_path / "a.png")


@pytest.mark.parametrize("shape", [(1,), (3,), (4, 3, 3)])
def test_samples_of_any_dimension(tmp_path: Path, shape: Shape) -> None:
    figures.samples(small(finite(shape)), tmp_path / "a.png", n=100)
    picture(tmp_path / "a.png")


def test_a_single_latent_has_a_histogram(tmp_path: Path) -> None:
    figures.latent(small("mixture", latent=1), tmp_path / "a.png")
    assert share(picture(tmp_path / "a.png"), BLUE) > 1e-3


@pytest.mark.parametrize("latent", [1, 3])
def test_every_figure_of_binary_latents(tmp_path: Path, latent: int) -> None:
    run = small("mixture", latent=latent, posterior="bernoulli")
    for name in PLANE:
        DRAW[name](run, tmp_path / f"{name}.png")
        picture(tmp_path / f"{name}.png")
    assert share(picture(tmp_path / "latent.png"), BLUE) > 1e-4


@pytest.mark.parametrize("settings", [{"dataset": "pinwheel"}, {"dataset": "mixture", "noise": 0.1}])
def test_density_without_a_formula(tmp_path: Path, settings: dict[str, Any]) -> None:
    run = small(settings.pop("dataset"), **settings)
    figures.density(run, tmp_path / "a.png", draws=50)
    picture(tmp_path / "a.png")


@pytest.mark.parametrize("name", PLANE)
def test_without_a_path_the_figure_is_returned_and_nothing_written(
    single: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """It is complete: saved later, under another style, it is the same picture."""
    from matplotlib import rc_context

    monkeypatch.chdir(tmp_path)
    figure = DRAW[name](single)
    assert not list(tmp_path.iterdir())
    figure.savefig("a.png")
    with rc_context({"grid.color": "red"}):
        figure.savefig("b.png")
    np.testing.assert_array_equal(picture(Path("a.png")), picture(Path("b.png")))
    assert figure._repr_png_().startswith(b"\x89PNG")


def test_the_end_of_the_name_chooses_the_format(single: Run, tmp_path: Path) -> None:
    for ending, start in ((".png", b"\x89PNG"), (".pdf", b"%PDF-"), (".SVG", b"<?xml")):
        for which in "ab":
            figures.samples(single, tmp_path / (which + ending), n=20)
        content = (tmp_path / f"a{ending}").read_bytes()
        assert content.startswith(start)
        assert (tmp_path / f"b{ending}").read_bytes() == content
    with pytest.raises(ConfigError, match=r"must end in \.png, \.pdf or \.svg"):
        figures.samples(single, tmp_path / "a.eps")


def test_names_are_not_formulas(tmp_path: Path) -> None:
    figures.samples(small(finite((2,), name="a$b_{$ 数据.csv")), tmp_path / "a.png", n=20)
    picture(tmp_path / "a.png")


# --- curves ---------------------------------------------------------------------------------------------


def changed(run: Run, rows: int | None = None, change: Callable[[Array], None] | None = None) -> Run:
    """Return the run with only the first rows of its history, each changed in place."""
    columns = {name: [row.copy() for row in column[:rows]] for name, column in run.history.columns.items()}
    for column in columns.values():
        for row in column:
            if change is not None:
                change(row)
    return replace(run, history=History(run.history.steps[:rows], columns))


def test_curves_of_no_row_have_no_line(ensemble: Run, tmp_path: Path) -> None:
    figures.curves(replace(ensemble, history=History()), tmp_path / "a.png")
    assert share(picture(tmp_path / "a.png"), BLUE) == 0


def test_curves_of_one_row_have_dots(single: Run, tmp_path: Path) -> None:
    figures.curves(changed(single, rows=1), tmp_path / "a.png")
    assert share(picture(tmp_path / "a.png"), BLUE) > 1e-4


def test_curves_of_diverged_models_do_not_change_the_others(ensemble: Run, tmp_path: Path) -> None:
    def kill(row: Array) -> None:
        row[:2] = np.nan, np.inf

    figures.curves(changed(ensemble, change=kill), tmp_path / "a.png")
    assert share(picture(tmp_path / "a.png"), BLUE) > 1e-3


def test_curves_of_diverged_models_have_no_line(ensemble: Run, tmp_path: Path) -> None:
    figures.curves(changed(ensemble, change=lambda row: row.fill(np.nan)), tmp_path / "a.png")
    assert share(picture(tmp_path / "a.png"), BLUE) == 0


@pytest.mark.parametrize(
    ("settings", "learning", "inference"),
    [
        ({"objective": "elbo"}, "nats", "nats"),
        ({"objective": "m2", "samples": 2, "inference": "fisher"}, "1/x²", "1/z²"),
        (
            {"objective": "fae", "inference": "fisher-reparam", "activation": "tanh"},
            "1/x² + 1/z²",
            "1/x² + 1/z²",
        ),
    ],
)
def test_losses_have_their_units(settings: dict[str, Any], learning: str, inference: str) -> None:
    axes = {axes.get_title("left"): axes for axes in figures.curves(small("mixture", **settings)).axes}
    assert axes["Learning loss"].get_ylabel().startswith(learning)
    assert axes["Inference loss"].get_ylabel().startswith(inference)
    assert axes["Likelihood variance $\\gamma$"].get_ylabel() == "x² (log)"


def test_the_mean_of_an_ensemble_is_named(ensemble: Run, single: Run) -> None:
    def texts(run: Run) -> list[str]:
        legends = [axes.get_legend() for axes in figures.curves(run).axes]
        return [
            text.get_text() for legend in legends if legend for text in (legend.get_title(), *legend.texts)
        ]

    assert texts(ensemble).count("mean of 5 models") == 5
    assert not any("mean" in text for text in texts(single))


def test_a_scale_that_is_not_linear_is_named() -> None:
    from vsmnp.figures.canvas import drawing

    with drawing(None, "", 4, 3) as figure:
        left, right = figure.subplots(1, 2)
        left.set(xlabel="step", yscale="log")
        right.set_xlabel("loss (nats)")
        right.set_xscale("symlog", linthresh=10)
    assert (left.get_xlabel(), left.get_ylabel()) == ("step", "log axis")
    assert right.get_xlabel() == "loss (nats) (symlog, linear to ±10)"


# --- pairs of several dimensions --------------------------------------------------------------------------


def test_a_corner_plot_has_all_pairs_and_the_names_of_the_columns() -> None:
    names = ("height", "a$b", "mass", "age")
    run = small(replace(finite((4,)), columns=names), latent=3)
    for figure, size in ((figures.samples(run, n=30), 4), (figures.latent(run), 3)):
        assert len(figure.axes) == size * (size + 1) // 2
    bottom = [axes.get_xlabel() for axes in figures.samples(run, n=30).axes if axes.get_xlabel()]
    assert bottom == ["height", r"a\$b", "mass", "age"]


def test_a_few_data_are_drawn_above_many_samples() -> None:
    run = small(finite((3,)))
    pairs = [axes for axes in figures.samples(run, n=2_000).axes if axes.collections and axes.get_ylabel()]
    assert len(pairs) == 2
    for axes in pairs:
        below, above = axes.collections
        assert len(below.get_offsets()) == 2_000
        assert len(above.get_offsets()) == run.dataset.n_test < 500
        assert above.get_sizes()[0] > below.get_sizes()[0]


def test_more_than_six_dimensions_are_principal_components() -> None:
    """Of data along one direction in nine dimensions, the first component has nearly all variance."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(90, 1)) * np.ones(9) + 0.01 * rng.normal(size=(90, 9))
    run = small(replace(finite((9,)), train_rows=rows, test_rows=rows), latent=8)
    labels = [axes.get_xlabel() for axes in figures.samples(run, n=30).axes if axes.get_xlabel()]
    assert labels[0] == "component 1 (100%)"
    assert len(labels) == 4
    assert len(figures.latent(run).axes) == 10


# --- comparison -----------------------------------------------------------------------------------------


def test_comparison_shows_floors_and_leaves_out_empty_metrics(
    single: Run, ensemble: Run, tmp_path: Path
) -> None:
    some: list[dict[str, list[float | None]]] = [
        {"nll": [1.0], "mse": [None]},
        {"nll": [0.5, 0.6, None, 0.7, 0.8], "mse": [None] * 5},
    ]
    figures.comparison([single, ensemble], some, tmp_path / "one.png")
    one = picture(tmp_path / "one.png")
    assert share(one, VERMILION) > 1e-4
    more: list[dict[str, list[float | None]]] = [{**each, "mmd": [0.1], "nll_se": [0.1]} for each in some]
    figures.comparison([single, ensemble], more, tmp_path / "two.png")
    assert picture(tmp_path / "two.png").shape[1] > one.shape[1] + DPI


def test_comparison_without_a_known_floor(images: Run, tmp_path: Path) -> None:
    figures.comparison([images], [{"mse": [1e-6, 1e2]}], tmp_path / "a.png")
    assert share(picture(tmp_path / "a.png"), VERMILION) == 0


def test_runs_are_distinguished(single: Run, images: Run) -> None:
    assert run_names([single]) == ["M1 with KL"]
    assert run_names([single, images]) == ["mixture: M1 with KL", "mine: M1 with KL"]
    assert run_names([single, single]) == ["M1 with KL [1]", "M1 with KL [2]"]
    there = [replace(single, folder=Path("runs") / name) for name in "ab"]
    assert run_names(there) == ["a", "b"]


# --- the parts ------------------------------------------------------------------------------------------


@few
@given(seeds)
def test_the_window_holds_nearly_all_points(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.standard_cauchy((2000, 2)) * rng.uniform(0.1, 10, 2) + rng.normal(size=2)
    window = PlaneWindow.around(x)
    assert window.holds(x).mean() >= 0.98
    assert window.holds(window.grid(7)).all()
    ratio = window.sides.max() / window.sides.min()
    assert ratio == pytest.approx(1) or ratio >= 3


def test_a_grid_runs_along_the_first_coordinate() -> None:
    grid = PlaneWindow(0, 2, 10, 14).grid(2)
    np.testing.assert_array_equal(grid, [[0.5, 11], [1.5, 11], [0.5, 13], [1.5, 13]])


def test_points_without_extent_have_a_window() -> None:
    window = PlaneWindow.around(np.ones((5, 2)))
    assert (window.sides > 0).all()


@few
@given(seeds)
def test_one_point_a_cell(seed: int) -> None:
    x = np.random.default_rng(seed).random((3000, 2))
    chosen = first_in_each_cell(x, PlaneWindow(0, 1, 0, 1))
    cells = {tuple(cell) for cell in (chosen * 18).astype(int)}
    assert len(cells) == len(chosen) == len({tuple(cell) for cell in (x * 18).astype(int)})
    assert {tuple(point) for point in chosen} <= {tuple(point) for point in x}


def test_a_histogram_integrates_to_the_share_inside() -> None:
    x, edges = np.array([-5.0, 0.1, 0.2, 0.9]), np.array([0, 0.5, 0.8, 1.0])
    assert (histogram(x, edges) * np.diff(edges)).sum() == pytest.approx(0.75)


@pytest.mark.parametrize(
    ("values", "scale"),
    [
        ([1.0, 900.0], None),
        ([1.0, 2000.0], "log"),
        ([-1.0, -2000.0], "symlog"),
        ([0.0, 1.0, 2000.0], "symlog"),
        ([0.0, 0.0], None),
        ([np.nan, np.inf, 3.0], None),
        ([], None),
    ],
)
def test_a_scale_fits_the_decades(values: list[float], scale: str | None) -> None:
    chosen: list[str] = []
    fit_scale(lambda value, **_: chosen.append(value), np.array(values), typical=1.0, wide=1e3)
    assert chosen == ([] if scale is None else [scale])


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 1), (1, 4, 5)])
def test_a_mosaic_lays_grey_images_row_by_row(shape: Shape) -> None:
    x = np.random.default_rng(0).random((64, 20))
    grid = mosaic(x, shape)
    assert grid.shape == (32, 40)
    np.testing.assert_array_equal(grid[4:8, 10:15], x[10].reshape(4, 5))


def test_a_mosaic_of_coloured_images_keeps_the_channels() -> None:
    x = np.random.default_rng(0).random((70, 60))
    np.testing.assert_array_equal(mosaic(x, (4, 5, 3))[28:, 35:], x[63].reshape(4, 5, 3))
    np.testing.assert_array_equal(mosaic(x, (3, 4, 5))[28:, 35:, 1], x[63].reshape(3, 4, 5)[1])


def test_missing_images_are_bright() -> None:
    grid = mosaic(np.linspace(0, 0.5, 24).reshape(2, 12), (4, 3))
    assert (grid[4:] == 0.5).all()
    assert grid[0, 0] == 0


# --- failures -------------------------------------------------------------------------------------------


def test_failures_are_sentences(single: Run, images: Run, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    attempts: list[Callable[[], object]] = [
        lambda: figures.density(images, path),
        lambda: figures.samples(single, path, n=0),
        lambda: figures.samples(small(finite((4, 4, 4))), path),
        lambda: figures.curves(single, tmp_path / "a.jpg"),
        lambda: figures.comparison([], [], path),
        lambda: figures.comparison([single], [], path),
        lambda: figures.comparison([single], [{"mse": [None], "nll_se": [1.0]}], path),
    ]
    for attempt in attempts:
        with pytest.raises(ConfigError, match=r"^[A-Z][^\n]*\.$"):
            attempt()
    assert not list(tmp_path.iterdir())


def test_a_missing_folder_is_reported(single: Run, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="could not be written"):
        figures.latent(single, tmp_path / "missing" / "a.png")


def test_a_full_disk_leaves_the_old_picture(
    single: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"old")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("vsmnp.storage.folders.os.fsync", full)
    with pytest.raises(StorageError, match="No space left on device"):
        figures.latent(single, path)
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.png"]


def test_no_global_state(tmp_path: Path) -> None:
    """Importing is light, and drawing neither loads pyplot nor leaves a setting behind."""
    script = f"""
import sys
from vsmnp import figures
assert "matplotlib" not in sys.modules
import matplotlib
from vsmnp.api import train
before = dict(matplotlib.rcParams)
run = train("mixture", kernels="reference", steps=1, batch_size=10, hidden=(4,))
for name in ("samples", "latent"):
    figures.FIGURES[name](run, {str(tmp_path)!r} + "/" + name + ".png")
assert dict(matplotlib.rcParams) == before
assert "matplotlib.pyplot" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert len(list(tmp_path.iterdir())) == 2

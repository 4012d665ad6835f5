"""Test the controlled experiment at a small size: its grids, its runs, resuming, and its measurements."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from vsmnp.cli.main import main
from vsmnp.errors import ConfigError, DataError, Interrupted
from vsmnp.paper.reproduce.failure import cells, measures, tables, training
from vsmnp.paper.reproduce.failure import experiment as failure
from vsmnp.paper.reproduce.failure.cells import BUDGETS, GRIDS, FailureBudget, cell_of, wanted
from vsmnp.paper.reproduce.failure.factors import INFERENCES, Factors
from vsmnp.paper.reproduce.failure.verdicts import FailureAnswer
from vsmnp.runs.session import Run, Session, load_run
from vsmnp.settings.settings import Settings
from vsmnp.sweeps.cell_session import open_cell
from vsmnp.sweeps.engines.engine import WorkEngine
from vsmnp.sweeps.engines.local import THIS_PROCESS, LocalProcesses

TINY = FailureBudget("quick", 8, (0, 1), 50, 30, 21)
CENTRE = Factors("mixture", "kl", "m1")


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use few units and points, and a budget of few steps in the place of the quick one."""
    whole = Factors.settings

    def settings(self: Factors, steps: int, seeds: tuple[int, ...]) -> Settings:
        return replace(whole(self, steps, seeds), hidden=(4,), batch_size=20, kernels="reference")

    monkeypatch.setattr(Factors, "settings", settings)
    monkeypatch.setattr(cells, "BUDGETS", (TINY, *BUDGETS[1:]))
    monkeypatch.setattr(failure, "_QUICK_REPEATS", 3)


@pytest.mark.parametrize("budget", BUDGETS)
def test_bilevel_updates_have_the_step_size_of_their_grid(budget: FailureBudget) -> None:
    """No run leaves the step size to the default of its inference, which may change."""
    for run in wanted(budget):
        assert (run.bilevel_lr > 0) == (run.bilevel_steps > 0)
        assert cell_of(run, budget).settings.bilevel_lr == run.bilevel_lr


def _ignore(done: int, total: int) -> None:
    assert 0 <= done <= total


def _finish(run: Factors, folder: Path) -> Run:
    training.finish_all([run], TINY, folder, _ignore, lambda: False, THIS_PROCESS)
    return load_run(folder / run.name)


def _never(*_: object, **__: object) -> None:
    raise AssertionError("trained or evaluated again")


def test_it_runs_and_a_second_time_trains_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = failure.reproduce(tmp_path, True, _ignore)
    names = {"failure.png", "failure.csv", "verdicts.csv", "gradient_variance.csv"}
    assert {path.name for path in first.files} == names
    assert all(path.stat().st_size for path in first.files)
    rows, variances = tables.read(tmp_path)
    assert [row.factors for row in rows] == wanted(TINY)
    assert {len(values) for row in rows for values in row.figures.values()} == {2}
    assert {row.command for row in rows} == {"vsmnp reproduce failure --budget quick"}
    assert all("cores, Python" in row.machine for row in rows)
    assert variances == first.data["gradient_variance"]
    monkeypatch.setattr(Session, "train", _never)
    monkeypatch.setattr(measures, "prior_estimate", _never)
    again = failure.reproduce(tmp_path, True, _ignore)
    assert again.findings == first.findings
    # what is read from the record gives the page what the run gave
    out = tmp_path / "again"
    out.mkdir()
    assert failure.conclude(rows, variances, out, "quick").findings == first.findings


def test_the_runs_of_a_record_are_not_trained_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of the runs by one command, the others with its record: the tables are those of one command."""
    whole = failure.reproduce(tmp_path / "whole", True, _ignore)
    rows, variances = tables.read(tmp_path / "whole")
    half = tmp_path / "half"
    half.mkdir()
    known = [row for row in rows if row.factors.objective in ("elbo", "m1", "marginal")]
    tables.full(known).write(half)
    tables.variance(variances).write(half)
    trained = []
    finish = training.finish_cells

    def noted(cells: Any, *rest: Any) -> None:
        trained.extend(cell.name for cell in cells)
        finish(cells, *rest)

    monkeypatch.setattr(training, "finish_cells", noted)
    rest = failure.reproduce(tmp_path / "rest", True, _ignore, records=(half,))
    # a start from the model of the ELBO needs that model, which a record does not have
    elbo = replace(CENTRE, objective="elbo")
    known_names = {row.factors.name for row in known} - {elbo.name}
    assert set(trained) == {run.name for run in wanted(TINY)} - known_names
    assert rest.findings == whole.findings
    assert (tmp_path / "rest" / "failure.csv").read_bytes() == (
        tmp_path / "whole" / "failure.csv"
    ).read_bytes()
    shown = failure.reproduce(half, True, _ignore, records=(half,), no_train=True)
    assert len(shown.data["medians"]) == len(known)
    with pytest.raises(DataError, match="and 2 seeds, which is none of --budget laptop: leave out"):
        failure.reproduce(tmp_path, False, _ignore, records=(half,), budget="laptop")


def test_an_untrained_model_never_passes(tmp_path: Path) -> None:
    """After eight steps all losses are equal in size, and no comparison may say that nothing fails."""
    result = failure.reproduce(tmp_path, True, _ignore)
    assert result.data["verdicts"]
    assert str(FailureAnswer.DOES_NOT_FAIL) not in {row["verdict"] for row in result.data["verdicts"]}


@pytest.mark.parametrize("engine", [THIS_PROCESS, LocalProcesses(2)])
def test_a_stop_is_one_sentence_and_keeps_the_runs(engine: WorkEngine, tmp_path: Path) -> None:
    with pytest.raises(Interrupted, match="the same command goes on from there"):
        training.finish_all([CENTRE], TINY, tmp_path, _ignore, lambda: True, engine)


def test_a_half_trained_cell_resumes_where_it_stopped(tmp_path: Path) -> None:
    whole = _finish(CENTRE, tmp_path / "whole")
    (tmp_path / "half").mkdir()
    cell = cell_of(CENTRE, TINY)
    session = Session.new(cell.settings, folder=tmp_path / "half" / cell.name)
    for _ in range(6):  # three quarters: the early measurement is made on resumption
        session.trainer.step(session.state)
    session.save(session.state)
    session.close()
    half = _finish(CENTRE, tmp_path / "half")
    np.testing.assert_array_equal(half.vae.theta, whole.vae.theta)
    early = [tmp_path / each / cell.name / measures.EARLY for each in ("whole", "half")]
    assert early[0].read_text() == early[1].read_text()


def test_a_folder_of_another_run_is_refused(tmp_path: Path) -> None:
    _finish(CENTRE, tmp_path)
    cell = cell_of(CENTRE, TINY)
    other = replace(cell, settings=replace(cell.settings, lr=1.0))
    with pytest.raises(ConfigError, match=r"holds a run with lr = .*, not 1\.0"):
        open_cell(other, tmp_path)


def test_a_start_from_the_elbo_is_its_trained_model(tmp_path: Path) -> None:
    moved = replace(CENTRE, start="elbo")
    assert moved.origin is not None
    origin = _finish(moved.origin, tmp_path)
    with open_cell(cell_of(moved, TINY), tmp_path) as session:
        training._prepare(session, moved, TINY, tmp_path)
        np.testing.assert_array_equal(session.state.theta, origin.vae.theta)
        np.testing.assert_array_equal(session.state.phi, origin.vae.phi)
        assert session.state.step == 0
    trained = _finish(moved, tmp_path)  # resumed from the saved start
    assert np.abs(trained.vae.theta - origin.vae.theta).max() < 0.1
    assert not np.array_equal(trained.vae.theta, origin.vae.theta)


def test_exact_inference_trains_the_decoder_alone(tmp_path: Path) -> None:
    run = Factors("mixture", "exact", "marginal")
    trained = _finish(run, tmp_path)
    start = Session.new(cell_of(run, TINY).settings).state
    np.testing.assert_array_equal(trained.vae.phi, start.phi)
    assert not np.array_equal(trained.vae.theta, start.theta)
    row = training.row_of(run, TINY, tmp_path)
    assert row is not None
    assert np.isnan(row.figures["posterior_gap"]).all()
    assert np.isfinite(row.figures["nll"]).all()


@pytest.mark.parametrize("damage", ["", "[1, 2]", '{"of": 1}', "\0"])
def test_damaged_measurements_are_made_again(damage: str, tmp_path: Path) -> None:
    run = _finish(CENTRE, tmp_path)
    assert run.folder is not None
    path = run.folder / measures.FINAL
    expected = path.read_text()
    path.write_text(damage)
    assert training.row_of(CENTRE, TINY, tmp_path) is None
    _finish(CENTRE, tmp_path)
    assert path.read_text() == expected


def test_posterior_measurements_of_a_linear_decoder(tmp_path: Path) -> None:
    """For g = W z: ``T = sum_ij W_ij^2 s_j^2`` and the ELBO's ``E|x - g|^2 = |x - W mu|^2 + T``."""
    run = _finish(CENTRE, tmp_path)
    settings = replace(run.settings, seeds=(0,), dtype="float64")
    linear = replace(run.vae.model, decoder=run.vae.model.decoder.layers[-1].__class__(2, 2))  # type: ignore[attr-defined]
    theta = np.random.default_rng(0).standard_normal((1, linear.theta_layout.size))
    vae = replace(run.vae, model=linear, phi=run.vae.phi[:1].astype(float), theta=theta, seeds=(0,))
    run = replace(run, vae=vae, settings=settings)
    x = run.dataset.test(0, np.float64)[:1000]
    mu, s = (each[0] for each in vae.encode(x))
    part = linear.decoder_part(theta)
    w, b = part["w"][0], part["b"][0]
    exact = ((s**2) @ (w**2).sum(0)).mean()
    square = ((x - mu @ w.T - b) ** 2).sum(1).mean() + exact
    gamma = vae.gamma[0]
    kl = (0.5 * (mu**2 + s**2 - 1) - np.log(s)).sum(1).mean()
    found, negative_elbo = measures.by_posterior(run, x)
    # 64 samples of 1000 points: the relative standard error of a variance is sqrt(2/63/1000), if independent
    assert abs(found[0] / exact - 1) < 4 * np.sqrt(2 / 63 / 1000)
    expected = square / (2 * gamma) + np.log(2 * np.pi * gamma) + kl
    assert abs(negative_elbo[0] / expected - 1) < 0.02


def test_the_grids_have_every_level_that_was_announced() -> None:
    quick, laptop, paper = (wanted(budget) for budget in BUDGETS)
    assert set(laptop) <= set(paper)
    for runs in (quick, laptop, paper):
        assert len({run.name for run in runs}) == len(runs)
        for place, run in enumerate(runs):
            assert run.reference in runs
            assert run.origin is None or run.origin in runs[:place]
    assert {run.dataset for run in laptop} == set(cells.ALL)
    assert {run.inference for run in laptop} == set(INFERENCES)
    assert {run.samples for run in laptop} == {1, 5, 25}
    assert {(run.inference, run.bilevel_steps, run.bilevel_lr) for run in laptop if run.bilevel_steps} == {
        ("kl", 5, 3e-3), ("kl", 5, 3e-4), ("kl", 20, 3e-4),
        ("fisher", 5, 1e-4), ("fisher", 5, 1e-5), ("fisher", 20, 1e-5),
    }  # fmt: skip
    assert {run.gamma_rule for run in laptop} == {"learn", "fixed", "optimal"}
    assert {run.start for run in laptop} == {"random", "elbo"}
    assert {"paper", "adam-1e-3"} <= {run.optimiser for run in laptop}
    assert all(cell_of(run, BUDGETS[1]).settings.seeds == tuple(range(10)) for run in laptop)
    main = {run.objective for run in laptop if run.family == "main" and run.inference == "kl"}
    assert main == {"elbo", *cells.DEFINED, *cells.PUBLISHED}
    assert wanted(BUDGETS[1], ("ring",)) == [run for run in laptop if run.dataset == "ring"]
    assert all(len(each.levels) > 0 for each in GRIDS)


def test_data_sets_without_a_run_are_refused() -> None:
    quick = next(budget for budget in BUDGETS if budget.name == "quick")
    with pytest.raises(ConfigError, match="There is no data set of this experiment named 'moons'"):
        wanted(quick, ["moons"])
    with pytest.raises(
        ConfigError, match="--budget quick has no run on star: leave out --datasets, or use --budget"
    ):
        wanted(quick, ["star"])
    assert wanted(quick)
    assert wanted(next(budget for budget in BUDGETS if budget.name == "laptop"), ["star"])


def test_what_a_run_needs_is_trained_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A grid of one run from the ELBO's model: first that model, then the ELBO from it, the reference."""
    run = Factors("star", "kl", "m1", start="elbo")
    monkeypatch.setattr(cells, "GRIDS", (cells.FactorGrid([{"start": "elbo"}], ("kl",), ("m1",), ("star",)),))
    assert wanted(BUDGETS[1]) == [replace(run, objective="elbo", start="random"), run.reference, run]


def test_a_moved_factor_is_named_and_set() -> None:
    run = Factors("star", "fisher", "m3-unbiased", samples=25, gamma_rule="fixed")
    assert run.name == "star-fisher-m3-unbiased-S25-gamma-fixed"
    assert run.family == "samples, gamma_rule"
    assert replace(run, bilevel_steps=5, bilevel_lr=1e-3).reference == replace(run, objective="elbo")
    settings = run.settings(100, (0,))
    assert (settings.samples, settings.gamma, settings.sd_init) == (25, "0.001", 0.001**0.5)
    paper = Factors("star", "fisher", "m1", optimiser="paper").settings(100, (0,))
    assert (paper.lr, paper.encoder_lr, paper.encoder_optimizer, paper.steps) == (1e-4, 2e-3, "sgd", 200)
    published = Factors("star", "fisher", "m2-as-published", optimiser="paper").settings(100, (0,))
    assert published.encoder_lr == 1e-3  # on a loss without the 1/2


def _command(*arguments: object) -> Any:
    return CliRunner().invoke(main, ["reproduce", *map(str, arguments)], prog_name="vsmnp")


def test_the_command_takes_its_part_of_the_grid_options(tmp_path: Path) -> None:
    done = _command("failure", "--quick", "--datasets", "mixture", "--out", tmp_path, "--quiet")
    assert done.exit_code == 0, done.output
    assert "With KL inference, " in done.output
    again = _command("failure", "--budget", "quick", "--no-train", "--out", tmp_path, "--json")
    assert '"budget": "quick"' in again.output
    nothing = _command("failure", "--no-train", "--out", tmp_path)
    assert nothing.exit_code == 1
    assert "leave out --no-train" in nothing.output
    both = _command("failure", "--quick", "--budget", "laptop", "--out", tmp_path)
    assert both.exit_code == 2
    assert "not both" in both.output
    elsewhere = _command("fig3", "--records", tmp_path, "--out", tmp_path)
    assert "--records is an option of failure: leave it out for fig3" in elsewhere.output
    other = _command("failure", "--archs", "dcgan", "--out", tmp_path)
    assert "--archs is no option of failure: leave it out" in other.output


@pytest.mark.parametrize("damage", [None, "", "a,b\n1,2\n", "\0"])
def test_a_file_that_is_no_record_is_refused(damage: str | None, tmp_path: Path) -> None:
    if damage is not None:
        (tmp_path / "failure.csv").write_text(damage)
    with pytest.raises(DataError, match="is not what 'vsmnp reproduce failure' writes"):
        tables.read(tmp_path)


def _with_the_former_name(path: Path, key: str) -> None:
    """Replace ``active`` by the name that earlier versions wrote, within ``key``."""
    text = path.read_text()
    assert text.count(key) == 1
    path.write_text(text.replace(key, key.replace("active", "alive")))


def test_records_and_measurements_of_an_earlier_version_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their flag of the models that have not diverged had another name."""
    first = failure.reproduce(tmp_path, True, _ignore)
    rows, variances = tables.read(tmp_path)
    written = (tmp_path / "failure.csv").read_bytes()
    _with_the_former_name(tmp_path / "failure.csv", ",active,")
    again, others = tables.read(tmp_path)
    assert (tables.full(again), others) == (tables.full(rows), variances)
    for run in wanted(TINY):
        for file in (measures.FINAL, measures.EARLY):
            _with_the_former_name(tmp_path / "runs" / TINY.name / run.name / file, '"active"')
    monkeypatch.setattr(Session, "train", _never)
    monkeypatch.setattr(measures, "prior_estimate", _never)
    assert failure.reproduce(tmp_path, True, _ignore).findings == first.findings
    assert (tmp_path / "failure.csv").read_bytes() == written
    (tmp_path / "failure.csv").write_text("alive,active\n")
    with pytest.raises(DataError, match="its columns are \\['alive', 'active'\\]"):
        tables.read(tmp_path)

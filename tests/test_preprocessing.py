"""Data of any scale: standardised for the model, undone in what it returns, and said."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import multivariate_normal

import vsmnp
from vsmnp.cli import main
from vsmnp.data import load_data
from vsmnp.data.preprocessing import Preprocessing
from vsmnp.data.standardize import prepare
from vsmnp.data.summary import summarise
from vsmnp.errors import DataError
from vsmnp.evaluation.evaluate import doubts
from vsmnp.runs.session import Session
from vsmnp.settings.settings import Settings
from vsmnp.types import Array

MEAN = np.array([100.0, -50.0, 0.0, 10.0, 3.0, 80.0])
SCALE = np.array([1.0, 2.0, 5.0, 0.5, 10.0, 3.0])
TINY = Settings(steps=4, hidden=(4,), log_every=2)


def table(path: Path, n: int = 200, seed: int = 0, noise: Array = SCALE / 2) -> tuple[Path, Array]:
    """Write six columns ``m + s z A + noise e`` with columns of A of norm 1; return the covariance."""
    rng = np.random.default_rng(seed)
    a = rng.standard_normal((3, 6))
    a /= np.linalg.norm(a, axis=0)
    np.save(path, MEAN + SCALE * (rng.standard_normal((n, 3)) @ a) + noise * rng.standard_normal((n, 6)))
    return path, np.outer(SCALE, SCALE) * (a.T @ a) + np.diag(noise**2)


def fit(path: Path, kind: str) -> Preprocessing:
    return prepare(load_data(str(path)), kind, False, 0).preprocessing


# --- the map --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["columns", "whiten"])
@given(seed=st.integers(0, 2**16))
@settings(max_examples=10, deadline=None)
def test_the_map_is_undone_and_its_determinant_is_exact(
    tmp_path_factory: pytest.TempPathFactory, kind: str, seed: int
) -> None:
    path, _ = table(tmp_path_factory.mktemp("map") / "x.npy", seed=seed)
    data, x = load_data(str(path)), np.load(path)
    found = fit(path, kind)
    np.testing.assert_allclose(found.to_data(found.to_model(x)), x, rtol=1e-9, atol=1e-9)
    y = found.to_model(data.epoch(0, 0, np.dtype(np.float64)))
    np.testing.assert_allclose(y.mean(0), 0, atol=1e-10)
    covariance = y.T @ y / len(y)
    np.testing.assert_allclose(np.diag(covariance) if kind == "columns" else covariance,
                               np.ones(6) if kind == "columns" else np.eye(6), atol=1e-8)  # fmt: skip
    jacobian = np.stack([found.to_model(x[0] + e) - found.to_model(x[0]) for e in np.eye(6)])
    assert found.log_abs_det == pytest.approx(np.linalg.slogdet(jacobian)[1], abs=1e-9)
    s = np.random.default_rng(seed).standard_normal((5, 6))
    np.testing.assert_allclose(found.score_to_data(s), s @ jacobian.T, rtol=1e-9, atol=1e-9)


def test_minibatches_are_standardised_in_float64(tmp_path: Path) -> None:
    """A year has 2 of the 7 digits of a float32 to vary in: the mean is subtracted before rounding."""
    x = 1e5 + np.random.default_rng(0).standard_normal((200, 2)) * [1e-2, 1]
    np.save(tmp_path / "x.npy", x)
    session = Session.new(replace(TINY, dataset=str(tmp_path / "x.npy")))
    batch = session.trainer.batches.clean(0)[0, 0]
    exact = session.trainer.prepared.preprocessing.to_model(session.dataset.epoch(0, 0, np.dtype(np.float64)))
    np.testing.assert_allclose(batch, exact[: len(batch)], rtol=1e-6, atol=1e-6)


def test_dependent_columns_are_not_whitened(tmp_path: Path) -> None:
    x = np.random.default_rng(0).standard_normal((50, 3))
    np.save(tmp_path / "x.npy", np.column_stack([x, x[:, :1] + x[:, 1:2]]))
    with pytest.raises(DataError, match=r"linearly independent.*--standardize columns"):
        fit(tmp_path / "x.npy", "whiten")
    assert fit(tmp_path / "x.npy", "columns")


# --- the default ----------------------------------------------------------------------------------


def test_tables_of_the_user_are_standardised_and_other_data_are_not(tmp_path: Path) -> None:
    path, _ = table(tmp_path / "x.npy")
    np.save(tmp_path / "bytes.npy", np.random.default_rng(0).integers(0, 255, (50, 4), np.uint8))
    np.save(tmp_path / "pictures.npy", np.random.default_rng(0).random((50, 4, 4)))
    kinds = {
        name: Session.new(replace(TINY, dataset=name)).trainer.settings.standardize
        for name in (str(path), str(tmp_path / "bytes.npy"), str(tmp_path / "pictures.npy"), "mixture")
    }
    assert list(kinds.values()) == ["columns", "none", "none", "none"]
    sigmoid = Session.new(replace(TINY, dataset=str(path), sigmoid_output=True))
    assert sigmoid.trainer.settings.standardize == "none"


def test_the_preprocessing_is_reported(tmp_path: Path) -> None:
    path, _ = table(tmp_path / "x.npy")
    call = ["train", "--dataset", str(path), "--steps", "3", "--hidden", "4", "--out", str(tmp_path / "run")]
    said = CliRunner().invoke(main, call)
    assert said.exit_code == 0, said.output
    assert "The columns are standardised (means -5" in said.output
    assert "likelihood variance, x^2, standardised units" in said.output
    found = json.loads(CliRunner().invoke(main, ["evaluate", str(tmp_path / "run"), "--json", "-q"]).stdout)
    assert found["in_standardised_units"] == ["sm_loss", "mse", "gamma"]


# --- six linear-Gaussian columns ------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("choice", "noise"),
    [("auto", SCALE / 2), ("columns", SCALE / 2), ("whiten", SCALE / 2), ("whiten", np.full(6, 0.5))],
)
def test_six_columns_are_learned_to_the_exact_likelihood(tmp_path: Path, choice: str, noise: Array) -> None:
    """One variance is enough where the noise is in proportion to the columns, or for whitened columns."""
    path, covariance = table(tmp_path / "x.npy", 2000, noise=noise)
    run = vsmnp.train(str(path), standardize=choice, objective="elbo", latent=3, hidden=(64, 64), steps=3000)
    exact = -multivariate_normal(MEAN, covariance).logpdf(run.test_set).mean()
    (nll,) = vsmnp.evaluate(run)["nll"]
    assert nll == pytest.approx(exact, abs=0.2)


@pytest.mark.parametrize("kind", ["columns", "whiten"])
def test_everything_that_is_returned_is_in_the_data_s_units(tmp_path: Path, kind: str) -> None:
    """A run on data that were standardised by hand is the same run, in other units."""
    path, _ = table(tmp_path / "x.npy")
    chosen = {"steps": 6, "hidden": (8,), "dtype": "float64", "kernels": "reference", "log_every": 3}
    run = vsmnp.train(str(path), standardize=kind, evaluate_every=1.0, **chosen)
    to = run.vae.preprocessing
    by_hand = {name: to.to_model(part) for name, part in (
        ("x", run.dataset.train_rows[run.dataset.train_index]), ("test", run.test_set),  # type: ignore[attr-defined]
    )}  # fmt: skip
    np.savez(tmp_path / "y.npz", **by_hand)
    np.savez(tmp_path / "own.npz", x=run.dataset.train_rows[run.dataset.train_index], test=run.test_set)  # type: ignore[attr-defined]
    own = vsmnp.train(str(tmp_path / "own.npz"), standardize=kind, evaluate_every=1.0, **chosen)
    plain = vsmnp.train(
        str(tmp_path / "y.npz"), standardize="none", sd_init=1.0, evaluate_every=1.0, **chosen
    )
    x, y, close = own.test_set, plain.test_set, {"rtol": 1e-7, "atol": 1e-7}
    np.testing.assert_allclose(own.vae.theta, plain.vae.theta, **close)
    np.testing.assert_allclose(own.vae.encode(x), plain.vae.encode(y), **close)
    for returned, standard in (
        (own.vae.reconstruct(x), plain.vae.reconstruct(y)), (own.vae.sample(9), plain.vae.sample(9)),
        (own.vae.sample(9, noise=False), plain.vae.sample(9, noise=False)),
    ):  # fmt: skip
        np.testing.assert_allclose(own.vae.preprocessing.to_model(returned), standard, **close)
    shift = own.vae.preprocessing.log_abs_det
    np.testing.assert_allclose(own.vae.log_prob(x, 500), plain.vae.log_prob(y, 500) + shift, **close)
    np.testing.assert_allclose(
        own.vae.score(x, 500),
        own.vae.preprocessing.score_to_data(plain.vae.score(y, 500)), rtol=1e-6, atol=1e-6,
    )  # fmt: skip
    left, right = vsmnp.evaluate(own, prior_draws=500), vsmnp.evaluate(plain, prior_draws=500)
    for name in left:
        moved = shift if name in ("nll", "neg_elbo", "iwae") else 0
        assert left[name][0] == pytest.approx((right[name][0] or 0) - moved, rel=1e-6), name
    log, plain_log = own.evaluations.rows, plain.evaluations.rows
    np.testing.assert_allclose(log.column("neg_elbo"), plain_log.column("neg_elbo") - shift, **close)


def test_a_standardised_run_is_stored_with_its_map(tmp_path: Path) -> None:
    path, _ = table(tmp_path / "x.npy")
    run = vsmnp.train(str(path), out=tmp_path / "run", steps=4, hidden=(4,), standardize="whiten")
    loaded = vsmnp.load_run(tmp_path / "run")
    np.testing.assert_array_equal(loaded.vae.sample(5), run.vae.sample(5))
    chosen = replace(TINY, dataset=str(path), standardize="whiten")
    whole = Session.new(replace(chosen, steps=8), folder=tmp_path / "a").train()
    Session.new(chosen, folder=tmp_path / "b").train()
    rest = Session.resumed(tmp_path / "b", {"steps": 8}).train()
    np.testing.assert_array_equal(rest.vae.theta, whole.vae.theta)


# --- notes ----------------------------------------------------------------------------------------


def notes(tmp_path: Path, x: Array, **chosen: object) -> str:
    np.save(tmp_path / "x.npy", x)
    session = Session.new(Settings.from_mapping({"steps": 2, "dataset": str(tmp_path / "x.npy"), **chosen}))
    return " ".join(session.notes())


def test_scales_constants_and_indices_are_reported(tmp_path: Path) -> None:
    x = np.random.default_rng(0).standard_normal((60, 4))
    assert notes(tmp_path, x, standardize="none") == ""
    assert "unlike scales" in notes(tmp_path, x * [1, 1, 1, 40], standardize="none")
    assert "unlike scales" in notes(tmp_path, x + 2000, standardize="none")
    assert "unlike scales" in notes(tmp_path, x / 100, standardize="none")
    assert notes(tmp_path, x * [1, 1, 1, 40] + 2000) == ""
    x[:, 1] = 3
    x[:, 2] = np.arange(60) + 7
    said = notes(tmp_path, x)
    assert "The column 2 is constant" in said
    assert "The column 3 looks like an index" in said


def test_an_index_is_found_across_pieces_and_a_class_is_none() -> None:
    x = np.column_stack([np.arange(30.0), np.repeat(np.arange(10.0), 3), np.arange(30)[::-1]])
    assert summarise(x, 3).rising.tolist() == [True, False, False]


def test_data_outside_the_range_of_a_sigmoid_are_reported(tmp_path: Path) -> None:
    x = np.random.default_rng(0).random((60, 4))
    assert notes(tmp_path, x, sigmoid_output=True) == ""
    assert "outside [0, 1]" in notes(tmp_path, 16 * x, sigmoid_output=True)
    assert "leave out --standardize" in notes(tmp_path, x, sigmoid_output=True, standardize="columns")
    pictures = 255 * np.random.default_rng(0).random((60, 32, 32))
    assert "from 0." in notes(tmp_path, pictures, arch="dcgan", width=0.1)


def test_too_few_effective_draws_are_reported() -> None:
    assert doubts({"nll": [1.0], "ess": [500.0]}) == []
    (said,) = doubts({"nll": [7882.0], "ess": [1.0]})
    assert "iwae" in said
    assert doubts({"nll": [None], "ess": [None]}) == []


# --- divergence -----------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["year", "bytes", "hundred"])
def test_the_remedy_of_a_divergence_on_unscaled_data_works(tmp_path: Path, what: str) -> None:
    """The same command with what the sentence says trains to the end."""
    rng = np.random.default_rng(0)
    columns = {
        "year": [rng.normal(2000, 10, 400), rng.standard_normal(400), rng.normal(5e4, 2e4, 400)],
        "bytes": list(rng.integers(0, 256, (784, 200)).astype(float)),
        "hundred": list(100 * rng.standard_normal((30, 400))),
    }
    np.save(tmp_path / "x.npy", np.column_stack(columns[what]))
    call = ["train", "--dataset", str(tmp_path / "x.npy"), "--steps", "50", "-q", "--out"]
    stopped = CliRunner().invoke(main, [*call, str(tmp_path / "a"), "--standardize", "none"])
    assert stopped.exit_code != 0
    assert "stopped being finite at step" in stopped.output
    (remedy,) = re.findall(r"--standardize (\w+)\.", stopped.output)
    went = CliRunner().invoke(main, [*call, str(tmp_path / "b"), "--standardize", remedy])
    assert went.exit_code == 0, went.output


# --- pixels ---------------------------------------------------------------------------------------


def test_bytes_are_divided_and_numbers_are_not(tmp_path: Path) -> None:
    x = np.random.default_rng(0).integers(0, 256, (60, 16)).astype(np.uint8)
    np.save(tmp_path / "x.npy", x)
    vae = vsmnp.train(str(tmp_path / "x.npy"), steps=3, hidden=(4,), out=tmp_path / "run").vae
    scaled = (x / np.float32(255)).astype(np.float32)
    for model in (vae, vsmnp.load_run(tmp_path / "run").vae):
        for of in (model.encode, model.reconstruct, lambda x, m=model: m.log_prob(x, 50)):
            np.testing.assert_array_equal(of(x[:5]), of(scaled[:5]))
        np.testing.assert_array_equal(model.on(x).x, scaled)
        with pytest.raises(DataError, match="uint8"):
            model.encode(x.astype(np.int64))
    np.save(tmp_path / "f.npy", x / 255)
    vae = vsmnp.train(str(tmp_path / "f.npy"), steps=3, hidden=(4,), standardize="none").vae
    np.testing.assert_array_equal(vae.encode(x[:5]), vae.encode(x[:5].astype(float)))

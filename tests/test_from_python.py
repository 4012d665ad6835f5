"""Runs in Python: trained on arrays, resumed, interrupted, copied and pickled."""

from __future__ import annotations

import copy
import multiprocessing
import operator
import pickle
import signal
import threading
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import vsmnp
from vsmnp.errors import CheckpointError, ConfigError, DataError, Interrupted
from vsmnp.runs.session import Run
from vsmnp.training.loop import Watch

X = np.random.default_rng(0).normal(size=(60, 3))
TINY: dict[str, Any] = {"steps": 4, "hidden": (4,), "kernels": "reference", "batch_size": 20, "log_every": 2}


# --- arrays ---------------------------------------------------------------------------------------


def test_an_array_trains_as_the_file_with_it(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", X)
    by_file = vsmnp.train(tmp_path / "x.npy", **TINY)
    for given in (X, X.tolist(), pd.DataFrame(X, columns=list("abc")), vsmnp.load_data(X)):
        run = vsmnp.train(given, **TINY)
        assert run.vae.theta.tobytes() == by_file.vae.theta.tobytes()
        assert run.settings.dataset == "<array>"


def test_a_trained_model_reads_what_it_was_trained_on() -> None:
    """A mask is not ignored, and channels may be last, as in training."""
    run = vsmnp.train(X, **TINY)
    hidden = np.ma.masked_array(X, X.max() == X)
    for refused in (run.vae.encode, lambda x: vsmnp.evaluate(run, x)):
        with pytest.raises(DataError, match="NaN or infinity"):
            refused(hidden)
    bytes_ = np.random.default_rng(0).integers(0, 256, (30, 4, 5, 3), dtype=np.uint8)
    channels_first = np.moveaxis(bytes_, 3, 1)
    pictures = vsmnp.train(bytes_, **TINY)
    means = pictures.vae.encode(channels_first.reshape(30, 60))[0]
    figures = vsmnp.evaluate(pictures, channels_first, prior_draws=20, iwae_samples=2)
    for given in (bytes_, channels_first):
        np.testing.assert_array_equal(pictures.vae.encode(given)[0], means)
        assert vsmnp.evaluate(pictures, given, prior_draws=20, iwae_samples=2) == figures
    grey = vsmnp.train(bytes_[..., 0], **TINY)
    np.testing.assert_array_equal(
        grey.vae.encode(bytes_[..., 0])[0], grey.vae.encode(bytes_[..., 0].reshape(30, 20))[0]
    )


def test_settings_of_data_apply_to_a_table() -> None:
    table = pd.DataFrame(X, columns=list("abc")).assign(t="x")
    table.loc[0, "a"] = np.nan
    with pytest.warns(UserWarning, match="1 of 60 rows lack values and were left out"):
        run = vsmnp.train(table, drop_columns="t", missing="drop", **TINY)
    assert run.dataset.columns == ("a", "b", "c")
    assert run.dataset.n_train + run.dataset.n_test == 59


def test_a_run_on_an_array_is_loaded_and_resumed_with_it(tmp_path: Path) -> None:
    table = pd.DataFrame(X, columns=list("abc")).assign(t="x")
    whole = vsmnp.train(table, drop_columns="t", out=tmp_path / "whole", **TINY)
    vsmnp.train(table, drop_columns="t", out=tmp_path / "part", **{**TINY, "steps": 2})
    for place in (tmp_path / "part", tmp_path / "part" / "checkpoint.h5", str(tmp_path / "part")):
        assert vsmnp.load_run(place, table).step == 2
    resumed = vsmnp.resume(tmp_path / "part", table, steps=4)
    assert resumed.step == 4
    assert resumed.vae.theta.tobytes() == whole.vae.theta.tobytes()
    assert vsmnp.resume(resumed, steps=np.int64(6)).step == 6, "a run knows its data"


def test_data_that_are_wanted_are_asked_for(tmp_path: Path) -> None:
    vsmnp.train(X, out=tmp_path / "run", **TINY)
    run = vsmnp.load_run(tmp_path / "run")
    assert run.vae.sample(3).shape == (1, 3, X.shape[1]), "samples need no data"
    for use in (lambda: run.test_set, lambda: vsmnp.resume(tmp_path / "run")):
        with pytest.raises(
            DataError, match=r"array that was given in Python: give the same array to .*resume"
        ):
            use()
    for load in (vsmnp.load_run, vsmnp.resume):
        with pytest.raises(CheckpointError, match="another SHA-256"):
            load(tmp_path / "run", X + 1)


def test_a_run_that_is_on_no_disk_is_not_resumed() -> None:
    with pytest.raises(ConfigError, match="without out="):
        vsmnp.resume(vsmnp.train(X, **TINY))


@pytest.mark.parametrize("wrong", [X[:, :2], X[0], X.astype(str), X[:0], X * np.nan, [[1, 2], [3]], iter(X)])
def test_models_say_in_a_sentence_what_they_cannot_take(wrong: Any) -> None:
    vae = vsmnp.train(X, **TINY).vae
    for method in (vae.encode, vae.reconstruct, vae.log_prob, lambda x: vae.outcome("elbo", x)):
        with pytest.raises(DataError):
            method(wrong)


def test_models_take_what_training_takes() -> None:
    vae = vsmnp.train(X, **TINY).vae
    expected = vae.encode(X)[0]
    for given in (X.tolist(), np.asfortranarray(X), X.astype(object), pd.DataFrame(X, columns=list("abc"))):
        np.testing.assert_array_equal(vae.encode(given)[0], expected)
    with pytest.raises(ConfigError, match="integer n"):
        vae.sample(3.0)  # type: ignore[arg-type]


# --- interrupts -----------------------------------------------------------------------------------


def stopping(after: int) -> Watch:
    """Make a watch that sends the interrupt of a keyboard after some steps."""

    def on_step(step: int) -> None:
        if step == after:
            signal.raise_signal(signal.SIGINT)

    return Watch(on_step=on_step)


def test_an_interrupt_returns_what_is_trained() -> None:
    with pytest.warns(UserWarning, match="interrupted; the run has 3 of 4 steps: it is on no disk"):
        run = vsmnp.train(X, watch=stopping(3), **TINY)
    assert (run.step, run.history.steps) == (3, [2])
    shorter = vsmnp.train(X, **{**TINY, "steps": 3})
    assert run.vae.theta.tobytes() == shorter.vae.theta.tobytes()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_interrupt_keeps_the_run_on_disk(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match=r"has 3 of 4 steps: go on with vsmnp.resume\('"):
        run = vsmnp.train(X, watch=stopping(3), out=tmp_path / "run", **TINY)
    assert (run.step, run.folder) == (3, tmp_path / "run")
    whole = vsmnp.train(X, **TINY)
    assert vsmnp.resume(tmp_path / "run", X).vae.theta.tobytes() == whole.vae.theta.tobytes()


def test_a_second_interrupt_ends_at_once() -> None:
    def on_step(step: int) -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        vsmnp.train(X, watch=Watch(on_step=on_step), **TINY)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_the_stop_of_a_watch_is_an_exception_as_before() -> None:
    with pytest.raises(Interrupted):
        vsmnp.train(X, watch=Watch(stop=lambda: True), **TINY)


def test_training_in_a_thread_leaves_the_signals_alone() -> None:
    runs: list[Run] = []
    thread = threading.Thread(target=lambda: runs.append(vsmnp.train(X, **TINY)))
    thread.start()
    thread.join()
    assert runs[0].step == 4


# --- progress -------------------------------------------------------------------------------------


def test_a_bar_is_shown_on_request_or_interactively(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    vsmnp.train(X, **TINY)
    assert capfd.readouterr().err == "", "a script is quiet"
    vsmnp.train(X, progress=True, **TINY)
    assert "Training" in capfd.readouterr().err
    monkeypatch.setattr("sys.ps1", ">>> ", raising=False)
    monkeypatch.setattr("vsmnp.training.interactive._DELAY", 0.0)
    vsmnp.train(X, **TINY)
    assert "Training" in capfd.readouterr().err
    vsmnp.train(X, progress=False, **TINY)
    assert capfd.readouterr().err == ""


# --- copies ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kernels", ["reference", "cpu"])
def test_models_are_copied_and_pickled(kernels: str) -> None:
    run = vsmnp.train(X, **{**TINY, "kernels": kernels, "seeds": range(2)})
    for other in (copy.deepcopy(run), pickle.loads(pickle.dumps(run))):
        assert other.vae.k is run.vae.k
        assert other.vae.theta is not run.vae.theta
        np.testing.assert_array_equal(other.vae.sample(5), run.vae.sample(5))
        np.testing.assert_array_equal(other.vae.encode(X), run.vae.encode(X))
        assert other.settings == run.settings


def test_models_go_to_other_processes() -> None:
    vae = vsmnp.train(X, **TINY).vae
    call = operator.methodcaller("sample", 5)  # a worker does not find functions of this file by their name
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        np.testing.assert_array_equal(pool.submit(call, vae).result(), vae.sample(5))


# --- evaluation -----------------------------------------------------------------------------------


def test_a_run_is_evaluated_on_given_data(tmp_path: Path) -> None:
    table = pd.DataFrame(X, columns=list("abc"))
    run = vsmnp.train(table, out=tmp_path / "run", **TINY)
    quick: dict[str, Any] = {"prior_draws": 50, "iwae_samples": 2}
    own = vsmnp.evaluate(run, **quick)
    test = run.dataset.test(0, np.float64)
    shuffled = pd.DataFrame(test, columns=list("abc"))[["c", "a", "b"]].assign(t="x")
    for given in (test, test.tolist(), shuffled, run.dataset):
        assert vsmnp.evaluate(run, given, **quick) == own
    assert vsmnp.evaluate(run, X, **quick) != own
    for wrong in (X[:, :2], X[0], np.full((4, 3), np.nan)):
        with pytest.raises(DataError):
            vsmnp.evaluate(run, wrong, **quick)
    for draws in (50, np.int64(50)):
        with pytest.raises(ConfigError, match="give the number of draws by its name, prior_draws=50"):
            vsmnp.evaluate(run, draws, iwae_samples=2)
    with pytest.raises(ConfigError, match="not a TrainedVAE"):
        vsmnp.evaluate(run.vae, X, **quick)  # type: ignore[arg-type]
    star = vsmnp.train("star", out=tmp_path / "star", **TINY)
    assert vsmnp.evaluate(tmp_path / "star", X[:, :2], **quick) == vsmnp.evaluate(star, X[:, :2], **quick)

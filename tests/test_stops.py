"""Test that a run is saved at any step, whatever the rows of the metrics are, and resumes bit for bit."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small_data import smaller_sets

from vsmnp.errors import Interrupted
from vsmnp.runs import checkpoint
from vsmnp.runs import session as runs
from vsmnp.runs.session import Session, load_run
from vsmnp.settings.settings import Settings
from vsmnp.training.info import Info
from vsmnp.training.loop import Watch
from vsmnp.training.state import State
from vsmnp.training.trainer import Trainer

#: Rows after four steps, after eight and at the end.
TINY = Settings(
    kernels="reference", steps=10, log_every=4, batch_size=10, hidden=(3,), samples=2, seeds=(5, 6)
)
Step = Callable[[Trainer, State], Info]


@pytest.fixture(scope="module", autouse=True)
def fewer_points() -> Iterator[None]:
    """Make the data sets of all names smaller."""
    with smaller_sets(400, 40):
        yield


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run without any interruption, which no test may change."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    Session.new(TINY, folder=folder).train()
    return folder


def stop_after(session: Session, step: int) -> None:
    """Train until this step is done, then stop as Ctrl-C does."""
    with pytest.raises(Interrupted, match=f"after step {step} "):
        session.train(Watch(stop=lambda: session.state.step == step))


def equal_runs(one: Path, other: Path) -> None:
    """Check for the same arrays to the last bit and the same readable files."""
    (a, a_facts), (b, b_facts) = (checkpoint.load(folder / "checkpoint.h5") for folder in (one, other))
    assert a_facts == b_facts
    assert a.keys() == b.keys()
    for name in a:
        assert a[name].tobytes() == b[name].tobytes(), name
    assert (one / "metrics.csv").read_bytes() == (other / "metrics.csv").read_bytes()


def poison(monkeypatch: pytest.MonkeyPatch, before: int) -> None:
    """Write NaN into the decoder of the second model before the step of that number."""
    step = Trainer.step

    def poisoned(made: Trainer, state: State) -> Info:
        if state.step + 1 == before:
            state.theta[1] = np.nan
        return step(made, state)

    monkeypatch.setattr(Trainer, "step", poisoned)


@pytest.mark.parametrize("kernels", ["reference", "cpu"])
def test_a_run_stopped_after_every_step_is_the_run_that_was_not(tmp_path: Path, kernels: str) -> None:
    settings = replace(TINY, kernels=kernels)
    Session.new(settings, folder=tmp_path / "whole").train()
    stop_after(Session.new(settings, folder=tmp_path / "run"), 0)
    for step in range(1, settings.steps):
        stop_after(Session.resumed(tmp_path / "run"), step)
        assert load_run(tmp_path / "run").step == step
    Session.resumed(tmp_path / "run").train()
    equal_runs(tmp_path / "run", tmp_path / "whole")


def test_a_session_without_a_folder_goes_on_from_its_stop() -> None:
    whole, session = Session.new(TINY), Session.new(TINY)
    whole.train()
    stop_after(session, 3)
    session.train()
    assert session.history.to_csv(TINY.seeds) == whole.history.to_csv(TINY.seeds)
    assert session.state.theta.tobytes() == whole.state.theta.tobytes()


@pytest.mark.parametrize("stop", [5, 6, 7])
@pytest.mark.parametrize("before", [6, 7, 8])
def test_a_model_that_diverges_around_a_stop_returns_to_the_last_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: int, stop: int
) -> None:
    """Which row, which step and which state are those of a run without the stop, to the last bit."""
    poison(monkeypatch, before)
    Session.new(TINY, folder=tmp_path / "whole").train()
    stop_after(Session.new(TINY, folder=tmp_path / "run"), stop)
    read = load_run(tmp_path / "run")
    assert np.isfinite(read.vae.theta).all(), "a reader gets the model as it was at its last row"
    Session.resumed(tmp_path / "run").train()
    equal_runs(tmp_path / "run", tmp_path / "whole")
    arrays, _ = checkpoint.load(tmp_path / "run" / "checkpoint.h5")
    assert arrays["active"].tolist() == [True, False]
    assert arrays["diverged_at"].tolist() == [0, before]


@pytest.mark.parametrize("steps", [5, 6, 9])
def test_a_run_may_end_at_the_step_where_it_was_stopped(tmp_path: Path, steps: int) -> None:
    """Its last row is there, as if these had been its steps from the start."""
    Session.new(replace(TINY, steps=steps), folder=tmp_path / "whole").train()
    stop_after(Session.new(TINY, folder=tmp_path / "run"), steps)
    Session.resumed(tmp_path / "run", {"steps": steps}).train()
    equal_runs(tmp_path / "run", tmp_path / "whole")


def test_a_failure_within_a_step_loses_nothing_that_was_saved(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The state is then half changed: the last that was saved stays on the disk."""
    step = Trainer.step

    def failing(made: Trainer, state: State) -> Info:
        if state.step == 6:
            state.theta += 1
            raise KeyboardInterrupt
        return step(made, state)

    with monkeypatch.context() as patch:
        patch.setattr(runs, "SAVE_EVERY", 0.0)
        patch.setattr(Trainer, "step", failing)
        with Session.new(TINY, folder=tmp_path / "run") as session, pytest.raises(KeyboardInterrupt):
            session.train()
    assert Session.resumed(tmp_path / "run").state.step == 6
    session.train()
    equal_runs(tmp_path / "run", whole)


def test_without_a_row_a_killed_run_was_saved_in_time(tmp_path: Path) -> None:
    """SIGKILL long before the first row: all but the last moments are there."""
    folder, settings = tmp_path / "run", replace(TINY, steps=2_000_000, log_every=2_000_000)
    Session.new(settings, folder=folder).close()
    program = (
        "from pathlib import Path; import vsmnp.runs.session as runs; "
        "from vsmnp.data.synthetic.synthetic import Synthetic; "
        "Synthetic.n_train, Synthetic.n_test = 400, 40; "
        f"runs.SAVE_EVERY = 0.05; runs.Session.resumed(Path({str(folder)!r})).train()"
    )
    process = subprocess.Popen([sys.executable, "-c", program])
    try:
        end = time.monotonic() + 60
        while checkpoint.glance(folder / "checkpoint.h5", ["step"])[0]["step"] < 20:
            assert process.poll() is None
            assert time.monotonic() < end
            time.sleep(0.02)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    stopped = Session.resumed(folder)
    other = Session.new(settings)
    stop_after(other, stopped.state.step)
    assert stopped.state.theta.tobytes() == other.state.theta.tobytes()
    assert stopped.history.steps == []

"""Test that a sweep whose workers and scheduler are killed ends with the files of a serial one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from dask_cluster import Cluster, wait_until
from lost_workers import NOTES

#: Two packs of two cells, long enough to be lost in their middle several times.
SWEEP = (
    "--grid", "seed=0-3", "--hidden", "4", "--steps", "2000", "--batch-size", "50", "--log-every", "500",
    "--kernels", "reference", "--pack", "2", "--quiet",
)  # fmt: skip


def sweep(out: Path, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "vsmnp", "sweep", *SWEEP, "--out", str(out), *options]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def finish(out: Path, *options: str) -> None:
    """Run a sweep to its end."""
    with sweep(out, *options) as process:
        assert process.wait() == 0


@pytest.fixture(scope="module")
def serial(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Return the files of the sweep that one process trains."""
    out = tmp_path_factory.mktemp("serial") / "sweep"
    finish(out, "--jobs", "1")
    return files_of(out)


def files_of(folder: Path) -> dict[str, bytes]:
    """Return the bytes of every file of a sweep, without the notes of its workers."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != NOTES)
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def notes(out: Path, what: str) -> list[tuple[str, int, int]]:
    """Return pack, step and process of every line of the notes that begins with a word."""
    path = out / NOTES
    lines = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
    return [(pack, int(step), int(process)) for word, pack, step, process in lines if word == what]


def saved(out: Path) -> list[tuple[str, int, int]]:
    """Return the notes of the checkpoints after the first step."""
    return [each for each in notes(out, "saved") if each[1] > 0]


@pytest.mark.slow
def test_a_sweep_with_three_killed_workers_and_a_killed_scheduler_has_the_bytes_of_a_serial_one(
    tmp_path: Path, serial: dict[str, bytes]
) -> None:
    """Workers are killed while they train a pack, and each is started again; the command is given twice."""
    out = tmp_path / "lost"
    (tmp_path / "dask").mkdir()
    cluster = Cluster(tmp_path / "dask", "lost_workers")
    try:
        workers = {each.pid: each for each in (cluster.worker(), cluster.worker())}
        wait_until(cluster.listens)
        driver = sweep(out, "--on", f"dask://{cluster.address}")
        for kill in range(3):
            count = len(saved(out))
            wait_until(lambda known=count: len(saved(out)) > known)
            pack, step, process = saved(out)[-1]
            workers[process].kill()
            worker = cluster.worker()
            workers[worker.pid] = worker
            wait_until(lambda known=kill: len(notes(out, "resumed")) > known)
            again = [each for each in notes(out, "resumed") if each[0] == pack][-1]
            assert again[1] >= step
            assert again[2] != process
        assert driver.poll() is None
        cluster.scheduler.kill()
        _, sentence = driver.communicate()
        assert driver.returncode == 1
        assert sentence.count("\n") == 1
        assert "was stopped: what was done is kept, and the same command goes on from there" in sentence
    finally:
        cluster.close()
    before = len(notes(out, "resumed"))
    assert list(out.glob(".packs/*/checkpoint.h5"))
    cluster = Cluster(tmp_path / "dask", "lost_workers")
    try:
        cluster.worker()
        cluster.worker()
        wait_until(cluster.listens)
        finish(out, "--on", f"dask://{cluster.address}")
    finally:
        cluster.close()
    assert len(notes(out, "resumed")) > before
    assert files_of(out) == serial


def jobs(out: Path) -> list[int]:
    """Return the processes that work on the jobs of submitit's local executor, which starts one for each."""
    found = [path.name.partition("_")[0] for path in out.glob(".jobs/*_submitted.pkl")]
    files = [Path(f"/proc/{process}/task/{process}/children") for process in found]
    return [int(child) for file in files if file.exists() for child in file.read_text().split()]


@pytest.mark.slow
def test_a_sweep_of_submitit_with_killed_jobs_and_a_killed_driver_has_the_bytes_of_a_serial_one(
    tmp_path: Path, serial: dict[str, bytes]
) -> None:
    """The jobs of the killed command go on until the next one begins, which waits for their folders."""
    out = tmp_path / "lost"
    options = "--on", "submitit", "--jobs", "2"
    with sweep(out, *options) as driver:
        for _ in range(2):
            wait_until(lambda: any(out.glob(".packs/*/checkpoint.h5")) and jobs(out))
            os.kill(jobs(out)[-1], signal.SIGKILL)
            files = len(list(out.glob(".jobs/*_submitted.pkl")))
            wait_until(lambda known=files: len(list(out.glob(".jobs/*_submitted.pkl"))) > known)
        driver.kill()
    assert not (out / "sweep.csv").exists()
    finish(out, *options)
    assert files_of(out) == serial

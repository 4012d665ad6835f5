"""Test the benchmarks: correct counts, equal work before any timing, and one sentence for every error."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import numpy as np
import pytest
from click.testing import CliRunner

from vsmnp.bench import (
    COLUMNS,
    BenchRow,
    Case,
    Noise,
    PeerFolder,
    Problem,
    SuiteChoice,
    markdown,
    plan,
    timing,
)
from vsmnp.bench import kernels as kernel_suite
from vsmnp.bench.bench import Bench
from vsmnp.bench.contenders.agreement import disagreement
from vsmnp.bench.contenders.contender import Engine
from vsmnp.bench.contenders.peers import folder_of_checkout
from vsmnp.bench.counts import inference_flops, learning_flops, step_bytes, step_flops
from vsmnp.bench.ensembles import SINGLE, EnsemblePart
from vsmnp.bench.machine import commit, describe, vectors
from vsmnp.bench.memory import PeakPart, measure
from vsmnp.bench.picture import draw
from vsmnp.bench.steps import EpochPart, StepPart
from vsmnp.bench.timing import Call, Pace, interleaved, median, ratio, spread
from vsmnp.cli import main
from vsmnp.errors import ConfigError
from vsmnp.kernels import load
from vsmnp.kernels.reference import kernel_set as reference
from vsmnp.training.trainer import Trainer
from vsmnp.types import Array, Kernels, Shape, Window

TINY = Case(hidden=(5, 3), samples=2, batch_size=6, d_x=3, activation="tanh", kernels="reference")
HASTE = Pace(7, 0.0)
STEPS = [
    ("elbo", "kl"), ("m1", "fisher"), ("m2", "kl"), ("m3", "fisher"), ("m3", "fisher-reparam"),
    ("fae", "fisher"), ("fae", "fisher-reparam"),
]  # fmt: skip


class Counting:
    """The reference set with a method that counts operations."""

    def __init__(self) -> None:
        self.flops = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(reference, name)

    def gemm(self, a: Array, b: Array, ta: bool = False, tb: bool = False, **more: Any) -> Array:
        out = reference.gemm(a, b, ta, tb, **more)
        self.flops += 2 * out.size * a.shape[1 if ta else 2]
        return out

    def conv(self, x: Array, w: Array, window: Window) -> Array:
        y = reference.conv(x, w, window)
        self.flops += 2 * y.size * w[0, 0].size
        return y

    def conv_adjoint_x(self, gy: Array, w: Array, window: Window, image: Shape) -> Array:
        self.flops += 2 * gy.size * w[0, 0].size
        return reference.conv_adjoint_x(gy, w, window, image)

    def conv_adjoint_w(self, gy: Array, x: Array, window: Window, out: Array) -> None:
        self.flops += 2 * gy.size * out[0, 0].size
        reference.conv_adjoint_w(gy, x, window, out)


@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize(("objective", "inference"), STEPS)
def test_counted_products_are_those_that_are_made(objective: str, inference: str, samples: int) -> None:
    case = replace(TINY, objective=objective, inference=inference, samples=samples, encoder_steps=2, models=2)
    given, counting = Problem(case).trainer, Counting()
    k = cast(Kernels, counting)
    trainer = Trainer.build(k, given.settings, given.batches.dataset, may_fuse=False)
    trainer.step(trainer.initial_state())
    assert counting.flops == step_flops(case)
    assert step_flops(case) == 2 * (2 * inference_flops(case) + learning_flops(case))


@pytest.mark.parametrize("arch", ["dcgan", "resnet18"])
def test_counted_convolutions_are_those_that_are_asked_for(arch: str) -> None:
    """A convolution needs as many operations in each of its three directions, whatever the method."""
    case = Case.of_images(arch, inference="fisher", width=1 / 32, latent=3, samples=2, kernels="reference")
    case = replace(case, batch_size=3, encoder_steps=2)
    given, counting = Problem(case).trainer, Counting()
    trainer = Trainer.build(cast(Kernels, counting), given.settings, given.batches.dataset)
    trainer.step(trainer.initial_state())
    assert counting.flops == step_flops(case)


def test_an_epoch_is_reckoned_from_steps() -> None:
    case = Case.of_images(width=1 / 32, latent=3, samples=1, encoder_steps=5, kernels="reference")
    told: list[str] = []
    (row,) = EpochPart(replace(case, batch_size=3)).rows(
        Bench(PeerFolder(None), (), False, HASTE, told.append)
    )
    assert row.case == "epoch of MNIST/K-M1/dcganx0.03125/S1/J5/N3/Z3"
    assert row.ms is not None
    (sentence,) = told
    assert f"4000 steps, takes {row.ms / 60000:.3g} minutes" in sentence


def test_bytes_of_a_step_are_batches_and_parameters() -> None:
    case = replace(TINY, encoder_steps=3, dtype="float64", models=2)
    encoder, decoder = Problem(case).trainer.parameter_count
    assert step_bytes(case) == 8 * (4 * 6 * 3 + 2 * 7 * (3 * encoder + decoder))


@pytest.mark.parametrize("name", kernel_suite.KERNELS)
def test_bytes_of_a_kernel_are_its_arguments_and_results(name: str) -> None:
    """Every array of at least a row is counted once where it is read, and once where it is written."""
    seen: list[int] = []
    moved = {"adam": 7, "add_bias": 2, "sum_rows": 1, "normal": 1}

    class Watching:
        name = "reference"

        def __getattr__(self, kernel: str) -> Any:
            function = getattr(reference, kernel)

            def watched(*given: Any, **more: Any) -> Any:
                out = function(*given, **more)
                arrays = [a for a in given if isinstance(a, np.ndarray) and a.ndim > 1]
                if kernel in moved:
                    shaped = given[0] if kernel != "normal" else out
                    seen.append(moved[kernel] * shaped.size)
                else:
                    results = out if isinstance(out, tuple) else (out,)
                    seen.append(sum(a.size for a in (*arrays, *results) if a is not None))
                return out

            return watched if kernel not in ("asarray", "zeros", "to_host") else function

    ready = kernel_suite.KERNELS[name].prepare(cast(Kernels, Watching()), 0.001, "float64")
    ready.call()
    assert seen == [ready.elements]


def test_names_say_what_is_not_the_default() -> None:
    assert Case("m2", "kl").name == "K-M2/30x2/S1"
    case = Case("fae", "fisher-reparam", (50, 30), 5, 2, 10, 7, 3, "tanh", 4, "float64")
    assert case.name == "FR-FAE/50x1-30x1/S5/J2/N10/D7/Z3/R4/tanh/float64"
    assert Case.from_mapping(json.loads(json.dumps(case.to_mapping()))) == case


def test_fused_and_composed_product_agree() -> None:
    """The step that is timed passes the check that peers have to pass."""
    case = replace(TINY, kernels="cpu")
    plain = Problem(replace(case, kernels="reference"))
    assert disagreement(Problem(case), lambda problem: Engine(plain)) is None


class Liar(Engine):
    """A peer whose result is wrong in one place."""

    def __init__(self, problem: Problem, where: str) -> None:
        super().__init__(problem)
        self.where = where

    def evaluate(self, noise: Noise) -> Any:
        found = super().evaluate(noise)
        match self.where:
            case "inference" | "learning":
                return replace(found, **{self.where: 1.01 * getattr(found, self.where)})
            case "g_phi" | "g_theta":
                g = getattr(found, self.where)
                return replace(found, **{self.where: {**g, "net.0.w": 1.1 * g["net.0.w"]}})
            case "missing":
                return replace(found, g_phi={})
        return found

    def losses(self) -> tuple[Array, Array]:
        inference, learning = super().losses()
        return inference, learning * (1.01 if self.where == "on the way" else 1)

    def parameters(self) -> Any:
        phi, theta = super().parameters()
        if self.where == "phi":
            phi = {name: 1.01 * p for name, p in phi.items()}
        if self.where == "theta":
            theta = {name: 1.01 * p for name, p in theta.items()}
        return phi, theta


@pytest.mark.parametrize(
    "where", ["inference", "learning", "g_phi", "g_theta", "missing", "on the way", "phi", "theta"]
)
def test_a_peer_that_computes_something_else_is_not_timed(
    where: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    peer = ModuleType("liar")
    peer.__dict__.update(obstacle=lambda problem: None, make=lambda problem: Liar(problem, where))
    monkeypatch.setattr(PeerFolder, "load", lambda self, name: peer)
    told: list[str] = []
    (row,) = StepPart(TINY).rows(Bench(PeerFolder(tmp_path), ("liar",), False, HASTE, told.append))
    assert (row.peer, row.peer_ms, row.ratio) == ("liar", None, None)
    assert row.ms is not None
    (sentence,) = told
    assert "liar computes something else" in sentence


def test_a_call_of_several_steps_is_timed_by_the_step(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0

    def lasts(seconds: float) -> None:
        nonlocal now
        now += seconds

    monkeypatch.setattr(timing, "perf_counter", lambda: now)
    one, ten = Call(lambda: lasts(2.0)), Call(lambda: lasts(30.0))
    object.__setattr__(ten, "steps_per_call", 10)
    assert interleaved([one, ten], Pace(2, 60.0)).tolist() == [[2.0, 2.0], [3.0, 3.0]]


def test_turns_are_interleaved_and_their_statistics_known() -> None:
    turns: list[str] = []
    times = interleaved([Call(lambda: turns.append("a")), Call(lambda: turns.append("b"))], Pace(4, 0.0))
    assert "".join(turns[-8:]) == "abbaabba"
    assert times.shape == (2, 4)
    assert (times >= 0).all()
    assert median(np.array([1.0, 2.0, 6.0])) == 2000.0
    assert spread(np.array([1.0, 2.0, 3.0, 4.0, 5.0])) == 2000.0
    assert ratio(np.array([2.0, 9.0, 8.0]), np.array([1.0, 3.0, 2.0])) == 3.0


def test_a_kernel_row_has_its_bytes_and_its_fraction_of_a_copy() -> None:
    part = kernel_suite.KernelPart("adam/P1000000", size=0.001)
    (row,) = part.rows(Bench(PeerFolder(None), (), False, HASTE, print))
    assert row.bytes == 4 * 7 * 1000
    assert row.peer == "numpy"
    assert row.fraction_of_limit is not None
    assert row.fraction_of_limit > 0


def test_peak_memory_is_that_of_a_process() -> None:
    order = {"who": "vsmnp", "case": TINY.to_mapping(), "folder": None}
    assert measure(order)["peak_mb"] > 20


def invoke(*arguments: str) -> Any:
    """Run the command, without a peer's framework and without moving this process to other cores."""
    return CliRunner().invoke(main, ["bench", "-q", *arguments], catch_exceptions=False)


@pytest.fixture
def same_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Restore the cores and threads that the processes of the suite share."""
    monkeypatch.setattr("vsmnp.bench.machine.use_cores", lambda which: None)
    monkeypatch.setattr("vsmnp.cli.commands.bench.prepare_process", lambda threads: None)


TINY_STEPS = (
    "--suite", "steps", "--hidden", "4", "--samples", "2", "--batch-size", "5", "--kernels", "reference",
    "--repeats", "7", "--quick",
)  # fmt: skip


def test_rows_have_the_columns_and_files_are_written(same_cores: None, tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("rows.json", "rows.md", "rows.png")]
    written = ["--json", str(files[0]), "--markdown", str(files[1]), "--plot", str(files[2])]
    done = invoke(*TINY_STEPS, "--objective", "m2", "--inference", "kl", "--peer", "numpy-plain", *written)
    assert done.exit_code == 0, done.output
    (row,) = json.loads(files[0].read_text())
    assert tuple(row)[: len(COLUMNS)] == COLUMNS
    assert row["case"] == "K-M2/4x1/S2/N5"
    assert row["peer"] == "numpy-plain"
    assert row["rounds"] == 7
    assert all(row[name] > 0 for name in ("ms", "peer_ms", "ratio", "gflops", "bytes", "fraction_of_limit"))
    assert "| K-M2/4x1/S2/N5 | cpu | 1 |" in files[1].read_text()
    assert files[2].read_bytes().startswith(b"\x89PNG")


def test_rows_are_kept_as_they_are_measured(
    same_cores: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the second case is interrupted, the first is on the disk; before that, the old file stays."""
    file, rows, seen = tmp_path / "rows.json", StepPart.rows, list[str]()
    file.write_text("older")

    def cut(part: StepPart, bench: Bench) -> Iterator[BenchRow]:
        seen.append(file.read_text())
        if len(seen) == 2:
            raise RuntimeError("cut off")
        yield from rows(part, bench)

    monkeypatch.setattr(StepPart, "rows", cut)
    chosen = ("--objective", "m1", "--objective", "m2", "--inference", "kl", "--peer", "none")
    with pytest.raises(RuntimeError, match="cut off"):
        invoke(*TINY_STEPS, *chosen, "--json", str(file))
    assert seen[0] == "older"
    assert [row["case"] for row in json.loads(file.read_text())] == ["K-M1/4x1/S2/N5"]


def test_an_older_file_stays_until_a_row_was_measured(
    same_cores: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the first case is measured, and after it failed, only the older file exists."""
    file, seen = tmp_path / "rows.json", list[str]()
    file.write_text("older")

    def fail(contenders: object, pace: Pace) -> Array:
        seen.append(file.read_text())
        raise RuntimeError("cut off")

    monkeypatch.setattr("vsmnp.bench.timing.interleaved", fail)
    chosen = ("--objective", "m1", "--inference", "kl", "--peer", "none", "--json", str(file))
    with pytest.raises(RuntimeError, match="cut off"):
        invoke(*TINY_STEPS, *chosen)
    assert [*seen, file.read_text()] == ["older", "older"]
    assert list(tmp_path.iterdir()) == [file]


def test_every_state_of_the_file_is_a_whole_document(
    same_cores: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also between a row and the next, and if the disk is full at the second: then the first stays."""
    file, replace_file, seen = tmp_path / "rows.json", os.replace, list[int]()

    def watched(source: str, target: Path) -> None:
        seen.append(len(json.loads(Path(source).read_text())))
        if seen == [1, 2]:
            raise OSError(errno.ENOSPC, "No space left on device")
        replace_file(source, target)

    monkeypatch.setattr("os.replace", watched)
    chosen = ("--objective", "m1", "--objective", "m2", "--inference", "kl", "--peer", "none")
    done = invoke(*TINY_STEPS, *chosen, "--json", str(file))
    assert done.exit_code == 1
    assert "could not be written" in done.output
    assert [row["case"] for row in json.loads(file.read_text())] == ["K-M1/4x1/S2/N5"]
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_is_stopped_within_a_part_has_the_rows_so_far(
    same_cores: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    """The second case is stopped in its second round, which is its last; the third case is not begun."""
    from vsmnp.bench import timing

    measure, turns = timing._measure, list[int]()

    def cut(contender: Any, repeats: int) -> float:
        turns.append(repeats)
        if len(turns) == 2 * (warm_up + 21) - 15:
            signal.raise_signal(number)
        return measure(contender, repeats)

    warm_up = 12  # of the step, of the product and of the multiply-adds that it is compared with
    monkeypatch.setattr(timing, "_measure", cut)
    file, text = tmp_path / "rows.json", tmp_path / "rows.md"
    objectives = [word for name in ("elbo", "m1", "m2") for word in ("--objective", name)]
    chosen = (
        *objectives,
        "--inference",
        "kl",
        "--peer",
        "none",
        "--json",
        str(file),
        "--markdown",
        str(text),
    )
    done = invoke(*TINY_STEPS, *chosen)
    assert done.exit_code == 130
    assert "Stopped on request after 2 rows" in done.output
    rows = json.loads(file.read_text())
    assert [(row["case"], row["rounds"]) for row in rows] == [("K-ELBO/4x1/S2/N5", 7), ("K-M1/4x1/S2/N5", 2)]
    for printed in (done.stdout, text.read_text()):
        assert all(row["case"] in printed for row in rows)


def test_every_row_names_the_commit_and_the_vector_unit(same_cores: None, tmp_path: Path) -> None:
    file = tmp_path / "rows.json"
    invoke(*TINY_STEPS, "--objective", "m1", "--inference", "kl", "--peer", "none", "--json", str(file))
    (row,) = json.loads(file.read_text())
    assert (row["vectors"], row["commit"]) == (vectors(), commit())


def test_a_benchmark_is_compared_with_an_older_one(same_cores: None, tmp_path: Path) -> None:
    """The case that has become slowest stands first; cases of one benchmark alone are left out."""
    old = tmp_path / "old.json"
    chosen = ("--objective", "m1", "--objective", "m2", "--inference", "kl", "--peer", "none")
    assert invoke(*TINY_STEPS, *chosen, "--json", str(old)).exit_code == 0
    rows = json.loads(old.read_text())
    rows[1]["ms"] /= 1000
    rows.append({**rows[1], "case": "another"})
    old.write_text(json.dumps(rows))
    done = invoke(*TINY_STEPS, *chosen, "--compare", str(old))
    assert done.exit_code == 0, done.output
    _, compared = done.stdout.split("new/old\n")
    _, first, second = (line.split() for line in compared.splitlines())
    assert (first[0], second[0]) == ("K-M2/4x1/S2/N5", "K-M1/4x1/S2/N5")
    assert float(first[-1]) == pytest.approx(float(first[-2]) / float(first[-3]), rel=1e-3)
    assert float(first[-1]) > 50


@pytest.mark.parametrize("content", ["", "{}", "[1]", "[{}]"])
def test_what_is_no_benchmark_is_not_compared(tmp_path: Path, content: str) -> None:
    (tmp_path / "old.json").write_text(content)
    for name in ("old.json", "missing.json"):
        done = invoke(*TINY_STEPS, "--compare", str(tmp_path / name))
        assert done.exit_code == 1
        assert f"{name} " in done.output
        assert "name a file of --json." in done.output


def test_json_goes_to_the_screen_alone(same_cores: None) -> None:
    done = invoke(*TINY_STEPS, "--objective", "fae", "--inference", "fisher", "--peer", "none", "--json", "-")
    (row,) = json.loads(done.stdout)
    assert row["case"] == "F-FAE/4x1/S2/N5/tanh"
    assert row["peer"] is None


def test_the_command_takes_the_options_of_bilevel_learning(same_cores: None) -> None:
    chosen = ("--encoder-steps", "5", "--bilevel-steps", "2", "--encoder-optimizer", "sgd", "--peer", "none")
    done = invoke(*TINY_STEPS, "--objective", "m2", "--inference", "kl", *chosen, "--json", "-")
    (row,) = json.loads(done.stdout)
    assert row["case"] == "K-M2/4x1/S2/J5/K2/N5/sgd"
    joint = invoke(*TINY_STEPS, "--objective", "fae", *chosen)
    assert joint.exit_code == 2
    assert "exclude each other" in joint.output


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--objective", "m4"), "'m4' is not one of"),
        (("--repeats", "3"), "7"),
        (("--threads", "4000"), "--threads 4000 exceeds"),
        (("--peer", "tensorflow"), "There is no peer 'tensorflow'"),
        (("--peer", "none", "--peer", "numpy-plain"), "stand alone"),
        (("--peers", "nowhere"), "is not a folder"),
        (("--plot", "rows.jpg"), "must end in .png"),
        (("--suite", "steps", "--objective", "fae", "--inference", "kl"), "exclude each other"),
        (("--tf32",), "--tf32"),
        (("--hidden", "0"), "positive widths"),
    ],
)
def test_bad_input_is_one_sentence(same_cores: None, arguments: tuple[str, ...], word: str) -> None:
    done = invoke(*arguments)
    assert done.exit_code == 2
    assert word in done.output
    assert "Traceback" not in done.output


@pytest.mark.parametrize("option", ["--json", "--markdown", "--plot"])
def test_a_place_that_cannot_be_written_is_named_before_anything_is_measured(
    same_cores: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    monkeypatch.setattr("vsmnp.cli.commands.bench._measure", None)
    (tmp_path / "folder.png").mkdir()
    for place in ("nowhere/rows.png", "folder.png"):
        done = invoke(*TINY_STEPS, option, str(tmp_path / place))
        assert done.exit_code in (1, 2)
        assert place in done.output
        assert "Traceback" not in done.output
    assert [path.name for path in tmp_path.rglob("*")] == ["folder.png"]


def test_pipes_stay_links_are_followed_and_no_file_is_named_twice(
    same_cores: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vsmnp.cli.commands.bench._measure", lambda *_: [])
    os.mkfifo(tmp_path / "pipe")
    done = invoke(*TINY_STEPS, "--json", str(tmp_path / "pipe"))
    assert done.exit_code == 1
    assert "pipe could not be written (it is no file but a pipe or a device)" in done.output
    assert (tmp_path / "pipe").is_fifo()
    (tmp_path / "link").symlink_to("target")
    assert invoke(*TINY_STEPS, "--json", str(tmp_path / "link")).exit_code == 0
    assert (tmp_path / "link").is_symlink()
    assert json.loads((tmp_path / "target").read_text()) == []
    twice = invoke(*TINY_STEPS, "--json", str(tmp_path / "target"), "--markdown", str(tmp_path / "link"))
    assert twice.exit_code == 2
    assert "name one file twice" in twice.output


def test_a_peer_without_its_framework_is_an_error_only_by_name(same_cores: None, tmp_path: Path) -> None:
    (tmp_path / "absent.py").write_text("import no_such_framework\n")
    few = (*TINY_STEPS, "--objective", "m1", "--inference", "kl", "--peers", str(tmp_path))
    done = invoke(*few, "--peer", "absent")
    assert done.exit_code == 2
    assert "The peer 'absent' needs no_such_framework, which is not installed" in done.output
    assert invoke(*few, "--peer", "all").exit_code == 0


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("def (", "failed (SyntaxError"),
        ("1 / 0", "failed (ZeroDivisionError"),
        ("", "has no function obstacle(problem)"),
        ("def obstacle(p): 1 / 0\ndef make(p): ...", "failed (ZeroDivisionError"),
        ("def obstacle(p): return None\ndef make(p): 1 / 0", "failed (ZeroDivisionError"),
    ],
)
def test_a_peer_that_fails_is_one_sentence_and_the_others_run(
    same_cores: None, tmp_path: Path, source: str, said: str
) -> None:
    (tmp_path / "bad.py").write_text(source)
    few = (*TINY_STEPS, "--objective", "m1", "--inference", "kl", "--peers", str(tmp_path))
    done = invoke(*few, "--peer", "bad")
    assert done.exit_code == 2
    assert f"The peer 'bad' {said}" in done.output
    assert invoke(*few, "--peer", "all").exit_code == 0


def test_every_suite_has_cases_on_every_device() -> None:
    for device in ("cpu", "gpu"):
        for suite in ("summary", "steps", "kernels", "scaling", "ensemble", "images", "all"):
            assert plan(SuiteChoice(suite, template=Case(device=device)))
    names = {part.title for part in plan(SuiteChoice())}
    wanted = {"K-ELBO", "K-M1", "K-M2", "K-M3", "F-M1", "F-M2", "F-M3"}
    assert {f"{name}/30x2/S{S}" for name in wanted for S in (1, 5)} <= names
    assert {f"{name}/100x2/S1" for name in wanted} <= names
    assert {"FR-M1/30x2/S1/tanh", "FR-FAE/30x2/S1/tanh"} <= names


def test_a_picture_shows_what_was_varied_and_what_was_compared(tmp_path: Path) -> None:
    rows = [BenchRow("a/1", "cpu", 1, ms=n, axis="N", value=n, peer="p", peer_ms=2 * n) for n in (1.0, 2.0)]
    draw([*rows, BenchRow("b", "cpu", 1, ms=1.0, peer="p", peer_ms=2.0, ratio=2.0)], tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 5000
    with pytest.raises(ConfigError, match="nothing to draw"):
        draw([BenchRow("a", "cpu", 1)], tmp_path / "b.png")
    assert markdown(rows).count("| a/1 |") == 2


@pytest.mark.parametrize(
    "name",
    [
        "numpy-plain", "numpy-naive", "numpy-careful", "torch-backward", "torch-eager", "torch-vmap",
        "jax-jit", "jax-scan", "jax-vmap",
    ],
)  # fmt: skip
@pytest.mark.parametrize(("objective", "inference"), STEPS)
def test_peers_of_the_checkout_agree(name: str, objective: str, inference: str) -> None:
    """Only where their frameworks are installed; the noise, the losses and the gradients are compared."""
    pytest.importorskip({"torch": "torch", "jax": "jax"}.get(name.partition("-")[0], "numpy"))
    models = 2 if "vmap" in name or name == "numpy-plain" else 1
    case = replace(TINY, objective=objective, inference=inference, dtype="float64", models=models)
    peer, problem = PeerFolder(folder_of_checkout()).load(name), Problem(case)
    by_hand = name in ("numpy-naive", "numpy-careful")
    if by_hand and (objective == "fae" or inference == "fisher-reparam"):
        assert peer.obstacle(problem) == "it has no second-order gradients."
    else:
        assert disagreement(problem, peer.make) is None


@pytest.mark.parametrize("objective", ["elbo", "m1", "m2"])
@pytest.mark.parametrize("samples", [1, 3])
def test_mlx_agrees(objective: str, samples: int) -> None:
    pytest.importorskip("mlx")
    case = replace(TINY, objective=objective, inference="kl", samples=samples, dtype="float32")
    peer, problem = PeerFolder(folder_of_checkout()).load("mlx-compile"), Problem(case)
    assert peer.obstacle(problem) is None
    assert disagreement(problem, peer.make) is None


@pytest.mark.parametrize("arch", ["dcgan", "resnet18"])
@pytest.mark.parametrize(("objective", "inference"), [("elbo", "kl"), ("m2", "fisher")])
def test_pytorch_agrees_on_images(arch: str, objective: str, inference: str) -> None:
    pytest.importorskip("torch")
    case = Case.of_images(arch, objective=objective, inference=inference, width=1 / 32, latent=3, samples=2)
    case = replace(case, dtype="float64", batch_size=3, kernels="cpu")
    peer = PeerFolder(folder_of_checkout()).load("torch-eager")
    assert disagreement(Problem(case), peer.make) is None


@pytest.fixture
def lifeline() -> Iterator[int]:
    """Provide the pipe that the process of a measurement reads; it ends when the other end closes."""
    read, held = os.pipe()
    yield read
    os.close(read)
    os.close(held)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="processes are looked up in /proc")
def test_a_measurement_ends_with_the_one_that_waits_for_it() -> None:
    case = replace(TINY, hidden=(300, 300), batch_size=100_000, models=2)
    order = {"kind": "peak", "who": "vsmnp", "case": case.to_mapping(), "folder": None, "cores": []}
    code = (
        "import json, sys; from vsmnp.bench import spawn; "
        "print('at work', flush=True); spawn.run(json.loads(sys.argv[1]), [], 1)"
    )
    command = [sys.executable, "-c", code, json.dumps(order)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        parent.stdout.readline()
        children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children")
        while not children.read_text():
            assert parent.poll() is None, "the measurement failed"
            time.sleep(0.01)
        child = Path(f"/proc/{children.read_text().strip()}")
        parent.kill()
    deadline = time.monotonic() + 10
    while child.exists() and "Z" not in (child / "stat").read_text().split()[2]:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_peak_memory_has_a_row_where_no_peer_can_be_measured(tmp_path: Path) -> None:
    (tmp_path / "absent.py").write_text("import no_such_framework\n")
    told: list[str] = []
    bench = Bench(PeerFolder(tmp_path), ("absent",), False, HASTE, told.append)
    (row,) = PeakPart(TINY).rows(bench)
    assert row.peer is None
    assert row.peak_mb is not None
    assert "needs no_such_framework" in told[0]


@pytest.mark.parametrize(
    ("case", "name"),
    [
        (replace(TINY, models=3, threads=2), None),
        (replace(Case.of_images(width=1 / 32, latent=3, samples=1), batch_size=4, parts=2, threads=2),
         "K-M1/dcganx0.03125/S1/N4/Z3/2 parts"),
    ],
)  # fmt: skip
def test_models_and_parts_on_threads_are_compared_with_one_thread(case: Case, name: str | None) -> None:
    bench = Bench(PeerFolder(None), (), False, HASTE, lambda said: None)
    (row,) = EnsemblePart(replace(case, kernels="reference")).measured(bench)
    assert row.case == (name or case.name)
    assert row.peer == SINGLE
    assert row.threads == 2
    assert row.ratio is not None


def test_images_have_a_case_with_a_part_for_each_thread() -> None:
    def named(threads: int, **changes: Any) -> list[str]:
        choice = SuiteChoice("images", template=replace(Case(), **changes), threads=threads, archs=("dcgan",))
        return [part.title for part in plan(choice) if isinstance(part, EnsemblePart)]

    assert named(3) == ["K-ELBO/dcgan/S5/2 parts on 2 threads"]
    assert named(8) == ["K-ELBO/dcgan/S5/4 parts on 4 threads"]  # 100 pictures have no eighth
    assert named(1) == named(8, device="gpu") == []


def test_what_is_chosen_for_the_linear_algebra_is_on_record(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    assert describe().endswith("OPENBLAS_CORETYPE=Haswell")
    monkeypatch.delenv("OPENBLAS_CORETYPE")
    assert "OPENBLAS_CORETYPE" not in describe()


def test_a_measurement_alone_says_why_it_failed(lifeline: int) -> None:
    order = {"kind": "peak", "who": "nobody", "case": TINY.to_mapping(), "folder": None, "cores": []}
    done = subprocess.run(
        [sys.executable, "-m", "vsmnp.bench.process", json.dumps(order)],
        capture_output=True, text=True, check=True, env={**os.environ}, stdin=lifeline,
    )  # fmt: skip
    assert "There is no peer 'nobody'" in json.loads(done.stdout)["error"]
    assert load("reference").name == "reference"


def test_cases_of_pytest_benchmark_collect_and_run() -> None:
    """`pytest benchmarks` is not part of this suite; one case of each kind runs once, at a tiny size."""
    pytest.importorskip("pytest_benchmark")
    folder = folder_of_checkout()
    assert folder is not None
    chosen = [
        "-k",
        "adam or product-30 or (step and elbo and hidden0 and 1-reference)",
        "--benchmark-disable",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", str(folder.parents[1]), *chosen, "-p", "no:cacheprovider"],
        capture_output=True, text=True, check=False, env={**os.environ, "BENCH_SIZE": "0.001"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "passed" in done.stdout

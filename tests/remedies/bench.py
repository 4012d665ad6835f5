"""Situations of ``vsmnp bench``: peers, files of rows, and measurements in other processes."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from importlib import invalidate_caches
from pathlib import Path

import pytest

from vsmnp.bench import Case, memory, picture, spawn
from vsmnp.bench.row import BenchRow
from vsmnp.bench.timing import Pace

from .follow import Step, remedy
from .follow import vsmnp as command

#: One step of one small case.
BENCH = (
    "bench", "--suite", "steps", "--kernels", "reference", "--hidden", "4", "--samples", "2", "--quick",
    "--batch-size", "5", "--objective", "m1", "--inference", "kl", "--repeats", "7",
)  # fmt: skip
ALONE = (*BENCH, "--peer", "none")
TINY = Case(hidden=(4,), samples=1, batch_size=5, kernels="reference")


def bench(*arguments: str) -> Step:
    """Return the step that runs a benchmark in haste, which leaves cores and threads as they are."""

    def run() -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("vsmnp.bench.machine.use_cores", lambda which: None)
            patch.setattr("vsmnp.cli.commands.bench.prepare_process", lambda threads: None)
            patch.setattr("vsmnp.bench.timing.Pace", lambda rounds, seconds, stop: Pace(rounds, 0.0, stop))
            command(*arguments)()

    return run


def peer(name: str, *lines: str) -> None:
    """Write a peer into the folder ``peers``."""
    Path("peers").mkdir(exist_ok=True)
    Path(f"peers/{name}.py").write_text("\n".join(lines) + "\n")
    invalidate_caches()


#: A peer that is the engine itself.
ENGINE = (
    "from vsmnp.bench.contenders.contender import Engine",
    "def obstacle(problem):",
    "    return None",
    "def make(problem):",
    "    return Engine(problem)",
)


def beside(name: str) -> Step:
    """Return the step that times the engine beside a peer of the folder."""
    return bench(*BENCH, "--peers", str(Path("peers").resolve()), "--peer", name)


# --- peers ----------------------------------------------------------------------------------------


@remedy("name one that holds peers as .py files")
def a_folder_of_peers_that_does_not_exist(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield beside("own")
    peer("own", *ENGINE)
    yield beside("own")


@remedy("choose one of own")
def a_peer_that_does_not_exist(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    peer("own", *ENGINE)
    yield beside("owm")
    yield beside("own")


@remedy("install it or leave the peer out")
def a_peer_without_its_framework(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    sys.modules.pop("no_such_framework", None)
    peer("own", "import no_such_framework", *ENGINE)
    yield beside("own")
    yield bench(*ALONE)
    Path("no_such_framework.py").write_text("")
    patch.syspath_prepend(str(Path.cwd()))
    yield beside("own")


@remedy("has no function make(problem): write one")
def a_peer_without_a_function(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    peer("half", *ENGINE[:3])
    yield beside("half")
    peer("whole", *ENGINE)
    yield beside("whole")


@remedy("mend it or leave it out")
def a_peer_that_fails(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    peer("own", *ENGINE[:4], "    raise OSError('no card')")
    yield beside("own")
    yield bench(*ALONE)
    peer("mended", *ENGINE)
    yield beside("mended")


@remedy("it has no cards: use another machine")
def a_peer_that_cannot_run_the_case(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    # What to do is said by the peer; those of the checkout have tests of their own.
    peer("own", *ENGINE[:2], "    return 'it has no cards: use another machine.'", *ENGINE[3:])
    yield beside("own")
    peer("other", *ENGINE)
    yield beside("other")


@remedy("leave the other names out")
def all_peers_and_one(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    peer("own", *ENGINE)
    everyone = (*BENCH, "--peers", str(Path("peers").resolve()), "--peer", "all")
    yield bench(*everyone, "--peer", "own")
    yield bench(*everyone)


# --- choices --------------------------------------------------------------------------------------


@remedy("exceeds the")
def more_threads_than_cores(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield bench(*ALONE, "--threads", "100000")
    yield bench(*ALONE, "--threads", "1")


@remedy("leave out one of --objective, --inference, --arch, --bilevel-steps and --profile")
def choices_that_exclude_each_other(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    without = [each for each in BENCH if each not in ("--objective", "m1", "--inference", "kl")]
    yield bench(*without, "--peer", "none", "--objective", "fae", "--inference", "kl")
    yield bench(*without, "--peer", "none", "--objective", "fae")


# --- files ----------------------------------------------------------------------------------------


@remedy("name a file of --json")
def rows_that_do_not_exist(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield bench(*ALONE, "--compare", "old.json")
    yield bench(*ALONE, "--json", "old.json")
    yield bench(*ALONE, "--compare", "old.json")


@remedy("holds no rows of vsmnp bench: name a file of --json")
def a_file_that_holds_no_rows(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield bench(*ALONE, "--compare", "t.csv")
    yield bench(*ALONE, "--json", "old.json")
    yield bench(*ALONE, "--compare", "old.json")


@remedy("name one for each")
def one_file_for_two_results(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield bench(*ALONE, "--json", "x.md", "--markdown", "x.md")
    yield bench(*ALONE, "--json", "x.json", "--markdown", "x.md")


@remedy("name another file")
def a_file_in_no_folder(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield bench(*ALONE, "--json", "no/x.json")
    yield bench(*ALONE, "--json", "x.json")


@remedy("free some space, or name another file")
def rows_on_a_full_disk(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    # The disk is full once a row is known: the place was checked before.
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.MonkeyPatch.context() as disk:
        disk.setattr(os, "fsync", full)
        yield bench(*ALONE, "--json", "x.json")
    yield bench(*ALONE, "--json", "x.json")
    yield bench(*ALONE, "--json", "y.json")


@remedy("measure another suite than memory")
def a_picture_of_no_time(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield lambda: picture.draw([BenchRow("memory/x", "cpu", 1, peak_mb=3.0)], "x.png")
    yield lambda: picture.draw([BenchRow("x", "cpu", 1, ms=3.0)], "x.png")


@remedy("of an unfinished benchmark")
def a_benchmark_that_is_stopped(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    with pytest.MonkeyPatch.context() as stopped:
        stopped.setattr("vsmnp.cli.commands.bench.catch_signals", lambda: nullcontext(lambda: True))
        yield bench(*ALONE, "--json", "x.json")
    yield bench(*ALONE, "--json", "x.json")


# --- other processes ------------------------------------------------------------------------------


def peak(who: str) -> Step:
    """Return the step that measures the peak memory of a contender in a process of its own."""
    order = {"kind": "peak", "who": who, "case": TINY.to_mapping(), "folder": None}
    return lambda: spawn.run(order, sorted(os.sched_getaffinity(0)), 1)


@remedy("without a folder of peers (see --peers)")
def a_peer_that_a_process_does_not_find(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield peak("own")
    peer("own", *ENGINE)
    order = {"kind": "peak", "who": "own", "case": TINY.to_mapping(), "folder": str(Path("peers").resolve())}
    yield lambda: spawn.run(order, sorted(os.sched_getaffinity(0)), 1)


@remedy("run it again, with a smaller --batch-size if the memory was too small")
def a_process_that_is_killed(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    with pytest.MonkeyPatch.context() as killed:
        killed.setattr(sys, "executable", "/bin/false")
        yield peak("vsmnp")
    yield peak("vsmnp")


@remedy("without own: it has no cards: use another machine")
def a_peer_whose_memory_cannot_be_measured(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    order = {"case": TINY.to_mapping(), "who": "own", "folder": str(Path("peers").resolve())}
    peer("own", *ENGINE[:2], "    return 'it has no cards: use another machine.'", *ENGINE[3:])
    yield lambda: memory.measure(order)
    peer("other", *ENGINE)
    yield lambda: memory.measure({**order, "who": "other"})


# --- predictions ------------------------------------------------------------------------------------

PREDICT = ("bench", "--predict", "--hidden", "4", "--batch-size", "5")


@remedy("leave out --arch, --markdown")
def a_prediction_with_options_of_timed_benchmarks(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield command(*PREDICT, "--arch", "dcgan", "--markdown", "rows.md")
    yield command(*PREDICT)


@remedy("choose --inference kl or fisher, and another --objective than fae")
def a_prediction_of_second_order(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield command(*PREDICT, "--inference", "fisher-reparam", "--activation", "tanh")
    yield command(*PREDICT, "--inference", "kl")


@remedy("pip install nvidia-cuda-nvrtc")
def a_prediction_without_a_compiler(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    from vsmnp.bench.predict import compiler

    compiler._library.cache_clear()
    with patch.context() as without:
        without.setattr(compiler, "installed_folders", lambda kind: iter(()))
        yield command(*PREDICT)
    yield command(*PREDICT)


@remedy("pip install nvidia-cuda-nvdisasm")
def a_prediction_without_a_disassembler(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    from vsmnp.bench.predict import machine_code

    with patch.context() as without:
        without.setattr(machine_code, "installed_folders", lambda kind: iter(()))
        yield command(*PREDICT)
    yield command(*PREDICT)

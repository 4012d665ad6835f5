"""The commands under faults: how each is prepared, begun and finished, and which files must be equal."""

from __future__ import annotations

import gc
import io
import json
import os
import re
import shutil
from collections.abc import Callable, Collection
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from faults.children import Ended, command_line, run

SMALL = ["--kernels", "reference", "--hidden", "3", "--batch-size", "10", "--samples", "2"]
TRAIN = ["train", *SMALL, "--dataset", "ring", "--steps", "6", "--evaluate-every", "2",
         "--out", "run"]  # fmt: skip
RESUME = ["train", "--resume", "run"]
LONGER = [*RESUME, "--steps", "12"]
PICTURES = ["train", *SMALL, "--dataset", "pictures", "--image-size", "8", "--steps", "2", "--out", "run"]
EVALUATE = ["evaluate", "run", "--draws", "20", "--iwae-samples", "2"]
SWEEP = ["sweep", *SMALL, "--dataset", "ring", "--steps", "4",
         "--grid", "objective=m1,elbo",
         "--jobs", "1", "--out", "run"]  # fmt: skip
REPRODUCE = ["reproduce", "fig3", "--datasets", "ring", "--budget", "quick",
             "--methods", "K-ELBO,K-M1", "--estimators", "definition", "--seeds", "0"]  # fmt: skip
KERNELS = ["kernels"]
#: What a run lacks or has otherwise if it was interrupted: the checkpoint before the last, and locks.
_FREE = re.compile(r"(^|/)\.|checkpoint\.previous\.h5$|^cache/|\.out$")


@dataclass(frozen=True)
class Work:
    """A command with its preparation.

    Attributes
    ----------
    words : list of str
        The command under faults, in the folder of the trial.
    before : list of list of str
        Commands without faults before it.
    again : callable
        Given the folder, the words that finish the work after a fault.
    prepare : callable
        Makes other files in the folder.
    """

    name: str
    words: list[str]
    before: list[list[str]] = field(default_factory=list)
    again: Callable[[Path], list[str]] | None = None
    prepare: Callable[[Path], None] = field(default=lambda folder: None)

    def template(self, folder: Path) -> Path:
        """Make the folder in which a trial begins."""
        folder.mkdir(parents=True)
        self.prepare(folder)
        for words in self.before:
            ended = run(words, folder)
            assert ended.code == 0, ended.output
        return folder

    def finish(self, folder: Path) -> Ended:
        """Do the work again without faults, as the user is told to."""
        words = self.words if self.again is None else self.again(folder)
        return run(words, folder)


def resumed(first: list[str]) -> Callable[[Path], list[str]]:
    """Resume a run if there is one, and begin it otherwise."""

    def again(folder: Path) -> list[str]:
        there = any((folder / "run" / name).exists() for name in ("checkpoint.h5", "checkpoint.previous.h5"))
        return RESUME if there else first

    return again


def _pictures(folder: Path) -> None:
    import numpy as np
    from PIL import Image

    (folder / "pictures").mkdir()
    for i in range(12):
        pixels = (np.arange(64).reshape(8, 8) * (i + 1) % 251).astype(np.uint8)
        Image.fromarray(pixels).save(folder / "pictures" / f"{i:02}.png")


WORKS = {
    work.name: work
    for work in (
        Work("train", TRAIN, again=resumed(TRAIN)),
        Work("resume", LONGER, before=[TRAIN], again=lambda folder: LONGER),
        Work("evaluate", EVALUATE, before=[TRAIN]),
        Work("pictures", PICTURES, again=resumed(PICTURES), prepare=_pictures),
        Work("sweep", SWEEP),
        Work("reproduce", REPRODUCE),
        Work("kernels", KERNELS),
    )
}  # fmt: skip


def contents(folder: Path) -> dict[str, bytes]:
    """Read the files that must be the same after any faults; the instant of an evaluation is left out."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and not _FREE.search(name):
            found[name] = path.read_bytes()
            if path.suffix == ".json":
                read = json.loads(found[name])
                if isinstance(read, dict):
                    read.pop("time", None)
                found[name] = json.dumps(read, sort_keys=True).encode()
    return found


def differing(found: dict[str, bytes], wanted: dict[str, bytes]) -> list[str]:
    """Return the names of some files that differ, or that only one of both has."""
    return sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))[:6]


def copied(template: Path, folder: Path) -> Path:
    """Replace a folder by a copy of a template."""
    if folder.exists():
        shutil.rmtree(folder)
    shutil.copytree(template, folder, symlinks=True)
    return folder


def warm(place: Path, names: Collection[str]) -> None:
    """Make the data sets small and the grids of figures tiny, and run each command once in this process.

    What they import and draw is then inherited by every child, except the machine code of loops. ``names``
    are those of the commands.
    """
    from vsmnp.settings import draws

    draws.PRIOR_DRAWS = 2_000  # before the modules that read it
    import click
    import matplotlib.backends.backend_agg
    import matplotlib.pyplot  # noqa: F401
    import numba
    from faults.drawn import kept
    from tiny_plane import TINY

    import vsmnp.paper.reproduce.plane as plane
    from vsmnp.cli.main import COMMANDS, main
    from vsmnp.data.synthetic.synthetic import Synthetic
    from vsmnp.figures import canvas

    Synthetic.n_train, Synthetic.n_test = 400, 40
    plane.budget = lambda name, preset: replace(TINY, encoder_steps=(1,), bilevel_steps=(0,))
    for name in COMMANDS:
        main.get_command(click.Context(main), name)
    canvas._encoded = kept(canvas._encoded)
    numba.njit(lambda x: x + 1)(1.0)
    for work in (WORKS[name] for name in names if name != "kernels"):
        folder = work.template(place / "warm" / work.name)
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()), suppress(SystemExit):
            command_line(work.words, folder)()
    os.chdir(place)
    shutil.rmtree(place / "warm", ignore_errors=True)
    gc.collect()
    gc.freeze()  # a collection in a child would copy all of this memory

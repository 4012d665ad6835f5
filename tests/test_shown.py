"""Test what a prompt and a notebook show of a run's objects, and what ``vsmnp.<TAB>`` and ``help`` name."""

from __future__ import annotations

import inspect
import json
import pydoc
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

import vsmnp
from vsmnp.errors import ConfigError
from vsmnp.figures import FIGURES
from vsmnp.runs.session import Run
from vsmnp.settings.settings import Settings
from vsmnp.training.history import History


@pytest.fixture(scope="module")
def run() -> Run:
    x = np.random.default_rng(0).normal(size=(300, 2))
    return vsmnp.train(x, steps=4, hidden=(8,), seeds=range(12), kernels="reference", log_every=2)


@pytest.mark.parametrize("part", ["", "vae", "dataset", "settings", "history"])
def test_an_object_is_shown_in_a_few_words(run: Run, part: str) -> None:
    shown = repr(getattr(run, part) if part else run)
    assert len(shown) < 300
    assert "array" not in shown.replace("<array>", "").replace("name: array", "").replace("data: array", "")


def test_a_run_shows_what_it_is(run: Run) -> None:
    assert "m1 with kl inference" in repr(run)
    assert "models: 12" in repr(run)
    assert "step: 4" in repr(run)
    assert "0, 1, 2, 3 and 8 more" in repr(run.vae)
    assert "training samples: 270" in repr(run.dataset)
    assert "last step: none" in repr(History())
    assert "star" in repr(vsmnp.load_data("star"))


def test_settings_are_shown_by_what_was_changed() -> None:
    settings = Settings(objective="m2", seeds=(3, 4), dataset="star")
    assert repr(settings) == "Settings(dataset='star', objective='m2', seeds=(3, 4))"
    assert eval(repr(settings), {"Settings": Settings}) == settings


@pytest.mark.parametrize("part", ["", "vae", "dataset", "history", "settings"])
def test_a_notebook_shows_a_table(run: Run, part: str) -> None:
    html = (getattr(run, part) if part else run)._repr_html_()
    assert html.startswith("<table>")
    assert html.count("<tr>") == html.count("</tr>") > 1
    assert "<array>" not in html, "names are escaped"


def test_a_figure_is_returned(run: Run, tmp_path: Path) -> None:
    assert isinstance(run.plot("density"), Figure)
    assert isinstance(run.plot("curves", tmp_path / "a.svg"), Figure)
    assert (tmp_path / "a.svg").read_bytes().startswith(b"<?xml")
    with pytest.raises(ConfigError, match="There is no figure 'densty'"):
        run.plot("densty")
    assert all(name in (inspect.getdoc(Run.plot) or "") for name in FIGURES)


def test_completion_and_help_name_the_functions() -> None:
    public = {
        "GaussianVAE",
        "Settings",
        "VAE",
        "evaluate",
        "load_data",
        "load_run",
        "resume",
        "sweep",
        "train",
    }
    assert {name for name in dir(vsmnp) if not name.startswith("_")} == public
    text = pydoc.render_doc(vsmnp, renderer=pydoc.plaintext)
    assert all(f"vsmnp.{name}" in text for name in ("train", "evaluate", "load_data", "resume", "VAE"))


def test_without_scikit_learn_everything_else_is_there() -> None:
    """The estimator is neither listed nor imported; asked for, it says what to install."""
    code = """if True:
        import sys, json
        class Gone:
            def find_spec(self, name, path=None, target=None):
                if name.partition(".")[0] == "sklearn":
                    raise ImportError("gone")
        sys.meta_path.insert(0, Gone())
        import importlib.util
        known = importlib.util.find_spec
        importlib.util.find_spec = lambda name, *a: None if name == "sklearn" else known(name, *a)
        import vsmnp, vsmnp.errors
        names = dir(vsmnp)
        try:
            vsmnp.VAE
        except vsmnp.errors.LibraryError as error:
            print(json.dumps([names, str(error)]))
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    names, sentence = json.loads(done.stdout)
    assert "VAE" not in names
    assert "train" in names
    assert "pip install 'vsmnp[sklearn]'" in sentence


def _cells(*sources: str) -> Any:
    import nbformat

    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])


def test_a_notebook_trains_shows_plots_and_is_interrupted(tmp_path: Path) -> None:
    """Executed by a kernel: outputs are short, figures are pictures, and an interrupted cell has its run."""
    from nbclient import NotebookClient

    book = _cells(
        "import numpy as np, vsmnp\n"
        "x = np.random.default_rng(0).normal(size=(300, 2))\n"
        "run = vsmnp.train(x, steps=5, hidden=(8,), kernels='reference')\nrun",
        "run.plot('density')",
        "run.plot('curves', 'curves.pdf')",
        "import _thread, threading, warnings\n"
        "warnings.simplefilter('ignore')\n"
        "threading.Timer(2.0, _thread.interrupt_main).start()\n"
        "run = vsmnp.train(x, steps=10**6, hidden=(8,), kernels='reference', progress=True)\n"
        "print(0 < run.step < 10**6)",
    )
    NotebookClient(
        book, timeout=120, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
    ).execute()
    first, second, saved, third = (cell["outputs"] for cell in book.cells)
    assert first[-1]["data"]["text/html"].startswith("<table>")
    assert len(first[-1]["data"]["text/plain"]) < 300
    assert "image/png" in second[-1]["data"]
    assert "image/png" in saved[-1]["data"], "a figure that is written is shown too"
    told = {
        name: "".join(output["text"] for output in third if output.get("name") == name)
        for name in ("stdout", "stderr")
    }
    assert "True" in told["stdout"]
    assert "Training" in told["stderr"]

"""``vsmnp info``: describe this installation, or a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..command import with_examples
from ..console import facts_table, json_text
from ..options import json_option
from ..values import RUN

if TYPE_CHECKING:
    from vsmnp.runs.session import Session


@with_examples("""
  vsmnp info
  vsmnp info runs/mixture-kl-m1-seed0 --json
""")
@click.argument("run", type=RUN, required=False)
@json_option
def command(run: Path | None, as_json: bool) -> None:
    """Describe this installation, or the settings and progress of the run in folder RUN."""
    facts = _installation() if run is None else _run(run)
    click.echo(json_text(facts) if as_json else facts_table(facts))


def _installation() -> dict[str, Any]:
    import os
    import platform
    from importlib.metadata import version

    from vsmnp import __version__
    from vsmnp.kernels import NAMES, gpu_obstacle
    from vsmnp.kernels.cpu.machine_code_folder import code_folder

    packages = {name: version(name) for name in ("numpy", "scipy", "numba", "h5py", "click", "matplotlib")}
    return {
        "vsmnp": __version__, "python": platform.python_version(), **packages,
        "machine": platform.machine(), "cores": os.cpu_count(), "kernel sets": ", ".join(NAMES),
        "gpu": gpu_obstacle() or "ready for --device gpu",
        "machine code": str(code_folder() or "not kept, as there is no home folder: set NUMBA_CACHE_DIR"),
    }  # fmt: skip


def _data(session: Session) -> dict[str, Any]:
    """Describe the data of a run as its checkpoint states them."""
    dataset, summary = session.dataset, session.trainer.prepared.summary
    names = {"columns of the data": ", ".join(dataset.columns)} if dataset.columns else {}
    ranges = {} if summary is None else {"ranges": summary.ranges()}
    return {
        "data": dataset.name, "shape": list(dataset.shape), "training data": dataset.n_train,
        "test data": dataset.n_test, **names, **ranges,
    }  # fmt: skip


def _run(folder: Path) -> dict[str, Any]:
    from vsmnp.runs.session import Session

    session = Session.resumed(folder, to_read=True)
    active = session.trainer.k.to_host(session.state.active)
    encoder, decoder = session.trainer.parameter_count
    return {
        "folder": str(folder), **_data(session), "step": session.state.step, "steps": session.total_steps,
        "encoder parameters": encoder, "decoder parameters": decoder,
        "active models": int(active.sum()), **session.trainer.settings.to_mapping(),
    }  # fmt: skip

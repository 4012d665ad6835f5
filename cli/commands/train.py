"""``vsmnp train``: resolve the settings, train, save, evaluate and draw a run."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vsmnp.errors import ConfigError
from vsmnp.parallel.launch import joined
from vsmnp.settings.draws import IWAE_SAMPLES, PRIOR_DRAWS
from vsmnp.settings.presets import PRESETS
from vsmnp.settings.presets import preset as preset_values
from vsmnp.settings.settings import Settings
from vsmnp.settings.toml import load as load_toml

from ..command import with_examples
from ..console import ProgressLine, json_text, note, notes_of, optional, say, table
from ..options import chosen_settings, output_options, settings_options, with_length
from ..process import catch_signals, prepare_process
from ..results import evaluate_with_progress, evaluation_json, evaluation_table
from ..values import FILE, PATH, PRESET, RUN

if TYPE_CHECKING:
    from vsmnp.runs.session import Run, Session
    from vsmnp.training.history import History
    from vsmnp.training.state import State
    from vsmnp.types.division import Communicator


@with_examples("""
  vsmnp train                                            M1 with KL inference on the mixture
  vsmnp train --dataset star --objective m3 --steps 2000
  vsmnp train --preset paper-2d --dataset star --seeds 0-9 --encoder-steps 10
  vsmnp train --dataset my.csv --hidden 64,64 --latent 4 --out runs/mine
  vsmnp train --resume runs/mine --steps 20000
""")
@settings_options()
@click.option("--seed", type=int, help="Train one model with this seed, instead of those of --seeds.")
@click.option(
    "--preset",
    type=PRESET,
    help=f"Start from these settings of the paper: {', '.join(PRESETS)}; options override them.",
)
@click.option(
    "--config", type=FILE, help="Start from the settings in this config.toml; options override them."
)
@click.option("--out", type=PATH, help="Folder of the run; default: a new folder in runs/.")
@click.option("--resume", type=RUN, help="Resume the run in this folder, or of this checkpoint.h5.")
@click.option(
    "--dry-run", is_flag=True, help="Print the resolved settings, parameters and time without training."
)
@output_options
@click.pass_context
def command(
    ctx: click.Context, /, preset: str | None, config: Path | None, out: Path | None, resume: Path | None,
    dry_run: bool, as_json: bool, quiet: bool, **_: Any,
) -> None:  # fmt: skip
    """Train a Gaussian VAE, save it, evaluate it on the test set and draw its samples.

    The folder of the run contains config.toml, metrics.csv, checkpoint.h5, samples.png and curves.png, and
    with --evaluate-every also evaluation.csv. Ctrl-C and SIGTERM stop and save the run; --resume continues it
    with the same bits as an uninterrupted run.
    """
    ctx.with_resource(notes_of("vsmnp", quiet or as_json))
    chosen = chosen_settings(ctx, environment=resume is None)
    with joined() as ranks:
        session = ctx.with_resource(
            _resumed(resume, chosen, preset, config, out, dry_run, ranks)
            if resume
            else _started(chosen, preset, config, out, dry_run, ranks)
        )
        if not quiet:
            _advise(session)
        quiet = quiet or as_json
        if dry_run and as_json:
            click.echo(json_text({"settings": session.trainer.settings.to_mapping(), **_size(session)}))
        elif dry_run:
            _explain(session, click.echo, show_settings=True)
        elif not quiet:
            _explain(session, say, show_settings=resume is None)
        run = None if dry_run else _train(session, quiet)
        ranks.close()
    if run is not None and ranks.rank == 0:
        _report(run, as_json, quiet)


def _started(
    chosen: dict[str, Any], preset: str | None, config: Path | None, out: Path | None, dry_run: bool,
    ranks: Communicator,
) -> Session:  # fmt: skip
    if config is not None and preset is not None:
        raise click.UsageError("Give --preset or --config: a config.toml already holds every setting.")
    chosen = with_length(chosen)
    if config is not None:
        chosen = {**load_toml(config), **chosen}
    if preset is not None:
        chosen = preset_values(preset, chosen)
    settings = Settings.from_mapping(chosen)
    prepare_process(settings.threads, settings.parts // ranks.size)
    from vsmnp.runs.session import Session

    return Session.new(settings, folder=None if dry_run else out, named=not dry_run, ranks=ranks)


def _resumed(
    folder: Path, chosen: dict[str, Any], preset: str | None, config: Path | None, out: Path | None,
    dry_run: bool, ranks: Communicator,
) -> Session:  # fmt: skip
    folder = folder.parent if folder.name == "checkpoint.h5" else folder
    for option, value in (("--preset", preset), ("--config", config), ("--out", out)):
        if value is not None:
            raise click.UsageError(f"--resume takes its settings from the run: leave out {option}.")
    # The settings of the checkpoint count, but to read it loads the linear algebra, which fixes the threads.
    with contextlib.suppress(ConfigError):
        settings = Settings.from_mapping(load_toml(folder / "config.toml"))
        prepare_process(chosen.get("threads", settings.threads), settings.parts // ranks.size)
    from vsmnp.runs.session import Session

    return Session.resumed(folder, chosen, dry=dry_run, ranks=ranks)


def _size(session: Session) -> dict[str, Any]:
    encoder, decoder = session.trainer.parameter_count
    left = session.total_steps - session.state.step
    return {
        "encoder_parameters": encoder,
        "decoder_parameters": decoder,
        "steps": session.total_steps,
        "estimated_seconds": left * session.seconds_per_step() if left > 0 else 0.0,
    }


def _explain(session: Session, tell: Callable[[str], object], show_settings: bool) -> None:
    """Print the resolved settings, the numbers of parameters and the expected time."""
    from vsmnp.settings.in_effect import settings_in_effect

    trainer = session.trainer
    if show_settings:
        tell(table(("setting", "value"), list(settings_in_effect(trainer.settings).items())))
    size = _size(session)
    tell(
        f"Encoder {size['encoder_parameters']:,} and decoder {size['decoder_parameters']:,} parameters, "
        f"{len(trainer.settings.seeds)} model(s), step {session.state.step} of {size['steps']:,}; about "
        f"{size['estimated_seconds']:.0f} s of training to go, then the evaluation."
    )


def _advise(session: Session) -> None:
    """Print notes on this choice of settings and on the data."""
    for sentence in session.notes():
        note(sentence)
    if session.trainer.ranks.size > 1 and session.folder is not None:
        note(
            f"{session.trainer.ranks.size} ranks train this run. If one is lost, mpiexec ends the others: go "
            f"on from the last checkpoint by mpiexec with vsmnp train --resume {session.folder}."
        )


def _train(session: Session, quiet: bool) -> Run:
    from vsmnp.training.loop import Watch

    shown = ProgressLine("Training", session.total_steps, quiet, session.state.step)
    with catch_signals() as stop, shown as progress:

        def on_row(state: State, history: History) -> None:
            if not history.steps:
                return
            row = {name: history.column(name)[-1].mean() for name in history.columns}
            terms = [name for name in row if name.startswith("learning.") and not name.endswith(".loss")]
            told = " + ".join(f"{name.removeprefix('learning.')} {row[name]:.4g}" for name in terms)
            progress.tell(f"loss {row['learning.loss']:.4g} = {told}, gamma {row['gamma']:.3g}")

        def on_evaluation(done: int, total: int) -> None:
            progress.pause(f"evaluating, {100 * done // total} %")

        run = session.train(Watch(progress.at, on_row, on_evaluation, on_divergence=note, stop=stop))
    recorded = session.trainer.recorded
    if recorded is not None and recorded.obstacle:
        note(f"Steps were launched kernel by kernel, not as a graph: {recorded.obstacle}", quiet)
    return run


def _report(run: Run, as_json: bool, quiet: bool) -> None:
    """Evaluate a run, print the results, then draw the pictures."""
    from vsmnp.evaluation.kept import keep

    assert run.folder is not None
    kept, floored = (int(count.sum()) for count in (run.gamma_kept, run.gamma_floored))
    if kept:
        note(f"On {kept} batch(es) no optimal gamma exists (b <= 0); the last gamma was kept there.", quiet)
    if floored:
        note(f"On {floored} batch(es) the optimal gamma was below --gamma-floor, which replaced it.", quiet)
    if run.best.rows.steps:
        steps = ", ".join(map(str, run.best.best_step))
        ended = f"ended at step {run.step}" if run.best.is_final(run.settings.patience) else "went to its end"
        note(
            f"The run {ended}, and was best on the validation part at step {steps}: evaluate that by "
            f"vsmnp evaluate {run.folder} --best.", quiet,
        )  # fmt: skip
    evaluation = evaluate_with_progress(run, quiet)
    with optional("the evaluation is not kept", quiet):
        keep(run, evaluation, PRIOR_DRAWS, IWAE_SAMPLES)
    try:
        if as_json:
            where = {"device": run.settings.device, "tf32": run.settings.tf32}
            figures = evaluation_json(run, evaluation)
            click.echo(json_text({"run": str(run.folder), "steps": run.step, **where, **figures}))
        else:
            click.echo(evaluation_table(run, evaluation))
            click.echo(f"Run: {run.folder}")
    finally:  # also if nobody reads the results
        _draw(run, quiet)
    if not as_json and (run.folder / "samples.png").exists():
        click.echo(f"Samples beside data: {run.folder / 'samples.png'}")


def _draw(run: Run, quiet: bool) -> None:
    """Draw the pictures of a run; one that cannot be drawn is a note."""
    from vsmnp.figures import curves, samples

    assert run.folder is not None
    for draw, name in ((samples, "samples.png"), (curves, "curves.png")):
        with optional(f"the run has no {name}", quiet):
            draw(run, run.folder / name)

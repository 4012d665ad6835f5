"""Test the command line: its output, its files, its settings, and one sentence for every failure."""

from __future__ import annotations

import csv
import dataclasses
import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import h5py
import numpy as np
import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner, Result

from vsmnp import __version__, figures
from vsmnp.cli import console, main
from vsmnp.cli.main import COMMANDS
from vsmnp.data.synthetic.synthetic import Synthetic
from vsmnp.errors import Interrupted
from vsmnp.metrics import MODEL_METRICS
from vsmnp.runs import checkpoint
from vsmnp.runs.session import load_run
from vsmnp.runs.trained import TrainedVAE
from vsmnp.settings import toml
from vsmnp.settings.presets import PRESETS
from vsmnp.settings.settings import Settings
from vsmnp.settings.values import option_name
from vsmnp.storage import write_whole

METRICS = [each.name for each in MODEL_METRICS]
PNG = b"\x89PNG\r\n\x1a\n"
DRAWN = {"samples": figures.samples, "curves": figures.curves}
TINY = ["--kernels", "reference", "--steps", "3", "--batch-size", "10", "--hidden", "4", "--samples", "2"]


@pytest.fixture(scope="module", autouse=True)
def small() -> Iterator[None]:
    """Set fewer points and draws, blank pictures after a training, and an environment that is restored."""
    with pytest.MonkeyPatch.context() as patch:
        for name in DRAWN:
            patch.setattr(figures, name, lambda run, path: write_whole(path, PNG))
        patch.setattr(Synthetic, "n_train", 2000)
        patch.setattr(Synthetic, "n_test", 60)
        patch.setattr("vsmnp.cli.results.PRIOR_DRAWS", 200)
        for name in ("OPENBLAS", "OMP", "MKL", "NUMBA"):
            patch.setenv(f"{name}_NUM_THREADS", "1")
        yield


def vsmnp(*arguments: object, **environment: str) -> Result:
    """Run the command line; it may fail, but never with a traceback."""
    result = CliRunner().invoke(main, [str(a) for a in arguments], prog_name="vsmnp", env=environment)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert "Traceback" not in result.output
    assert "\x1b" not in result.output
    return result


def succeeds(*arguments: object, **environment: str) -> str:
    """Run a command that must succeed, and return its standard output."""
    result = vsmnp(*arguments, **environment)
    assert result.exit_code == 0, result.output
    return result.stdout


def fails(code: int, *arguments: object, **environment: str) -> str:
    """Run a command that must fail, and return its sentence; standard output stays empty."""
    result = vsmnp(*arguments, **environment)
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith("Error: ")
    assert last.endswith("."), last
    assert len(last) > 20
    return last


def resolved(*arguments: object, **environment: str) -> dict[str, Any]:
    """Return the settings that ``train`` would run."""
    output = succeeds("train", "--kernels", "reference", *arguments, "--dry-run", "--json", **environment)
    settings: dict[str, Any] = json.loads(output)["settings"]
    return settings


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Create the folder of this file's runs."""
    return tmp_path_factory.mktemp("cli")


@pytest.fixture(scope="module")
def one(place: Path) -> Path:
    """Train a run of one model."""
    succeeds("train", *TINY, "--seed", "7", "--out", place / "one")
    return place / "one"


@pytest.fixture(scope="module")
def two(place: Path) -> Path:
    """Train a run of two models."""
    succeeds("train", *TINY, "--seeds", "7-8", "--objective", "m2", "--quiet", "--out", place / "two")
    return place / "two"


@pytest.fixture(scope="module")
def images(place: Path) -> Path:
    """Train a run on pictures of 3 x 3 pixels."""
    pixels = np.random.default_rng(0).integers(0, 256, (40, 3, 3), dtype=np.uint8)
    np.save(place / "images.npy", pixels)
    succeeds(
        "train",
        *TINY,
        "--dataset",
        place / "images.npy",
        "--noise",
        "0.1",
        "--quiet",
        "--out",
        place / "images",
    )
    return place / "images"


@pytest.fixture
def points(tmp_path: Path) -> Path:
    """Write a table of forty points."""
    path = tmp_path / "points.csv"
    np.savetxt(path, np.random.default_rng(0).normal(size=(40, 2)), delimiter=",")
    return path


# --- help -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("flag", ["-h", "--help"])
@pytest.mark.parametrize("command", COMMANDS)
def test_every_help_page_has_examples(command: str, flag: str) -> None:
    text = succeeds(command, flag)
    assert text.startswith(f"Usage: vsmnp {command}")
    assert "Examples:" in text
    assert f"vsmnp {command}" in text.split("Examples:")[1]


def test_the_first_page_lists_every_command() -> None:
    text = succeeds("--help")
    assert "VSMNP_TRAIN_LR" in text
    for command in COMMANDS:
        assert re.search(rf"^  {command} +\w", text, re.MULTILINE)
    assert succeeds("--version").strip().endswith(__version__)
    assert text == succeeds("-h")


def test_every_setting_is_an_option_with_its_default() -> None:
    command = main.get_command(click.Context(main), "train")
    assert command is not None
    context = click.Context(command)
    shown = dict(record for option in command.params if (record := option.get_help_record(context)))
    for spec in dataclasses.fields(Settings):
        help_text = next(text for names, text in shown.items() if names.split()[0] == option_name(spec.name))
        assert help_text.startswith(spec.metadata["help"])
        default = ",".join(map(str, spec.default)) if isinstance(spec.default, tuple) else str(spec.default)
        if not isinstance(spec.default, bool) and default:
            assert f"[default: {default}" in help_text, spec.name


def test_help_loads_no_heavy_library() -> None:
    """It answers at once, for every page."""
    code = (
        "import sys\n"
        "from vsmnp.cli import main\n"
        f"for page in [[], *([c] for c in {COMMANDS!r})]:\n"
        "    try:\n"
        "        main([*page, '--help'])\n"
        "    except SystemExit as end:\n"
        "        assert end.code == 0\n"
        "heavy = {'numpy', 'scipy', 'h5py', 'numba', 'matplotlib', 'pooch', 'PIL', 'sympy', 'cupy', 'tqdm'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    assert done.stdout.count("Usage: ") == len(COMMANDS) + 1


def test_python_runs_the_command_line_by_the_name_of_the_package(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "vsmnp"]
    for arguments, code in ((["data"], 0), (["tain"], 2)):
        done = subprocess.run(
            [*command, *arguments], capture_output=True, text=True, check=False, cwd=tmp_path
        )
        assert done.returncode == code, done.stderr
        assert ("mixture" in done.stdout) if code == 0 else ("did you mean 'train'" in done.stderr)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_learns_to_complete(shell: str) -> None:
    assert "_VSMNP_COMPLETE" in succeeds("completion", shell)


def test_commands_options_and_choices_are_completed() -> None:
    complete = ShellComplete(main, {}, "vsmnp", "_VSMNP_COMPLETE")

    def words(*arguments: str) -> list[str]:
        return [item.value for item in complete.get_completions(list(arguments[:-1]), arguments[-1])]

    assert words("") == list(COMMANDS)
    assert words("train", "--encoder-s") == ["--encoder-steps"]
    assert words("train", "--objective", "m") == ["m1", "m2", "m3"]


# --- train ----------------------------------------------------------------------------------------


def test_train_explains_writes_and_evaluates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "run"
    for name, draw in DRAWN.items():
        monkeypatch.setattr(figures, name, draw)
    result = vsmnp("train", *TINY, "--out", folder)
    assert result.exit_code == 0
    assert sorted(os.listdir(folder)) == [
        "checkpoint.h5",
        "checkpoint.previous.h5",
        "config.toml",
        "curves.png",
        "evaluation.json",
        "metrics.csv",
        "samples.png",
    ]
    for picture in ("samples.png", "curves.png"):
        assert (folder / picture).read_bytes().startswith(PNG)
        assert (folder / picture).stat().st_size > 1000
    for spec in dataclasses.fields(Settings):
        assert re.search(rf"^{spec.name}( |$)", result.stderr, re.MULTILINE)
    assert re.search(
        r"Encoder 32 and decoder 23 parameters, 1 model\(s\), step 0 of 3; about \d+ s", result.stderr
    )
    for name in METRICS:
        assert re.search(rf"^{name} +-?\d", result.stdout, re.MULTILINE)
    assert "0.31156" in result.stdout
    assert str(folder) in result.stdout
    with (folder / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["1", "2", "3"]
    assert Settings.from_mapping(toml.load(folder / "config.toml")) == load_run(folder).settings


def test_a_folder_under_runs_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = []
    for _ in range(2):
        names.append(json.loads(succeeds("train", *TINY, "--json"))["run"])
    assert names == ["runs/mixture-kl-m1-seed0", "runs/mixture-kl-m1-seed0-run2"]
    assert sorted(os.listdir("runs")) == ["mixture-kl-m1-seed0", "mixture-kl-m1-seed0-run2"]


def test_quiet_prints_results_only(tmp_path: Path) -> None:
    result = vsmnp("train", *TINY, "--quiet", "--out", tmp_path / "run")
    assert result.stderr == ""
    assert "nll" in result.stdout


def test_json_is_one_object(tmp_path: Path) -> None:
    result = vsmnp("train", *TINY, "--seeds", "0,3", "--json", "--out", tmp_path / "run")
    assert result.stderr == ""
    found = json.loads(result.stdout)
    assert list(found) == ["run", "steps", "device", "tf32", *METRICS]
    assert found["run"] == str(tmp_path / "run")
    assert found["steps"] == 3
    assert all(len(found[name]) == 2 for name in METRICS)


def test_what_a_kernel_set_says_of_a_step_is_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    log = logging.getLogger("vsmnp.kernels.some")
    monkeypatch.setattr(
        "vsmnp.kernels.reference.kernel_set.fused_step", lambda *step: log.info("It is composed.")
    )
    assert "Note: It is composed.\n" in vsmnp("train", *TINY, "--dry-run").stderr
    assert "composed" not in vsmnp("train", *TINY, "--dry-run", "--quiet").stderr
    assert not logging.getLogger("vsmnp.kernels").handlers


def test_a_dry_run_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    explained = vsmnp("train", *TINY, "--dry-run").stdout
    for word in ("objective", "Encoder 32 and decoder 23 parameters", "of training to go"):
        assert word in explained
    found = json.loads(succeeds("train", *TINY, "--dry-run", "--json", "--out", "run"))
    assert os.listdir(tmp_path) == []
    assert (found["encoder_parameters"], found["decoder_parameters"], found["steps"]) == (32, 23, 3)
    assert found["estimated_seconds"] > 0
    assert found["settings"]["log_every"] == 1
    assert Settings.from_mapping(found["settings"]).hidden == (4,)


def test_away_from_a_terminal_progress_is_plain_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The live loss is printed beside it."""
    monkeypatch.setattr(console.ProgressLine, "_EVERY", 0.0)
    lines = vsmnp("train", *TINY, "--out", tmp_path / "run").stderr.splitlines()
    training = [line for line in lines if line.startswith("Training: ")]
    assert len(training) == 3
    assert training[0].startswith("Training: 1 of 3")
    number = r"-?[\d.]+(e[+-]\d+)?"
    told = rf"loss {number} = score_square {number} \+ divergence {number}, gamma {number}"
    assert re.fullmatch(rf"Training: 3 of 3  {told}", training[-1])
    assert any(line.startswith("Evaluating: ") for line in lines)


def test_advice_is_given_before_training() -> None:
    notes = vsmnp("train", *TINY, "--objective", "m2", "--samples", "1", "--dry-run").stderr
    assert "Note: " in notes
    assert "--samples 2" in notes
    assert (
        "Note: "
        in vsmnp("train", *TINY, "--objective", "fae", "--inference", "fisher-reparam", "--dry-run").stderr
    )


# --- where settings come from ---------------------------------------------------------------------


def test_seeds_may_be_ranges_and_lists() -> None:
    assert resolved("--seeds", "0-3,7")["seeds"] == [0, 1, 2, 3, 7]
    assert resolved("--seed", "5")["seeds"] == [5]
    assert resolved("--hidden", "4,3")["hidden"] == [4, 3]


def test_the_environment_sets_options_and_the_command_line_wins() -> None:
    environment = {"VSMNP_TRAIN_LR": "0.002", "VSMNP_TRAIN_HIDDEN": "5,6", "VSMNP_TRAIN_SIGMOID_OUTPUT": "1"}
    found = resolved(**environment)
    assert (found["lr"], found["hidden"], found["sigmoid_output"]) == (0.002, [5, 6], True)
    assert resolved("--lr", "0.003", **environment)["lr"] == 0.003
    assert "fast" in fails(2, "train", "--dry-run", VSMNP_TRAIN_LR="fast")


def test_a_preset_is_resolved_and_flags_win() -> None:
    found = resolved("--preset", "paper-2d", "--objective", "m3", "--inference", "fisher", "--lr", "0.002")
    # the script's step of 1e-3 along the gradient of |d|^2, for the half of it that the definition has
    assert (found["encoder_lr"], found["encoder_optimizer"], found["lr"]) == (2e-3, "sgd", 0.002)
    assert (found["squared_mean"], found["baseline"]) == ("biased", "none")
    assert (found["batch_size"], found["samples"], found["scale"], found["initial"]) == (
        1000,
        5,
        "softplus",
        "normal",
    )
    assert resolved("--preset", "paper-2d-large")["dataset"] == "star"


def test_a_configuration_is_run_again_and_flags_win(one: Path, tmp_path: Path) -> None:
    succeeds("train", "--config", one / "config.toml", "--quiet", "--out", tmp_path / "again")
    (a, _), (b, _) = (checkpoint.load(folder / "checkpoint.h5") for folder in (one, tmp_path / "again"))
    assert {name: array.tobytes() for name, array in a.items()} == {
        name: array.tobytes() for name, array in b.items()
    }
    for name in ("config.toml", "metrics.csv"):
        assert (one / name).read_bytes() == (tmp_path / "again" / name).read_bytes()
    found = resolved("--config", one / "config.toml", "--seed", "9", "--lr", "0.002")
    assert (found["seeds"], found["lr"], found["hidden"]) == ([9], 0.002, [4])


def test_a_switch_of_a_configuration_can_be_turned_off(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("sigmoid_output = true\n")
    assert resolved("--config", tmp_path / "config.toml")["sigmoid_output"]
    assert not resolved("--config", tmp_path / "config.toml", "--no-sigmoid-output")["sigmoid_output"]


def test_a_run_continues_to_more_steps(one: Path, tmp_path: Path) -> None:
    succeeds(
        "train",
        *TINY,
        "--steps",
        "2",
        "--log-every",
        "1",
        "--seed",
        "7",
        "--quiet",
        "--out",
        tmp_path / "run",
    )
    result = vsmnp("train", "--resume", tmp_path / "run", "--steps", "3")
    assert result.exit_code == 0
    assert "step 2 of 3" in result.stderr
    (a, _), (b, _) = (checkpoint.load(folder / "checkpoint.h5") for folder in (one, tmp_path / "run"))
    assert {name: array.tobytes() for name, array in a.items()} == {
        name: array.tobytes() for name, array in b.items()
    }


# --- the other commands ---------------------------------------------------------------------------


def test_evaluate_prints_numbers_for_one_model_and_lists_for_several(one: Path, two: Path) -> None:
    found = json.loads(succeeds("evaluate", one, "--json", "--draws", "50"))
    assert list(found) == METRICS
    assert all(isinstance(value, float) for value in found.values())
    both = json.loads(succeeds("evaluate", two, "--json", "--draws", "50"))
    assert list(both) == METRICS
    assert all(len(values) == 2 for values in both.values())
    assert found == json.loads(succeeds("evaluate", one, "--json", "--draws", "50"))
    without = json.loads(succeeds("evaluate", one, "--json", "--draws", "50", "--iwae-samples", "0"))
    assert without == {**found, "iwae": None}
    assert found["nll"] != json.loads(succeeds("evaluate", one, "--json", "--draws", "51"))["nll"]


def test_evaluate_leaves_out_what_makes_no_sense(images: Path) -> None:
    """The likelihood of pictures by draws from the prior."""
    found = json.loads(succeeds("evaluate", images, "--json"))
    assert [name for name in METRICS if found[name] is None] == ["nll", "nll_se", "ess", "sm_loss"]
    table = succeeds("evaluate", images, "--quiet")
    assert not re.search(r"^nll", table, re.MULTILINE)
    floor = 9 * (np.log(0.1) + 0.5 * np.log(2 * np.pi * np.e))
    assert re.search(rf"^neg_elbo .* {floor:.5g} ", table, re.MULTILINE)


def test_a_table_shows_the_error_over_models(two: Path) -> None:
    values = json.loads(succeeds("evaluate", two, "--json", "--draws", "50"))["mse"]
    line = re.search(
        r"^mse +(\S+) +(\S+) ", succeeds("evaluate", two, "--quiet", "--draws", "50"), re.MULTILINE
    )
    assert line is not None
    assert line.groups() == (f"{np.mean(values):.5g}", f"{np.std(values, ddof=1) / 2**0.5:.5g}")


def test_a_few_points_of_one_s_own_are_enough(tmp_path: Path) -> None:
    """With a single test point some figures are undefined: null, not a failure at the end of the run."""
    path = tmp_path / "few.csv"
    path.write_text("\n".join(f"{i},{i * i % 7}" for i in range(12)) + "\n")
    found = json.loads(succeeds("train", *TINY, "--dataset", path, "--json", "--out", tmp_path / "run"))
    assert found["mmd"] is None
    assert found["mse"] is not None


def test_sample_writes_what_the_model_draws(two: Path, tmp_path: Path) -> None:
    draws = load_run(two).vae.sample(3, seed=4)
    lines = list(csv.reader(succeeds("sample", two, "-n", "3", "--seed", "4").splitlines()))
    assert lines[0] == ["seed", "x0", "x1"]
    assert [line[0] for line in lines[1:]] == ["7"] * 3 + ["8"] * 3
    np.testing.assert_array_equal(np.array(lines[1:], float)[:, 1:].reshape(2, 3, 2), draws)
    succeeds("sample", two, "-n", "3", "--seed", "4", "--out", tmp_path / "draws.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "draws.npy"), draws)
    succeeds("sample", two, "-n", "3", "--seed", "4", "--out", tmp_path / "draws.csv")
    assert list(csv.reader((tmp_path / "draws.csv").read_text().splitlines())) == lines
    succeeds("sample", two, "-n", "3", "--mean", "--out", tmp_path / "means.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "means.npy"), load_run(two).vae.sample(3, noise=False))


@pytest.mark.parametrize("suffix", ["npy", "csv", "h5"])
def test_draws_are_written_in_blocks_with_progress(
    two: Path, tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vsmnp.runs.trained._ROWS", (2, 2))
    monkeypatch.setattr("vsmnp.cli.console.ProgressLine._EVERY", -1.0)
    sizes: list[int] = []
    rows = TrainedVAE.sample_blocks

    def counted(self: TrainedVAE, *arguments: Any) -> Iterator[np.ndarray]:
        for block in rows(self, *arguments):
            sizes.append(len(block) * block.shape[1])
            yield block

    draws = load_run(two).vae.sample(5)
    monkeypatch.setattr(TrainedVAE, "sample_blocks", counted)
    out = tmp_path / f"draws.{suffix}"
    done = vsmnp("sample", two, "-n", "5", "--out", out)
    assert done.exit_code == 0, done.output
    assert max(sizes) == 2, "one block of one model is in memory"
    shown = [line for line in done.stderr.splitlines() if line.startswith("Drawing: ")]
    assert shown == [f"Drawing: {percent} of 100" for percent in (20, 40, 50, 70, 90, 100)]
    if suffix == "npy":
        found = np.load(out)
    elif suffix == "csv":
        found = np.loadtxt(out, delimiter=",", skiprows=1)[:, 1:].reshape(draws.shape)
    else:
        with h5py.File(out) as file:
            found = file["x"][...]
    np.testing.assert_array_equal(found, draws)
    assert vsmnp("sample", two, "-n", "5", "--out", out, "-q").output == ""


def test_a_file_that_its_disk_has_no_room_for_is_not_begun(two: Path, tmp_path: Path) -> None:
    for name in ("x.npy", "x.h5", "x.csv"):
        done = vsmnp("sample", two, "-n", str(10**15), "--out", tmp_path / name)
        assert done.exit_code == 1
        assert "GiB free: lower --number, or choose another place with --out." in " ".join(
            done.stderr.split()
        )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("figure", ["samples", "curves", "density", "latent", "posterior-sds"])
def test_plot_draws_a_picture(one: Path, two: Path, tmp_path: Path, figure: str) -> None:
    for run in (one,) if figure == "density" else (one, two):
        path = tmp_path / f"{run.name}.png"
        assert str(path) in succeeds("plot", run, figure, "--out", path)
        assert path.read_bytes().startswith(PNG)


def test_compare_tabulates_and_draws(one: Path, two: Path, tmp_path: Path) -> None:
    picture = tmp_path / "both.png"
    text = succeeds("compare", one, two, "--draws", "50", "--out", picture, "--quiet")
    assert re.search(r"^one +\S", text, re.MULTILINE)
    assert re.search(r"^two +\S.* \+- ", text, re.MULTILINE)
    assert picture.read_bytes().startswith(PNG)
    found = json.loads(succeeds("compare", one, two, "--draws", "50", "--out", picture, "--json"))
    assert [entry["run"] for entry in found] == [str(one), str(two)]
    assert [list(entry) for entry in found] == [["run", *METRICS]] * 2


def test_compare_says_before_the_work_that_its_picture_cannot_be_written(
    one: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vsmnp.cli.commands.compare.evaluate_by_options", None)
    for place in ("both.jpg", "nowhere/both.png"):
        done = vsmnp("compare", one, "--out", tmp_path / place)
        assert done.exit_code in (1, 2)
        assert place in done.output


def test_info_describes_the_installation_and_a_run(two: Path) -> None:
    here = json.loads(succeeds("info", "--json"))
    assert here["vsmnp"] == __version__
    assert "reference" in here["kernel sets"]
    assert Path(here["machine code"]).name.startswith(f"{__version__}-")
    found = json.loads(succeeds("info", two, "--json"))
    assert (found["step"], found["steps"], found["active models"], found["objective"]) == (3, 3, 2, "m2")
    assert re.search(r"^active models +2$", succeeds("info", two), re.MULTILINE)


def test_data_lists_and_describes(points: Path) -> None:
    names = json.loads(succeeds("data", "--json"))
    assert {"star", "mixture", "ring", "banana", "pinwheel", "mnist", "fashion"} <= set(names)
    assert succeeds("data").splitlines()[: len(names)] == names
    assert json.loads(succeeds("data", "mixture", "--json"))["nll_floor"] == pytest.approx(0.31156, abs=1e-5)
    found = json.loads(succeeds("data", points, "--json"))
    assert (found["shape"], found["dim"], found["n_train"], found["n_test"]) == ([2], 2, 36, 4)
    assert found["nll_floor"] is None
    assert "points.csv" in succeeds("data", points)


# --- failures -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["frobnicate"], ["frobnicate"]),
        (["train", "--frobnicate"], ["--frobnicate"]),
        (["train", "--lr", "fast"], ["--lr", "fast"]),
        (["train", "--objective", "m4"], ["--objective", "m4"]),
        (["train", "--hidden", "a"], ["--hidden", "'a'"]),
        (["train", "--seeds", "9-0"], ["--seeds", "9-0"]),
        (["train", "--seeds", "0-99999999"], ["--seeds"]),
        (["train", "--seed", "1", "--seeds", "0-3"], ["--seed", "--seeds"]),
        (["train", "--seed", "-1"], ["--seed"]),
        (["train", "--seeds", "1,1"], ["--seeds", "twice"]),
        (["train", "--objective", "fae", "--inference", "kl"], ["fae", "kl"]),
        (["train", "--preset", "paper-3d"], ["paper-3d", *PRESETS]),
        (["train", "--config", "missing.toml"], ["missing.toml"]),
        (["train", "--config", "."], ["--config"]),
        (["train", "--batch-size", "1000000000"], ["--batch-size", "mixture"]),
        (["train", "--epochs", "1e308", "--batch-size", "10", "--dry-run"], ["--epochs"]),
        (["train", "--latent", str(10**30), "--dry-run"], ["--latent"]),
        (["train", "--threads", str(10**30), "--kernels", "reference", "--dry-run"], ["--threads"]),
        (["train", *TINY, "--device", "gpu"], ["--kernels reference", "--device gpu"]),
        (["train", "--kernels", "cuda", "--device", "cpu"], ["--kernels cuda", "--device cpu"]),
        (["train", *TINY, "--tf32"], ["--tf32", "--device gpu"]),
        (["train", "--device", "gpu", "--tf32", "--dtype", "float64"], ["--tf32", "float64"]),
        (["train", "--resume", "RUN", "--preset", "paper-2d"], ["--resume", "--preset"]),
        (["train", "--resume", "RUN", "--config", "x.toml"], ["--resume", "--config"]),
        (["train", "--resume", "RUN", "--out", "x"], ["--resume", "--out"]),
        (["train", "--resume", "RUN", "--lr", "0.5"], ["--lr", "0.5", "0.001"]),
        (["train", "--resume", "RUN", "--seed", "8"], ["--seed", "8", "7"]),
        (["evaluate"], ["RUN"]),
        (["evaluate", "RUN", "--draws", "1"], ["--draws"]),
        (["compare"], ["RUNS"]),
        (["sample", "RUN", "-n", "0"], ["--number"]),
        (["sample", "RUN", "--seed", "-1"], ["--seed"]),
        (["sample", "RUN", "--seed", str(10**30)], ["--seed"]),
        (["sample", "RUN", "--out", "draws.txt"], ["--out", ".npy", ".csv"]),
        (["plot", "RUN", "everything"], ["everything"]),
        (["completion", "cmd"], ["cmd"]),
    ],
    ids=lambda value: " ".join(value)[:60] if isinstance(value, list) else None,
)
def test_a_usage_error_is_code_2(
    one: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], words: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    before = {path.name: path.read_bytes() for path in one.iterdir()}
    last = fails(2, *(one if word == "RUN" else word for word in arguments))
    for word in words:
        assert word in last
    assert os.listdir(tmp_path) == []
    assert {path.name: path.read_bytes() for path in one.iterdir()} == before


LONG = "x" * 300


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", *TINY, "--dataset", "nothing"], ["nothing", "mixture"]),
        (["train", *TINY, "--dataset", "missing.csv"], ["missing.csv"]),
        (["train", *TINY, "--dataset", "empty.csv"], ["empty.csv"]),
        (["train", *TINY, "--dataset", "corrupt.npy"], ["corrupt.npy"]),
        (["train", *TINY, "--dataset", "corrupt.h5"], ["corrupt.h5"]),
        (["train", *TINY, "--dataset", "folder.csv"], ["folder.csv"]),
        (["train", *TINY, "--dataset", LONG + ".csv"], [LONG]),
        (["train", *TINY, "--dataset", "mnist", "--data-dir", "missing"], ["missing"]),
        (["train", *TINY, "--dataset", "mnist", "--data-dir", LONG], [LONG]),
        (["train", *TINY, "--dataset", "mnist", "--data-dir", "folder.csv"], ["train-images-idx3-ubyte"]),
        (["train", *TINY, "--out", "empty.csv"], ["empty.csv", "--out"]),
        (["train", *TINY, "--out", "empty.csv/run"], ["empty.csv/run", "--out"]),
        (["train", *TINY, "--out", "full"], ["full", "--out", "--resume"]),
        (["train", *TINY, "--out", LONG], [LONG, "--out"]),
        (["train", "--device", "gpu"], ["--device gpu cannot", "vsmnp[cuda13]"]),
        (["train", "--kernels", "numba-cuda"], ["--kernels numba-cuda cannot", "vsmnp[cuda13]"]),
        (["train", "--resume", "missing"], ["missing"]),
        (["train", "--resume", "empty.csv"], ["empty.csv"]),
        (["train", "--resume", "full"], ["full"]),
        (["train", "--resume", LONG], [LONG]),
        (["evaluate", "full"], ["full"]),
        (["evaluate", LONG], [LONG]),
        (["compare", "full"], ["full"]),
        (["compare", "RUN", "--draws", "50", "--quiet", "--out", "empty.csv/x.png"], ["empty.csv/x.png"]),
        (["info", "full"], ["full"]),
        (["plot", "full", "density"], ["full"]),
        (["plot", "RUN", "latent", "--out", "empty.csv/x.png"], ["empty.csv/x.png"]),
        (["plot", "RUN", "latent", "--out", "folder.png"], ["folder.png"]),
        (["sample", "full"], ["full"]),
        (["sample", "RUN", "--out", "empty.csv/x.npy"], ["empty.csv/x.npy"]),
        (["sample", "RUN", "-n", str(10**18), "--out", "x.npy"], ["GiB", "lower --number"]),
        (["data", "nothing"], ["nothing"]),
        (["data", LONG + ".csv"], [LONG]),
        (["data", "empty.csv"], ["empty.csv"]),
    ],
    ids=lambda value: (
        " ".join(word for word in value if word not in TINY)[:60] if isinstance(value, list) else None
    ),
)
def test_a_failed_run_is_code_1(
    one: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], words: list[str]
) -> None:
    """One sentence that names the cause, and nothing is overwritten."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "cupy", None)
    Path("empty.csv").touch()
    Path("corrupt.npy").write_bytes(b"\x93NUMPY\x01\x00")
    Path("corrupt.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + b"\0" * 50)
    Path("folder.csv").mkdir()
    Path("folder.png").mkdir()
    Path("folder.csv", "train-images-idx3-ubyte").write_bytes(b"\0\0\x08\x03\0\0")
    Path("folder.csv", "t10k-images-idx3-ubyte").write_bytes(b"\0\0\x08\x03\0\0")
    Path("full").mkdir()
    Path("full", "checkpoint.h5").write_text("my notes")

    def tree() -> dict[str, bytes]:
        return {str(path): path.read_bytes() if path.is_file() else b"" for path in Path().rglob("*")}

    before = tree()
    last = fails(1, *(one if word == "RUN" else word for word in arguments))
    for word in words:
        assert word in last
    assert tree() == before


@pytest.mark.parametrize(
    "choice",
    [
        ["--lr", "1e38"],
        ["--lr", "1e38", "--optimizer", "sgd"],
        ["--encoder-lr", "1e30", "--encoder-optimizer", "sgd"],
        ["--sd-init", "1e-30"],
        ["--gamma", "1e-300"],
        ["--noise", "1e300"],
    ],
    ids=" ".join,
)
def test_a_loss_that_overflows_is_one_sentence(tmp_path: Path, choice: list[str]) -> None:
    """At the first step or later: reported once, without a warning; the last good state can be evaluated."""
    folder = tmp_path / "run"
    last = fails(1, "train", *TINY, "--steps", "30", *choice, "--out", folder, "--quiet")
    assert "stopped being finite at step" in last
    assert "(seed 0)" in last
    assert "was kept" in last
    result = vsmnp("train", *TINY, "--steps", "30", *choice, "--out", tmp_path / "again")
    assert result.stderr.count("stopped being finite") == 1
    assert json.loads(succeeds("info", folder, "--json"))["step"] == load_run(folder).step
    assert list(json.loads(succeeds("evaluate", folder, "--json", "--draws", "10"))) == METRICS


def test_a_request_beyond_the_memory_is_one_sentence(one: Path) -> None:
    assert "memory" in fails(2, "train", *TINY, "--hidden", "1000000,1000000", "--dry-run", "--quiet")
    assert "memory" in fails(2, "train", *TINY, "--samples", str(10**17), "--dry-run", "--json")


def test_an_interrupted_run_names_the_command_to_resume(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import signal

    from vsmnp.training.trainer import Trainer

    step: Callable[..., Any] = Trainer.step

    def interrupting(trainer: Trainer, state: Any) -> Any:
        if state.step == 2 and signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
            os.kill(os.getpid(), signal.SIGTERM)
        return step(trainer, state)

    folder = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "step", interrupting)
        result = vsmnp("train", *TINY, "--steps", "9", "--log-every", "1", "--out", folder)
    assert result.exit_code == Interrupted.exit_code
    assert result.stdout == ""
    last = result.stderr.strip().splitlines()[-1]
    assert last == f"Stopped after step 3 of 9. Go on with: vsmnp train --resume {folder}"
    assert load_run(folder).step == 3
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    succeeds("train", "--resume", folder, "--quiet")
    assert load_run(folder).step == 9


def test_a_damaged_checkpoint_is_one_sentence_everywhere(one: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    content = bytearray((one / "checkpoint.h5").read_bytes())
    content[700] ^= 1
    (folder / "checkpoint.h5").write_bytes(content)
    before = (folder / "checkpoint.h5").read_bytes()
    for command in (["evaluate"], ["info"], ["sample"], ["compare"], ["train", "--resume"]):
        assert "SHA-256" in fails(1, *command, folder)
    assert "SHA-256" in fails(1, "plot", folder, "latent")
    assert os.listdir(folder) == ["checkpoint.h5"]
    assert (folder / "checkpoint.h5").read_bytes() == before


def test_a_damaged_configuration_does_not_lose_the_run(tmp_path: Path) -> None:
    """The checkpoint contains the settings; config.toml is for readers, and is written again."""
    folder = tmp_path / "run"
    succeeds("train", *TINY, "--out", folder, "--quiet")
    good = (folder / "config.toml").read_bytes()
    for content in (b"threads = ", b"future = 1\n", b""):
        (folder / "config.toml").write_bytes(content)
        succeeds("train", "--resume", folder, "--quiet")
        assert (folder / "config.toml").read_bytes() == good


def test_epochs_on_the_command_line_win_over_the_steps_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("steps = 7\nepochs = 3.0\n")
    found = json.loads(
        succeeds("train", "--config", tmp_path / "config.toml", "--epochs", "2", "--dry-run", "--json")
    )
    assert found["settings"]["steps"] == 0
    assert found["settings"]["epochs"] == 2.0

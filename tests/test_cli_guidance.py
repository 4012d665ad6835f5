"""The command line corrects the user: suggestions, letters of any case, groups of options, completion."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner

from vsmnp.cli import main
from vsmnp.cli.main import COMMANDS
from vsmnp.errors import ConfigError
from vsmnp.settings.settings import Settings
from vsmnp.settings.values import GROUPS, option_name


def last(*arguments: str, **environment: str) -> str:
    """Run a command line that must fail; return what it prints on standard error."""
    result = CliRunner().invoke(main, list(arguments), prog_name="vsmnp", env=environment)
    assert result.exit_code in (1, 2), result.output
    return result.stderr


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (("trian",), "train"),
        (("train", "--objectiv", "m2"), "--objective"),
        (("train", "--objective", "ebo"), "elbo"),
        (("train", "--activation", "softplsu"), "softplus"),
        (("train", "--dataset", "mixtuer"), "mixture"),
        (("train", "--dataset", "MNIST"), "mnist"),
        (("train", "--preset", "papr-2d"), "paper-2d"),
        (("train", "--gamma", "optimla"), "optimal"),
        (("data", "fashoin"), "fashion"),
        (("plot", "run", "sampels"), "samples"),
        (("reproduce", "fig55"), "fig5"),
        (("reproduce", "fig4", "--archs", "resnet"), "resnet18"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else value,
)
def test_a_misspelt_word_gets_a_suggestion(arguments: tuple[str, ...], meant: str) -> None:
    assert re.search(rf"[Dd]id you mean '{meant}'", last(*arguments))


@pytest.mark.parametrize(
    ("values", "meant"),
    [
        ({"objectve": "m1"}, "objective"),
        ({"arch": "dcgann"}, "dcgan"),
        ({"kernels": "refrence"}, "reference"),
    ],
)
def test_settings_in_files_and_python_get_a_suggestion(values: dict[str, str], meant: str) -> None:
    with pytest.raises(ConfigError, match=f"did you mean '{meant}'"):
        Settings.from_mapping(values)


def test_choices_may_be_written_in_letters_of_any_case() -> None:
    assert Settings.from_mapping({"objective": "M2", "activation": "ReLU"}) == Settings(objective="m2")
    arguments = ["train", "--objective", "M2", "--kernels", "Reference", "--dry-run", "--json"]
    result = CliRunner().invoke(main, arguments)
    assert '"objective": "m2"' in result.stdout


def test_the_help_of_train_has_a_group_for_every_setting() -> None:
    text = CliRunner().invoke(main, ["train", "--help"], terminal_width=110).stdout
    places = [text.index(f"\n{group}:\n") for group in GROUPS]
    assert places == sorted(places)
    group_of = {spec.name: spec.metadata["group"] for spec in dataclasses.fields(Settings)}
    assert set(group_of.values()) == set(GROUPS)
    known = {"missing": "Data", "gamma": "Objective", "latent": "Networks", "lr": "Optimisation"}
    known |= {"seeds": "Run", "tf32": "Machine", "threads": "Machine", "patience": "Run"}
    assert {name: group_of[name] for name in known} == known
    assert text.index("\n  --out ") > places[-1], "an option that is no setting is one of the run"
    text = text[places[0] :]
    for spec in dataclasses.fields(Settings):
        before = text[: text.index(f"\n  {option_name(spec.name)} ")]
        heading = re.findall(r"^(\w+):$", before, re.MULTILINE)[-1]
        assert heading == group_of[spec.name], spec.name


def test_an_unknown_variable_is_noted_with_a_suggestion() -> None:
    text = last(
        "plot",
        "nothing",
        "curves",
        VSMNP_TRAIN_LRR="1",
        VSMNP_PLTO_OUT="x",
        VSMNP_DATA=".",
        VSMNP_TRAIN_LR="2",
    )
    assert "VSMNP_TRAIN_LRR has no effect (did you mean 'VSMNP_TRAIN_LR'?)" in text
    assert "VSMNP_PLTO_OUT has no effect" in text
    assert text.count("has no effect") == 2


def test_the_name_of_a_variable_stands_in_the_error_on_its_value() -> None:
    assert "VSMNP_TRAIN_LR." in last("train", "--dry-run", VSMNP_TRAIN_LR="fast")
    assert "VSMNP_TRAIN_SAMPLES." in last("train", "--dry-run", VSMNP_TRAIN_SAMPLES="0")
    assert "VSMNP" not in last("train", "--dry-run", "--samples", "0", VSMNP_TRAIN_SAMPLES="3")


def test_data_presets_runs_and_files_are_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    complete = ShellComplete(main, {}, "vsmnp", "_VSMNP_COMPLETE")

    def words(*arguments: str) -> list[tuple[str, str]]:
        found = complete.get_completions(list(arguments[:-1]), arguments[-1])
        return [(item.type, item.value) for item in found]

    monkeypatch.chdir(tmp_path)
    for name in ("runs/one", "runs/two", "else/three"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "checkpoint.h5").touch()
    (tmp_path / "runs/none").mkdir()
    assert words("train", "--dataset", "mi") == [("file", "mi"), ("plain", "mixture")]
    assert words("data", "st") == [("file", "st"), ("plain", "star")]
    assert words("train", "--preset", "paper-2") == [("plain", "paper-2d"), ("plain", "paper-2d-large")]
    assert words("evaluate", "") == [("dir", ""), ("plain", "runs/one"), ("plain", "runs/two")]
    assert words("compare", "else/t") == [("dir", "else/t"), ("plain", "else/three")]
    assert words("train", "--resume", "runs/o") == [("dir", "runs/o"), ("plain", "runs/one")]
    assert ("plain", "train") in words("")
    assert len(words("")) == len(COMMANDS)

"""Test settings, presets and their files: every content gives either a run or one sentence."""

from __future__ import annotations

import dataclasses
import datetime
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import few, many

from vsmnp.errors import ConfigError
from vsmnp.objectives import M2, M3, M2AsPublished, PosteriorFisher
from vsmnp.settings import toml
from vsmnp.settings.in_effect import estimators
from vsmnp.settings.presets import PRESETS, preset
from vsmnp.settings.settings import FREE_TO_CHANGE, Settings
from vsmnp.settings.values import option_name
from vsmnp.training.build import build_inference, build_learning

FIELDS = {spec.name: spec for spec in dataclasses.fields(Settings)}


def explains(refusal: pytest.ExceptionInfo[ConfigError], *words: str) -> None:
    """Check that the refusal is one sentence on one line that has these words, and a usage error."""
    text = str(refusal.value)
    assert refusal.value.exit_code == 2
    assert "\n" not in text
    assert text.endswith(".")
    for word in words:
        assert word in text


def resolved(name: str, **chosen: Any) -> Settings:
    """Resolve the settings of a preset with the chosen ones."""
    return Settings.from_mapping(preset(name, chosen))


def read(path: Path, content: bytes) -> Settings:
    """Read settings from the bytes of a TOML file."""
    path.write_bytes(content)
    return Settings.from_mapping(toml.load(path))


# --- single settings ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FIELDS)
def test_every_setting_explains_itself(name: str) -> None:
    """Each has a line of help."""
    text = FIELDS[name].metadata["help"]
    assert len(text) > 10
    assert text.endswith(".")


@pytest.mark.parametrize("wrong", [None, {}, object, [None], b"1", 1j, datetime.date(2020, 1, 1)])
@pytest.mark.parametrize("name", FIELDS)
def test_a_value_of_another_type_is_refused(name: str, wrong: Any) -> None:
    """The sentence names the option."""
    with pytest.raises(ConfigError) as refusal:
        Settings.from_mapping({name: wrong})
    explains(refusal, option_name(name))


@pytest.mark.parametrize("name", [n for n, spec in FIELDS.items() if type(spec.default) in (int, float)])
def test_truth_values_are_no_numbers(name: str) -> None:
    """``True`` counts as an integer in Python, not here."""
    with pytest.raises(ConfigError) as refusal:
        Settings.from_mapping({name: True})
    explains(refusal, option_name(name))


@pytest.mark.parametrize("name", [n for n, spec in FIELDS.items() if isinstance(spec.default, float)])
@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -float("inf"), -1.0, -1, 10**400],
                         ids=["nan", "inf", "-inf", "-1.0", "-1", "10^400"])  # fmt: skip
def test_a_number_that_is_none_is_refused(name: str, wrong: float) -> None:
    """Not a number, infinite, negative, or beyond every floating-point number."""
    with pytest.raises(ConfigError) as refusal:
        Settings.from_mapping({name: wrong})
    explains(refusal, option_name(name))


@pytest.mark.parametrize("name", [n for n, spec in FIELDS.items() if isinstance(spec.default, int | tuple)
                                  and not isinstance(spec.default, bool)])  # fmt: skip
def test_a_negative_count_is_refused(name: str) -> None:
    """No count, size or seed is below zero."""
    wrong = (-1,) if isinstance(FIELDS[name].default, tuple) else -1
    with pytest.raises(ConfigError) as refusal:
        Settings.from_mapping({name: wrong})
    explains(refusal, option_name(name))


@pytest.mark.parametrize("name", [n for n, spec in FIELDS.items() if isinstance(spec.default, int | tuple)
                                  and not isinstance(spec.default, bool)])  # fmt: skip
def test_an_integer_of_more_than_64_bits_is_refused(name: str) -> None:
    """TOML has none, NumPy has none, and Python does not even print the largest."""
    for wrong in (1 << 63, 1 << 20_000):
        with pytest.raises(ConfigError) as refusal:
            Settings.from_mapping({name: (wrong,) if isinstance(FIELDS[name].default, tuple) else wrong})
        explains(refusal, option_name(name))


@pytest.mark.parametrize("name", [n for n, spec in FIELDS.items() if spec.metadata["choices"]])
def test_a_choice_that_is_none_lists_the_others(name: str) -> None:
    """The sentence lists the known names."""
    with pytest.raises(ConfigError) as refusal:
        Settings.from_mapping({name: "nothing"})
    explains(refusal, option_name(name), "'nothing'", *FIELDS[name].metadata["choices"])


@pytest.mark.parametrize("gamma", ["", "nothing", "0", "-1", "nan", "inf", "1e400"])
def test_gamma_is_a_rule_or_a_positive_number(gamma: str) -> None:
    """Every other value is refused."""
    with pytest.raises(ConfigError) as refusal:
        Settings(gamma=gamma)
    explains(refusal, "--gamma")


def test_gamma_may_be_written_as_a_number() -> None:
    """``gamma = 0.25`` in a file is equal to ``--gamma 0.25``."""
    assert (
        Settings.from_mapping({"gamma": 0.25}).fixed_gamma() == Settings(gamma="0.25").fixed_gamma() == 0.25
    )


def test_an_integer_may_stand_for_a_number_and_a_list_for_a_tuple() -> None:
    """Values have the types of a TOML file."""
    assert Settings.from_mapping({"lr": 1, "hidden": [3], "seeds": [1, 2]}) == Settings(
        lr=1.0, hidden=(3,), seeds=(1, 2)
    )


def test_an_unknown_setting_is_named() -> None:
    """A typing error must not be ignored."""
    with pytest.raises(ConfigError) as refusal:
        Settings.from_mapping({"learning_rate": 0.1})
    explains(refusal, "learning_rate")


def test_a_name_that_no_file_can_hold_is_refused() -> None:
    """A run could not write such a value to its config.toml."""
    with pytest.raises(ConfigError) as refusal:
        Settings(dataset="\udcff.csv")
    explains(refusal, "--dataset")


# --- combinations ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        ({"objective": "fae", "inference": "kl"}, ["fae", "kl", "fisher-reparam"]),
        ({"objective": "elbo", "as_published": True}, ["--as-published", "m2", "m3"]),
        ({"objective": "m1", "as_published": True}, ["--as-published", "m2", "m3"]),
        ({"objective": "fae", "inference": "fisher", "as_published": True}, ["--as-published"]),
        ({"objective": "m2", "as_published": True, "squared_mean": "biased"}, ["--squared-mean"]),
        ({"objective": "m3", "as_published": True, "baseline": "none"}, ["--baseline"]),
        ({"objective": "m1", "squared_mean": "biased"}, ["--squared-mean", "m2", "m3"]),
        ({"objective": "m2", "baseline": "none"}, ["--baseline", "m3"]),
        ({"objective": "m1", "score_norm": "probe"}, ["--score-norm", "fae"]),
        ({"objective": "m2", "squared_mean": "u-statistic", "samples": 1}, ["--samples", "2"]),
        ({"objective": "m3", "baseline": "leave-one-out", "samples": 1}, ["--samples", "2"]),
        ({"hidden": ()}, ["--hidden"]),
        ({"hidden": (30, 0)}, ["--hidden"]),
        ({"seeds": ()}, ["--seeds"]),
        ({"seeds": (0, 1, 0)}, ["--seeds", "twice"]),
        ({"seeds": (2**63,)}, ["--seeds", "2^63"]),
        ({"data_seed": 2**63}, ["--data-seed", "2^63"]),
    ],
)
def test_what_makes_no_sense_says_why(chosen: dict[str, Any], words: list[str]) -> None:
    """A usage error before anything is loaded."""
    with pytest.raises(ConfigError) as refusal:
        Settings(**chosen)
    explains(refusal, *words)


def test_one_sample_falls_back_to_what_it_can_estimate() -> None:
    """``auto`` is unbiased with a baseline from two samples on."""
    assert estimators(Settings(objective="m3", samples=2)) == ("u-statistic", "leave-one-out")
    assert estimators(Settings(objective="m3", samples=1)) == ("biased", "none")


#: A sampled alphabet: Hypothesis needs ten seconds to build that of all characters.
texts = st.text(st.sampled_from("ax0-.,/ ='\"\\[]{}\n\t\0\x1f\x7f\x85\xe9\u2028\ufeff\U0001f600"), max_size=8)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts | st.dates() | st.times()
    | st.sampled_from([10**400, 2**63, 2**64, -(2**63) - 1, "0x10", "1e5", "learn"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=2),
    max_leaves=6,
)  # fmt: skip


@given(st.dictionaries(st.sampled_from(sorted(FIELDS)), anything, min_size=1, max_size=3))
@many
def test_any_values_are_settings_or_a_sentence(values: dict[str, Any]) -> None:
    """The only error is a ConfigError, and accepted values have the types of the defaults."""
    try:
        settings = Settings.from_mapping(values)
    except ConfigError as error:
        (sentence,) = str(error).splitlines()
        assert sentence.endswith(".")
        return
    for name, spec in FIELDS.items():
        assert type(getattr(settings, name)) is type(spec.default)


# --- files ----------------------------------------------------------------------------------------

numbers = st.floats(1e-300, 1e300)
counts = st.integers(1, 2**62)
lists = st.lists(st.integers(1, 2**62), min_size=1, max_size=4, unique=True).map(tuple)


@given(st.fixed_dictionaries({}, optional={
    "dataset": texts, "data_dir": texts, "noise": numbers, "lr": numbers, "encoder_lr": numbers,
    "epochs": numbers, "sd_init": numbers, "gamma": numbers.map(repr),
    "steps": counts, "batch_size": counts, "data_seed": counts, "hidden": lists, "seeds": lists,
    "sigmoid_output": st.booleans(), "activation": st.sampled_from(["tanh", "elu"]),
}))  # fmt: skip
@many
def test_a_file_holds_the_settings_exactly(values: dict[str, Any]) -> None:
    """Written and read again they are equal, to the last bit and control character."""
    settings = Settings(**values)
    assert Settings.from_mapping(toml.tomllib.loads(toml.dumps(settings))) == settings


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a path for a settings file."""
    return tmp_path_factory.mktemp("toml") / "config.toml"


@given(st.binary(max_size=40) | st.lists(texts, max_size=6).map(lambda parts: "=".join(parts).encode()))
@many
def test_any_bytes_are_settings_or_a_sentence(file: Path, content: bytes) -> None:
    """The only error is a ConfigError."""
    with suppress(ConfigError):
        read(file, content)


@given(st.data())
@many
def test_a_damaged_file_is_settings_or_a_sentence(file: Path, data: st.DataObject) -> None:
    """A few bytes of a real file cut out or replaced by others."""
    content = toml.dumps(Settings()).encode()
    start = data.draw(st.integers(0, len(content)))
    stop = data.draw(st.integers(start, min(len(content), start + 6)))
    inserted = data.draw(
        st.binary(max_size=3) | st.sampled_from([b"[", b"{", b'"', b"=", b"\n", b"-", b"e9"])
    )
    with suppress(ConfigError):
        read(file, content[:start] + inserted + content[stop:])


@pytest.mark.parametrize(
    "content",
    [
        b"steps = " + b"1" * 5000,
        b"steps = 0x" + b"f" * 5000,
        b"seeds = [0x" + b"f" * 5000 + b"]",
        b"lr = 1" + b"0" * 400,
        b"lr = 1e400",
        b"x = " + b"[" * 100_000,
        b"x = " + b"{a=" * 100_000,
        b"steps = 1\nsteps = 2",
        b"[steps]\na = 1",
        b"\xff\xfe",
        b'dataset = "\\ud800"',
        b"x" * 1_000_000,
        b"dataset = 1979-05-27T07:32:00Z",
    ],
    ids=range(13),
)
def test_hostile_files_are_one_sentence(file: Path, content: bytes) -> None:
    """Endless numbers, endless nesting, wrong encodings."""
    with pytest.raises(ConfigError) as refusal:
        read(file, content)
    explains(refusal)
    assert len(str(refusal.value)) < 500


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """A missing file, a folder, or a path below a file."""
    (tmp_path / "file").touch()
    for path in (tmp_path / "missing.toml", tmp_path, tmp_path / "file" / "x.toml", tmp_path / ("x" * 300)):
        with pytest.raises(ConfigError) as refusal:
            toml.load(path)
        explains(refusal, str(path))


# --- presets --------------------------------------------------------------------------------------


def test_the_preset_for_the_plane_is_the_papers() -> None:
    """Appendix B.1 and the author's code; settings that they leave open keep their defaults."""
    expected = Settings(
        hidden=(30, 30), activation="relu", latent=2, scale="softplus", initial="normal", sd_init=0.1,
        batch_size=1000, epochs=100.0, samples=5, encoder_steps=1, encoder_data="same",
        optimizer="adam", lr=1e-4, encoder_optimizer="sgd", encoder_lr=1e-2, gamma="learn",
    )  # fmt: skip
    assert resolved("paper-2d") == expected


@pytest.mark.parametrize("name", PRESETS)
def test_no_preset_leaves_open_what_defaults_may_change(name: str) -> None:
    assert {"batch_size", "epochs", "sd_init"} <= set(PRESETS[name])


def test_the_large_preset_is_figure_6() -> None:
    """Star, 100 wide, ten times as long; all other settings as in the small one."""
    large = dataclasses.replace(resolved("paper-2d"), dataset="star", hidden=(100, 100), epochs=1000.0)
    assert resolved("paper-2d-large") == large


def test_the_preset_for_images_is_the_papers() -> None:
    """Noise .1, batch 100, Adam 1e-4 on both sides, five encoder steps on fresh minibatches."""
    images = resolved("paper-images")
    assert (images.noise, images.batch_size, images.samples) == (0.1, 100, 5)
    assert (images.encoder_steps, images.encoder_data) == (5, "fresh")
    assert (images.optimizer, images.lr, images.encoder_optimizer, images.encoder_lr) == ("adam", 1e-4) * 2
    assert images.sigmoid_output
    assert images.scale == "exp"


@pytest.mark.parametrize("inference", ["fisher", "fisher-reparam"])
@pytest.mark.parametrize("objective", ["elbo", "m1", "m2", "m3", "fae"])
def test_the_encoder_of_the_paper_steps_less_on_the_fisher_divergence(objective: str, inference: str) -> None:
    """2e-3 by definition in place of 1e-2, unless the user chose a rate or another optimiser."""
    chosen = {"objective": objective, "inference": inference}
    assert resolved("paper-2d", **chosen).encoder_lr == 2e-3
    assert resolved("paper-2d", **chosen, encoder_lr=0.5).encoder_lr == 0.5
    assert resolved("paper-2d", **chosen, encoder_optimizer="adam").encoder_lr == 1e-2


def test_the_papers_estimators_are_biased_and_without_baseline() -> None:
    """The default is unbiased; a flag selects it again."""
    for name in PRESETS:
        samples = PRESETS[name]["samples"]
        m2, m3 = (build_learning(resolved(name, objective=objective)) for objective in ("m2", "m3"))
        assert m2 == M2(samples, estimator="biased")
        assert m3 == M3(samples, estimator="biased", baseline="none")
    assert build_learning(Settings(objective="m3")) == M3(
        5, estimator="u-statistic", baseline="leave-one-out"
    )
    chosen = resolved("paper-2d", objective="m3", squared_mean="u-statistic", baseline="leave-one-out")
    assert build_learning(chosen) == build_learning(Settings(objective="m3"))


def test_as_published_combines_with_a_preset() -> None:
    """The toy script has its own estimators, and no half in the Fisher divergence."""
    settings = resolved("paper-2d", objective="m2", inference="fisher", as_published=True)
    assert isinstance(build_learning(settings), M2AsPublished)
    assert build_inference(settings) == PosteriorFisher(5, False, 2.0)
    by_definition = resolved("paper-2d", objective="m2", inference="fisher")
    assert build_inference(by_definition) == PosteriorFisher(5, False, 1.0)


@pytest.mark.parametrize(
    ("inference", "steps"), [("kl", 0), ("kl", 3), ("fisher", 0), ("fisher", 3), ("fisher-reparam", 0)]
)
def test_the_half_of_the_definition_leaves_the_papers_step_as_it_is(inference: str, steps: int) -> None:
    """The script steps 1e-3 along the gradient of |d|^2, which is 2e-3 along that of half of it."""
    chosen = {"objective": "m2", "inference": inference, "bilevel_steps": steps}
    both = [resolved("paper-2d", **chosen), resolved("paper-2d", **chosen, as_published=True)]
    weights = [getattr(build_inference(each), "weight", 1.0) for each in both]
    in_script = 1e-2 if inference == "kl" else 1e-3 * 2.0
    for weight, each in zip(weights, both, strict=True):
        assert weight * each.encoder_lr == pytest.approx(in_script)
        if steps:
            assert weight * each.bilevel_lr == pytest.approx(in_script)


@pytest.mark.parametrize("name", ["paper-dcgan", "paper-resnet18", "paper-images"])
@pytest.mark.parametrize("inference", ["kl", "fisher"])
def test_the_image_code_steps_by_adam_which_hides_the_half(name: str, inference: str) -> None:
    """1e-4 on either divergence: its factor does not matter to Adam, as the tests of Figure 5 show."""
    settings = resolved(name, objective="m1", inference=inference)
    assert (settings.encoder_optimizer, settings.encoder_lr) == ("adam", 1e-4)


@pytest.mark.parametrize("name", ["paper-dcgan", "paper-resnet18"])
def test_the_image_code_starts_at_a_standard_deviation_of_1(name: str) -> None:
    """Its ``init_log_sigma`` is 0; the script of the plane starts at 0.1."""
    assert resolved(name).sd_init == 1.0
    assert resolved("paper-2d").sd_init == 0.1


@pytest.mark.parametrize("name", PRESETS)
@given(st.data())
@few
def test_a_flag_overrides_every_preset(name: str, data: st.DataObject) -> None:
    """The settings that the user chose are the ones that are run."""
    of_images = "arch" in PRESETS[name]
    shape = {"width": st.just(0.25)} if of_images else {"hidden": st.just((7,))}
    chosen = data.draw(st.fixed_dictionaries({}, optional={
        **shape, "dataset": st.sampled_from(["star", "ring"]), "lr": st.just(0.5),
        "encoder_lr": st.just(0.25), "encoder_optimizer": st.sampled_from(["adam", "sgd"]),
        "inference": st.sampled_from(["kl", "fisher", "fisher-reparam"]), "samples": st.integers(2, 9),
        "objective": st.sampled_from(["elbo", "m1", "m2", "m3"]), "steps": st.integers(1, 9),
        "noise": st.just(0.0), "sigmoid_output": st.just(False), "scale": st.just("exp"),
    }))  # fmt: skip
    settings = resolved(name, **chosen)
    assert {key: getattr(settings, key) for key in chosen} == chosen


def test_an_unknown_preset_lists_the_others() -> None:
    """The sentence lists the presets."""
    with pytest.raises(ConfigError) as refusal:
        preset("paper-3d", {})
    explains(refusal, "paper-3d", *PRESETS)


def test_only_what_leaves_the_mathematics_alone_may_change() -> None:
    """A new setting is part of the mathematics unless it is listed otherwise."""
    free = {
        "steps",
        "epochs",
        "data_dir",
        "log_every",
        "evaluate_every",
        "memory_budget",
        "patience",
        "threads",
    }
    assert free == FREE_TO_CHANGE


def test_settings_need_no_numpy() -> None:
    """They are read before the linear algebra is loaded, which fixes its threads."""
    import subprocess

    modules = "vsmnp.settings.settings, vsmnp.settings.presets, vsmnp.settings.toml"
    code = f"import sys, {modules}; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_fisher_autoencoder_brings_its_inference() -> None:
    assert Settings.from_mapping({"objective": "fae"}).inference == "fisher-reparam"
    assert Settings.from_mapping({"objective": "fae", "inference": "fisher"}).inference == "fisher"
    with pytest.raises(ConfigError, match="--inference kl has no part in it"):
        Settings.from_mapping({"objective": "fae", "inference": "kl"})

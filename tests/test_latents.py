"""``vsmnp encode`` and ``vsmnp decode``: what the files hold is what the models compute, in every format."""

from __future__ import annotations

import csv
from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import CliRunner, Result

from vsmnp.cli import main
from vsmnp.runs.session import Run, Session, load_run
from vsmnp.runs.tables import latents
from vsmnp.runs.tables.latent_file import read_latents
from vsmnp.settings.settings import Settings
from vsmnp.types import Array

N, D, Z = 23, 3, 2


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two models on a table with named columns, and another table of the same columns."""
    folder = tmp_path_factory.mktemp("latents")
    rng = np.random.default_rng(0)
    for name, n in (("old", 40), ("new", N)):
        lines = [",".join(f"{v:.6f}" for v in row) for row in rng.standard_normal((n, D))]
        (folder / f"{name}.csv").write_text("\n".join(["a,b,c", *lines]) + "\n")
    settings = Settings(dataset=str(folder / "old.csv"), seeds=(4, 7), hidden=(5,), steps=3, latent=Z,
                        kernels="reference", batch_size=10, dtype="float64")  # fmt: skip
    with Session.new(settings, folder=folder / "run") as session:
        session.train()
    return folder


@pytest.fixture(scope="module")
def run(place: Path) -> Run:
    return load_run(place / "run")


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several batches, the last of them shorter."""
    monkeypatch.setattr(latents, "BATCH", 10)


def vsmnp(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments], prog_name="vsmnp")


def table(path: Path) -> tuple[list[str], Array]:
    """Read the names of the columns and values ``(R, N, C)``."""
    if path.suffix == ".npy":
        return [], np.load(path)
    if path.suffix == ".h5":
        with h5py.File(path) as file:
            return list(file["x"].attrs["columns"]), np.asarray(file["x"])
    header, *lines = csv.reader(path.read_text().splitlines())
    assert [line[0] for line in lines] == ["4"] * (len(lines) // 2) + ["7"] * (len(lines) // 2)
    return header[1:], np.array([line[1:] for line in lines], float).reshape(2, -1, len(header) - 1)


def new(place: Path) -> Array:
    return np.loadtxt(place / "new.csv", delimiter=",", skiprows=1)


@pytest.mark.parametrize("suffix", ["npy", "csv", "h5"])
def test_all_rows_are_encoded_in_their_order(place: Path, run: Run, suffix: str, tmp_path: Path) -> None:
    out = tmp_path / f"z.{suffix}"
    result = vsmnp("encode", place / "run", "--dataset", place / "new.csv", "--out", out)
    assert result.exit_code == 0, result.output
    assert f"{N} rows by 2 model(s)" in result.stderr
    names, values = table(out)
    assert names == ([] if suffix == "npy" else ["mean0", "mean1", "sd0", "sd1"])
    mean, sd = run.vae.encode(new(place))
    assert values.shape == (2, N, 2 * Z)
    assert np.allclose(values, np.concatenate([mean, sd], -1), rtol=1e-12)


@pytest.mark.parametrize("written", ["npy", "csv", "h5"])
@pytest.mark.parametrize("suffix", ["npy", "csv", "h5"])
def test_what_was_encoded_is_decoded(
    place: Path, run: Run, written: str, suffix: str, tmp_path: Path
) -> None:
    z, out = tmp_path / f"z.{written}", tmp_path / f"x.{suffix}"
    assert vsmnp("encode", place / "run", "--dataset", place / "new.csv", "--out", z, "-q").exit_code == 0
    result = vsmnp("decode", place / "run", "--latents", z, "--out", out, "-q")
    assert (result.exit_code, result.output) == (0, "")
    names, values = table(out)
    assert names == ([] if suffix == "npy" else ["a", "b", "c"])
    assert np.allclose(values, run.vae.reconstruct(new(place)), rtol=1e-12)


def test_latents_of_ones_own_are_decoded_by_every_model(place: Path, run: Run, tmp_path: Path) -> None:
    grid = np.random.default_rng(1).standard_normal((12, Z))
    np.save(tmp_path / "grid.npy", grid)
    np.savetxt(tmp_path / "grid.csv", grid, delimiter=",", header="u,v", comments="", fmt="%.17g")
    for name in ("grid.npy", "grid.csv"):
        out = tmp_path / "x.npy"
        assert vsmnp("decode", place / "run", "--latents", tmp_path / name, "--out", out).exit_code == 0
        assert np.allclose(np.load(out), run.vae.decode(grid), rtol=1e-12)


@pytest.mark.parametrize("suffix", ["npy", "h5"])
def test_latents_stay_in_their_file(place: Path, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"z.{suffix}"
    assert vsmnp("encode", place / "run", "--dataset", place / "new.csv", "--out", path, "-q").exit_code == 0
    z = read_latents(path, Z, 2)
    while z is not None and not isinstance(z, np.memmap):
        z = z.base
    assert z is not None


def test_latents_in_chunks_are_read(place: Path, run: Run, tmp_path: Path) -> None:
    grid = np.random.default_rng(1).standard_normal((12, Z))
    with h5py.File(tmp_path / "grid.h5", "w") as file:
        file.create_dataset("x", data=grid, chunks=(5, Z), compression="gzip")
    out = tmp_path / "x.npy"
    assert vsmnp("decode", place / "run", "--latents", tmp_path / "grid.h5", "--out", out).exit_code == 0
    assert np.allclose(np.load(out), run.vae.decode(grid), rtol=1e-12)


def test_without_data_the_test_set_is_encoded(place: Path, run: Run, tmp_path: Path) -> None:
    assert vsmnp("encode", place / "run", "--out", tmp_path / "z.npy").exit_code == 0
    assert np.allclose(np.load(tmp_path / "z.npy")[..., :Z], run.vae.encode(run.test_set)[0], rtol=1e-12)


def test_an_array_of_test_rows_follows_the_others(place: Path, run: Run, tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    x, test = rng.standard_normal((13, D)), rng.standard_normal((8, D))
    np.savez(tmp_path / "both.npz", x=x, test=test)
    out = tmp_path / "z.npy"
    assert vsmnp("encode", place / "run", "--dataset", tmp_path / "both.npz", "--out", out).exit_code == 0
    assert np.allclose(np.load(out)[..., :Z], run.vae.encode(np.concatenate([x, test]))[0], rtol=1e-12)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("encode", "--out", "z.txt"), [".npy, .csv or .h5"]),
        (("encode", "--dataset", "wide.npy", "--out", "z.npy"), ["5 values", "trained on 3"]),
        (("encode", "--out", "nowhere/z.npy"), ["nowhere", "--out"]),
        (("decode", "--latents", "wide.npy", "--out", "x.npy"), ["(N, 2)", "vsmnp encode"]),
        (("decode", "--latents", "bad.npy", "--out", "x.npy"), ["bad.npy", "vsmnp encode"]),
        (("decode", "--latents", "bad.csv", "--out", "x.npy"), ["bad.csv", "vsmnp encode"]),
        (("decode", "--latents", "z.txt", "--out", "x.npy"), ["z.txt"]),
    ],
)
def test_what_does_not_fit_is_one_sentence(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], words: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("wide.npy", np.zeros((9, 5)))
    Path("bad.npy").write_bytes(b"no array")
    Path("bad.csv").write_text("u,v\n1,2\n3\n")
    before = sorted(tmp_path.iterdir())
    result = vsmnp(arguments[0], place / "run", *arguments[1:])
    assert result.exit_code in (1, 2), result.output
    for word in words:
        assert word in result.stderr
    assert sorted(tmp_path.iterdir()) == before

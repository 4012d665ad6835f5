"""Test the user's own files: valid ones are read, others are refused, corrupt bytes give one sentence."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vsmnp.data import load_data
from vsmnp.data.arrays.load import load_file
from vsmnp.errors import ConfigError, DataError
from vsmnp.settings.settings import Settings
from vsmnp.training.build import build_model

X = np.random.default_rng(0).normal(size=(20, 3))
SUFFIXES = (".npy", ".npz", ".csv", ".h5")


def save(path: Path, x: np.ndarray, **more: np.ndarray) -> Path:
    """Write ``x`` in the format of the suffix."""
    if path.suffix == ".npy":
        np.save(path, x)
    elif path.suffix == ".npz":
        np.savez(path, x=x, **more)
    elif path.suffix == ".csv":
        with path.open("w", newline="") as file:
            csv.writer(file).writerows(x.tolist())
    else:
        with h5py.File(path, "w") as file:
            for name, values in {"x": x, **more}.items():
                file[name] = values
    return path


def rows(x: np.ndarray) -> list[tuple[float, ...]]:
    return sorted(map(tuple, x.tolist()))


@pytest.mark.parametrize("suffix", [*SUFFIXES, ".hdf5", ".CSV"])
def test_every_format_gives_the_same_data(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"points{suffix}"
    save(path.with_suffix(suffix.lower()), X).rename(path)
    data = load_data(str(path))
    assert (data.name, data.shape, data.dim, data.is_image) == (path.name, (3,), 3, False)
    assert (data.n_train, data.n_test) == (18, 2)
    assert rows(np.concatenate([data.epoch(0, 0, float), data.test(0, float)])) == rows(X)
    assert data.bounds.nll is None
    assert data.log_density(X) is None
    assert data.score(X) is None


def test_the_held_out_rows_do_not_depend_on_the_seed(tmp_path: Path) -> None:
    data = load_file(save(tmp_path / "x.npy", X))
    np.testing.assert_array_equal(data.test(0, float), data.test(1, float))
    assert not np.array_equal(data.test(0, float), X[-2:])


@given(n=st.integers(2, 60), seed=st.integers(0, 2**64 - 1), epoch=st.integers(0, 2**32 - 1))
@settings(max_examples=50, deadline=None)
def test_an_epoch_is_a_permutation(
    tmp_path_factory: pytest.TempPathFactory, n: int, seed: int, epoch: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "order.npy"
    data = load_file(save(path, np.arange(n * 1.0)[:, None]))
    train = data.epoch(seed, epoch, float)
    assert data.n_test == max(1, n // 10)
    assert sorted(np.concatenate([train, data.test(seed, float)]).ravel()) == list(range(n))
    np.testing.assert_array_equal(train, load_file(path).epoch(seed, epoch, float))


def test_epochs_and_seeds_differ(tmp_path: Path) -> None:
    data = load_file(save(tmp_path / "x.npy", X))
    first = data.epoch(0, 0, float)
    for other in (data.epoch(0, 1, float), data.epoch(1, 0, float)):
        assert not np.array_equal(first, other)
        assert rows(first) == rows(other)


@pytest.mark.parametrize("suffix", [".npz", ".h5"])
def test_a_test_array_is_used(tmp_path: Path, suffix: str) -> None:
    data = load_file(save(tmp_path / f"x{suffix}", X, test=X[:5] + 1))
    np.testing.assert_array_equal(data.test(0, float), X[:5] + 1)
    assert rows(data.epoch(0, 0, float)) == rows(X)


def test_unsigned_bytes_are_pixels_and_axes_are_kept(tmp_path: Path) -> None:
    pixels = np.arange(4 * 2 * 3, dtype=np.uint8).reshape(4, 2, 3)
    data = load_file(save(tmp_path / "x.npz", pixels, test=pixels[:1]))
    assert (data.shape, data.dim, data.is_image) == ((2, 3), 6, True)
    np.testing.assert_array_equal(data.test(0, float), pixels[:1].reshape(1, 6) / 255)


@pytest.mark.parametrize(
    ("shape", "image"),
    [
        ((2, 4), (1, 2, 4)),
        ((2, 4, 3), (3, 2, 4)),
        ((2, 4, 1), (1, 2, 4)),
        ((3, 2, 4), (3, 2, 4)),
        ((1, 2, 3), (1, 2, 3)),
        ((2, 4, 2), None),
        ((8,), None),
        ((2, 2, 2, 3), None),
    ],
)
def test_pictures_have_their_channels_first(
    tmp_path: Path, shape: tuple[int, ...], image: tuple[int, ...] | None
) -> None:
    x = np.arange(4 * np.prod(shape), dtype=float).reshape(4, *shape)
    data = load_data(str(save(tmp_path / "x.npz", x, test=x[:1])))
    assert data.image == image
    moved = np.moveaxis(x, -1, 1) if len(shape) == 3 and image not in (None, shape) else x
    assert data.shape == moved.shape[1:]
    np.testing.assert_array_equal(data.test(0, float), moved[:1].reshape(1, -1))


@pytest.mark.parametrize("dtype", ["i2", ">i8", "f2", ">f4", "?", "u4", "g"])
def test_other_real_numbers_are_taken_as_they_are(tmp_path: Path, dtype: str) -> None:
    x = np.arange(12).reshape(4, 3).astype(dtype)
    data = load_file(save(tmp_path / "x.npy", x))
    assert rows(np.concatenate([data.epoch(0, 0, float), data.test(0, float)])) == rows(x.astype(float))


def test_a_csv_header_and_quotes(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text('\ufeff"a",b\n\n"1",2\n 3 ,4e-1\n5,6\n', encoding="utf-8")
    data = load_file(path)
    assert rows(np.concatenate([data.epoch(0, 0, float), data.test(0, float)])) == [(1, 2), (3, 0.4), (5, 6)]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "holds no line of numbers"),
        ("\n\n", "holds no line of numbers"),
        ("a,b\n", "holds no line of numbers"),
        ("1,2\n3\n", "Line 2 of .* has 1 columns where the lines above have 2"),
        ("a,b\n1,2\n3,x\n", r"text, not numbers, in b \(line 3: 'x'\)"),
        ("1,a\n1,2\n", r"text, not numbers, in column 2 \(line 1: 'a'\)"),
        ("1,2\n,2\n", r"lacks values in 1 of 2 rows: 1 in column 1 \(first: line 2\)"),
        ("1,2\n", "has 1 rows: it needs at least 2"),
        ("1,2\n3,nan\n", r"lacks values in 1 of 2 rows: 1 in column 2 \(first: line 2\)"),
        ("1,2\n3,1e999\n", "holds infinity, first in line 2"),
        ("1,2\n3,-2e6\n", "up to 2e\\+06 in magnitude, first above 1,000,000 in line 2"),
    ],
)
def test_a_bad_csv_is_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "x.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=sentence):
        load_file(path)


def with_value(value: float) -> np.ndarray:
    x = X.copy()
    x[7, 1] = value
    return x


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".h5"])
@pytest.mark.parametrize(
    ("x", "sentence"),
    [
        (
            with_value(np.nan),
            r"lacks values in 1 of 20 rows: 1 in column 2 \(first: row 7 \(counting from 0\)\)",
        ),
        (with_value(-np.inf), "holds infinity, first in row 7"),
        (with_value(-1.1e6), "first above 1,000,000 in row 7 .*standardise"),
        (X[:1], "has 1 rows: it needs at least 2"),
        (X[0], r"has shape \(3,\): give it two axes"),
        (np.float64(3), r"has shape \(\): give it two axes"),
        (X + 1j, "dtype complex128: convert it"),
        (np.array([[b"a"], [b"b"]]), r"dtype \|S1: convert it"),
    ],
)
def test_an_unusable_array_is_one_sentence(tmp_path: Path, suffix: str, x: np.ndarray, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        load_file(save(tmp_path / f"x{suffix}", x))


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_objects_are_never_unpickled(tmp_path: Path, suffix: str) -> None:
    x = np.array([[1, 2.5], [3, 4]], dtype=object)
    path = save(tmp_path / f"x{suffix}", x)
    with pytest.raises(DataError, match=r"holds Python objects .*never unpickled.*x\.astype\(float\)\)"):
        load_file(path)
    save(path, x.astype(float))  # words of the sentence
    assert load_file(path).dim == 2


@pytest.mark.parametrize("shape", [(6, 4), (6, 4, 3), (3, 6, 4)])
def test_zeros_are_put_around_pictures_in_arrays(tmp_path: Path, shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(0).integers(1, 256, (9, *shape), dtype=np.uint8)
    path = str(save(tmp_path / "x.npz", x, test=x[:2]))
    data = load_data(path, image_size=8)
    assert data.image == (1 if len(shape) == 2 else 3, 8, 8)
    inside = data.test(0, float).reshape(2, -1, 8, 8)
    moved = np.moveaxis(x, -1, 1) if shape == (6, 4, 3) else x
    np.testing.assert_array_equal(inside[..., 1:7, 2:6], moved[:2].reshape(2, -1, 6, 4) / 255)
    assert np.count_nonzero(inside) == x[:2].size
    with pytest.raises(DataError, match=r"--image-size 5 is too small for .* are 6 x 4, .* so say 6 or more"):
        load_data(path, image_size=5)
    assert load_data(path, image_size=6).image == (data.image[0], 6, 6)  # type: ignore[index]
    with pytest.raises(DataError, match=r"held in memory: raise --memory-budget above 0, or save"):
        load_data(path, image_size=8, memory_budget=0)


def test_what_an_architecture_asks_for_can_be_given(tmp_path: Path) -> None:
    x = np.random.default_rng(0).integers(0, 256, (9, 16, 16), dtype=np.uint8)
    path = str(save(tmp_path / "x.npy", x))
    asked = Settings(dataset=path, arch="dcgan", width=0.05, device="cpu", kernels="reference")
    with pytest.raises(ConfigError, match="use --image-size 32"):
        build_model(asked, load_data(path))
    assert build_model(asked, load_data(path, image_size=32)).d_x == 1024


@pytest.mark.parametrize("shape", [(8, 8, 4), (4, 8, 8), (2, 3, 8, 8), (8, 8, 2)])
def test_samples_that_cannot_be_drawn_are_found_before_training(
    tmp_path: Path, shape: tuple[int, ...]
) -> None:
    x = np.random.default_rng(0).integers(0, 256, (9, *shape), dtype=np.uint8)
    (note,) = load_file(save(tmp_path / "x.npy", x)).notes
    assert f"A sample of x.npy has shape {shape}, which is no picture" in note
    assert "trained on as" in note
    assert "cannot be drawn" in note
    if 4 not in shape:
        return
    (cut,) = re.findall(r"fourth channel \((.*?)\)", note)
    data = load_file(save(tmp_path / "y.npy", eval(cut, {"x": x})))
    assert (data.image, data.notes) == ((3, 8, 8), ())


@pytest.mark.parametrize("suffix", [".npz", ".h5"])
@pytest.mark.parametrize(
    ("test", "sentence"),
    [
        (np.zeros((2, 4)), r"shape \(3,\) but test samples of shape \(4,\)"),
        (np.zeros((2, 3), np.uint8), "dtype float64 but test samples of dtype uint8"),
        (np.full((2, 3), np.nan), "'test' of .* lacks values in 2 of 2 rows"),
        (np.zeros((0, 3)), "'test' of .* has 0 rows"),
    ],
)
def test_an_unusable_test_array_is_one_sentence(
    tmp_path: Path, suffix: str, test: np.ndarray, sentence: str
) -> None:
    with pytest.raises(DataError, match=sentence):
        load_file(save(tmp_path / f"x{suffix}", X, test=test))


def test_which_array_of_several(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    np.savez(path, other=X + 9, data=X)
    assert rows(load_file(path).epoch(0, 0, float))[0] in rows(X)
    np.savez(path, only=X)
    assert load_file(path).dim == 3
    np.savez(path, a=X, b=X)
    with pytest.raises(DataError, match=r"several arrays \(a, b\) and none is named 'x'"):
        load_file(path)
    np.savez(path, test=X)
    with pytest.raises(DataError, match="no array of samples"):
        load_file(path)


def test_hdf5_shapes_that_are_not_stored_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("x", shape=(10**9, 10**6), chunks=(1000, 1000), dtype="f8")
    with pytest.raises(DataError, match=r"'x' of .* was created but no value was written: write the array"):
        load_file(path)
    with h5py.File(path, "r+") as file:
        file["x"][0, :10] = 1
    with pytest.raises(DataError, match="stores too few bytes"):
        load_file(path)
    with h5py.File(path, "w") as file:
        file["x"] = h5py.Empty("f8")
    with pytest.raises(DataError, match="is empty"):
        load_file(path)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_missing_file_or_a_folder(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(DataError, match="does not exist"):
        load_data(str(tmp_path / f"none{suffix}"))
    (tmp_path / f"folder{suffix}").mkdir()
    with pytest.raises(DataError, match=r"folder\..* holds no picture"):
        load_data(str(tmp_path / f"folder{suffix}"))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_bytes_of_another_format(tmp_path: Path, suffix: str) -> None:
    for other in SUFFIXES:
        content = save(tmp_path / f"source{other}", X).read_bytes()
        if other != suffix:
            path = tmp_path / f"x{suffix}"
            path.write_bytes(content)
            with pytest.raises(DataError, match="x" + suffix):
                load_file(path)


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Write a small valid file of every kind."""
    folder = tmp_path_factory.mktemp("sources")
    valid = {f"plain{s}": save(folder / f"x{s}", X, test=X[:4]).read_bytes() for s in SUFFIXES}
    packed = io.BytesIO()
    np.savez_compressed(packed, x=X)
    valid["packed.npz"] = packed.getvalue()
    for name, options in {"packed.h5": {"libver": "earliest"}, "latest.h5": {"libver": "latest"}}.items():
        with h5py.File(folder / name, "w", **options) as file:
            file.create_dataset("x", data=X, chunks=(5, 3), compression="gzip", fletcher32=True)
        valid[name] = (folder / name).read_bytes()
    return valid


KINDS = ("plain.npy", "plain.npz", "packed.npz", "plain.csv", "plain.h5", "packed.h5", "latest.h5")


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_corrupt_bytes_are_one_sentence_or_a_dataset(
    tmp_path_factory: pytest.TempPathFactory, sources: dict[str, bytes], kind: str, data: st.DataObject
) -> None:
    content = bytearray(sources[kind])
    # headers come first in every format, and are the most important part
    place = st.integers(0, len(content) - 1) | st.integers(0, min(len(content), 700) - 1)
    for start in data.draw(st.lists(place, max_size=3)):
        piece = data.draw(st.binary(max_size=4))
        content[start : start + data.draw(st.sampled_from([len(piece), 0, 4]))] = piece
    stop = data.draw(st.just(len(content)) | st.integers(0, len(content)))
    path = tmp_path_factory.getbasetemp() / f"corrupt{Path(kind).suffix}"
    path.write_bytes(content[:stop])
    try:
        dataset = load_file(path)
    except DataError as error:
        sentence = str(error)
        assert path.name in sentence
    else:
        x = np.concatenate([dataset.epoch(0, 0, float), dataset.test(0, float)])
        assert x.shape == (dataset.n_train + dataset.n_test, dataset.dim)
        assert np.isfinite(x).all()
        assert np.abs(x).max() <= 1e6

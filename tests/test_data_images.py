"""Test image sets: how their files are found and downloaded from a (local) server, and refusals."""

from __future__ import annotations

import gzip
import hashlib
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest
from test_data_idx import idx_bytes

from vsmnp.data import load_data
from vsmnp.data.fixed import FixedDataset
from vsmnp.data.mnist import mnist as module
from vsmnp.data.mnist.download import fetch
from vsmnp.data.mnist.mnist import FASHION, MNIST, SETS, IdxFile, ImageSet, load_images
from vsmnp.errors import DataError, StorageError

PIXELS = {
    "train.gz": np.random.default_rng(0).integers(0, 256, (6, 4, 4), dtype=np.uint8),
    "test.gz": np.random.default_rng(1).integers(0, 256, (3, 4, 4), dtype=np.uint8),
}
LABELS = {"train-l.gz": np.arange(6, dtype=np.uint8)[::-1], "test-l.gz": np.array([7, 0, 7], np.uint8)}
PACKED = {file: gzip.compress(idx_bytes(pixels), mtime=0) for file, pixels in PIXELS.items()}
PACKED_LABELS = {file: gzip.compress(idx_bytes(labels), mtime=0) for file, labels in LABELS.items()}


def tiny(*mirrors: str) -> ImageSet:
    """Write an image set like MNIST, of nine images with their labels."""
    values, packed = PIXELS | LABELS, PACKED | PACKED_LABELS
    train, test, *labels = (
        IdxFile(file, len(values[file]), hashlib.sha256(packed[file]).hexdigest(), crc32(values[file].copy()))
        for file in packed
    )
    return ImageSet("tiny", train, test, mirrors, "Noise.", (4, 4), tuple(labels))


class Quiet(SimpleHTTPRequestHandler):
    """A file server that does not log."""

    def log_message(self, format: str, *args: object) -> None:
        """Skip the log line of a request."""


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, str]]:
    """Serve a folder, and return it with its URL."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    folder = tmp_path / "served"
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Set a user's cache for this test alone, and no $VSMNP_DATA."""
    monkeypatch.setattr("platformdirs.user_cache_path", lambda project: tmp_path / "cache")
    monkeypatch.delenv("VSMNP_DATA", raising=False)
    return tmp_path / "cache"


def put(folder: Path, packed: bool = True) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for file, content in PACKED.items():
        if packed:
            (folder / file).write_bytes(content)
        else:
            (folder / file).with_suffix("").write_bytes(gzip.decompress(content))
    return folder


def check(data: FixedDataset) -> None:
    assert (data.name, data.shape, data.dim, data.is_image) == ("tiny", (4, 4), 16, True)
    assert data.image == (1, 4, 4)
    expected = PIXELS["test.gz"].reshape(3, 16) / 255
    np.testing.assert_array_equal(data.test(0, float), expected)
    np.testing.assert_array_equal(
        np.sort(data.epoch(0, 0, float), 0), np.sort(PIXELS["train.gz"].reshape(6, 16) / 255, 0)
    )
    np.testing.assert_array_equal(data.test(0, np.float32), expected.astype(np.float32))


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("inner", ["", "tiny"])
@pytest.mark.parametrize("place", ["option", "variable", "cache"])
def test_files_are_found(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, place: str, inner: str, packed: bool
) -> None:
    root = cache if place == "cache" else tmp_path / "here"
    put(root / inner, packed)
    if place == "variable":
        monkeypatch.setenv("VSMNP_DATA", str(root))
    check(load_images(tiny(), root if place == "option" else None, download=False))


@pytest.mark.parametrize("place", ["Tiny/raw", "Tiny", "raw", "."])
@pytest.mark.parametrize("name", ["{}", "{}.gz", "dotted", "dotted.gz", "{0}/{0}"])
def test_the_layouts_of_torchvision_and_kaggle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, name: str
) -> None:
    images = tiny()
    renamed = {"train.gz": "train-images-idx3-ubyte.gz", "test.gz": "t10k-images-idx3-ubyte.gz"}
    train, test = (replace(part, file=renamed[part.file]) for part in images.files)
    images = replace(images, train=train, test=test, torchvision="Tiny")
    for part, content in zip(images.files, PACKED.values(), strict=True):
        plain = part.file.removesuffix(".gz")
        file = name.replace("dotted", plain.replace("-idx", ".idx")).format(plain)
        path = tmp_path / place / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if file.endswith(".gz") else gzip.decompress(content))
    check(load_images(images, tmp_path, download=False))


def test_the_names_of_torchvision() -> None:
    assert [each.torchvision for each in SETS] == ["MNIST", "FashionMNIST"]


def test_files_that_are_nowhere_name_the_option(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="name the folder that holds them with --data-dir"):
        load_images(tiny(), None, download=False)
    check(load_images(tiny(), put(tmp_path / "there"), download=False))


@pytest.mark.parametrize(("size", "before"), [(4, 0), (5, 0), (7, 1)])
def test_zeros_fill_a_picture_up(tmp_path: Path, size: int, before: int) -> None:
    data = load_images(tiny(), put(tmp_path), download=False, size=size)
    assert (data.shape, data.image, data.dim) == ((size, size), (1, size, size), size**2)
    expected = np.zeros((3, size, size))
    expected[:, before : before + 4, before : before + 4] = PIXELS["test.gz"] / 255
    np.testing.assert_array_equal(data.test(0, float), expected.reshape(3, -1))
    assert len(data.epoch(0, 0, float)) == 6


def test_a_picture_is_never_cut(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"--image-size 3 is too small for tiny: its pictures are 4 x 4"):
        load_images(tiny(), put(tmp_path), download=False, size=3)


def test_labels_follow_the_images(tmp_path: Path) -> None:
    put(tmp_path)
    for file, content in PACKED_LABELS.items():
        (tmp_path / file).write_bytes(content)
    data = load_images(tiny(), tmp_path, download=False)
    class_of = dict(
        zip(map(bytes, PIXELS["train.gz"].reshape(6, -1)), LABELS["train-l.gz"].tolist(), strict=True)
    )
    for epoch in range(3):
        labels = data.epoch_labels(5, epoch)
        assert labels is not None
        rows = np.rint(255 * data.epoch(5, epoch, float)).astype(np.uint8)
        assert labels.tolist() == [class_of[bytes(row)] for row in rows]
    np.testing.assert_array_equal(data.test_labels(), LABELS["test-l.gz"])


def test_missing_labels_are_missed_when_they_are_asked_for(tmp_path: Path) -> None:
    data = load_images(tiny(), put(tmp_path), download=False)
    for ask in (data.test_labels, partial(data.epoch_labels, 0, 0)):
        with pytest.raises(DataError, match=r"or put train-l\.gz and test-l\.gz in one of them"):
            ask()


def test_labels_that_do_not_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = load_images(tiny(), put(tmp_path), download=False)
    for file, content in PACKED_LABELS.items():
        (tmp_path / file).write_bytes(content)
    (tmp_path / "test-l.gz").write_bytes(PACKED_LABELS["train-l.gz"])
    with pytest.raises(DataError, match=r"test-l\.gz has shape \(6,\), not the \(3,\) of tiny"):
        data.test_labels()
    (tmp_path / "test-l.gz").write_bytes(PACKED["test.gz"])
    with pytest.raises(DataError, match=r"has shape \(3, 4, 4\), not the \(3,\) of tiny"):
        data.test_labels()
    (tmp_path / "test-l.gz").write_bytes(PACKED_LABELS["test-l.gz"][:-5])
    with pytest.raises(DataError, match="corrupt or truncated"):
        data.test_labels()
    (tmp_path / "test-l.gz").write_bytes(PACKED_LABELS["test-l.gz"])
    monkeypatch.setattr(module, "SETS", (replace(tiny(), name="twin"),))
    with pytest.raises(DataError, match="holds the labels of twin, not of tiny"):
        data.test_labels()


def test_half_a_set_is_not_found(tmp_path: Path, cache: Path) -> None:
    (put(tmp_path / "half") / "test.gz").unlink()
    put(cache / "tiny")
    check(load_images(tiny(), tmp_path / "half", download=False))


def test_missing_files_say_where_they_were_looked_for(tmp_path: Path, cache: Path) -> None:
    with pytest.raises(DataError) as caught:
        load_images(tiny(), tmp_path, download=False)
    for folder in (tmp_path / "tiny", tmp_path, cache / "tiny", cache):
        assert str(folder) in str(caught.value)


def test_a_data_folder_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        load_data("mnist", data_dir=tmp_path / "nowhere", download=False)


def test_download_then_cache(served: tuple[Path, str], cache: Path) -> None:
    folder, url = served
    put(folder)
    check(load_images(tiny(url), None, download=True))
    assert sorted(path.name for path in (cache / "tiny").iterdir()) == sorted(PACKED)
    check(load_images(tiny(), None, download=False))


def test_the_second_mirror_helps(served: tuple[Path, str], cache: Path) -> None:
    folder, url = served
    put(folder / "good")
    put(folder / "bad")
    (folder / "bad" / "train.gz").write_bytes(PACKED["test.gz"])
    check(load_images(tiny(url + "missing/", url + "bad/", url + "good/"), None, download=True))


def test_a_corrupt_cached_file_is_replaced(served: tuple[Path, str], cache: Path) -> None:
    folder, url = served
    put(folder)
    (cache / "tiny").mkdir(parents=True)
    (cache / "tiny" / "train.gz").write_bytes(b"half a fi")
    check(load_images(tiny(url), None, download=True))


def test_every_failure_is_reported_and_leaves_no_file(served: tuple[Path, str], tmp_path: Path) -> None:
    folder, url = served
    put(folder / "bad")
    closed = "http://127.0.0.1:9/"
    target = tmp_path / "target"
    with pytest.raises(DataError) as caught:
        fetch("train.gz", "0" * 64, (url + "missing/", url + "bad/", closed), target)
    sentence = str(caught.value)
    assert "answered 404" in sentence
    assert "wrong SHA-256" in sentence
    assert "127.0.0.1:9 was not reached" in sentence
    assert f"put it in {target}" in sentence
    assert list(target.iterdir()) == []


def test_a_folder_that_cannot_be_written(served: tuple[Path, str], tmp_path: Path) -> None:
    folder, url = served
    put(folder)
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="cannot be written"):
        fetch("train.gz", tiny().train.sha256, (url,), tmp_path / "file" / "below")


def test_another_shape_is_refused(tmp_path: Path) -> None:
    put(tmp_path)
    (tmp_path / "test.gz").write_bytes(PACKED["train.gz"])
    with pytest.raises(DataError, match=r"has shape \(6, 4, 4\), not the \(3, 4, 4\) of tiny"):
        load_images(tiny(), tmp_path, download=False)


@pytest.mark.parametrize("place", [0, 17, -1])
def test_other_values_of_the_same_shape_are_refused(tmp_path: Path, place: int) -> None:
    """The checksum of each set is known, so that nothing else passes under its name."""
    folder = put(tmp_path / "files", packed=False)
    path = folder / tiny().train.file.removesuffix(".gz")
    content = bytearray(path.read_bytes())
    content[16 + place if place >= 0 else place] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="has the shape of tiny and other values, as its checksum"):
        load_images(tiny(), folder, download=False)


def test_the_images_of_another_set_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path)
    twin = tiny()
    other = ImageSet("twin", twin.train, twin.test, (), "The same.", (4, 4))
    monkeypatch.setattr(module, "SETS", (twin,))
    with pytest.raises(DataError, match="holds the images of tiny, not of twin"):
        load_images(other, tmp_path, download=False)


def test_the_built_in_sets_are_distinguished() -> None:
    assert SETS == (MNIST, FASHION)
    parts = [part for each in SETS for part in (*each.files, *each.labels)]
    assert len({part.crc32 for part in parts}) == len({part.sha256 for part in parts}) == 8
    for part in parts:
        assert len(bytes.fromhex(part.sha256)) == 32
    for each in SETS:
        assert (each.train.count, each.test.count, each.shape) == (60_000, 10_000, (28, 28))
        assert [part.count for part in each.labels] == [60_000, 10_000]
        assert all(mirror.endswith("/") for mirror in each.mirrors)

"""Test folders of pictures and CelebA: decoding, held-out pictures, the cache, and refusals."""

from __future__ import annotations

import errno
import os
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from PIL import Image

from vsmnp.data import Dataset, load_data
from vsmnp.data.batches import Batches
from vsmnp.data.dataset import fingerprint
from vsmnp.data.pictures import cache as cache_of_pictures
from vsmnp.data.pictures.celeba import CROP, ORIGINAL
from vsmnp.data.pictures.reader import Reader
from vsmnp.data.rows import MEMORY_BUDGET
from vsmnp.errors import DataError, StorageError
from vsmnp.kernels import load
from vsmnp.settings.settings import Settings


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Set a user's cache for this test alone, and no $VSMNP_DATA."""
    monkeypatch.setattr("platformdirs.user_cache_path", lambda project: tmp_path / "cache")
    monkeypatch.delenv("VSMNP_DATA", raising=False)
    return tmp_path / "cache" / "pictures"


def noise(seed: int, height: int = 6, width: int = 6, channels: int = 3) -> np.ndarray:
    shape = (height, width, channels) if channels > 1 else (height, width)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def fill(folder: Path, n: int = 12, suffix: str = ".png", **kind: int) -> Path:
    """Write ``n`` pictures of noise, 00.png and so on."""
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(n):
        Image.fromarray(noise(i, **kind)).save(folder / f"{i:02d}{suffix}")
    return folder


def pixels(dataset: Dataset) -> list[bytes]:
    """Return all samples, training then test in their order, as bytes for comparisons."""
    rows = [dataset.epoch(0, 0, float), dataset.test(0, float)]
    return [bytes(row) for row in np.rint(255 * np.concatenate(rows)).astype(np.uint8)]


def flat(*pictures: np.ndarray) -> list[bytes]:
    """Convert pictures ``(H, W[, C])`` to samples: channels first, then flat."""
    return [np.ascontiguousarray(np.moveaxis(p, -1, 0) if p.ndim == 3 else p).tobytes() for p in pictures]


# --- pictures to samples --------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 3])
def test_a_sample_is_its_picture(tmp_path: Path, channels: int) -> None:
    data = load_data(str(fill(tmp_path / "x", height=5, width=7, channels=channels)))
    assert data.image == (channels, 5, 7)
    assert data.shape == ((5, 7) if channels == 1 else (3, 5, 7))
    assert (data.name, data.source, data.n_train, data.n_test) == ("x", str(tmp_path / "x"), 11, 1)
    expected = flat(*(noise(i, 5, 7, channels) for i in range(12)))
    assert sorted(pixels(data)) == sorted(expected)
    assert data.notes == ()


def test_the_middle_is_cut_out_then_resized(tmp_path: Path) -> None:
    folder = tmp_path / "x"
    folder.mkdir()
    for i in range(2):
        board = np.full((9, 13, 3), 255 * i, np.uint8)
        board[2:7, 4:9] = noise(i, 5, 5)  # the square that --crop 5 leaves
        Image.fromarray(board).save(folder / f"{i}.png")
    cut = load_data(str(folder), crop=5)
    assert sorted(pixels(cut)) == sorted(flat(noise(0, 5, 5), noise(1, 5, 5)))
    halved = load_data(str(folder), crop=5, image_size=4)
    resized = [Image.fromarray(noise(i, 5, 5)).resize((4, 4), Image.Resampling.BILINEAR) for i in range(2)]
    assert sorted(pixels(halved)) == sorted(flat(*map(np.asarray, resized)))
    largest = load_data(str(folder), image_size=9)  # without --crop, the largest square
    whole = [np.asarray(Image.open(folder / f"{i}.png"))[:, 2:11] for i in range(2)]
    assert sorted(pixels(largest)) == sorted(flat(*whole))


def test_channels_are_converted_if_that_is_asked_for(tmp_path: Path) -> None:
    folder = fill(tmp_path / "x", 2)
    Image.fromarray(noise(2, channels=1)).save(folder / "02.png")
    Image.fromarray(noise(3)).convert("RGBA").save(folder / "03.png")
    Image.fromarray(noise(4)).convert("P").save(folder / "04.png")
    grey, coloured = load_data(str(folder), channels="1"), load_data(str(folder), channels="3")
    assert (grey.image, coloured.image) == ((1, 6, 6), (3, 6, 6))
    assert flat(noise(2, channels=1))[0] in pixels(grey)
    assert flat(np.asarray(Image.fromarray(noise(0)).convert("L")))[0] in pixels(grey)
    assert flat(noise(3))[0] in pixels(coloured)
    assert flat(np.repeat(noise(2, channels=1)[..., None], 3, axis=2))[0] in pixels(coloured)


def test_every_format_and_sub_folders(tmp_path: Path) -> None:
    folder = fill(tmp_path / "x", 2)
    for suffix in (".bmp", ".ppm", ".tiff", ".PNG"):
        fill(folder / "deep" / suffix.strip("."), 2, suffix)
    (folder / "notes.txt").write_text("no picture")
    (folder / ".hidden.png").write_text("no picture either")
    assert len(pixels(load_data(str(folder)))) == 10


def test_folders_named_train_and_test_are_what_they_say(tmp_path: Path) -> None:
    fill(tmp_path / "x" / "train", 5)
    Image.fromarray(noise(77)).save(tmp_path / "x" / "left-out.png")
    (tmp_path / "x" / "test").mkdir()
    for i in (8, 9):
        Image.fromarray(noise(i)).save(tmp_path / "x" / "test" / f"{i}.png")
    data = load_data(str(tmp_path / "x"))
    assert (data.n_train, data.n_test) == (5, 2)
    assert pixels(data)[5:] == flat(noise(8), noise(9))


@pytest.mark.parametrize(
    ("train", "test"), [("train", "val"), ("Train", "Test"), ("TRAINING", "Validation"), ("train", "test")]
)
def test_the_split_of_folders_is_used(tmp_path: Path, train: str, test: str) -> None:
    folder = tmp_path / "x"
    fill(folder / train / "cat", 3)
    fill(folder / train / "dog", 2, height=6)
    fill(folder / test / "cat", 4)
    data = load_data(str(folder))
    assert (data.n_train, data.n_test) == (5, 4)
    assert f"from {folder}, {train} to train and {test} to test on, decoded into" in data.describe()
    assert data.notes == ()


def test_what_the_split_leaves_out_is_counted(tmp_path: Path) -> None:
    folder = fill(tmp_path / "x", 2)
    for part, n in (("train", 5), ("test", 4), ("val", 3)):
        fill(folder / part, n)
    data = load_data(str(folder))
    assert (data.n_train, data.n_test) == (5, 4)
    assert data.notes == (
        "5 picture(s) beside train and test were left out: 2 in the folder itself, 3 in val.",
    )


def test_an_empty_part_of_a_split(tmp_path: Path, cache: Path) -> None:
    folder = tmp_path / "x"
    fill(folder / "train", 4)
    (folder / "val").mkdir()
    refused(
        folder, cache, "sub-folders train and val, but val holds no picture: put pictures in it, or remove it"
    )
    (folder / "val").rmdir()
    assert load_data(str(folder)).n_test == 1
    fill(folder / "val", 2)
    assert load_data(str(folder)).n_test == 2


def test_linked_folders_are_followed_once(tmp_path: Path) -> None:
    fill(tmp_path / "elsewhere", 5)
    folder = tmp_path / "x"
    fill(folder / "b", 4)
    (folder / "z").symlink_to(tmp_path / "elsewhere")
    (folder / "a").symlink_to("b")
    (folder / "b" / "up").symlink_to("..")
    (folder / "b" / "gone.png").symlink_to("nothing.png")
    data = load_data(str(folder))
    assert data.n_train + data.n_test == 9
    assert data.notes == (
        "3 link(s) lead to nothing or to a folder that is read already, and were left out: "
        f"a, {Path('b/gone.png')}, {Path('b/up')}.",
    )


def test_a_split_of_links(tmp_path: Path) -> None:
    folder = tmp_path / "x"
    folder.mkdir()
    for part, n in (("train", 5), ("test", 2)):
        fill(tmp_path / f"real-{part}", n)
        (folder / part).symlink_to(tmp_path / f"real-{part}")
    data = load_data(str(folder))
    assert (data.n_train, data.n_test) == (5, 2)


def test_files_of_other_suffixes_are_counted_and_named(tmp_path: Path, cache: Path) -> None:
    folder = fill(tmp_path / "x", 3)
    fill(folder / "more", 4, ".gif")
    (folder / "notes.TXT").write_text("no picture")
    (folder / "LICENSE").write_text("no picture")
    (note,) = load_data(str(folder)).notes
    assert note.startswith("6 file(s) were left out because they do not end in .jpg, ")
    assert "1 of no suffix (LICENSE), 4 of .gif (" in note
    assert note.endswith(f"({Path('more/00.gif')}, ...), 1 of .txt (notes.TXT).")
    refused(
        fill(tmp_path / "y", 2, ".gif"),
        tmp_path / "none",
        r"holds no picture.*convert those that end in \.gif",
    )
    for path in (tmp_path / "y").iterdir():
        with Image.open(path) as picture:
            picture.convert("RGB").save(path.with_suffix(".png"))
    assert load_data(str(tmp_path / "y")).n_train == 1


def test_the_exif_orientation_is_applied(tmp_path: Path) -> None:
    folder = tmp_path / "x"
    folder.mkdir()
    upright = noise(0, 5, 8)
    for orientation in range(1, 9):
        picture = Image.fromarray(upright)
        exif = picture.getexif()
        exif[0x0112] = orientation
        turned = [None, None, 0, 3, 1, 5, 4, 6, 2][orientation]  # the inverse of what a viewer does
        if turned is not None:
            inverse = {2: 4, 4: 2}.get(turned, turned)
            picture = picture.transpose(Image.Transpose(inverse))
        picture.save(folder / f"{orientation}.png", exif=exif)
    data = load_data(str(folder))
    assert data.image == (3, 5, 8)
    assert set(pixels(data)) == set(flat(upright))
    assert data.notes == ()


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparent_parts_are_laid_on_white(tmp_path: Path, mode: str) -> None:
    folder = tmp_path / "x"
    folder.mkdir()
    alpha = np.full((6, 6, 1), 255, np.uint8)
    alpha[:3] = 0
    for i in range(4):
        picture = Image.fromarray(np.concatenate([noise(i), alpha], axis=2), "RGBA")
        if mode == "P":  # one colour of the palette is transparent
            picture = Image.fromarray(np.repeat([[0], [9]], 18, axis=0).astype(np.uint8).reshape(6, 6), "P")
            picture.putpalette([10 * i, 20, 30] + [200, 100, 50] * 255)
            picture.save(folder / f"{i}.png", transparency=0)
        else:
            picture.convert(mode).save(folder / f"{i}.png")
    fill(tmp_path / "opaque", 1)
    with Image.open(tmp_path / "opaque" / "00.png") as picture:
        picture.convert("RGBA").save(folder / "opaque.png")
    for channels in ("3", "1"):
        data = load_data(str(folder), channels=channels)  # type: ignore[arg-type]
        assert data.notes == ("4 picture(s) have transparent parts, which were laid on white.",)
        rows = np.array([list(row) for row in pixels(data)]).reshape(5, -1, 6, 6)
        assert sorted((rows[:, :, :3] == 255).all(axis=(1, 2, 3))) == [False, True, True, True, True]
        assert not (rows[:, :, 3:] == 255).all(axis=(1, 2, 3)).any()


def test_a_transparent_colour_of_an_rgb_picture(tmp_path: Path) -> None:
    folder = tmp_path / "x"
    folder.mkdir()
    for i in range(2):
        board = noise(i)
        board[:3] = (1, 2, 3)
        Image.fromarray(board).save(folder / f"{i}.png", transparency=(1, 2, 3))
    data = load_data(str(folder))
    assert data.notes == ("2 picture(s) have transparent parts, which were laid on white.",)
    for i, row in enumerate(sorted(pixels(data), key=lambda row: flat(noise(0))[0][-6:] != row[-6:])):
        board = noise(i)
        board[:3] = 255
        assert row == flat(board)[0]


def test_the_first_of_several_frames_is_read(tmp_path: Path) -> None:
    folder = fill(tmp_path / "x", 3)
    frames = [Image.fromarray(noise(i)) for i in (7, 8)]
    frames[0].save(folder / "two.tiff", save_all=True, append_images=frames[1:])
    data = load_data(str(folder))
    assert flat(noise(7))[0] in pixels(data)
    assert data.notes == ("1 picture(s) have several frames, of which the first was read.",)


# --- broken files are named and left out ----------------------------------------------------------


def test_broken_pictures_are_named_counted_and_left_out(tmp_path: Path) -> None:
    folder = fill(tmp_path / "x", suffix=".jpg", height=40, width=40)
    whole = load_data(str(folder))
    whole_rows = set(pixels(whole))
    content = (folder / "03.jpg").read_bytes()
    (folder / "03.jpg").write_bytes(content[: len(content) // 2])
    (folder / "05.jpg").write_bytes(b"")
    (folder / "07.jpg").write_text("no picture")
    data = load_data(str(folder))
    assert len(pixels(data)) == 9
    assert set(pixels(data)) < whole_rows
    (note,) = data.notes
    assert note.startswith("3 picture(s) could not be read and were left out: ")
    for name in ("03.jpg (image file is truncated", "05.jpg", "07.jpg"):
        assert name in note
    assert load_data(str(folder)).notes == data.notes  # from the cache too


def test_many_broken_pictures_are_counted(tmp_path: Path) -> None:
    folder = fill(tmp_path / "x", 20)
    for i in range(8):
        (folder / f"{i:02d}.png").write_bytes(b"\x89PNG")
    assert load_data(str(folder)).notes[0].endswith("and 3 more.")


def test_a_small_file_that_claims_to_be_huge(tmp_path: Path) -> None:
    folder = fill(tmp_path / "x", 3)
    Image.new("1", (2**13, 2**13 + 1)).save(folder / "huge.png")
    assert "huge.png (claims 8192 x 8193 pixels)" in load_data(str(folder)).notes[0]


# --- refusals -------------------------------------------------------------------------------------


def refused(folder: Path, cache: Path, sentence: str, **options: object) -> None:
    """Check that loading is refused by one sentence, and that nothing half-written is left."""
    with pytest.raises(DataError, match=sentence):
        load_data(str(folder), **options)  # type: ignore[arg-type]
    assert not cache.exists() or list(cache.iterdir()) == []


def test_mixed_sizes(tmp_path: Path, cache: Path) -> None:
    folder = fill(tmp_path / "x", 3)
    Image.fromarray(noise(0, 5, 8)).save(folder / "odd.png")
    refused(
        folder,
        cache,
        r"(odd\.png in .* is 8 x 5 pixels but .* is 6 x 6|is 6 x 6 pixels but odd).*--image-size",
    )
    refused(folder, cache, r"odd\.png is 8 x 5 pixels, too small for --crop 6", crop=6)
    assert load_data(str(folder), image_size=4).image == (3, 4, 4)
    assert load_data(str(folder), crop=5).image == (3, 5, 5)


def test_mixed_channels(tmp_path: Path, cache: Path) -> None:
    folder = fill(tmp_path / "x", 3)
    Image.fromarray(noise(9, channels=1)).save(folder / "grey.png")
    refused(folder, cache, r"has (1|3) channel\(s\) but .* has (1|3): say --channels")


@pytest.mark.parametrize(
    ("mode", "sentence"),
    [
        ("RGBA", "neither grey nor RGB but RGBA: say --channels 1"),
        ("I;16", "mode I;16, not of bytes: save it with 8 bits"),
    ],
)
def test_pixels_of_another_kind(tmp_path: Path, cache: Path, mode: str, sentence: str) -> None:
    folder = fill(tmp_path / "x", 3)
    Image.new(mode, (6, 6)).save(folder / "odd.png")
    refused(folder, cache, f"odd.png .*{sentence}")


@pytest.mark.parametrize("n", [0, 1])
def test_too_few_pictures(tmp_path: Path, cache: Path, n: int) -> None:
    folder = fill(tmp_path / "x", n)
    (folder / "notes.txt").write_text("no picture")
    refused(
        folder, cache, rf"The folder .*x holds {n or 'no'} picture\(s\), files that end in \.jpg.*at least 2"
    )


def test_nothing_but_broken_pictures(tmp_path: Path, cache: Path) -> None:
    folder = tmp_path / "x"
    folder.mkdir()
    for name in ("a.png", "b.png"):
        (folder / name).write_bytes(b"no picture")
    refused(folder, cache, r"None of .* can be read, (a|b)\.png for one")
    Image.fromarray(noise(0)).save(folder / "a.png")  # one of two parts is still empty
    refused(folder, cache, r"None of .* can be read, b\.png for one")


def test_a_folder_that_may_not_be_read(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(path: object, **options: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    folder = fill(tmp_path / "x", 2)
    monkeypatch.setattr(os, "scandir", forbidden)
    refused(folder, cache, r"The folder .*x cannot be read \(Permission denied\)")


def test_a_picture_that_may_not_be_read(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(path: object, **options: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    folder = fill(tmp_path / "x", 2)
    monkeypatch.setattr(Image, "open", forbidden)
    refused(folder, cache, r"0\d\.png may not be read: change its permissions")


def test_a_failing_disk_is_no_broken_picture(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(path: object, **options: object) -> None:
        raise OSError(errno.EIO, "Input/output error", str(path))

    folder = fill(tmp_path / "x", 2)
    monkeypatch.setattr(Image, "open", failing)
    refused(folder, cache, r"0\d\.png could not be read \(Input/output error\)")


def test_options_that_make_no_sense(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.eye(3))
    for name in ("star", "mnist", str(tmp_path / "x.npy")):
        with pytest.raises(DataError, match="--crop 5 makes no sense"):
            load_data(name, crop=5)
        with pytest.raises(DataError, match="--channels 3 makes no sense"):
            load_data(name, channels="3")


# --- the cache ------------------------------------------------------------------------------------


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count the pictures that have been decoded since."""
    counts: list[int] = []
    original = Reader.__init__

    def counting(self: Reader, listing: object, pool: object, bar: object) -> None:
        counts.append(len(listing.train) + len(listing.test))  # type: ignore[attr-defined]
        original(self, listing, pool, bar)  # type: ignore[arg-type]

    monkeypatch.setattr(Reader, "__init__", counting)
    return counts


def test_pictures_are_decoded_once(tmp_path: Path, cache: Path, reads: list[int]) -> None:
    folder = fill(tmp_path / "x")
    first = load_data(str(folder))
    again = load_data(str(folder))
    assert reads == [12]
    assert pixels(first) == pixels(again)
    assert first.digest == again.digest != ""
    load_data(str(folder), image_size=4)
    assert reads == [12, 12]
    assert len(list(cache.iterdir())) == 2


@pytest.mark.parametrize("change", ["content", "one more", "one less", "another name"])
def test_a_changed_folder_is_read_again(tmp_path: Path, reads: list[int], change: str) -> None:
    folder = fill(tmp_path / "x")
    before = load_data(str(folder)).digest
    if change == "content":
        Image.fromarray(noise(99)).save(folder / "03.png")
    elif change == "one more":
        Image.fromarray(noise(99)).save(folder / "99.png")
    elif change == "one less":
        (folder / "03.png").unlink()
    else:
        (folder / "03.png").rename(folder / "zz.png")
    assert load_data(str(folder)).digest != before
    assert len(reads) == 2


#: Places of a bit that is flipped: in the head, in the pixels, and in what is known of them.
FLIPS = {"head": 3, "seal": 40, "pixels": 4196, "facts": -5}


@pytest.mark.parametrize("damage", ["cut", *FLIPS, "foreign", "empty", "text"])
def test_a_damaged_cache_is_made_again(tmp_path: Path, cache: Path, reads: list[int], damage: str) -> None:
    folder = fill(tmp_path / "x")
    expected = pixels(load_data(str(folder)))
    (path,) = cache.iterdir()
    content = bytearray(path.read_bytes())
    if damage == "foreign":
        with h5py.File(path, "w") as file:
            file["pixels"] = np.zeros((3, 3))
    elif damage in FLIPS:
        content[FLIPS[damage]] ^= 1
        path.write_bytes(content)
    else:
        path.write_bytes({"cut": content[: len(content) // 2], "empty": b"", "text": b"text"}[damage])
    assert pixels(load_data(str(folder))) == expected
    assert len(reads) == 2
    assert [each.name for each in cache.iterdir()] == [path.name]


def test_two_that_make_the_cache_at_once_have_a_whole_one(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both have found none, both decode, and one replaces the file of the other, which that one has open."""
    folder, barrier = fill(tmp_path / "x"), threading.Barrier(2)
    make = cache_of_pictures._make

    def together(*arguments: Any) -> None:
        barrier.wait(30)
        make(*arguments)
        barrier.wait(30)

    with monkeypatch.context() as patch, ThreadPoolExecutor(2) as pool:
        patch.setattr(cache_of_pictures, "_make", together)
        one, other = pool.map(lambda _: pixels(load_data(str(folder), memory_budget=0.0)), range(2))
    assert one == other == pixels(load_data(str(folder)))
    assert len(list(cache.iterdir())) == 1


def test_what_a_killed_writer_left_is_never_used(tmp_path: Path, cache: Path, reads: list[int]) -> None:
    folder = fill(tmp_path / "x")
    expected = pixels(load_data(str(folder)))
    (path,) = cache.iterdir()
    old, young = (cache / f".{path.name}.{name}.vsmnp-part" for name in ("old", "young"))
    for left in (old, young):
        shutil.copy(path, left)
    os.utime(old, (0, 0))
    path.unlink()
    assert pixels(load_data(str(folder))) == expected
    assert len(reads) == 2
    assert not old.exists()
    assert young.exists(), "another process may be writing it"


def test_a_full_disk(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int, start: int, size: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(
        StorageError, match=r"No space left on device\): free some space there, or set XDG_CACHE"
    ):
        load_data(str(fill(tmp_path / "x")))
    assert list(cache.iterdir()) == []


def test_a_file_larger_than_the_system_allows(tmp_path: Path, cache: Path) -> None:
    resource = pytest.importorskip("resource")
    folder = fill(tmp_path / "x", n=4, height=64, width=64)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(StorageError, match=r"could not be written .*XDG_CACHE_HOME"):
            load_data(str(folder))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(cache.iterdir()) == []


def test_a_cache_that_cannot_be_made(tmp_path: Path, cache: Path) -> None:
    cache.parent.write_text("a file where a folder should be")
    with pytest.raises(StorageError, match=r"cannot be created .*XDG_CACHE_HOME"):
        load_data(str(fill(tmp_path / "x")))


# --- from the disk --------------------------------------------------------------------------------


def test_the_default_budget() -> None:
    assert Settings().memory_budget == MEMORY_BUDGET


@pytest.mark.parametrize("kind", ["pictures", "npy floats", "npy last", "h5", "h5 block", "h5 chunks"])
def test_minibatches_from_the_disk_are_those_from_memory(tmp_path: Path, kind: str) -> None:
    x = np.random.default_rng(0).normal(size=(40, 6, 5, 3)).astype(np.float32)
    path = tmp_path / {"npy": "x.npy", "h5": "x.h5"}.get(kind.split()[0], "x")
    if kind == "pictures":
        fill(path, 40)
    elif kind == "npy floats":
        np.save(path, x[:, 0])
    elif kind == "npy last":
        np.save(path, np.rint(9 * x).astype(np.uint8))
    else:
        with h5py.File(path, "w", userblock_size=512 if kind == "h5 block" else 0) as file:
            file.create_dataset(
                "x", data=x.astype(">f8"), chunks=(7, 6, 5, 3) if kind == "h5 chunks" else None
            )
            file["test"] = x[:3].astype(">f8")
    held, left = load_data(str(path)), load_data(str(path), memory_budget=0)
    assert _is_mapped(left.train_rows) == (kind != "h5 chunks")  # type: ignore[attr-defined]
    assert not _is_mapped(held.train_rows)  # type: ignore[attr-defined]
    for dtype in (np.float32, np.float64):
        one, other = (Batches(load("reference"), each, 7, 3, 0.1, np.dtype(dtype)) for each in (held, left))
        for index in (0, 1, one.per_epoch, 3):
            np.testing.assert_array_equal(one.noisy(index, index), other.noisy(index, index))
        np.testing.assert_array_equal(held.test(0, dtype), left.test(0, dtype))
        whole = held.epoch(3, 1, dtype)
        np.testing.assert_array_equal(left.epoch(3, 1, dtype), whole)
        np.testing.assert_array_equal(one.clean(one.per_epoch + 1)[0, 0], whole[7:14])
    assert fingerprint(held, 0) == fingerprint(left, 0)


def _is_mapped(x: np.ndarray | None) -> bool:
    while x is not None and not isinstance(x, np.memmap):
        x = x.base  # type: ignore[assignment]
        if not isinstance(x, np.ndarray):
            return False
    return x is not None


# --- CelebA ---------------------------------------------------------------------------------------


def faces(folder: Path, n: int = 6) -> Path:
    """Write aligned pictures of noise, 000001.jpg and so on."""
    folder.mkdir(parents=True)
    for i in range(1, n + 1):
        board = np.zeros((ORIGINAL[1], ORIGINAL[0], 3), np.uint8)
        board[39:179, 19:159] = 40 * i
        Image.fromarray(board).save(folder / f"{i:06d}.jpg", quality=100)
    return folder


@pytest.mark.parametrize(
    "inner", [".", "img_align_celeba", "Img/img_align_celeba", "celeba/img_align_celeba"]
)
def test_celeba_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inner: str) -> None:
    faces(tmp_path / "x" / inner)
    data = load_data("celeba", data_dir=tmp_path / "x")
    assert (data.name, data.source, data.image) == ("celeba", "celeba", (3, 32, 32))
    assert (data.n_train, data.n_test) == (5, 1)
    monkeypatch.setenv("VSMNP_DATA", str(tmp_path / "x"))
    assert load_data("celeba").digest == data.digest


def test_the_middle_of_a_face_and_nothing_else(tmp_path: Path) -> None:
    faces(tmp_path / "x")
    data = load_data("celeba", data_dir=tmp_path / "x", image_size=64)
    assert data.image == (3, 64, 64)
    x = 255 * np.concatenate([data.epoch(0, 0, float), data.test(0, float)]).reshape(6, 3, 64, 64)
    inside = np.sort(x[:, :, 8:56, 8:56].reshape(6, -1), axis=0)
    np.testing.assert_allclose(inside, np.arange(40, 241, 40)[:, None] * np.ones_like(inside), atol=2)
    assert x.min() > 10, "the black around the middle square was cut off"
    assert CROP == 140


@pytest.mark.parametrize("place", ["x/img_align_celeba", "x", "x/Eval"])
def test_the_partition_is_kept(tmp_path: Path, place: str) -> None:
    faces(tmp_path / "x" / "img_align_celeba")
    (tmp_path / place).mkdir(exist_ok=True)
    lines = [f"{i:06d}.jpg {part}" for i, part in zip(range(1, 7), (2, 0, 0, 1, 2, 0), strict=True)]
    (tmp_path / place / "list_eval_partition.txt").write_text("\n".join(lines) + "\n")
    data = load_data("celeba", data_dir=tmp_path / "x")
    assert (data.n_train, data.n_test) == (3, 2)
    middle = 255 * data.test(0, float).reshape(2, 3, 32, 32)[:, 0, 16, 16]
    np.testing.assert_allclose(middle, (40, 200), atol=2)


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        (["000001.jpg 0", "000002.jpg 2"], r"1 pictures in .* are not named in .*, 000003\.jpg for one"),
        ([f"00000{i}.jpg {i % 2}" for i in (1, 2, 3, 4)], r"1 pictures named in .* are not in .*, 000004"),
        (["000001.jpg 0", "000002.jpg 3"], "Line 2 of .* is '000002.jpg 3', not a file name and 0, 1 or 2"),
        (["000001.jpg"], "Line 1 of"),
        ([f"00000{i}.jpg 0" for i in (1, 2, 3)], "leaves no training or no test pictures"),
    ],
)
def test_a_partition_that_does_not_fit(tmp_path: Path, cache: Path, lines: list[str], sentence: str) -> None:
    folder = faces(tmp_path / "x", 3)
    (folder / "list_eval_partition.txt").write_text("\n".join(lines))
    with pytest.raises(DataError, match=sentence):
        load_data("celeba", data_dir=folder)
    assert not cache.exists()


def test_pictures_that_are_not_aligned(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"00\.png is 6 x 6 pixels, not the 178 x 218 of this set"):
        load_data("celeba", data_dir=fill(tmp_path / "x", 2))


def test_celeba_that_is_nowhere(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"pictures of celeba are in none of .*name the folder .*--data-dir"):
        load_data("celeba", data_dir=tmp_path)
    with pytest.raises(DataError, match="does not exist"):
        load_data("celeba", data_dir=tmp_path / "nowhere")

"""Test checkpoints: written data is read back, damage is refused, the old file remains after a failure."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import few, many, seeds

from vsmnp import storage
from vsmnp.data import hdf5_ends
from vsmnp.errors import CheckpointError, Interrupted, StorageError
from vsmnp.runs import checkpoint
from vsmnp.runs.checkpoint import load, save
from vsmnp.runs.session import Session
from vsmnp.settings.settings import Settings
from vsmnp.types import Array

BLOCK = 512
TINY = Settings(
    kernels="reference", steps=4, log_every=2, batch_size=10, hidden=(3,), samples=2, seeds=(5, 6),
    encoder_steps=1,
)  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a finished run, which no test may change."""
    folder = tmp_path_factory.mktemp("checkpoint") / "run"
    Session.new(TINY, folder=folder).train()
    return folder


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run whose checkpoint is overwritten again and again."""
    folder = tmp_path_factory.mktemp("scratch") / "run"
    folder.mkdir()
    return folder


def refuses(folder: Path) -> str:
    """Check that neither the checkpoint nor the run can be loaded; return the one sentence of the error."""
    path = folder / "checkpoint.h5"
    with pytest.raises(CheckpointError) as refusal:
        Session.resumed(folder)
    text = str(refusal.value)
    assert refusal.value.exit_code == 1
    assert "\n" not in text
    assert text.endswith(".")
    assert path.parent.name in text
    return text


# --- there and back -------------------------------------------------------------------------------

shapes = st.lists(st.integers(0, 4), max_size=3).map(tuple)
dtypes = st.sampled_from(["float32", "float64", "int64", "bool"])


@given(st.dictionaries(st.sampled_from(["a", "b/c", "b/d/e", "net.0.w"]), st.tuples(shapes, dtypes)), seeds)
@few
def test_arrays_come_back_bit_for_bit(scratch: Path, kinds: dict[str, Any], seed: int) -> None:
    rng = np.random.default_rng(seed)
    arrays = {
        name: np.frombuffer(rng.bytes(8 * int(np.prod(shape))), np.uint8)
        .view("int64")
        .reshape(shape)
        .astype(dtype)
        for name, (shape, dtype) in kinds.items()
    }
    attributes = {"settings": {"lr": 1e-3, "text": "\x00é\U0001f600"}, "columns": []}
    save(scratch / "any.h5", arrays, attributes)
    again, attributes_again = load(scratch / "any.h5")
    assert attributes_again == attributes
    assert again.keys() == arrays.keys()
    for name, array in arrays.items():
        assert np.asarray(again[name]).dtype == array.dtype
        assert np.asarray(again[name]).shape == array.shape
        assert np.asarray(again[name]).tobytes() == array.tobytes()


def test_not_a_number_comes_back(scratch: Path) -> None:
    """The history of a diverged model contains such numbers."""
    values = np.array([np.nan, np.inf, -np.inf, -0.0])
    save(scratch / "any.h5", {"x": values}, {})
    assert load(scratch / "any.h5")[0]["x"].tobytes() == values.tobytes()


def test_any_hdf5_tool_reads_it(run: Path) -> None:
    """Named parameters, moments and counters, and the configuration."""
    with h5py.File(run / "checkpoint.h5") as file:
        assert file.userblock_size == BLOCK
        assert int(file["step"][()]) == TINY.steps
        assert file["active"][()].tolist() == [True, True]
        assert json.loads(file.attrs["vsmnp"])["settings"]["hidden"] == [3]
        for network, count in (("encoder", 4), ("decoder", 5)):
            names = list(file[network]["parameters"])
            assert len(names) == count
            for kind in ("m", "v"):
                assert list(file[network][kind]) == names
                for name in names:
                    assert file[network][kind][name].shape == file[network]["parameters"][name].shape
            assert file[network]["t"][()].tolist() == [TINY.steps] * 2
        assert file["encoder/parameters/net.0.w"].shape == (2, 3, 2)
        assert file["decoder/parameters/log_sd"].shape == (2,)


def _sealed(path: Path, content: bytes) -> None:
    seal = hashlib.sha256(content[BLOCK:]).hexdigest()
    path.write_bytes(f"vsmnp checkpoint 1\nsha256 {seal}\n".encode().ljust(BLOCK, b"\0") + content[BLOCK:])


@pytest.mark.parametrize("length", [10, 59_990, 60_000, 1_000_000])
def test_no_text_lies_in_the_heap(scratch: Path, length: int) -> None:
    """Damage of HDF5's heap is an endless loop of HDF5; bytes of a fixed length do not lie in it."""
    attributes = {"text": "x" * length}
    save(scratch / "any.h5", {"x": np.zeros(2)}, attributes)
    assert b"GCOL" not in (scratch / "any.h5").read_bytes()
    arrays, again = load(scratch / "any.h5")
    assert again == attributes
    assert list(arrays) == ["x"]


def test_a_heap_of_zeros_in_a_file_of_an_earlier_version_ends(
    scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Test a damaged file with a valid seal: HDF5 loops until its process is ended."""
    path, image = scratch / "old.h5", io.BytesIO()
    with h5py.File(image, "w", userblock_size=BLOCK) as file:
        file["x"] = np.arange(3)
        file.attrs["vsmnp"] = json.dumps({"text": "as in an earlier version"})
    content = image.getvalue()
    _sealed(path, content)
    assert load(path)[1] == {"text": "as in an earlier version"}
    heap = content.index(b"GCOL")
    _sealed(path, content[: heap + 16] + bytes(16) + content[heap + 32 :])
    monkeypatch.setattr(hdf5_ends, "COMPUTING", 1.0)
    with pytest.raises(CheckpointError, match="HDF5 does not read its attributes"):
        load(path)
    monkeypatch.setattr(hdf5_ends, "LONGEST", 1.0)
    monkeypatch.setattr(checkpoint, "_READER", "import time; time.sleep(60)")
    with pytest.raises(CheckpointError, match=r"its disk or file server is slow.*: copy it to a local disk"):
        load(path)


@pytest.mark.parametrize(
    "values",
    [np.array(["a", "b"], object), np.zeros((2, 3)), np.zeros(10**9, np.uint8)],
    ids=["text", "numbers", "large"],
)
def test_an_array_that_the_file_does_not_contain_is_refused(scratch: Path, values: Array) -> None:
    """Of texts in the heap, or of a shape that no bytes of the file fill."""
    path, image = scratch / "odd.h5", io.BytesIO()
    with h5py.File(image, "w", userblock_size=BLOCK) as file:
        if values.dtype == object:
            file.create_dataset("x", data=values, dtype=h5py.string_dtype())
        else:
            file.create_dataset("x", values.shape, values.dtype, chunks=True if values.ndim == 1 else None)
        file.attrs["vsmnp"] = np.bytes_(b"{}")
    _sealed(path, image.getvalue())
    if values.ndim == 2:
        assert load(path)[0]["x"].tolist() == values.tolist()
    else:
        with pytest.raises(CheckpointError, match="more values than the file, or values that are no numbers"):
            load(path)


def test_the_seal_is_the_sha256_of_the_payload(run: Path) -> None:
    content = (run / "checkpoint.h5").read_bytes()
    seal = hashlib.sha256(content[BLOCK:]).hexdigest()
    assert content[:BLOCK].rstrip(b"\0").decode() == f"vsmnp checkpoint 1\nsha256 {seal}\n"


# --- damage ---------------------------------------------------------------------------------------


@given(st.data())
@many
def test_one_flipped_bit_is_seen(run: Path, scratch: Path, data: st.DataObject) -> None:
    content = bytearray((run / "checkpoint.h5").read_bytes())
    place = data.draw(st.integers(0, BLOCK) | st.integers(0, len(content) - 1))
    content[place] ^= 1 << data.draw(st.integers(0, 7))
    (scratch / "checkpoint.h5").write_bytes(content)
    refuses(scratch)


@given(st.data())
@many
def test_a_lost_or_added_end_is_seen(run: Path, scratch: Path, data: st.DataObject) -> None:
    content = (run / "checkpoint.h5").read_bytes()
    length = data.draw(st.integers(0, BLOCK + 1) | st.integers(0, len(content) - 1))
    added = data.draw(st.binary(min_size=1, max_size=3))
    for damaged in (content[:length], content + added):
        (scratch / "checkpoint.h5").write_bytes(damaged)
        refuses(scratch)


@given(st.binary(max_size=600), st.booleans())
@many
def test_files_that_are_not_checkpoints_are_refused(scratch: Path, content: bytes, with_magic: bool) -> None:
    magic = b"vsmnp checkpoint 1\n" if with_magic else b""
    (scratch / "checkpoint.h5").write_bytes(magic + content)
    refuses(scratch)


def test_damage_is_detected_before_the_hdf5_library_reads_a_byte(
    run: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A damaged HDF5 file may crash the library itself."""
    content = bytearray((run / "checkpoint.h5").read_bytes())
    content[-1] ^= 1
    (scratch / "checkpoint.h5").write_bytes(content)

    def never(*arguments: Any, **options: Any) -> None:
        raise AssertionError

    monkeypatch.setattr(h5py, "File", never)
    assert "SHA-256" in refuses(scratch)


def test_an_hdf5_file_of_another_program_is_refused(scratch: Path) -> None:
    for block in (0, BLOCK):
        with h5py.File(scratch / "checkpoint.h5", "w", userblock_size=block) as file:
            file["x"] = np.zeros(3)
        assert "is not a vsmnp checkpoint" in refuses(scratch)


@pytest.mark.parametrize("error", [OverflowError("too large"), ZeroDivisionError(), AssertionError()])
def test_no_exception_of_hdf5_leaves_the_reader(
    run: Path, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found by fuzzing: a number in a resealed file that is too large for its driver."""

    def failing(*given: object) -> None:
        raise error

    monkeypatch.setattr(h5py.File, "visititems", failing)
    with pytest.raises(CheckpointError, match="cannot be read by this version"):
        checkpoint.load(run / "checkpoint.h5")


def test_an_interrupt_while_a_checkpoint_is_read_is_no_damage(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*given: object) -> None:
        raise Interrupted("Stopped on request.")

    monkeypatch.setattr(h5py.File, "visititems", interrupted)
    with pytest.raises(Interrupted):
        checkpoint.load(run / "checkpoint.h5")


def test_a_checkpoint_that_is_not_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder" / "checkpoint.h5").mkdir(parents=True)
    for name in ("missing", "file", "folder", "x" * 300):
        refuses(tmp_path / name)


Change = Callable[[dict[str, Array], dict[str, Any]], Any]
CHANGES: dict[str, Change] = {
    "a missing array": lambda arrays, attributes: arrays.pop("active"),
    "a missing parameter": lambda arrays, attributes: arrays.pop("encoder/parameters/net.0.w"),
    "a missing moment": lambda arrays, attributes: arrays.pop("decoder/m/log_sd"),
    "another shape": lambda arrays, attributes: arrays.update({"decoder/t": np.zeros(3, np.int64)}),
    "another dtype": lambda arrays, attributes: arrays.update({"active": np.array([b"a", b"b"])}),
    "text for parameters": lambda arrays, attributes: arrays.update(
        {"decoder/v/log_sd": np.array([b"a", b"b"])}
    ),
    "complex parameters": lambda arrays, attributes: arrays.update({"decoder/v/log_sd": np.array([1j, 2j])}),
    "a step that is text": lambda arrays, attributes: arrays.update({"step": np.array(b"a")}),
    "a step that is no number": lambda arrays, attributes: arrays.update({"step": np.array(np.nan)}),
    "an absurd step": lambda arrays, attributes: arrays.update({"step": np.array(2**62)}),
    "several steps": lambda arrays, attributes: arrays.update({"step": np.array([1, 2])}),
    "rows at no number": lambda arrays, attributes: arrays.update({"history/steps": np.array([np.nan] * 4)}),
    "text for gamma": lambda arrays, attributes: arrays.update(
        {"history/gamma": np.full(arrays["history/gamma"].shape, b"x")}
    ),
    "numbers for active": lambda arrays, attributes: arrays.update({"active": np.array([0.5, np.nan])}),
    "an absurd width": lambda arrays, attributes: attributes["settings"].update(hidden=[10**2400]),
    "text for the steps": lambda arrays, attributes: attributes.update(steps="many"),
    "a number for the data": lambda arrays, attributes: attributes.update(data=10**2400),
    "a list for fused": lambda arrays, attributes: attributes.update(fused=[]),
    "data of another dimension": lambda arrays, attributes: attributes["dataset"].update(dim=10**9),
    "data of no shape": lambda arrays, attributes: attributes["dataset"].update(shape="2"),
    "text for the number of samples": lambda arrays, attributes: attributes["dataset"].update(n_train="x"),
    "no number of samples": lambda arrays, attributes: attributes["dataset"].update(n_train=None),
    "a negative number of samples": lambda arrays, attributes: attributes["dataset"].update(n_train=-5),
    "no sample": lambda arrays, attributes: attributes["dataset"].update(n_train=0),
    "an absurd number of samples": lambda arrays, attributes: attributes["dataset"].update(n_train=10**400),
    "a divisor that is no number": lambda arrays, attributes: attributes["dataset"].update(divisor=np.nan),
    "data of a negative shape": lambda arrays, attributes: attributes["dataset"].update(shape=[-2, -1]),
    "a list for the data's facts": lambda arrays, attributes: attributes.update(dataset=[]),
    "null for the data's facts": lambda arrays, attributes: attributes.update(dataset=None),
    "null for the steps": lambda arrays, attributes: attributes.update(steps=None),
    "columns of numbers": lambda arrays, attributes: attributes.update(columns=[1]),
    "a negative step": lambda arrays, attributes: arrays.update({"step": np.array(-1)}),
    "no settings": lambda arrays, attributes: attributes.pop("settings"),
    "settings that are a list": lambda arrays, attributes: attributes.update(settings=[1]),
    "an unknown setting": lambda arrays, attributes: attributes["settings"].update(future=1),
    "a wrong setting": lambda arrays, attributes: attributes["settings"].update(samples=0),
    "other widths": lambda arrays, attributes: attributes["settings"].update(hidden=[4]),
    "other seeds": lambda arrays, attributes: attributes["settings"].update(seeds=[1]),
    "no columns": lambda arrays, attributes: attributes.pop("columns"),
    "columns that are a number": lambda arrays, attributes: attributes.update(columns=3),
    "an unknown column": lambda arrays, attributes: attributes.update(columns=["future"]),
    "no history": lambda arrays, attributes: arrays.pop("history/steps"),
    "a history of a number": lambda arrays, attributes: arrays.update({"history/gamma": np.array(1.0)}),
    "a shorter column": lambda arrays, attributes: arrays.update({"history/gamma": np.zeros((1, 2))}),
    "a history of other models": lambda arrays, attributes: arrays.update(
        {"history/gamma": np.zeros((2, 1))}
    ),
    "no data": lambda arrays, attributes: attributes.pop("data"),
    "other data": lambda arrays, attributes: attributes.update(data="0" * 64),
    "kernels that are gone": lambda arrays, attributes: attributes["settings"].update(kernels="quantum"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_sealed_checkpoint_of_another_version_is_refused(run: Path, scratch: Path, change: Change) -> None:
    arrays, attributes = load(run / "checkpoint.h5")
    change(arrays, attributes)
    save(scratch / "checkpoint.h5", arrays, attributes)
    refuses(scratch)


@pytest.mark.parametrize("attributes", [[], None, 1, "x", {}], ids=str)
def test_attributes_of_another_kind_are_refused(run: Path, scratch: Path, attributes: Any) -> None:
    save(scratch / "checkpoint.h5", load(run / "checkpoint.h5")[0], attributes)
    refuses(scratch)


# --- writing --------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", ["fsync", "replace", "chmod"])
@pytest.mark.parametrize(
    "failure", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()], ids=repr
)
def test_a_failed_write_leaves_the_old_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, failure: BaseException
) -> None:
    """A full disk or Ctrl-C in the middle: the old file is whole and nothing else is left."""
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def fail(*arguments: Any) -> None:
        raise failure

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(StorageError if isinstance(failure, OSError) else KeyboardInterrupt) as refusal:
        storage.write_whole(path, b"new")
    monkeypatch.undo()
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]
    if isinstance(failure, OSError):
        assert str(path) in str(refusal.value)
        assert "No space left on device" in str(refusal.value)


def test_bytes_reach_the_disk_before_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Temporary file in the same folder, fsync, rename, fsync of the folder, in this order."""
    path, calls = tmp_path / "file", []
    fsync, replace = os.fsync, os.replace

    def watched_fsync(handle: int) -> None:
        calls.append(("fsync", os.fstat(handle).st_ino))
        fsync(handle)

    def watched_replace(source: str, target: Path) -> None:
        assert Path(source).parent == tmp_path
        assert Path(source).read_bytes() == b"new"
        calls.append(("replace", os.stat(source).st_ino))
        replace(source, target)

    monkeypatch.setattr(os, "fsync", watched_fsync)
    monkeypatch.setattr(os, "replace", watched_replace)
    storage.write_whole(path, b"new")
    node = path.stat().st_ino
    assert calls == [("fsync", node), ("replace", node), ("fsync", tmp_path.stat().st_ino)]
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize("folder", [False, True])
def test_a_link_is_replaced_and_its_target_left_alone(tmp_path: Path, folder: bool) -> None:
    target, path = tmp_path / "target", tmp_path / "file"
    if folder:
        target.mkdir()
    else:
        target.write_bytes(b"mine")
    path.symlink_to(target)
    storage.write_whole(path, b"new")
    assert path.read_bytes() == b"new"
    assert not path.is_symlink()
    assert target.is_dir() if folder else target.read_bytes() == b"mine"


def test_a_link_that_the_user_names_is_followed(tmp_path: Path) -> None:
    target, path = tmp_path / "target", tmp_path / "file"
    path.symlink_to(target)
    storage.write_whole(path, b"new", follow_link=True)
    assert path.is_symlink()
    assert target.read_bytes() == b"new"


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EIO])
def test_a_file_that_cannot_be_flushed_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """Some drives flush nothing on request: that is no failure of the write, and a failing disk is."""

    def refusing(handle: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", refusing)
    if code == errno.EIO:
        with pytest.raises(StorageError, match="Input/output error"):
            storage.write_whole(tmp_path / "file", b"new")
    else:
        storage.write_whole(tmp_path / "file", b"new")
        assert (tmp_path / "file").read_bytes() == b"new"


@pytest.mark.parametrize("call", ["open", "fsync"])
@pytest.mark.parametrize("code", [errno.EINVAL, errno.EACCES, errno.ENOTSUP, errno.EIO])
def test_a_folder_that_cannot_be_flushed_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, code: int
) -> None:
    """Network drives refuse it, and Windows cannot open a folder; a failing disk is an error all the same."""
    path, original = tmp_path / "file", getattr(os, call)

    def of_folder(what: Any) -> bool:
        return os.path.isdir(what) if call == "open" else stat.S_ISDIR(os.fstat(what).st_mode)

    def refusing(what: Any, *others: Any, **named: Any) -> Any:
        if of_folder(what):
            raise OSError(code, os.strerror(code))
        return original(what, *others, **named)

    monkeypatch.setattr(os, call, refusing)
    if code == errno.EIO:
        with pytest.raises(StorageError, match="Input/output error"):
            storage.write_whole(path, b"new")
    else:
        storage.write_whole(path, b"new")
        storage.make_folder(tmp_path / "a" / "b")
        assert storage.make_new_folder(tmp_path / "c")
    assert path.read_bytes() == b"new"


def test_new_folders_are_entered_durably(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[Path] = []
    monkeypatch.setattr("vsmnp.storage.folders.sync_folder", flushed.append)
    storage.make_folder(tmp_path / "a" / "b")
    assert sorted(flushed) == [tmp_path, tmp_path / "a"]
    storage.make_folder(tmp_path / "a" / "b")
    assert storage.make_new_folder(tmp_path / "a" / "c")
    assert sorted(flushed) == [tmp_path, tmp_path / "a", tmp_path / "a"]


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    for path in (
        tmp_path / "file" / "x",
        tmp_path / "missing" / "x",
        tmp_path / "folder",
        tmp_path / ("x" * 300),
    ):
        with pytest.raises(StorageError) as refusal:
            storage.write_whole(path, b"new")
        assert str(path) in str(refusal.value)
    with pytest.raises(StorageError):
        storage.make_folder(tmp_path / "file" / "folder")
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]


def test_the_module_writes_through_storage_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint is written by :func:`vsmnp.storage.write_whole` and in no other way."""
    written: dict[Path, int] = {}
    monkeypatch.setattr(
        checkpoint, "write_whole", lambda path, content, *_, **__: written.update({path: content})
    )
    save(tmp_path / "checkpoint.h5", {"x": np.zeros(2)}, {})
    assert list(written) == [tmp_path / "checkpoint.h5"]
    assert os.listdir(tmp_path) == []

"""Test HDF5 files with links, and that no other file is read; ``tests/remedies`` has what HDF5 refuses."""

from __future__ import annotations

import builtins
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from vsmnp.data import hdf5_ends, hdf5_reach, load_data
from vsmnp.data.hdf5_reach import file_behind
from vsmnp.errors import CheckpointError, DataError, Interrupted
from vsmnp.runs import checkpoint
from vsmnp.runs.tables.latent_file import read_latents


def test_broken_links_beside_good_data_are_reported(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["x"] = np.arange(60.0).reshape(20, 3)
        file["dangling"] = h5py.SoftLink("/nowhere")
        file["gone"] = h5py.ExternalLink("gone.h5", "/x")
    data = load_data(str(tmp_path / "x.h5"))
    assert data.n_train == 18
    assert data.notes == (
        "2 link(s) in x.h5 lead to nothing or to other files and were left out: dangling, gone.",
    )


def _stored_outside(file: Any, secret: Path) -> None:
    file.create_dataset("x", (20, 3), "u1", external=[(str(secret), 0, 60)])


def _linked_outside(file: Any, secret: Path) -> None:
    file["x"] = h5py.ExternalLink(str(secret.with_suffix(".h5")), "/x")


def _linked_by_a_group(file: Any, secret: Path) -> None:
    file["away"] = h5py.ExternalLink(str(secret.with_suffix(".h5")), "/")
    file["x"] = h5py.SoftLink("/away/x")


def _made_of_outside(file: Any, secret: Path) -> None:
    layout = h5py.VirtualLayout((20, 3), "u1")
    layout[:] = h5py.VirtualSource(str(secret.with_suffix(".h5")), "x", (20, 3))
    file.create_virtual_dataset("x", layout)


def _made_of_what_is_outside(file: Any, secret: Path) -> None:
    file.create_dataset("inner", (20, 3), "u1", external=[(str(secret), 0, 60)])
    layout = h5py.VirtualLayout((20, 3), "u1")
    layout[:] = h5py.VirtualSource(".", "inner", (20, 3))
    file.create_virtual_dataset("x", layout)


WAYS_OUT: list[Callable[[Any, Path], None]] = [
    _stored_outside, _linked_outside, _linked_by_a_group, _made_of_outside, _made_of_what_is_outside,
]  # fmt: skip


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """Write a file that no data may be read from, as bytes and as an HDF5 file."""
    values = np.arange(60, dtype=np.uint8).reshape(20, 3)
    (tmp_path / "secret").write_bytes(values.tobytes())
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["x"] = values
    return tmp_path / "secret"


@pytest.mark.parametrize("way", WAYS_OUT)
def test_no_other_file_becomes_data(tmp_path: Path, secret: Path, way: Callable[[Any, Path], None]) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        way(file, secret)
    with pytest.raises(DataError, match=r"'x' in .* lies in the file .*secret.*store the array itself"):
        load_data(str(tmp_path / "x.h5"))


@pytest.mark.parametrize("way", WAYS_OUT)
def test_no_other_file_becomes_a_part_of_a_checkpoint(
    tmp_path: Path, secret: Path, way: Callable[[Any, Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Test a file with a valid seal, which a program that writes such a file can write as well."""
    create = h5py.File

    class Made(create):  # type: ignore[misc, valid-type]
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            way(self, secret)

    with monkeypatch.context() as patch:
        patch.setattr(h5py, "File", Made)
        checkpoint.save(tmp_path / "checkpoint.h5", {}, {})
    opened: list[str] = []
    really = builtins.open
    monkeypatch.setattr(builtins, "open", lambda *a, **b: opened.append(str(a[0])) or really(*a, **b))
    if way in (_linked_outside, _linked_by_a_group):
        assert checkpoint.load(tmp_path / "checkpoint.h5")[0] == {}, "links are not arrays"
    else:
        with pytest.raises(CheckpointError, match="lies in the file"):
            checkpoint.load(tmp_path / "checkpoint.h5")
    assert not [name for name in opened if "secret" in name]


def _virtual(path: Path) -> Path:
    """Write a virtual dataset whose parts lie in the same file."""
    with h5py.File(path, "w") as file:
        file["inner"] = np.arange(60.0).reshape(20, 3)
        layout = h5py.VirtualLayout((20, 3), "f8")
        layout[:] = h5py.VirtualSource(".", "inner", (20, 3))
        file.create_virtual_dataset("x", layout)
    return path


def zeros_in_the_heap(path: Path) -> Path:
    """Replace the list of the parts of a virtual dataset by zeros, which HDF5 then reads for ever."""
    content = _virtual(path).read_bytes()
    heap = content.index(b"GCOL")
    path.write_bytes(content[: heap + 16] + bytes(16) + content[heap + 32 :])
    return path


@pytest.mark.parametrize("read", [lambda path: load_data(str(path)), lambda path: read_latents(path, 3, 1)])
def test_a_file_without_an_end_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: Callable[[Path], object]
) -> None:
    monkeypatch.setattr(hdf5_ends, "COMPUTING", 1.0)
    with pytest.raises(DataError, match="HDF5 comes to no end with"):
        read(zeros_in_the_heap(tmp_path / "x.h5"))


@pytest.mark.parametrize("computed", [0.0, 2.5], ids=["waits", "computes before"])
def test_a_look_that_waits_for_a_slow_disk_does_not_call_the_file_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, computed: float
) -> None:
    """The look at many names computes longer in all than a step may."""
    slow = tmp_path / "slow.py"
    slow.write_text(
        "import time\n"
        "def look(path, next_step):\n"
        f"    while time.process_time() < {computed}:\n"
        "        next_step()\n"
        "    time.sleep(60)\n"
    )
    monkeypatch.setattr(hdf5_reach, "__file__", str(slow))
    monkeypatch.setattr(hdf5_ends, "COMPUTING", 1.0)
    monkeypatch.setattr(hdf5_ends, "LONGEST", computed + 2.0)
    with pytest.raises(DataError, match="its disk or file server is slow") as refused:
        load_data(str(_virtual(tmp_path / "x.h5")))
    assert "damaged" not in str(refused.value)


def test_a_look_at_many_names_computes_longer_in_all_than_a_step_may(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        for number in range(4000):
            file.create_dataset(f"{number}", (2, 2), "f8")
        file["x"] = np.arange(60.0).reshape(20, 3)
    monkeypatch.setattr(hdf5_ends, "COMPUTING", 0.4)
    spent = "; import time; print(time.process_time())"
    look = hdf5_ends._LOOK.format(hdf5_reach.__file__)
    assert float(hdf5_ends.elsewhere(look + spent, str(tmp_path / "x.h5"))) > hdf5_ends.COMPUTING
    assert load_data(str(tmp_path / "x.h5")).n_train == 18


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The processes that look at files."""
    begin, begun = hdf5_ends.subprocess.Popen, []

    def noted(*command: Any, **options: Any) -> Any:
        begun.append(begin(*command, **options))
        return begun[-1]

    monkeypatch.setattr(hdf5_ends.subprocess, "Popen", noted)
    return begun


def test_an_interrupt_ends_the_look_at_a_file_without_an_end(tmp_path: Path, looks: list[Any]) -> None:
    path = zeros_in_the_heap(tmp_path / "x.h5")
    timer = threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        load_data(str(path))
    timer.join()
    assert looks[0].returncode is not None


def test_ctrl_c_of_a_terminal_is_a_stop_where_this_process_leaves_it_to_another(
    tmp_path: Path, looks: list[Any]
) -> None:
    """The look gets it too, also within HDF5, and the file is not called damaged."""
    path = zeros_in_the_heap(tmp_path / "x.h5")
    timer = threading.Timer(2.0, lambda: looks[0].send_signal(signal.SIGINT))
    timer.start()
    with pytest.raises(Interrupted, match="Stopped"):
        load_data(str(path))
    timer.join()


def test_a_look_ends_though_its_parent_was_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The alarm comes after one second here, and nobody else ends the look."""
    path = zeros_in_the_heap(tmp_path / "x.h5")
    begin = hdf5_ends._BEGIN.replace("{alarm:.0f}", "1")
    assert begin != hdf5_ends._BEGIN
    monkeypatch.setattr(hdf5_ends, "_BEGIN", begin)
    with pytest.raises(DataError, match="HDF5 comes to no end with"):
        load_data(str(path))


def test_a_crash_of_hdf5_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    crash = tmp_path / "crash.py"
    crash.write_text("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    monkeypatch.setattr(hdf5_reach, "__file__", str(crash))
    with pytest.raises(DataError, match="or fails in it, because the file is damaged"):
        load_data(str(_virtual(tmp_path / "x.h5")))


def test_no_program_of_the_current_folder_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Test a folder of strangers whose modules have the names of libraries."""
    monkeypatch.chdir(tmp_path)
    for name in ("h5py", "numpy", "io", "sitecustomize"):
        Path(f"{name}.py").write_text("open('started', 'w')")
    assert load_data(str(_virtual(tmp_path / "x.h5"))).n_train == 18
    assert hdf5_ends.elsewhere("import h5py; print(h5py.__name__)") == b"h5py\n"
    assert not Path("started").exists()


def test_a_look_imports_h5py_and_nothing_else_and_starts_no_threads(tmp_path: Path) -> None:
    """Most of its time is that of the imports."""
    path = str(_virtual(tmp_path / "x.h5"))
    modules = "; print(*sorted(sys.modules))"
    look = hdf5_ends._LOOK.format(hdf5_reach.__file__)
    of_look, of_h5py = (hdf5_ends.elsewhere(each + modules, path) for each in (look, "import h5py"))
    assert set(of_look.split()) - set(of_h5py.split()) == set()
    if sys.platform == "linux":
        threads = "; import os; print(len(os.listdir('/proc/self/task')))"
        assert hdf5_ends.elsewhere(look + threads, path) == b"1\n"


def test_a_virtual_dataset_within_its_file_is_read(tmp_path: Path) -> None:
    values = np.arange(60.0).reshape(20, 3)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["inner"] = values
        layout = h5py.VirtualLayout((20, 3), "f8")
        layout[:] = h5py.VirtualSource(".", "inner", (20, 3))
        file.create_virtual_dataset("x", layout)
        file["here/there"] = values
        file["link"] = h5py.SoftLink("here/there")
        file["circle"] = h5py.SoftLink("/circle")
    assert load_data(str(tmp_path / "x.h5")).n_train == 18
    with h5py.File(tmp_path / "x.h5") as file:
        assert [file_behind(file, name) for name in ("x", "link", "gone", "here")] == [""] * 4
        assert file_behind(file, "circle") == "a chain of links without an end"

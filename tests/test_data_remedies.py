"""Every remedy that a reader of data names works, and every sentence of the readers is tested so."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from remedies import arrays, files, hdf5, pictures, sets, tables
from remedies.follow import REMEDIES, Remedy, errors_recorded, sentences_of_readers

from vsmnp.data.arrays.hdf5 import _DIAGNOSES
from vsmnp.errors import VsmnpError

#: The modules that enter their situations into the table.
SITUATIONS = (arrays, files, hdf5, pictures, sets, tables)


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run in an empty folder, with a user's cache of this test alone."""
    enter(tmp_path, monkeypatch)


def enter(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Set the current folder and the user's cache."""
    folder.mkdir(exist_ok=True)
    patch.chdir(folder)
    for name in ("VSMNP_DATA", "XDG_CACHE_HOME"):
        patch.delenv(name, raising=False)
    patch.setattr(
        "platformdirs.user_cache_path",
        lambda project: Path(os.environ.get("XDG_CACHE_HOME", folder / "cache")),
    )


@pytest.mark.parametrize("case", REMEDIES.values(), ids=REMEDIES)
def test_a_remedy_works(case: Remedy, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = case.situation(monkeypatch)
    refused, followed = next(steps), 0
    with pytest.raises(VsmnpError) as caught:
        refused()
    assert case.advice in str(caught.value)
    for step in steps:
        step()
        followed += 1
    assert followed


def test_every_sentence_of_the_readers_is_tested(tmp_path: Path) -> None:
    """A new sentence needs a situation that leads to it, in a file of ``tests/remedies/``."""
    with errors_recorded() as reached:
        for name, case in REMEDIES.items():
            with pytest.MonkeyPatch.context() as patch:
                enter(tmp_path / name, patch)
                steps = case.situation(patch)
                with pytest.raises(VsmnpError):
                    next(steps)()
                steps.close()  # type: ignore[attr-defined]
    untested = [
        sentence
        for sentence, (file, lines) in sentences_of_readers().items()
        if not any((file, line) in reached.lines for line in lines)
    ]
    assert untested == []
    for _, truth in _DIAGNOSES:
        assert any(truth in sentence for sentence in reached.sentences), truth

"""Every remedy that a reader of data names works, and every sentence of the readers is tested so."""

from __future__ import annotations

from pathlib import Path

import pytest
from remedies import data
from remedies.follow import Remedy, follow, refuse, remedies_below
from remedies.prepared import enter
from remedies.sentences import sentences, sentences_recorded

REMEDIES = remedies_below(data)


@pytest.mark.parametrize("case", REMEDIES.values(), ids=REMEDIES)
def test_a_remedy_works(case: Remedy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    enter(tmp_path, monkeypatch)
    follow(case, monkeypatch)


def test_every_sentence_of_the_readers_is_tested(tmp_path: Path) -> None:
    """A new sentence needs a situation that leads to it, in a file of ``tests/remedies/data/``."""
    with sentences_recorded() as reached:
        for name, case in REMEDIES.items():
            with pytest.MonkeyPatch.context() as patch:
                enter(tmp_path / name, patch)
                reached.refused(refuse(case, patch), case.advice)
    found = sentences(lambda module: module.startswith("vsmnp.data."))
    untested = [each.place for each in found if not reached.has(each)]
    assert not untested, "\n".join(untested)

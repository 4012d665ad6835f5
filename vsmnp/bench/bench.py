"""What a part of a suite is run with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from ..errors import ConfigError
from .agreement import disagreement
from .contender import Contender, Peer
from .machine import card, describe
from .peers import PeerError, PeerFolder, blamed
from .problem import Problem
from .row import Row
from .timing import Pace


@dataclass(frozen=True)
class Bench:
    """Peers, pace, and who is told what.

    Attributes
    ----------
    folder : PeerFolder
        Where peers are.
    peers : tuple of str
        Whom to compare with, by name.
    insist : bool
        Whether a peer that is missing is an error rather than a remark.
    pace : Pace
        How long to measure.
    note : callable
        Told what was left out and why, a sentence each.
    cores : tuple of int
        All cores that may be used, by those who need more than one process has.
    """

    folder: PeerFolder
    peers: tuple[str, ...]
    insist: bool
    pace: Pace
    note: Callable[[str], None]
    cores: tuple[int, ...] = ()

    @cached_property
    def machine(self) -> str:
        """Where this runs."""
        return describe()

    def device(self, kind: str) -> str:
        """``cpu``, or the card's name."""
        return card() if kind == "gpu" else "cpu"

    def agreeing(self, problem: Problem) -> tuple[dict[str, Contender], list[str]]:
        """The peers that compute the same, ready to be timed; and the names of those that do not.

        Raises
        ------
        ConfigError
            If a peer is missing, or fails, that was asked for by name.
        """
        agreed: dict[str, Contender] = {}
        strangers = []
        for name in self.peers:
            try:
                peer = self._able(name, problem)
                if peer is None:
                    continue
                with blamed(name):
                    wrong = disagreement(problem, peer.make)
                    if wrong is None:
                        agreed[name] = peer.make(problem)
            except PeerError as error:
                if self.insist:
                    raise
                self.note(str(error))
                continue
            if wrong is not None:
                strangers.append(name)
                self.note(f"{problem.case.name}: {name} computes something else and is not timed: {wrong}.")
        return agreed, strangers

    def _able(self, name: str, problem: Problem) -> Peer | None:
        """The peer of that name, if nothing keeps it from the problem; else the reason is told."""
        peer = self.folder.load(name)
        with blamed(name):
            obstacle = peer.obstacle(problem)
        if obstacle is None:
            return peer
        if self.insist and len(self.peers) == 1:
            raise ConfigError(f"The peer '{name}' cannot run {problem.case.name}: {obstacle}")
        self.note(f"{problem.case.name} without {name}: {obstacle}")
        return None


class Part(Protocol):
    """A piece of a suite."""

    @property
    def title(self) -> str:
        """What it measures, in a word."""

    def rows(self, bench: Bench) -> Iterator[Row]:
        """Measure."""

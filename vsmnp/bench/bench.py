"""What a part of a suite is run with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from ..errors import ConfigError
from .contender import Contender, Peer
from .machine import card, describe
from .peers import PeerFolder
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

    def contenders(
        self, problem: Problem, names: tuple[str, ...]
    ) -> Iterator[tuple[str, Callable[[Problem], Contender]]]:
        """What makes the peers that can take part; of each other one, the reason is told.

        Raises
        ------
        ConfigError
            If a peer is missing that was asked for by name.
        """
        for name in names:
            try:
                peer: Peer = self.folder.load(name)
                obstacle = peer.obstacle(problem)
            except ConfigError as error:
                if self.insist:
                    raise
                self.note(str(error))
                continue
            if obstacle is None:
                yield name, peer.make
            elif self.insist and len(self.peers) == 1:
                raise ConfigError(f"The peer '{name}' cannot run {problem.case.name}: {obstacle}")
            else:
                self.note(f"{problem.case.name} without {name}: {obstacle}")


class Part(Protocol):
    """A piece of a suite."""

    @property
    def title(self) -> str:
        """What it measures, in a word."""

    def rows(self, bench: Bench) -> Iterator[Row]:
        """Measure."""

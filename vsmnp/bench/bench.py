"""The options of a benchmark, and the protocol of a part of a suite."""

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
    """The peers, the pace, the cores and the callback for remarks of a benchmark.

    Attributes
    ----------
    folder : PeerFolder
        Folder of the peers.
    peers : tuple of str
        Names of the peers to compare with.
    insist : bool
        Whether a missing peer is an error instead of a remark.
    pace : Pace
        Rounds and duration of the measurements.
    note : callable
        Called with a sentence for each comparison that is omitted, and its reason.
    cores : tuple of int
        All cores that may be used by parts with several processes or threads.
    """

    folder: PeerFolder
    peers: tuple[str, ...]
    insist: bool
    pace: Pace
    note: Callable[[str], None]
    cores: tuple[int, ...] = ()

    @cached_property
    def machine(self) -> str:
        """Description of the machine of this process."""
        return describe()

    def device(self, kind: str) -> str:
        """Return ``cpu``, or the name of the GPU."""
        return card() if kind == "gpu" else "cpu"

    def agreeing(self, problem: Problem) -> tuple[dict[str, Contender], list[str]]:
        """Return the peers that agree with the engine, ready to be timed, and the names of the others.

        Raises
        ------
        ConfigError
            If a peer that was requested by name is missing or fails.
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
        """Return the peer of that name if it can run the problem; otherwise report the reason."""
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
    """One part of a suite, which yields rows."""

    @property
    def title(self) -> str:
        """A short name of what the part measures."""

    def rows(self, bench: Bench) -> Iterator[Row]:
        """Measure and yield the rows of the part."""

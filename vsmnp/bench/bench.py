"""Hold the options of a benchmark, and make rows of what its parts measure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

from ..errors import ConfigError
from ..types import Array
from . import spawn, timing
from .case import Case
from .contenders.agreement import disagreement
from .contenders.contender import Contender, Peer
from .contenders.peers import PeerError, PeerFolder, naming_the_peer
from .machine import card, commit, describe, vectors
from .problem import Problem
from .row import BenchRow
from .timing import Pace


@dataclass(frozen=True)
class Bench:
    """The peers, the pace, the cores and the callback for remarks of a benchmark."""

    #: Folder of the peers.
    folder: PeerFolder
    #: Names of the peers to compare with.
    peers: tuple[str, ...]
    #: Whether a missing peer is an error instead of a remark.
    required: bool
    #: Rounds and duration of the measurements.
    pace: Pace
    #: Called with a sentence for each comparison that is omitted, and its reason.
    note: Callable[[str], None]
    #: All cores that may be used by parts with several processes or threads.
    cores: tuple[int, ...] = ()

    @cached_property
    def machine(self) -> str:
        """Description of the machine of this process."""
        return describe()

    @cached_property
    def commit(self) -> str:
        """Commit of the checkout that runs."""
        return commit()

    def row(self, name: str, case: Case, times: Array | None, **more: Any) -> BenchRow:
        """Make a row with the median and the spread of ``times (rounds,)``, if the case was timed."""
        about = {"machine": self.machine, "vectors": vectors(), "commit": self.commit}
        base: dict[str, Any] = {"tf32": case.tf32, **about, **more}
        if times is not None:
            base = {"ms": timing.median(times), "spread": timing.spread(times), "rounds": len(times)} | base
        return BenchRow(name, card() if case.device == "gpu" else "cpu", case.threads, **base)

    def in_process(self, kind: str, case: Case, **more: Any) -> Any:
        """Measure a case in a fresh process, with as many cores as the case has threads."""
        folder = str(self.folder.folder) if self.folder.folder else None
        request = {"kind": kind, "case": case.to_mapping(), "folder": folder, **more}
        return spawn.run(request, self.cores[-case.threads :], case.threads)

    def agreeing(self, problem: Problem) -> tuple[dict[str, Contender], list[str]]:
        """Return the peers that agree with the engine, ready to be timed, and the names of the others.

        Raises
        ------
        ConfigError
            If a peer that was requested by name is missing or fails.
        """
        agreed: dict[str, Contender] = {}
        different = []
        for name in self.peers:
            try:
                peer = self._load_able(name, problem)
                if peer is None:
                    continue
                with naming_the_peer(name):
                    wrong = disagreement(problem, peer.make)
                    if wrong is None:
                        agreed[name] = peer.make(problem)
            except PeerError as error:
                if self.required:
                    raise
                self.note(str(error))
                continue
            if wrong is not None:
                different.append(name)
                self.note(f"{problem.case.name}: {name} computes something else and is not timed: {wrong}.")
        return agreed, different

    def _load_able(self, name: str, problem: Problem) -> Peer | None:
        """Return the peer of that name if it can run the problem; otherwise report the reason."""
        peer = self.folder.load(name)
        with naming_the_peer(name):
            obstacle = peer.obstacle(problem)
        if obstacle is None:
            return peer
        if self.required and len(self.peers) == 1:
            raise ConfigError(f"The peer '{name}' cannot run {problem.case.name}: {obstacle}")
        self.note(f"{problem.case.name} without {name}: {obstacle}")
        return None


class SuitePart(Protocol):
    """One part of a suite, which yields rows."""

    @property
    def title(self) -> str:
        """A short name of what the part measures."""

    def rows(self, bench: Bench) -> Iterator[BenchRow]:
        """Measure and yield the rows of the part."""

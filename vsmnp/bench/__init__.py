"""Time the engine against peers, and against the limits of the machine."""

from .case import Case
from .contenders.contender import Contender, Evaluation, Peer
from .contenders.peers import PeerFolder
from .problem import Noise, Problem
from .row import COLUMNS, BenchRow, markdown
from .suites import SuiteChoice, plan

__all__ = [
    "COLUMNS",
    "BenchRow",
    "Case",
    "Contender",
    "Evaluation",
    "Noise",
    "Peer",
    "PeerFolder",
    "Problem",
    "SuiteChoice",
    "markdown",
    "plan",
]

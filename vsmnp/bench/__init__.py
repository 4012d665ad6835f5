"""Time the engine against peers, and against the limits of the machine."""

from .case import Case
from .contenders.contender import Contender, Evaluation, Peer
from .contenders.peers import PeerFolder
from .problem import Noise, Problem
from .row import COLUMNS, Row, markdown
from .suites import Choice, plan

__all__ = [
    "COLUMNS",
    "Case",
    "Choice",
    "Contender",
    "Evaluation",
    "Noise",
    "Peer",
    "PeerFolder",
    "Problem",
    "Row",
    "markdown",
    "plan",
]

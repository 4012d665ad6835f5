"""Learning and inference objectives with hand-derived gradients."""

from .as_published import M2AsPublished, M3AsPublished
from .elbo import ELBO
from .gamma import FixedGamma, GammaRule, LearnedGamma, OptimalGamma
from .joint_fisher import JointFisher, JointFisherInference, JointFisherLearning
from .kl import KL
from .m1 import M1
from .m2 import M2
from .m3 import M3
from .objective import Objective, Outcome
from .posterior_fisher import PosteriorFisher

__all__ = [
    "ELBO",
    "KL",
    "M1",
    "M2",
    "M3",
    "FixedGamma",
    "GammaRule",
    "JointFisher",
    "JointFisherInference",
    "JointFisherLearning",
    "LearnedGamma",
    "M2AsPublished",
    "M3AsPublished",
    "Objective",
    "OptimalGamma",
    "Outcome",
    "PosteriorFisher",
]

"""Draw figures of one or several runs, as files or Matplotlib figures."""

from .catalogue import FIGURES
from .comparison import comparison
from .curves import curves
from .density import density
from .evaluation import evaluation
from .latent import latent
from .posterior_sds import posterior_sds
from .samples import samples

__all__ = ["FIGURES", "comparison", "curves", "density", "evaluation", "latent", "posterior_sds", "samples"]

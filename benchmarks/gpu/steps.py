"""List the settings of the fused steps of all parts: their kernels are compiled for each shape.

The shape of a step is the same for every number of models, size of the minibatch and rate.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
from cushim.tour import fused_settings

from vsmnp.settings.settings import Settings

from .sizes import rehearsal


def settings_of_steps() -> list[Settings]:
    """List the settings of all fused steps; in a rehearsal, of the headline command alone."""
    headline = Settings(objective="m2")
    if rehearsal():
        return [headline]
    from test_cuda_card import PAIRS
    from test_recorded import FUSED, TINY

    timed = Settings(
        hidden=(30, 30), activation="tanh", samples=1, encoder_steps=1, objective="m2", inference="kl"
    )
    toured = [settings for dtype in (np.float32, np.float64) for settings in fused_settings(np.dtype(dtype))]
    recorded = [replace(TINY, **choice) for choice in FUSED]
    single = [
        replace(TINY, objective=objective, inference=inference, hidden=hidden, dtype="float32", noise=0.0)
        for (objective, inference), hidden in product(PAIRS, ((30, 30), (5, 3)))
    ]
    return [headline, timed, *toured, *recorded, *single]

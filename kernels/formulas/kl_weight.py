"""The weight of the KL divergence at an update, for compiled loops."""

from __future__ import annotations

from vsmnp.types.kl_weight import weight_at as in_python

from .elementary import Formula, formula

#: ``(kl_weight, kl_warmup, update)``: the weight of update ``0, 1, ...``.
weight_at: Formula = formula(in_python)

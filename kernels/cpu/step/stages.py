"""The table of the stages of the fused step, each compiled once and called by its address.

The loops of ``inner_loops.py`` take pointers; a stage is a larger function of an update and takes arrays and
records. A call of a stage is written like any other call; its first argument is the tile, which holds the
addresses. Which stages a loss needs is said in ``losses.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, TypeAlias

import numba
from numba import types

from ...formulas.elementary import Formula
from ..compilation import callback
from ..llvm import call_by_place
from .inner_loops import INNER_LOOPS
from .records import NoiseKey

Body: TypeAlias = Callable[..., None]

#: Arguments of a stage that computes a tile's share of a gradient: ``phi, theta, x, noise, tau, row, rows,
#: plan, pass_index, want_phi, dphi, means, g, other, sums``. The share is added to ``g (P,)`` and to
#: ``other (P,)``, the second gradient of some updates; the sums from which the loss is computed to ``sums``,
#: and ``means`` are those of g - x over the batch, if the loss has any (see ``records.py``). A derivative is
#: taken along ``dphi``.
_SHARE = "vector vector data noise real word word plan word word vector sums vector vector sums"
#: Those of a stage that computes the cotangents of an inference loss: ``phi .. plan``.
_LOSS = "vector vector data noise real word word plan"
#: Arguments of a stage that finishes a pass of model r: ``accumulators, arrays, inputs, plan, r,
#: pass_index``.
_FINISH = "accumulators arrays inputs plan word word"
#: Every stage, and the types of its arguments after the tile: ``table``, ``vector (P,)``, ``data (N, D)``,
#: ``sums``, ``noise``, ``word`` (integers and flags), ``real``, or the name of a record that
#: :func:`ready` is given. The addresses of the stages follow those of the inner loops in this order.
STAGES: Mapping[str, str] = MappingProxyType({
    # perceptron.py: a network, its reverse sweep, and the tangents of both
    "forward": "table vector word",
    "forward_again": "table vector word",
    "backward": "table vector word vector word word word",
    "forward_along": "table vector word",
    "backward_along": "table vector word word vector vector word word word word",
    # weight_tangents.py: the tangents of a network along a direction of its weights
    "forward_along_weights": "table vector vector word",
    "tangent_of_backward": "table vector vector word word word vector word word",
    # sample.py: from the data to the residuals
    "clear_padding": "word word word word",
    "scale": "word word real word",
    "encode": "vector data word word",
    "sample_z": "noise word word",
    "kl_sum": "word",
    "residuals": "word",
    "decode": "vector word",
    # gradients/inference.py: the KL and the posterior Fisher divergence
    "pathwise": "word real real word",
    "kl_cotangents": _LOSS,
    "kl": _SHARE,
    "gaps": "vector word real word",
    "curvature": "vector real",
    "gap_cotangent": "word real real word word",
    "gap_cotangents": _LOSS,
    "fisher": _SHARE,
    # gradients/along.py: the derivatives of these gradients along a direction of phi
    "q_along": "vector vector",
    "encoder_along": "vector vector word vector",
    "kl_along": _SHARE,
    "fisher_along": _SHARE,
    # gradients/score_gradient.py and through_q.py: the gradient of a learning loss in phi
    "score_gradient": "vector data data word word real vector",
    "through_q": "vector word real sums real vector",
    # gradients/quadratic.py: the ELBO and the score-matching losses
    "scores": "vector",
    "mix": "sums word real real word sums",
    "quadratic": _SHARE,
    # gradients/as_published.py: M2 and M3 as published
    "published_score": "vector word",
    "through_published_score": "vector word real vector",
    "as_published": _SHARE,
    # gradients/joint_fisher.py: the Fisher autoencoder
    "score_norm": "vector noise word word word word word word vector",
    "joint_inference": _SHARE,
    "joint_learning": _SHARE,
    # finish.py and bilevel.py: from the sums of all tiles to the optimiser
    "finish": _FINISH,
    "finish_inner": _FINISH,
    "finish_outer": _FINISH,
    "finish_along": _FINISH,
})  # fmt: skip

_PLACES = {name: INNER_LOOPS + n for n, name in enumerate(STAGES)}
_BODIES: dict[Formula, Body] = {}


def stage(body: Body) -> Formula:
    """Make the stage of the function's name: a function that calls the stage by its address."""
    called = call_by_place("inner_loops", _PLACES[body.__name__])
    _BODIES[called] = body
    return called


def place_of(called: Formula) -> int:
    """Return the index of a stage's address."""
    return _PLACES[_BODIES[called].__name__]


@cache
def _compiled(body: Body, kinds: tuple[Any, ...]) -> Any:
    return callback(body, types.void(*kinds))


def ready(tile: Any, stages: Iterable[Formula], **records: Any) -> None:
    """Compile stages and store their addresses in the tile; each record is an example of its type."""
    real = numba.from_dtype(tile.planes.dtype)
    kinds = {
        "table": types.Array(types.int64, 2, "C"), "vector": types.Array(real, 1, "C"),
        "data": types.Array(real, 2, "C"), "sums": types.Array(types.float64, 1, "C"),
        "noise": numba.typeof(NoiseKey(0, 0, 0, 0, 0)), "word": types.int64, "real": types.float64,
        **{name: numba.typeof(record) for name, record in records.items()},
    }  # fmt: skip
    for called in stages:
        body = _BODIES[called]
        arguments = (kinds[name] for name in STAGES[body.__name__].split())
        tile.inner_loops[place_of(called)] = _compiled(body, (numba.typeof(tile), *arguments)).address

"""A training step asks nothing of an array but what an array on another device can do.

The kernel set here hands out arrays that refuse to become NumPy arrays on their own, as arrays on a GPU
do: they know NumPy's operators and functions, and only ``to_host`` opens them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from itertools import product
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from remote import Remote, opened, shut

from vsmnp.config import Settings
from vsmnp.data import load_data
from vsmnp.history import History
from vsmnp.kernels import load
from vsmnp.loop import Watch, run_loop
from vsmnp.trainer import Trainer
from vsmnp.types import Kernels


def remote_set() -> Kernels:
    """The reference, on the other device; seeds and settings may come from the host, data may not."""
    reference = load("reference")

    def carried(name: str) -> Callable[..., Any]:
        function = getattr(reference, name)

        @wraps(function)
        def wrapped(*args: Any, **options: Any) -> Any:
            for value in args:
                seeds = isinstance(value, np.ndarray) and value.dtype == np.uint64
                assert seeds or not isinstance(value, np.ndarray), f"{name} is given an array of the host"
            result = shut(function(*opened(args), **opened(options)))
            return args[0] if name == "add_bias" else result

        return wrapped

    names = [name for name in vars(Kernels) if not name.startswith("_") and name != "name"]
    kernels = {name: carried(name) for name in names}
    kernels["asarray"] = lambda x, dtype=None: Remote(np.array(opened(x), dtype=dtype))
    kernels["to_host"] = lambda x: opened(x)
    return cast(Kernels, SimpleNamespace(name="remote", **kernels))


TINY = Settings(
    hidden=(4,), activation="tanh", samples=2, batch_size=20, steps=3, log_every=3, seeds=(0, 1),
    encoder_steps=2, noise=0.1, dtype="float64",
)  # fmt: skip
CHOICES = [
    {"objective": objective, "inference": inference, "gamma": gamma}
    for objective, inference, gamma in product(
        ("elbo", "m1", "m2", "m3", "fae"), ("kl", "fisher", "fisher-reparam"), ("learn", "optimal")
    )
    if (objective, inference) != ("fae", "kl")
] + [
    {"objective": "m2", "as_published": True},
    {"objective": "m3", "as_published": True},
    {"objective": "fae", "inference": "fisher", "score_norm": "probe"},
    {"objective": "elbo", "posterior": "bernoulli"},
    {"objective": "m1", "posterior": "bernoulli", "gamma": "optimal"},
    {"optimizer": "sgd", "encoder_optimizer": "sgd", "scale": "softplus", "activation": "relu"},
]


@pytest.mark.parametrize("choice", CHOICES, ids=str)
def test_a_run_on_another_device_is_the_run_on_the_host(choice: dict[str, Any]) -> None:
    settings = replace(TINY, **choice)
    ends = []
    for k in (load("reference"), remote_set()):
        trainer = Trainer.build(k, settings, load_data("mixture"))
        state = run_loop(trainer, trainer.initial_state(), History(), settings.steps, 3, Watch())
        ends.append([k.to_host(vector) for vector in (state.phi, state.theta)])
    for here, there in zip(*ends, strict=True):
        assert isinstance(there, np.ndarray)
        np.testing.assert_array_equal(here, there)

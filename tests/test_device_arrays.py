"""Test that a training step uses arrays only in ways that arrays on another device support.

The kernel set here returns arrays that refuse an implicit conversion to NumPy arrays, as arrays on a GPU do:
NumPy's operators and functions apply to them, and only ``to_host`` opens them.
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

from vsmnp.data import load_data
from vsmnp.evaluation.evaluate import evaluate
from vsmnp.kernels import load
from vsmnp.runs.evaluation_log import Evaluations
from vsmnp.runs.session import Session
from vsmnp.settings.settings import Settings
from vsmnp.training.build import build_learning
from vsmnp.training.history import History
from vsmnp.training.loop import Watch, run_loop
from vsmnp.training.trainer import Trainer
from vsmnp.types import Kernels


def remote_set() -> Kernels:
    """Build the reference set on the other device; seeds and settings may be host arrays, data may not."""
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
    *(
        {"objective": o, "inference": i, "fisher_weight": w, "bilevel_steps": 2}
        for o in ("elbo", "m2", "m3")
        for i, w in (("kl", "identity"), ("fisher", "identity"), ("fisher", "covariance"))
    ),
    {"objective": "m2", "inference": "fisher", "as_published": True, "bilevel_steps": 2},
    {"objective": "m3", "as_published": True, "bilevel_steps": 2, "gamma": "optimal"},
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


@pytest.mark.parametrize(
    "choice", [{}, {"posterior": "bernoulli", "objective": "m1"}], ids=["gaussian", "bernoulli"]
)
def test_what_is_asked_of_a_trained_model_is_numpy_s(choice: dict[str, Any]) -> None:
    """Everything that a run reports is fetched, and equals the host's report."""
    settings, data = replace(TINY, **choice), load_data("mixture")
    x, said = data.test(0, np.dtype(np.float64))[:7], []
    for k in (load("reference"), remote_set()):
        trainer = Trainer.build(k, settings, data)
        run = Session(trainer, trainer.initial_state(), History()).train()
        vae = run.vae
        outcome = vae.outcome(build_learning(replace(settings, gamma="optimal")), x)
        assert outcome.gamma is not None
        found = {
            "gamma": vae.gamma, "encode": vae.encode(x), "decode": vae.decode(vae.encode(x)[0]),
            "reconstruct": vae.reconstruct(x), "sample": vae.sample(5), "means": vae.sample(5, noise=False),
            "log_prob": vae.log_prob(x, draws=50), "score": vae.score(np.stack([x, x]), draws=50),
            "loss": outcome.loss, "terms": tuple(outcome.terms.values()), "g_theta": outcome.g_theta,
            "chosen": (outcome.gamma.log_sd, outcome.gamma.kept, outcome.gamma.floored),
            "counts": (run.gamma_kept, run.gamma_floored),
        }  # fmt: skip
        evaluation = evaluate(run, prior_draws=100, iwae_samples=2)
        evaluations = Evaluations()
        evaluations.add(trainer, trainer.initial_state())
        said.append((found, evaluation, evaluations.to_arrays()))
    (here, expected, rows), (there, evaluation, columns) = said
    for name, value in there.items():
        pairs = zip(here[name], value, strict=True) if isinstance(value, tuple) else [(here[name], value)]
        for a, b in pairs:
            assert type(b) is np.ndarray, name
            np.testing.assert_array_equal(a, b, err_msg=name)
    assert evaluation == expected
    for name, array in columns.items():
        np.testing.assert_array_equal(array, rows[name], err_msg=name)


def test_arrays_of_the_device_may_be_given_to_a_trained_model() -> None:
    k = remote_set()
    trainer = Trainer.build(k, TINY, load_data("mixture"))
    vae = Session(trainer, trainer.initial_state(), History()).run(trainer.initial_state()).vae
    x = np.ones((4, 2))
    np.testing.assert_array_equal(vae.encode(k.asarray(x))[0], vae.encode(x)[0])


def test_a_state_goes_back_without_a_mask() -> None:
    """Models that diverged are restored to their former state; the others stay."""
    k = remote_set()
    trainer = Trainer.build(k, TINY, load_data("mixture"))
    state, earlier = trainer.initial_state(), trainer.initial_state()
    trainer.step(state)
    kept = k.to_host(state.theta).copy()
    state.restore(earlier, k.asarray(np.array([True, False])))
    np.testing.assert_array_equal(k.to_host(state.theta)[0], k.to_host(earlier.theta)[0])
    np.testing.assert_array_equal(k.to_host(state.theta)[1], kept[1])
    np.testing.assert_array_equal(k.to_host(state.theta_memory.t), [0, 1])

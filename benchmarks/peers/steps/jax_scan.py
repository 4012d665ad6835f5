"""JAX with ten steps in one jitted call (``lax.scan``), which pays for one dispatch in ten steps."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from vsmnp.bench import Noise, Problem

from ._jax_model import JaxContender, Tree
from .jax_jit import obstacle

__all__ = ["make", "obstacle"]

#: Steps of a call.
STEPS = 10


class JaxScan(JaxContender):
    """The contender of jax-jit, whose timed call scans over ten minibatches and donates its state."""

    steps_per_call = STEPS

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem, models=False)
        ready, one_step = jnp.stack(self.minibatches), self._drawn

        def scanned(carried: Tree, ready: jax.Array) -> Tree:
            def one(carried: Tree, _: None) -> Tree:
                state, key, t = carried
                state, losses, key = one_step(state, ready[t % len(ready)], key)
                return (state, key, t + 1), losses

            carried, losses = jax.lax.scan(one, carried, length=STEPS)
            return carried, jax.tree.map(lambda each: each[-1], losses)

        self._scanned, self.ready = jax.jit(scanned, donate_argnums=0), ready
        self.place = jnp.zeros((), jnp.int32)

    def step(self, noise: Noise | None = None) -> None:
        if noise is not None:
            super().step(noise)
            return
        carried = self.state, self.key, self.place
        (self.state, self.key, self.place), self.last = self._scanned(carried, self.ready)


def make(problem: Problem) -> JaxScan:
    return JaxScan(problem)

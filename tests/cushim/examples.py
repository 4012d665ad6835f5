"""Give the sources of all topics, those of fused steps with the shape of an example: two layers of 30."""

from __future__ import annotations

from functools import cache

import numpy as np

from vsmnp.bench.predict.problem import spec_of
from vsmnp.kernels.cuda import step_plan
from vsmnp.kernels.cuda.source import STEPS, joined
from vsmnp.settings.settings import Settings
from vsmnp.types import DType
from vsmnp.types.step_spec import StepSpec

#: Bytes of shared memory that a block of each compute capability can have.
SHARED_MEMORY = {"sm_75": 64 * 1024, "sm_80": 163 * 1024, "sm_90": 227 * 1024}
#: The objective and the inference of the steps of each topic.
_CHOICES = {"step": ("m1", "kl"), "step_second": ("m1", "fisher-reparam"), "step_joint": ("fae", "fisher")}


@cache
def _spec(topic: str, dtype: str) -> StepSpec:
    objective, inference = _CHOICES[topic.removesuffix("_tiled")]
    settings = Settings(objective=objective, inference=inference, hidden=(30, 30), samples=1, batch_size=1000,
                        encoder_steps=1, dtype=dtype)  # type: ignore[arg-type]  # fmt: skip
    return spec_of(settings)


def example(topic: str, dtype: DType, architecture: str = "sm_90") -> str:
    """Return the source of a topic; of a fused step for two layers of 30 on such a card."""
    if topic not in STEPS:
        return joined(topic, dtype)
    plan = step_plan.plan(_spec(topic, str(np.dtype(dtype))), SHARED_MEMORY[architecture], 256)
    return joined(topic, dtype, plan.shape)

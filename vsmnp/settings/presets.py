"""The paper's settings of each experiment by name; explicit options override them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from ..errors import member_of
from .choices import INFERENCES, OBJECTIVES, OPTIMIZERS, row_of

#: The inference of the presets.
_INFERENCE = "kl"

#: Estimators of M2 and M3 in the author's code.
_PAPER_ESTIMATORS = {"squared_mean": "biased", "baseline": "none"}

#: Appendix B.1 and the author's code: small networks on two-dimensional data.
_PAPER_2D = {
    "hidden": (30, 30), "activation": "relu", "latent": 2, "scale": "softplus", "initial": "normal",
    "sd_init": 0.1, "batch_size": 1000, "epochs": 100.0, "samples": 5,
    "encoder_steps": 1, "encoder_data": "same", "optimizer": "adam", "lr": 1e-4,
    "encoder_optimizer": "sgd", "encoder_lr": INFERENCES[_INFERENCE].published_lr,
}  # fmt: skip

#: Appendix B.2 and the author's code: networks of images, padded to 32 x 32 pixels; sqrt(gamma) starts at 1.
_PAPER_DCGAN = {
    "dataset": "mnist", "image_size": 32, "arch": "dcgan", "activation": "relu", "latent": 100,
    "scale": "exp", "initial": "images", "sd_init": 1.0, "noise": 0.1, "batch_size": 100, "epochs": 1000.0,
    "samples": 5, "encoder_steps": 5, "encoder_data": "fresh",
    "optimizer": "adam", "lr": 1e-4, "encoder_optimizer": "adam", "encoder_lr": 1e-4,
}  # fmt: skip

PRESETS: Mapping[str, Mapping[str, Any]] = MappingProxyType({
    "paper-2d": _PAPER_2D,
    "paper-2d-large": {**_PAPER_2D, "dataset": "star", "hidden": (100, 100), "epochs": 1000.0},
    "paper-dcgan": _PAPER_DCGAN,
    "paper-resnet18": {**_PAPER_DCGAN, "arch": "resnet18", "samples": 1, "encoder_steps": 1},
    "paper-images": {
        "dataset": "mnist", "hidden": (500, 500), "activation": "relu", "latent": 50, "scale": "exp",
        "sigmoid_output": True, "initial": "uniform", "sd_init": 0.1, "noise": 0.1, "batch_size": 100,
        "epochs": 20.0, "samples": 5, "encoder_steps": 5, "encoder_data": "fresh",
        "optimizer": "adam", "lr": 1e-4, "encoder_optimizer": "adam", "encoder_lr": 1e-4,
    },
})  # fmt: skip


def preset(name: str, chosen: Mapping[str, Any]) -> dict[str, Any]:
    """Return the preset's settings, combined with those that the user has chosen.

    The author's encoder takes plain gradient steps of 1e-2 on the KL divergence and 1e-3 on twice the Fisher
    divergence, bi-level ones included; the estimators of M2 and M3 are biased and without a baseline.

    Raises
    ------
    ConfigError
        If there is no preset of that name.
    """
    values = {**member_of(PRESETS, "preset", name), **chosen}
    rule, inference = row_of(OPTIMIZERS, values["encoder_optimizer"]), values.get("inference", _INFERENCE)
    is_plain, row = rule is not None and rule.is_plain, row_of(INFERENCES, inference)
    if is_plain and inference != _INFERENCE and row and row.published_lr:
        step = row.plain_step(bool(values.get("as_published")))
        values["encoder_lr"] = chosen.get("encoder_lr", step)
    if is_plain and chosen.get("bilevel_steps"):
        values["bilevel_lr"] = chosen.get("bilevel_lr", values["encoder_lr"])
    objective = row_of(OBJECTIVES, values.get("objective"))
    if objective and not values.get("as_published", False):
        own = {name: value for name, value in _PAPER_ESTIMATORS.items() if name in objective.reads}
        values = {**own, **values}
    return values

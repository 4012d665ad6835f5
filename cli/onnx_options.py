"""What a network in an ONNX file does not say of itself, as options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from vsmnp.evaluation.feature_choice import FeatureChoice

ONNX_OPTIONS = (
    click.option("--onnx-output", default="", help="Output of the ONNX network, if it has several."),
    click.option(
        "--onnx-layout", type=click.Choice(("nchw", "nhwc")), default="nchw", show_default=True,
        help="Where channels stand in its input.",
    ),
    click.option(
        "--onnx-scaling", type=click.Choice(("unit", "signed", "bytes")), default="unit", show_default=True,
        help="Its pixels: in [0, 1], in [-1, 1], or from 0 to 255.",
    ),
    click.option(
        "--onnx-size", type=click.IntRange(min=0), default=0, help="Side to which images are resized for it."
    ),
)  # fmt: skip


def feature_choice(values: Mapping[str, Any]) -> FeatureChoice:
    """The choice of a command with these options and ``--features``."""
    fields = ("output", "layout", "scaling", "size")
    return FeatureChoice(values["features"], **{field: values[f"onnx_{field}"] for field in fields})

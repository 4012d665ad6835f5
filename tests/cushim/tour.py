"""Call every kernel once, at sizes that fill no block evenly, for the sanitizers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from vsmnp.data import load_data
from vsmnp.kernels.cuda.kernel_set import CudaKernels
from vsmnp.kernels.cuda.step import CudaStep
from vsmnp.kernels.reference.activations import ACTIVATIONS
from vsmnp.settings.settings import Settings
from vsmnp.training.trainer import Trainer
from vsmnp.types import QuadraticForm, Window


def tour(k: CudaKernels, dtypes: Iterable[np.dtype[np.floating]]) -> None:
    """Call every kernel in these dtypes."""
    for dtype in dtypes:
        _pointwise(k, dtype)
        _linear(k, dtype)
        _random(k, dtype)
        _data(k, dtype)
        _terms(k, dtype)
        _optimisers(k, dtype)
        _images(k, dtype)
        _steps(k, dtype)


def _pointwise(k: CudaKernels, dtype: np.dtype[np.floating]) -> None:
    y = np.linspace(0.1, 0.9, 2 * 2 * 5 * 27).astype(dtype).reshape(2, 2, 5, 27)
    for f in ACTIVATIONS:
        k.activation(f, y)
        k.activation(f, y, y[:, :1, 0], y[:1, :, 0])
        k.activation_sums(f, y[:1], y[:, :1], y, y[:1, :, 0])
        k.activation_slope(f, y[:, :1], y[:1])
        k.activation_curve(f, y[:, :1], y[:1], y, y)


def _linear(k: CudaKernels, dtype: np.dtype[np.floating]) -> None:
    for rows, width in ((5, 3), (1100, 2), (40, 45)):
        y = np.ones((2, 1, rows, width), dtype)
        k.add_bias(y, np.ones((2, width), dtype))
        k.sum_rows(y, np.zeros((2, width), dtype))


def _random(k: CudaKernels, dtype: np.dtype[np.floating]) -> None:
    seeds = np.array([1, 2**40], np.uint64)
    for first, count in ((0, 9), (3, 550)):
        k.words(seeds, 1, 2, count, first)
        k.uniform(seeds, 1, 2, (count,), dtype, first)
        k.normal(seeds, 1, 2, (count,), dtype, first)
    moments = np.ones((2, 1, 5, 3), dtype)
    k.sample(moments, moments, seeds, 1, 2, 4, 3)


def _data(k: CudaKernels, dtype: np.dtype[np.floating]) -> None:
    order = np.arange(90, dtype=np.int32)[::-1].reshape(2, 45)
    for stored in (dtype, np.uint8):
        for index in (0, 9):
            k.gather(np.ones((90, 13), stored), order, index, 9, 3.0, dtype)


def _terms(k: CudaKernels, dtype: np.dtype[np.floating]) -> None:
    form, weights = QuadraticForm(1, 2, 3, 4), np.ones(2, dtype)
    for samples, width, batch in ((1, 3, 17), (3, 40, 3), (9, 70, 1)):
        g = np.ones((2, samples, batch, width), dtype)
        k.residual_forms(g[:1, :1], g, g, form, weights, weights)
        k.posterior_fisher(g[:, :1], g[:, :1], g, g)


def _optimisers(k: CudaKernels, dtype: np.dtype[np.floating]) -> None:
    p, g, m, v = (np.ones((3, 150), dtype) for _ in range(4))
    t, active, lr = np.zeros(3, np.int64), np.array([True, False, True]), np.ones(3, dtype)
    k.adam(p, g, m, v, t, lr, 0.9, 0.999, 1e-8, active)
    k.sgd(p, g, t, lr, active)
    g[1, [3, 100]] = np.nan
    k.finite(g)


def _images(k: CudaKernels, dtype: np.dtype[np.floating]) -> None:
    x = np.ones((2, 1, 2, 4, 5, 3), dtype)
    for window in (Window(3, 2, 1), Window(1, 2)):
        w = np.ones((2, 4, window.size, window.size, 3), dtype)
        y = k.conv(x, w, window)
        k.conv_adjoint_x(y, w, window, (4, 5))
        k.conv_adjoint_w(y, x, window, w)
    k.channel_moments(x)
    k.activation_sums(None, None, x, None, None)
    k.channel_combine([(x, np.ones((2, 1, 3), dtype))] * 3, None)


def _steps(k: CudaKernels, dtype: np.dtype[np.floating]) -> None:
    for settings in fused_settings(dtype):
        trainer, fused = fused_trainer(k, settings)
        state = trainer.initial_state()
        for many in (1, 3):
            object.__setattr__(trainer, "fused", replace(fused, many=many))
            trainer.step(state)


def fused_settings(dtype: np.dtype[np.floating]) -> list[Settings]:
    """List the settings of the tour's fused steps: one for each kind of step."""
    settings = Settings(hidden=(5, 3), samples=2, batch_size=9, seeds=(0, 1), dtype=str(dtype), steps=1,
                        log_every=1, objective="m3", gamma="optimal", encoder_steps=2)  # fmt: skip
    joint = replace(settings, objective="fae", gamma="learn", inference="fisher", score_norm="probe")
    by_inference = [
        replace(settings, inference=inference) for inference in ("kl", "fisher", "fisher-reparam")
    ]
    return [*by_inference, joint, replace(joint, inference="fisher-reparam", score_norm="pathwise")]


def fused_trainer(k: CudaKernels, settings: Settings) -> tuple[Trainer, CudaStep]:
    """Return the trainer of settings, and its fused step."""
    trainer = Trainer.build(k, settings, load_data("mixture"))
    assert isinstance(trainer.fused, CudaStep)
    return trainer, trainer.fused

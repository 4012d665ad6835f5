"""The estimator of scikit-learn: its own checks of estimators, and what the methods compute."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import vsmnp
from vsmnp.estimator import VAE

X = np.random.default_rng(0).normal(size=(80, 3)) @ np.array([[1.0, 0.5, 0], [0, 1, 0.5], [0, 0, 1]])


def small(**more: Any) -> VAE:
    return VAE(**{"steps": 20, "hidden": (8,), "kernels": "reference", "draws": 20, **more})


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks([small()])
def test_scikit_learn_accepts_the_estimator(estimator: VAE, check: Callable[[VAE], None]) -> None:
    check(estimator)


def test_every_method_has_the_documented_shape() -> None:
    vae = small(latent=2).fit(X)
    assert vae.transform(X).shape == (80, 2)
    assert vae.inverse_transform(vae.transform(X)).shape == X.shape
    assert vae.score_samples(X).shape == (80,)
    assert vae.score(X) == pytest.approx(vae.score_samples(X).mean())
    assert vae.sample(5).shape == (5, 3)
    assert (vae.n_features_in_, vae.n_iter_) == (3, 20)
    assert list(vae.get_feature_names_out()) == ["vae0", "vae1"]


def test_it_is_the_run_of_train_on_the_same_samples() -> None:
    vae = small(random_state=3).fit(X)
    np.testing.assert_array_equal(vae.transform(X), vae.vae_.encode(X)[0][0])
    assert vae.vae_.seeds == (3,)
    assert small(settings={"objective": "elbo", "steps": 5}).fit(X).n_iter_ == 5


def test_the_density_is_that_of_draws_from_the_prior() -> None:
    """Two estimators of the same log p(x) that share no draws."""
    vae = small(steps=300, draws=2000, lr=1e-2).fit(X)
    by_prior = vae.vae_.log_prob(X[:20], draws=200_000)[0]
    np.testing.assert_allclose(vae.score_samples(X[:20]), by_prior, atol=0.1)


def test_a_density_does_not_depend_on_the_block_of_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    vae = small().fit(X)
    whole = vae.score_samples(X)
    monkeypatch.setattr("vsmnp.estimator._BLOCK", 1)
    np.testing.assert_allclose(vae.score_samples(X), whole, rtol=1e-12)
    np.testing.assert_allclose(vae.score_samples(X[:7]), whole[:7], rtol=1e-12)


def test_it_works_in_a_pipeline_with_names_and_is_pickled() -> None:
    table = pd.DataFrame(100 * X + 7, columns=list("abc"))
    pipeline = make_pipeline(StandardScaler(), small()).set_output(transform="pandas").fit(table)
    codes = pipeline.transform(table)
    assert list(codes.columns) == ["vae0", "vae1"]
    again = pickle.loads(pickle.dumps(pipeline))
    pd.testing.assert_frame_equal(again.transform(table), codes)
    assert clone(small(latent=4)).get_params()["latent"] == 4
    assert list(small().fit(table / 100).feature_names_in_) == list("abc")


def test_what_is_said_of_the_features_has_their_names() -> None:
    table = pd.DataFrame(X, columns=list("abc")).assign(b=0.5)
    with pytest.warns(UserWarning, match="The column 'b' is constant"):
        small().fit(table)


def test_it_is_public() -> None:
    assert vsmnp.VAE is VAE

"""Test that random numbers are a function of (seed, stream, step, index), the same on every kernel set."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from strategies import few, many

from vsmnp.kernels.reference import kernel_set as reference
from vsmnp.rng import Key, Stream
from vsmnp.types import Array, Kernels

seeds64 = st.integers(0, 2**64 - 1)
counters = st.integers(0, 2**32 - 1)
keys = st.builds(Key, st.lists(seeds64, min_size=1, max_size=3).map(tuple), st.sampled_from(Stream), counters)
firsts = st.one_of(st.integers(0, 20), st.integers(2**34 - 8, 2**34 + 8))  # the block number passes 2**32
counts = st.one_of(st.integers(1, 20), st.sampled_from((2048, 2200)))  # a tile has 2048 words
#: Tolerance of normals, against the reference in double precision.
NORMALS: dict[np.dtype[Any], float] = {np.dtype(np.float64): 1e-12, np.dtype(np.float32): 1e-6}


def _words(text: str) -> list[int]:
    return [int(word, 16) for word in text.split()]


#: Counter, key and result, from ``kat_vectors`` of Random123.
KNOWN = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
]


@pytest.mark.parametrize(("counter", "key", "result"), KNOWN)
def test_philox_gives_the_known_answers(counter: str, key: str, result: str) -> None:
    c0, c1, c2, c3, k0, k1 = (np.array([word], np.uint64) for word in _words(f"{counter} {key}"))
    lanes = reference.philox4x32((c0, c1, c2, c3), (k0, k1))
    assert [int(lane[0]) for lane in lanes] == _words(result)


@pytest.mark.parametrize(("counter", "key", "result"), KNOWN[::2])  # an index reaches these counters
def test_words_are_philox_blocks(k: Kernels, counter: str, key: str, result: str) -> None:
    low, step, stream, high = _words(counter)
    k0, k1 = _words(key)
    key_of = Key((k0 + (k1 << 32),), stream, step)
    assert key_of.words(k, 4, first=4 * (low + (high << 32))).tolist() == [_words(result)]


# --- every kernel set agrees ----------------------------------------------------------------------


@many
@given(keys, counts, firsts)
def test_words_and_uniforms_are_bit_equal(k: Kernels, key: Key, count: int, first: int) -> None:
    words = key.words(k, count, first)
    assert words.dtype == np.uint32
    np.testing.assert_array_equal(words, key.words(reference, count, first))
    for dtype in NORMALS:
        u = key.uniform(k, (count,), dtype, first)
        assert u.dtype == dtype
        np.testing.assert_array_equal(u, (words >> np.uint32(8)) / 2.0**24)


@pytest.mark.parametrize("dtype", NORMALS, ids=str)
@many
@given(keys, counts, firsts)
def test_normals_agree(k: Kernels, dtype: np.dtype[Any], key: Key, count: int, first: int) -> None:
    z = key.normal(k, (count,), dtype, first)
    assert z.dtype == dtype
    expected = key.normal(reference, (count,), np.float64, first)
    np.testing.assert_allclose(z, expected, rtol=0, atol=NORMALS[dtype])


# --- a function of the index and the seed alone -----------------------------------------------------


@few
@given(keys, st.lists(st.integers(1, 9), min_size=1, max_size=5), st.integers(0, 9))
def test_chunks_are_parts_of_the_whole(k: Kernels, key: Key, chunks: list[int], first: int) -> None:
    starts = first + np.cumsum([0, *chunks[:-1]])
    whole = sum(chunks)
    kinds: tuple[Callable[[int, int], Array], ...] = (
        lambda count, start: key.words(k, count, start),
        lambda count, start: key.uniform(k, (count,), np.float64, start),
        lambda count, start: key.normal(k, (count,), np.float64, start),
    )
    for draw in kinds:
        parts = [draw(count, int(start)) for count, start in zip(chunks, starts, strict=True)]
        np.testing.assert_allclose(np.concatenate(parts, axis=1), draw(whole, first), rtol=0, atol=1e-15)


@few
@given(keys, st.integers(1, 4), st.integers(1, 700), st.integers(1, 3))
def test_a_member_of_an_ensemble_is_the_single_run_of_its_seed(
    k: Kernels, key: Key, samples: int, batch: int, width: int
) -> None:
    shape = samples, batch, width
    for r, seed in enumerate(key.seeds):
        alone = Key((seed,), key.stream, key.step)
        for dtype in NORMALS:
            np.testing.assert_array_equal(key.normal(k, shape, dtype)[r], alone.normal(k, shape, dtype)[0])
            np.testing.assert_array_equal(key.uniform(k, shape, dtype)[r], alone.uniform(k, shape, dtype)[0])
        np.testing.assert_array_equal(key.permutation(k, batch)[r], alone.permutation(k, batch)[0])


@few
@given(keys, st.integers(1, 5), st.integers(1, 5))
def test_a_shape_is_filled_in_order(k: Kernels, key: Key, rows: int, columns: int) -> None:
    flat = key.normal(k, (rows * columns,), np.float64)
    filled = key.normal(k, (rows, columns), np.float64)
    np.testing.assert_array_equal(filled, flat.reshape(-1, rows, columns))


def test_seeds_streams_and_steps_give_different_numbers(k: Kernels) -> None:
    every = product((0, 1, 2**32, 2**63), Stream, (0, 1))
    keys = [Key((seed,), stream, step) for seed, stream, step in every]
    blocks = {tuple(key.words(k, 4)[0].tolist()) for key in keys}
    assert len(blocks) == len(keys)
    assert keys[0].on(Stream.PROBE, 3) == Key((0,), Stream.PROBE, 3)


# --- distributions ----------------------------------------------------------------------------------

N = 200_000
FIXED = Key((1, 2), Stream.LEARNING, 7)


@pytest.mark.parametrize("dtype", NORMALS, ids=str)
def test_normals_are_standard_normal(k: Kernels, dtype: np.dtype[Any]) -> None:
    for z in FIXED.normal(k, (N,), dtype).astype(np.float64):
        assert stats.kstest(z, "norm").pvalue > 0.01
        moments = np.array([np.mean(z**power) for power in (1, 2, 3, 4)])
        spread = np.sqrt(np.array([1, 2, 15, 96]) / N)  # of the mean of z, z^2, z^3, z^4
        assert np.all(np.abs(moments - [0, 1, 0, 3]) < 4 * spread)


def test_neighbouring_normals_are_independent(k: Kernels) -> None:
    one, two = FIXED.normal(k, (N,), np.float64)
    pairs: list[tuple[Array, Array]] = [(one[::2], one[1::2]), (one[:-2], one[2:]), (one, two)]
    for a, b in pairs:  # the two of a radius, the next pair, the next seed
        assert abs(np.mean(a * b)) < 4 / np.sqrt(len(a))
        assert abs(np.mean(a**2 * b**2) - 1) < 4 * np.sqrt(8 / len(a))


@pytest.mark.parametrize("dtype", NORMALS, ids=str)
def test_uniforms_are_uniform_and_below_one(k: Kernels, dtype: np.dtype[Any]) -> None:
    for u in FIXED.uniform(k, (N,), dtype).astype(np.float64):
        assert u.min() >= 0
        assert u.max() < 1
        assert stats.kstest(u, "uniform").pvalue > 0.01


@many
@given(keys, st.integers(1, 300))
def test_permutations_are_permutations_and_bit_equal(k: Kernels, key: Key, n: int) -> None:
    order = key.permutation(k, n)
    np.testing.assert_array_equal(np.sort(order, axis=1), np.broadcast_to(np.arange(n), order.shape))
    np.testing.assert_array_equal(order, key.permutation(reference, n))


def test_permutations_of_three_are_equally_likely(k: Kernels) -> None:
    seen = Key(tuple(range(6000)), Stream.SHUFFLE).permutation(k, 3)
    _, counts = np.unique(seen, axis=0, return_counts=True)
    assert len(counts) == 6
    assert stats.chisquare(counts).pvalue > 0.01


@pytest.mark.parametrize("dtype", NORMALS, ids=str)
def test_signs_are_balanced(k: Kernels, dtype: np.dtype[Any]) -> None:
    signs = FIXED.signs(k, (N,), dtype)
    assert signs.shape == (2, N)
    assert signs.dtype == dtype
    np.testing.assert_array_equal(np.abs(signs), 1)
    assert np.all(np.abs(signs.mean(axis=1)) < 4 / np.sqrt(N))

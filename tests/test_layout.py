"""Test that a layout is a bijection between a tree of arrays and the used part of a flat vector."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from strategies import many

from vsmnp.model.layout import ALIGNMENT, Layout

_shapes = st.lists(st.integers(1, 7), max_size=3).map(tuple)
_trees: st.SearchStrategy[Any] = st.dictionaries(
    st.sampled_from("abcd"),
    st.recursive(
        _shapes, lambda node: st.dictionaries(st.sampled_from("wb01"), node, min_size=1, max_size=3)
    ),
    min_size=1,
    max_size=4,
)


def _leaves(tree: Any, prefix: str = "") -> dict[str, Any]:
    """Return the leaves as ``{dotted name: leaf}``."""
    if not isinstance(tree, dict):
        return {prefix[:-1]: tree}
    return {
        name: leaf for key, node in tree.items() for name, leaf in _leaves(node, f"{prefix}{key}.").items()
    }


@many
@given(tree=_trees)
def test_slots_are_named_aligned_and_in_order(tree: Any) -> None:
    layout = Layout(tree)
    assert {slot.name: slot.shape for slot in layout.slots} == _leaves(tree)
    assert [slot.name for slot in layout.slots] == list(_leaves(tree))
    end = 0
    for slot in layout.slots:
        assert slot.start % ALIGNMENT == 0
        assert end <= slot.start < end + ALIGNMENT
        assert slot.stop - slot.start == slot.size == int(np.prod(slot.shape))
        end = slot.stop
    assert layout.size % ALIGNMENT == 0
    assert end <= layout.size < end + ALIGNMENT
    assert layout.count == sum(int(np.prod(shape)) for shape in _leaves(tree).values())


def test_alignment_is_32_elements() -> None:
    slots = Layout({"w": (5, 7), "b": (5,), "l": ()}).slots
    assert [(slot.start, slot.stop) for slot in slots] == [(0, 35), (64, 69), (96, 97)]
    assert Layout({"w": (5, 7), "b": (5,), "l": ()}).size == 128


@many
@given(tree=_trees, models=st.integers(1, 3), seed=st.integers(0, 2**32 - 1))
def test_round_trip_through_views(tree: Any, models: int, seed: int) -> None:
    layout = Layout(tree)
    rng = np.random.default_rng(seed)
    vector = np.zeros((models, layout.size))
    views = _leaves(layout.views(vector))
    assert list(views) == list(_leaves(tree))
    written = {name: rng.uniform(1, 2, (models, *shape)) for name, shape in _leaves(tree).items()}
    for name, values in written.items():
        views[name][...] = values  # writes through

    for slot in layout.slots:
        np.testing.assert_array_equal(
            vector[:, slot.start : slot.stop], written[slot.name].reshape(models, -1)
        )
    for name, values in _leaves(layout.views(vector.copy())).items():
        np.testing.assert_array_equal(values, written[name])
    for name, values in layout.named(vector):
        assert np.shares_memory(values, vector)
        np.testing.assert_array_equal(values, written[name])

    # Only the slots were written: the padding is still zero.
    assert np.count_nonzero(vector) == models * layout.count


@many
@given(tree=_trees, seed=st.integers(0, 2**32 - 1))
def test_views_of_a_strided_vector_write_through(tree: Any, seed: int) -> None:
    layout = Layout(tree)
    buffer = np.random.default_rng(seed).standard_normal((layout.size, 4))
    vector = buffer.T[::2]
    for name, view in layout.named(vector):
        assert np.shares_memory(view, buffer), name
        view[...] = 0
    for slot in layout.slots:
        assert not vector[:, slot.start : slot.stop].any()
        assert buffer.T[1::2, slot.start : slot.stop].all()


def test_a_tree_without_parameters_is_empty() -> None:
    layout = Layout({})
    assert (layout.size, layout.count, layout.slots) == (0, 0, ())
    assert layout.views(np.zeros((2, 0))) == {}

"""Test the IDX reader: a round trip, and that every wrong byte is refused."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vsmnp.data.mnist.idx import read_idx
from vsmnp.errors import DataError


def idx_bytes(values: np.ndarray) -> bytes:
    """Write the IDX file of a ``uint8`` array."""
    return struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape) + values.tobytes()


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("idx") / "images"


@given(
    shape=st.lists(st.integers(0, 5), min_size=1, max_size=4), seed=st.integers(0, 99), zipped=st.booleans()
)
@settings(deadline=None)
def test_round_trip(path: Path, shape: list[int], seed: int, zipped: bool) -> None:
    values = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    content = idx_bytes(values)
    path.write_bytes(gzip.compress(content) if zipped else content)
    np.testing.assert_array_equal(read_idx(path), values)


VALUES = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
GOOD = idx_bytes(VALUES)


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "its first two bytes are not zero"),
        (b"\1" + GOOD[1:], "its first two bytes are not zero"),
        (GOOD[:2] + b"\x0d" + GOOD[3:], "type code 0x0d"),
        (b"\0\0\x08\0", "names no axes"),
        (GOOD[:10], "cut short"),
        (GOOD[:-1], "fewer bytes than the 18"),
        (GOOD + b"\0", "more bytes than the 18"),
        (GOOD[:4] + b"\xff" * 12 + GOOD[16:], "fewer bytes"),
    ],
)
def test_a_wrong_byte_is_one_sentence(path: Path, content: bytes, sentence: str, zipped: bool) -> None:
    path.write_bytes(gzip.compress(content) if zipped and content else content)
    with pytest.raises(DataError, match=sentence):
        read_idx(path)


@pytest.mark.parametrize("cut", [3, 12, 20, -8, -1])
def test_a_truncated_gzip_stream_is_refused(path: Path, cut: int) -> None:
    path.write_bytes(gzip.compress(GOOD)[:cut])
    with pytest.raises(DataError, match="corrupt or truncated"):
        read_idx(path)


def test_a_wrong_gzip_checksum_is_refused(path: Path) -> None:
    packed = bytearray(gzip.compress(GOOD))
    packed[-6] ^= 1
    path.write_bytes(packed)
    with pytest.raises(DataError, match="corrupt or truncated"):
        read_idx(path)


@given(data=st.data(), zipped=st.booleans())
@settings(max_examples=300, deadline=None)
def test_corrupt_bytes_are_refused_or_read(path: Path, data: st.DataObject, zipped: bool) -> None:
    content = bytearray(gzip.compress(GOOD) if zipped else GOOD)
    places = st.integers(0, len(content) - 1)
    for place, byte in data.draw(st.dictionaries(places, st.integers(0, 255), max_size=3)).items():
        content[place] = byte
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        values = read_idx(path)
    except DataError as error:
        sentence = str(error)
        assert str(path) in sentence
    else:
        assert values.dtype == np.uint8
        assert values.nbytes == VALUES.nbytes or not zipped

"""Test how ranks with a GPU each exchange arrays, by an NCCL that copies between the threads of two ranks."""

from __future__ import annotations

import ctypes
import sys
from dataclasses import dataclass, field
from queue import Queue
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from ranks import ThreadRank, two_ranks

from vsmnp.errors import DeviceError
from vsmnp.parallel.devices import on_device
from vsmnp.parallel.nccl import CardRanks
from vsmnp.parallel.single import ALONE
from vsmnp.parallel.tree import reduced

STREAM = 77


class OnCard:
    """An array of a device: no NumPy function takes it, and its memory has an address."""

    def __init__(self, values: Any) -> None:
        self.values = np.ascontiguousarray(values)
        self.data = SimpleNamespace(ptr=self.values.ctypes.data)
        self.nbytes = self.values.nbytes

    def __add__(self, other: OnCard) -> OnCard:
        return OnCard(self.values + other.values)


@dataclass
class Cards:
    """Stand-in for CuPy with some GPUs and an NCCL, which records what it is asked for."""

    count: int
    available: bool = True
    chosen: list[int] = field(default_factory=list)
    worlds: list[tuple[int, tuple[int, ...], int]] = field(default_factory=list)
    pending: list[Any] | None = None
    wires: dict[tuple[int, int], Queue[bytes]] = field(default_factory=dict)

    def install(self, patch: pytest.MonkeyPatch) -> None:
        """Put the modules where they are imported."""
        nccl = SimpleNamespace(
            available=self.available, get_unique_id=lambda: tuple(range(-3, 125)), NCCL_UINT8=1,
            NcclCommunicator=lambda *of: Link(self, *of), groupStart=lambda: None, groupEnd=lambda: None,
        )  # fmt: skip
        cuda = SimpleNamespace(
            nccl=nccl, runtime=SimpleNamespace(getDeviceCount=lambda: self.count),
            Device=lambda place: SimpleNamespace(use=lambda: self.chosen.append(place)),
            get_current_stream=lambda: SimpleNamespace(ptr=STREAM, synchronize=lambda: None),
        )  # fmt: skip
        cupy = SimpleNamespace(
            cuda=cuda, ascontiguousarray=lambda x: x, empty_like=lambda x: OnCard(np.empty_like(x.values)),
            asnumpy=lambda x: x.values, asarray=OnCard,
        )  # fmt: skip
        patch.setitem(sys.modules, "cupy", cupy)  # type: ignore[arg-type]
        patch.setitem(sys.modules, "cupy.cuda", cuda)  # type: ignore[arg-type]
        patch.setitem(sys.modules, "cupy.cuda.nccl", nccl)  # type: ignore[arg-type]


class Link:
    """An NCCL communicator whose messages are bytes in queues."""

    def __init__(self, cards: Cards, size: int, identity: tuple[int, ...], rank: int) -> None:
        self.cards, self.rank = cards, rank
        cards.worlds.append((size, identity, rank))
        for partner in range(size):
            cards.wires.setdefault((rank, partner), Queue())
            cards.wires.setdefault((partner, rank), Queue())

    def send(self, place: int, count: int, kind: int, partner: int, stream: int) -> None:
        """Copy bytes to the queue of the partner."""
        assert (kind, stream) == (1, STREAM)
        self.cards.wires[self.rank, partner].put(ctypes.string_at(place, count))

    def recv(self, place: int, count: int, kind: int, partner: int, stream: int) -> None:
        """Copy bytes from the queue of the partner."""
        assert (kind, stream) == (1, STREAM)
        found = self.cards.wires[partner, self.rank].get(timeout=30)
        assert len(found) == count
        ctypes.memmove(place, found, count)


@pytest.mark.parametrize("available", [True, False])
def test_sums_on_cards_are_those_on_the_host(monkeypatch: pytest.MonkeyPatch, available: bool) -> None:
    """Through NCCL, or through the host's memory where CuPy has none; each rank has a card of its own."""
    cards = Cards(2, available)
    cards.install(monkeypatch)
    values = np.random.default_rng(0).normal(size=(2, 7)).astype(np.float32)

    def work(host: ThreadRank) -> tuple[Any, Any]:
        ranks = on_device(host, "gpu")
        assert isinstance(ranks, CardRanks)
        summed = reduced(ranks, [OnCard(values[host.rank])])  # type: ignore[list-item]
        on_host = reduced(ranks, [values[host.rank]])
        ranks.close()
        return summed, on_host

    summed, on_host = two_ranks(work, work)
    np.testing.assert_array_equal(summed.values, values[0] + values[1])
    np.testing.assert_array_equal(on_host, values[0] + values[1])
    assert sorted(cards.chosen) == [0, 1]
    identity = tuple(range(-3, 125))
    assert sorted(cards.worlds) == ([(2, identity, 0), (2, identity, 1)] if available else [])


def test_a_machine_has_a_card_for_every_rank(monkeypatch: pytest.MonkeyPatch) -> None:
    Cards(1).install(monkeypatch)
    with pytest.raises(DeviceError, match=r"has 1 GPU\(s\) for 2 ranks"):
        two_ranks(CardRanks, CardRanks)


def test_other_devices_and_single_ranks_need_no_other_communicator() -> None:
    host = ThreadRank(0)
    assert on_device(host, "cpu") is host
    assert on_device(ALONE, "gpu") is ALONE

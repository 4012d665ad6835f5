"""Test the host's cost of a launch: one query of the driver, no compilation in a capture, no wait."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from vsmnp.kernels.cuda.graph import CupyRecorder
from vsmnp.kernels.cuda.machine import GRANTED, CupyModule, Machine
from vsmnp.kernels.numba_cuda import kernel_set as numba_cuda_set
from vsmnp.kernels.numba_cuda.kernel_set import NumbaCudaKernels


class Function:
    """A substitute of CuPy's kernel: its attribute is read from the driver and written to it."""

    def __init__(self, asked: list[str]) -> None:
        self.asked, self.bytes, self.launches, self.share = asked, GRANTED, 0, -1

    @property
    def max_dynamic_shared_size_bytes(self) -> int:
        self.asked.append("read")
        return self.bytes

    @max_dynamic_shared_size_bytes.setter
    def max_dynamic_shared_size_bytes(self, value: int) -> None:
        self.asked.append(f"grant {value}")
        self.bytes = value

    @property
    def preferred_shared_memory_carveout(self) -> int:
        self.asked.append("read")
        return self.share

    @preferred_shared_memory_carveout.setter
    def preferred_shared_memory_carveout(self, value: int) -> None:
        self.asked.append(f"share {value}")
        self.share = value

    def __call__(self, grid: Any, block: Any, arguments: Any, *, shared_mem: int) -> None:
        assert shared_mem <= self.bytes, "the driver refuses the launch"
        self.launches += 1


class RawModule:
    """A substitute of CuPy's module, which makes another object of a kernel at each access."""

    def __init__(self, asked: list[str]) -> None:
        self.asked = asked
        self.kernels: dict[str, Function] = {}

    def get_function(self, name: str) -> Function:
        self.asked.append(f"get {name}")
        return self.kernels.setdefault(name, Function(self.asked))


def test_the_driver_is_asked_once_for_a_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    raw = RawModule(asked)
    monkeypatch.setitem(sys.modules, "cupy", SimpleNamespace(RawModule=lambda code, options: raw))
    module = CupyModule("")
    for _ in range(3):
        module.launch("small", (1,), (1,), ())
        module.launch("small", (1,), (1,), (), GRANTED)
        for shared in (GRANTED + 8, GRANTED + 4, 200 * 1024):
            module.launch("large", (1,), (1,), (), shared, 44)
    assert asked == ["get small", "get large", f"grant {GRANTED + 8}", "share 44", f"grant {200 * 1024}"]
    assert [kernel.launches for kernel in raw.kernels.values()] == [6, 9]


class Ticks:
    """A counter on a card: a sum is compiled when it is first computed."""

    def __init__(self, card: Card) -> None:
        self.card = card

    def __setitem__(self, place: Any, value: int) -> None:
        self.card.do("fill")

    def __iadd__(self, other: int) -> Ticks:
        self.card.do("add")
        return self


class Card:
    """A module with CuPy's names whose operations are compiled when they are first started."""

    def __init__(self) -> None:
        self.capturing, self.known, self.compiled_inside = False, set[str](), list[str]()
        self.started: list[str] = []
        self.cuda = SimpleNamespace(
            MemoryPool=lambda: SimpleNamespace(malloc=None), Stream=lambda: self.Stream(self),
            using_allocator=self.using_allocator, runtime=SimpleNamespace(streamCaptureModeRelaxed=2),
        )  # fmt: skip

    def zeros(self, shape: int, dtype: Any) -> Ticks:
        return Ticks(self)

    def do(self, what: str) -> None:
        if self.capturing and what not in self.known:
            self.compiled_inside.append(what)
        self.known.add(what)
        self.started.append(what)

    @staticmethod
    @contextmanager
    def using_allocator(_: Any) -> Iterator[None]:
        yield

    class Stream:
        def __init__(self, card: Card) -> None:
            self.card = card

        def __enter__(self) -> None: ...

        def __exit__(self, *_: Any) -> None: ...

        def begin_capture(self, mode: int) -> None:
            self.card.capturing = True

        def end_capture(self) -> None:
            self.card.capturing = False


def test_a_capture_compiles_nothing_that_was_rehearsed(monkeypatch: pytest.MonkeyPatch) -> None:
    card = Card()
    monkeypatch.setitem(sys.modules, "cupy", card)
    recorder = CupyRecorder()
    recorder.rehearse(lambda: card.do("work"))
    recorder.record(lambda: card.do("work"))
    assert card.started == ["work", "add", "fill", "work", "add"]
    assert card.compiled_inside == []


class OfCupy:
    """An array of another library given to Numba: it waits for its stream unless this is switched off."""

    dtype = np.dtype(np.float32)

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return {"stream": 7}


def test_numba_does_not_synchronise_with_the_stream_that_it_launches_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waits: list[int] = []

    def as_cuda_array(array: OfCupy, sync: bool = True) -> tuple[str, OfCupy]:
        if sync:
            waits.append(array.__cuda_array_interface__["stream"])
        return "taken", array

    class Kernel:
        given: tuple[Any, ...] = ()

        def __getitem__(self, geometry: Any) -> Any:
            assert geometry[2] == ("stream", 7)

            def start(*arguments: Any) -> None:
                self.given = tuple(as_cuda_array(a) if isinstance(a, OfCupy) else a for a in arguments)

            return start

    monkeypatch.setattr(numba_cuda_set, "cuda", SimpleNamespace(
        as_cuda_array=as_cuda_array, is_cuda_array=lambda a: hasattr(a, "__cuda_array_interface__"),
        external_stream=lambda pointer: ("stream", pointer),
    ))  # fmt: skip
    current = SimpleNamespace(get_current_stream=lambda: SimpleNamespace(ptr=7))
    machine: Any = Machine(lambda: SimpleNamespace(cuda=current), None)  # type: ignore[arg-type]
    array, kernel = OfCupy(), Kernel()
    NumbaCudaKernels(machine)._start(kernel, (1,), (1,), array, 3, np.float32(2))
    assert waits == []
    assert kernel.given == (("taken", array), 3, np.float32(2))

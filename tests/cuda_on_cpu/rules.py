"""Break each rule of CUDA once: a program for the device that prints the result of every breach.

``faults`` end the process's context, as on a card; each is run in a separate process.
"""

from __future__ import annotations

import ctypes
import json
import sys
from collections.abc import Callable
from typing import Any

import cupy
import numpy as np
from cupy.cuda import runtime

RELAXED, GLOBAL = runtime.streamCaptureModeRelaxed, runtime.streamCaptureModeGlobal
BLAS = ctypes.CDLL("libcublas.so.13") if cupy.cuda.device.get_cublas_handle() else None
KERNELS = cupy.RawModule(
    code=r"""
extern "C" __global__ void __launch_bounds__(64) plain(float *x, long long n) { x[threadIdx.x] = n; }
extern "C" __global__ void __launch_bounds__(64) dynamic(float *x, long long n) {
    DYNAMIC(float, memory, n);
    memory[threadIdx.x] = x[threadIdx.x];
    __syncthreads();
    x[threadIdx.x] = memory[threadIdx.x];
}
extern "C" __global__ void __launch_bounds__(64) forgetful(float *x) {
    SHARED(float, memory, 64);
    __syncthreads();
    x[threadIdx.x] = memory[threadIdx.x];
}
extern "C" __global__ void __launch_bounds__(64) divergent(float *x) {
    if (threadIdx.x < 32) __syncthreads();
}
"""
)
ANOTHER = 'extern "C" __global__ void one(int *x) {}'
X = cupy.zeros(64, np.float32)


def launch(name: str, grid: Any = (1,), block: Any = (64,), arguments: Any = None, shared: int = 0) -> None:
    KERNELS.get_function(name)(grid, block, (X, 4) if arguments is None else arguments, shared_mem=shared)


def capturing(work: Callable[[Any], None], mode: int = RELAXED, non_blocking: bool = False) -> str:
    """Return the error of an action while a stream is captured; the capture must then be invalid."""
    launch("plain")
    stream = cupy.cuda.Stream(non_blocking=non_blocking)
    stream.begin_capture(mode)
    try:
        given = attempt(lambda: work(stream))
    finally:
        lost = attempt(stream.end_capture)
    return given if "StreamCaptureInvalidated" in lost else f"{given}, and the capture went on"


def attempt(work: Callable[[], object]) -> str:
    """Return the name of the error that an action raises."""
    try:
        work()
    except runtime.CUDARuntimeError as error:
        return str(error).partition(":")[0]
    except cupy.cuda.driver.CUDADriverError as error:
        return str(error).partition(":")[0]
    except (RuntimeError, TypeError) as error:
        return f"{type(error).__name__}: {error}"
    return "nothing"


def copy(to: int, source: int, kind: int, count: int = 256) -> None:
    runtime.memcpy(to, source, count, kind)


def blas(name: str, *arguments: Any) -> str:
    handle = ctypes.c_void_p(cupy.cuda.device.get_cublas_handle())
    return f"status {getattr(BLAS, name)(handle, *arguments)}"


def product(leading: int = 4, rows: int = 4, matrix: Any = None) -> str:
    a = ctypes.c_void_p((X if matrix is None else matrix).data.ptr)
    one, stride = ctypes.c_float(1), ctypes.c_longlong(0)
    factor = (a, leading, stride)
    return blas("cublasSgemmStridedBatched", 0, 0, rows, 4, 4, ctypes.byref(one), *factor, *factor,
                ctypes.byref(one), *factor, 1)  # fmt: skip


def on(stream: Any, work: Callable[[], object]) -> None:
    with stream:
        work()


def recorded_in_capture(stream: Any) -> None:
    event = cupy.cuda.Event()
    event.record(stream)
    event.synchronize()


def replayed_in_capture(stream: Any) -> None:
    other = cupy.cuda.Stream()
    other.begin_capture(RELAXED)
    graph = other.end_capture()
    graph.launch(stream)


def captured_copy(stream: Any) -> None:
    runtime.memcpyAsync(X.data.ptr, np.zeros(64, np.float32).ctypes.data, 256, 1, stream.ptr)


def asked(stream: Any) -> None:
    runtime.check_status(runtime.streamQuery(stream.ptr))


def empty_grid() -> None:
    """Launch an empty grid, which CuPy itself would omit."""
    function = KERNELS.get_function("plain").kernel.ptr
    cupy.cuda.driver.launchKernel(function, 0, 1, 1, 64, 1, 1, 0, 0, 0, 0)


def freed() -> int:
    pointer = runtime.malloc(256)
    runtime.free(pointer)
    return int(pointer)


HOST = np.zeros(64, np.float32)
TO_DEVICE, TO_HOST, WITHIN = (
    runtime.memcpyHostToDevice,
    runtime.memcpyDeviceToHost,
    runtime.memcpyDeviceToDevice,
)


def unfinished() -> str:
    """Read pinned memory before anything has synchronised with the copy into it."""
    stream = cupy.cuda.Stream(non_blocking=True)
    place = np.frombuffer(cupy.cuda.alloc_pinned_memory(256), np.float32, 64)
    place[:] = 0
    with stream:
        ones = cupy.ones(64, np.float32)
        ones.get(out=place, blocking=False)
    before = str(place[0])
    stream.synchronize()
    assert place[0] == 1
    return before


def polled() -> str:
    event = cupy.cuda.Event()
    launch("plain")
    event.record()
    return f"{event.done} {event.done}"


def out_of_reach(address: int) -> Callable[[], None]:
    def fault() -> None:
        launch("plain", arguments=(cupy.ndarray(64, np.float32, _pointer(address)), 4))
        runtime.deviceSynchronize()

    return fault


def _pointer(address: int) -> Any:
    memory = cupy.cuda.UnownedMemory(address, 256, None, 0)
    return cupy.cuda.MemoryPointer(memory, 0)


def wait(name: str, **how: Any) -> Callable[[], None]:
    def fault() -> None:
        launch(name, **how)
        runtime.deviceSynchronize()

    return fault


RULES: dict[str, Callable[[], str]] = {
    "a launch on the legacy stream": lambda: capturing(
        lambda s: on(cupy.cuda.Stream.null, lambda: launch("plain"))),
    "a copy on the legacy stream": lambda: capturing(lambda s: copy(X.data.ptr, HOST.ctypes.data, 1)),
    "an event on the legacy stream": lambda: capturing(lambda s: cupy.cuda.Event().record()),
    "waiting for the captured stream": lambda: capturing(lambda s: s.synchronize()),
    "asking the captured stream": lambda: capturing(asked),
    "waiting for the device": lambda: capturing(lambda s: runtime.deviceSynchronize()),
    "waiting for a captured event": lambda: capturing(recorded_in_capture),
    "a replay in a capture": lambda: capturing(replayed_in_capture),
    "pageable memory in a capture": lambda: capturing(captured_copy),
    "memory taken in a strict capture": lambda: capturing(
        lambda s: runtime.malloc(64), GLOBAL, True),
    "a module loaded in a strict capture": lambda: capturing(
        lambda s: cupy.RawModule(code=ANOTHER).get_function("one"), GLOBAL, True),
    "capturing the legacy stream": lambda: attempt(lambda: runtime.streamBeginCapture(0, RELAXED)),
    "a copy to the host's memory as the device's": lambda: attempt(
        lambda: copy(HOST.ctypes.data, HOST.ctypes.data, TO_DEVICE)),
    "a copy of the device's memory as the host's": lambda: attempt(
        lambda: copy(X.data.ptr, X.data.ptr, TO_DEVICE)),
    "a copy to the device as to the host": lambda: attempt(lambda: copy(X.data.ptr, X.data.ptr, TO_HOST)),
    "a copy within the device from the host": lambda: attempt(
        lambda: copy(X.data.ptr, HOST.ctypes.data, WITHIN)),
    "a copy past an allocation": lambda: attempt(lambda: copy(X.data.ptr, HOST.ctypes.data, 1, 1 << 20)),
    "a copy from freed memory": lambda: attempt(lambda: copy(HOST.ctypes.data, freed(), TO_HOST)),
    "memory freed twice": lambda: attempt(lambda: runtime.free(freed())),
    "more memory than there is": lambda: attempt(lambda: runtime.malloc(1 << 40)),
    "an event that is none": lambda: attempt(
        lambda: runtime.eventSynchronize(12345)),
    "times of events that were not recorded": lambda: attempt(
        lambda: cupy.cuda.get_elapsed_time(cupy.cuda.Event(), cupy.cuda.Event())),
    "an empty grid": lambda: attempt(empty_grid),
    "a grid too high": lambda: attempt(lambda: launch("plain", grid=(1, 65536))),
    "a block too large": lambda: attempt(lambda: launch("plain", block=(1025,))),
    "a block too deep": lambda: attempt(lambda: launch("plain", block=(1, 1, 65))),
    "more threads than launch bounds": lambda: attempt(
        lambda: launch("plain", block=(96,))),
    "shared memory over 48 KB unasked": lambda: attempt(
        lambda: launch("dynamic", shared=49153)),
    "shared memory over 227 KB": lambda: attempt(
        lambda: setattr(KERNELS.get_function("dynamic"), "max_dynamic_shared_size_bytes", 232449)),
    "a kernel that is not there": lambda: attempt(lambda: launch("absent")),
    "too few arguments": lambda: attempt(
        lambda: launch("plain", arguments=(X,))),
    "an argument of another type": lambda: attempt(
        lambda: launch("plain", arguments=(X, np.int32(4)))),
    "an array of another type": lambda: attempt(
        lambda: launch("plain", arguments=(X.astype(np.float64), 4))),
    "a workspace that is not aligned": lambda: blas(
        "cublasSetWorkspace_v2", ctypes.c_void_p(X.data.ptr + 16), ctypes.c_size_t(64)),
    "a workspace of the host": lambda: blas(
        "cublasSetWorkspace_v2", ctypes.c_void_p(HOST.ctypes.data // 256 * 256), ctypes.c_size_t(64)),
    "a leading dimension below the rows": lambda: product(leading=3),
    "a matrix past its array": lambda: product(leading=400),
    "shared memory that nobody wrote": lambda: (launch("forgetful", arguments=(X,)), str(X.get()[5]))[1],
    "memory that nobody wrote": lambda: str(cupy.ndarray(
        5, np.float64, cupy.cuda.MemoryPointer(cupy.cuda.Memory(40), 0)).get()[2]),
    "a copy that nobody waits for": unfinished,
    "an event asked twice": polled,
}  # fmt: skip

FAULTS: dict[str, Callable[[], None]] = {
    "freed memory in a kernel": lambda: out_of_reach(freed())(),
    "memory behind an allocation": lambda: out_of_reach(runtime.malloc(512) + 384)(),
    "a barrier that not all threads reach": wait("divergent", arguments=(X,)),
    "more shared memory than the launch gives": wait("dynamic", shared=8),
}

if __name__ == "__main__":
    if sys.argv[1:]:
        breach = FAULTS[sys.argv[1]]
        print(json.dumps([attempt(breach), attempt(lambda: runtime.deviceSynchronize())]))
    else:
        print(json.dumps({name: breach() for name, breach in RULES.items()}))

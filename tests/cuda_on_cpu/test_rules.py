"""Test that the device is as strict as a card: each rule of CUDA, broken once, gives its error."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cuda_on_cpu.device import Device

PROGRAM = Path(__file__).with_name("rules.py")

#: The result of each breach, by the names of ``rules.py``.
RULES = {
    "a launch on the legacy stream": "CUDA_ERROR_STREAM_CAPTURE_IMPLICIT",
    "a copy on the legacy stream": "cudaErrorStreamCaptureImplicit",
    "an event on the legacy stream": "cudaErrorStreamCaptureImplicit",
    "waiting for the captured stream": "cudaErrorStreamCaptureUnsupported",
    "asking the captured stream": "cudaErrorStreamCaptureUnsupported",
    "waiting for the device": "cudaErrorStreamCaptureUnsupported",
    "waiting for a captured event": "cudaErrorCapturedEvent",
    "a replay in a capture": "cudaErrorStreamCaptureUnsupported",
    "pageable memory in a capture": "cudaErrorStreamCaptureUnsupported",
    "memory taken in a strict capture": "cudaErrorStreamCaptureUnsupported",
    "a module loaded in a strict capture": "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED",
    "capturing the legacy stream": "cudaErrorStreamCaptureUnsupported",
    "a copy to the host's memory as the device's": "cudaErrorInvalidValue",
    "a copy of the device's memory as the host's": "cudaErrorInvalidValue",
    "a copy to the device as to the host": "cudaErrorInvalidValue",
    "a copy within the device from the host": "cudaErrorInvalidValue",
    "a copy past an allocation": "cudaErrorInvalidValue",
    "a copy from freed memory": "cudaErrorInvalidValue",
    "memory freed twice": "cudaErrorInvalidValue",
    "more memory than there is": "cudaErrorMemoryAllocation",
    "an event that is none": "cudaErrorInvalidResourceHandle",
    "times of events that were not recorded": "cudaErrorInvalidResourceHandle",
    "an empty grid": "CUDA_ERROR_INVALID_VALUE",
    "a grid too high": "CUDA_ERROR_INVALID_VALUE",
    "a block too large": "CUDA_ERROR_INVALID_VALUE",
    "a block too deep": "CUDA_ERROR_INVALID_VALUE",
    "more threads than launch bounds": "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES",
    "shared memory over 48 KB unasked": "CUDA_ERROR_INVALID_VALUE",
    "shared memory over 227 KB": "CUDA_ERROR_INVALID_VALUE",
    "a kernel that is not there": "CUDA_ERROR_NOT_FOUND",
    "too few arguments": "TypeError: plain takes out f4, i8; it was given in f4.",
    "an argument of another type": "TypeError: plain takes out f4, i8; it was given in f4, i4.",
    "an array of another type": "TypeError: plain takes out f4, i8; it was given in f8, i8.",
    "a workspace that is not aligned": "status 7",
    "a workspace of the host": "status 7",
    "a leading dimension below the rows": "status 7",
    "a matrix past its array": "status 7",
    "shared memory that nobody wrote": "nan",
    "memory that nobody wrote": "nan",
    "a copy that nobody waits for": "0.0",
    "an event asked twice": "False True",
}
#: The error of a kernel's fault, and of every call after it.
FAULTS = {
    "freed memory in a kernel": "cudaErrorIllegalAddress",
    "memory behind an allocation": "cudaErrorIllegalAddress",
    "a barrier that not all threads reach": "cudaErrorLaunchFailure",
    "more shared memory than the launch gives": "cudaErrorLaunchFailure",
}


@pytest.fixture(scope="module")
def given(prepared: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    done = Device(prepared, tmp_path_factory.mktemp("rules")).python(str(PROGRAM))
    assert done.returncode == 0, done.stderr[-4000:]
    found: dict[str, str] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("rule", RULES)
def test_a_broken_rule_gives_its_error(rule: str, given: dict[str, str]) -> None:
    assert given[rule] == RULES[rule]


def test_every_rule_is_stated(given: dict[str, str]) -> None:
    assert given.keys() == RULES.keys()


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_a_kernel_stays(fault: str, device: Device) -> None:
    done = device.python(str(PROGRAM), fault)
    assert json.loads(done.stdout) == [FAULTS[fault]] * 2, done.stderr[-2000:]

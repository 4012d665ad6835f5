"""Situations of inputs that have no end."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ..follow import Step, read, remedy


@remedy("is a pipe or a device: write its content to a file")
def a_pipe_of_data(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    os.mkfifo("pipe.csv")
    yield read("pipe.csv")
    np.savetxt("pipe-content.csv", np.eye(20, 3), delimiter=",")
    yield read("pipe-content.csv")


@remedy("is a pipe or a device: write its content to a file")
def a_device_of_data(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    Path("endless.h5").symlink_to("/dev/zero")
    yield read("endless.h5")
    np.savetxt("endless.csv", np.eye(20, 3), delimiter=",")
    yield read("endless.csv")

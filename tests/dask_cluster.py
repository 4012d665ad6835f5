"""Start a scheduler of Dask and workers as a user would, on the loopback."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import distributed


def wait_until(condition: Callable[[], Any], seconds: float = 300) -> None:
    """Wait until a condition holds, at most some seconds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def free_port() -> int:
    """Return a port of the loopback on which nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


class Cluster:
    """A scheduler of Dask and workers on the loopback, each a process that can be killed.

    Workers import the module ``preload``, if any, when they start.
    """

    def __init__(self, folder: Path, preload: str = "") -> None:
        self.folder, self.port, self.preload = folder, free_port(), preload
        self.address = f"127.0.0.1:{self.port}"
        self.processes: list[subprocess.Popen[bytes]] = []
        self.scheduler = self._start(
            "scheduler", "--host", "127.0.0.1", "--port", f"{self.port}", "--no-dashboard"
        )

    def _start(self, *arguments: str, path: Path = Path(__file__).parent) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "dask", *arguments]
        process = subprocess.Popen(
            command, cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": str(path)},
        )  # fmt: skip
        self.processes.append(process)
        return process

    def worker(self, path: Path = Path(__file__).parent) -> subprocess.Popen[bytes]:
        """Start a worker that imports modules from a folder before all others."""
        preload = ("--preload", self.preload) if self.preload else ()
        return self._start(
            "worker", f"tcp://{self.address}", "--nthreads", "1", "--no-nanny", "--no-dashboard",
            "--local-directory", str(self.folder), *preload, path=path,
        )  # fmt: skip

    def listens(self) -> bool:
        """Return whether the scheduler takes connections."""
        with socket.socket() as sock:
            return sock.connect_ex(("127.0.0.1", self.port)) == 0

    def workers(self) -> int:
        """Return the number of workers."""
        with distributed.Client(self.address, set_as_default=False) as client:
            return len(client.scheduler_info(n_workers=-1)["workers"])

    def close(self) -> None:
        """End all processes, and wait until they are gone."""
        for process in self.processes:
            with suppress(OSError):
                process.kill()
            process.wait()

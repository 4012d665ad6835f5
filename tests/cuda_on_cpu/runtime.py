"""Build CuPy's module of the CUDA runtime without the linked-in runtime.

CuPy's wheel has the CUDA runtime linked into ``cupy_backends.cuda.api.runtime``. The same module is made here
from CuPy's source distribution and the headers of the toolkit's wheels, and resolves its entry points in the
library that the process has loaded.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import sysconfig
import tarfile
from pathlib import Path

from .commands import Unavailable, run, version

WHEEL = "cupy-cuda13x"
#: Version of the toolkit for which CuPy's wheel is built.
CUDA_VERSION = 13000


def headers() -> list[str]:
    """Return the options for the headers of the toolkit's wheels and of Python.

    Raises
    ------
    Unavailable
        If they are not installed.
    """
    spec = importlib.util.find_spec("nvidia")
    roots = [Path(root) for root in (spec.submodule_search_locations or ())] if spec else []
    found = [root / "cu13" / "include" for root in roots if (root / "cu13/include/cuda_runtime.h").exists()]
    if not found:
        raise Unavailable("The toolkit's headers were not found: pip install -e '.[cuda-tests]'.")
    return [f"-I{found[0]}", f"-I{sysconfig.get_path('include')}"]


def build_runtime(place: Path) -> None:
    """Write the module into a folder, which also serves as scratch."""
    source = _translate(_unpack(_fetch(place), place))
    module = place / f"runtime{sysconfig.get_config_var('EXT_SUFFIX')}"
    run(["g++", "-std=c++17", "-O0", "-fPIC", "-shared", "-w", *headers(), "-o", str(module), str(source)])


def _fetch(place: Path) -> Path:
    """Download CuPy's source distribution from the index that pip is configured to use."""
    wanted = f"cupy=={version(WHEEL)}"
    fetch = [sys.executable, "-m", "unearth", "--no-binary", "--download", str(place), wanted]
    said = []
    for options in _places():
        done = subprocess.run([*fetch, *options], capture_output=True, text=True, check=False)
        found = sorted(place.glob("cupy-*.tar.gz"))
        if found:
            return found[0]
        said.append((done.stderr or done.stdout).strip().rpartition("\n")[2])
    raise Unavailable(f"The source distribution of {wanted} was not found: {' '.join(said)}")


def _places() -> list[list[str]]:
    """List options that name pip's sources one by one: its index, its folders, its further indexes."""
    listed = run([sys.executable, "-m", "pip", "config", "list"])
    settings = [line.partition("=") for line in listed.splitlines()]
    values = {name.rpartition(".")[2]: value.strip("'\"").split() for name, _, value in settings}

    def options(setting: str, option: str) -> list[str]:
        return [word for value in values.get(setting, []) for word in (option, value)]

    trusted = options("trusted-host", "--trusted-host")
    index = options("index-url", "--index-url")  # none: unearth uses pip's default
    others = [options("find-links", "--find-link"), options("extra-index-url", "--index-url")]
    return [[*place, *trusted] for place in (index, *filter(None, others))]


def _unpack(archive: Path, place: Path) -> Path:
    with tarfile.open(archive) as file:
        parts = [member for member in file.getmembers() if "/cupy_backends/" in member.name]
        file.extractall(place, parts, filter="data")
    return next(place.glob("cupy-*/cupy_backends")).parent


def _translate(root: Path) -> Path:
    """Convert the module's source to C++, with includes of CuPy's headers by their paths."""
    source = root / "cupy_backends" / "cuda" / "api" / "runtime.cpp"
    constants = {"CUPY_CUDA_VERSION": CUDA_VERSION, "CUPY_HIP_VERSION": 0, "CUPY_USE_CUDA_PYTHON": False}
    defined = [word for name, value in constants.items() for word in ("-E", f"{name}={value}")]
    cython = [sys.executable, "-m", "cython", "-3", "--cplus", *defined, "-o", str(source)]
    run([*cython, "cupy_backends/cuda/api/runtime.pyx"], root)
    return source

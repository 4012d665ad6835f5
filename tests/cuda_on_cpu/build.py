"""Build the libraries that CuPy loads instead of CUDA's, once, into the user's cache.

``libcuda.so.1`` and ``libcublas.so.13`` are made of ``driver/``, and ``runtime.py`` makes the one module of
CuPy that has CUDA's runtime linked in. Everything else is CuPy's unchanged wheel.

``python tests/cuda_on_cpu/run.py --build`` builds and prints the folder.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from filelock import FileLock

from .commands import Unavailable, run, version
from .runtime import WHEEL, build_runtime, headers

HERE = Path(__file__).parent
DRIVER = HERE / "driver"
#: Environment variable of a folder that replaces the user's cache.
CACHE_VARIABLE = "CUDA_ON_CPU_CACHE"
#: Required packages: the extra ``cuda-tests``.
PACKAGES = (WHEEL, "unearth", "cython", "nvidia-cuda-runtime", "nvidia-cuda-crt", "nvidia-cuda-profiler-api")
PARTS = ("streams", "memory", "modules", "device")
FLAGS = ("-std=c++17", "-O2", "-fPIC", "-shared", "-fvisibility=hidden", "-ffp-contract=off")


def libraries() -> Path:
    """Return the folder of ``libcuda.so.1`` and ``libcublas.so.13``, built if it does not exist.

    Raises
    ------
    Unavailable
        If a program or package is missing that building needs.
    """
    _check_machine()
    return _built(
        "driver",
        _build_driver,
        [*sorted(DRIVER.iterdir()), *(HERE / f"{name}.py" for name in ("build", "runtime", "commands"))],
    )


def runtime() -> Path:
    """Return the folder of CuPy's runtime module, built if it is missing; raises as ``libraries``."""
    _check_machine()
    return _built("runtime", build_runtime, [HERE / "runtime.py"])


def kernels() -> Path:
    """Return the folder of compiled kernels, whose names are hashes of their sources."""
    place = cache() / "kernels"
    place.mkdir(exist_ok=True)
    return place


def cache() -> Path:
    """Return the folder of all built files: in the user's cache, or the one that the environment names."""
    chosen = os.environ.get(CACHE_VARIABLE)
    if chosen:
        root = Path(chosen)
    else:
        from vsmnp.storage import user_cache

        root = user_cache() / "cuda_on_cpu"
    root.mkdir(parents=True, exist_ok=True)
    return root


def _check_machine() -> None:
    if not sys.platform.startswith("linux") or platform.machine() != "x86_64":
        raise Unavailable("CuPy runs on a CUDA in host memory on Linux with x86-64 only.")
    if shutil.which("g++") is None:
        raise Unavailable("There is no C++ compiler: install g++ (Debian and Ubuntu: apt-get install g++).")
    missing = [package for package in PACKAGES if version(package) is None]
    if missing:
        raise Unavailable(f"{', '.join(missing)} not installed: pip install -e '.[cuda-tests]'.")


def _built(name: str, build: Callable[[Path], None], sources: Iterable[Path]) -> Path:
    """Return the folder built from some sources and the installed packages.

    The first process builds it under another name and renames it when it is complete; the others wait.
    """
    digest = hashlib.sha256()
    for source in sources:
        digest.update(source.read_bytes())
    for word in (sys.version, *map(str, map(version, PACKAGES))):
        digest.update(word.encode())
    place = cache() / f"{name}-{digest.hexdigest()[:20]}"
    if not place.exists():
        with FileLock(place.with_suffix(".lock")):
            if not place.exists():
                with tempfile.TemporaryDirectory(dir=cache()) as scratch:
                    fresh = Path(scratch) / "fresh"
                    fresh.mkdir()
                    build(fresh)
                    fresh.rename(place)
    return place


def _build_driver(place: Path) -> None:
    options = headers()
    driver = place / "libcuda.so.1"
    module = next(runtime().glob("runtime*.so"))
    _link(driver, [DRIVER / f"{part}.cpp" for part in PARTS], _undefined(module, "cuda"), options)
    _link(place / "libcublas.so.13", [DRIVER / "cublas.cpp"], _cublas_names(), [*options, str(driver)])


def _link(library: Path, sources: Sequence[Path], wanted: set[str], options: Sequence[str]) -> None:
    """Build a library under its own name; entry points that it lacks raise an error when called."""
    name = library.name
    words = ["-fPIC", *map(str, sources), *options, f"-Wl,-soname,{name}"]
    if "cublas" in name:
        versions = library.with_suffix(".versions")
        versions.write_text(
            f"{name} {{ global: cu*; }};\n"
        )  # CuPy looks up cuBLAS's symbols under this version
        words.append(f"-Wl,--version-script,{versions}")
    run(["g++", *FLAGS, "-o", str(library), *words])
    missing = library.with_suffix(".refused")
    missing.write_text("".join(f"REFUSE({entry})\n" for entry in sorted(wanted - _defined(library))))
    run(["g++", *FLAGS, "-o", str(library), *words, str(DRIVER / "refused.cpp"), f'-DREFUSED="{missing}"'])


def _symbols(library: Path, option: str) -> set[str]:
    lines = run(["nm", "-D", option, str(library)]).splitlines()
    return {line.split()[-1].partition("@")[0] for line in lines}


def _defined(library: Path) -> set[str]:
    return _symbols(library, "--defined-only")


def _undefined(library: Path, start: str) -> set[str]:
    return {name for name in _symbols(library, "--undefined-only") if name.startswith(start)}


def _cublas_names() -> set[str]:
    spec = importlib.util.find_spec("cupy_backends")
    assert spec is not None
    roots = spec.submodule_search_locations or []
    return _undefined(next(Path(roots[0]).glob("cuda/libs/cublas.*.so")), "cublas")

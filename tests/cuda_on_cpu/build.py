"""The libraries that real CuPy finds instead of CUDA's, built once into the user's cache.

``libcuda.so.1`` and ``libcublas.so.13`` are made of ``driver/``. CuPy's wheel has the CUDA runtime linked into one
module, ``cupy_backends.cuda.api.runtime``: that module is made anew of CuPy's own source distribution, against the
headers of the toolkit's wheels and ``libcuda.so.1``. Everything else is the wheel as it is.

``python tests/cuda_on_cpu/build.py`` builds and prints the folder.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

HERE = Path(__file__).parent
DRIVER = HERE / "driver"
WHEEL = "cupy-cuda13x"
RUNTIME = "cupy_backends.cuda.api.runtime"
#: Of the toolkit that CuPy's wheel is built for.
CUDA_VERSION = 13000
#: A folder that takes the place of the user's cache.
CACHE_VARIABLE = "CUDA_ON_CPU_CACHE"

PARTS = ("streams", "memory", "modules", "device")
FLAGS = ("-std=c++17", "-O2", "-fPIC", "-shared", "-fvisibility=hidden", "-ffp-contract=off")


class Unavailable(RuntimeError):
    """What is missing, and what would bring it."""


def folder() -> Path:
    """The folder of the libraries, built where it is not there yet.

    Raises
    ------
    Unavailable
        If something is missing that building needs.
    """
    _check_machine()
    key = _key()
    place = cache() / key
    if not (place / "complete").exists():
        with _alone(cache() / f"{key}.lock"):
            if not (place / "complete").exists():
                _build(place)
    (place / "kernels").mkdir(exist_ok=True)
    return place


def cache() -> Path:
    """Where built things are kept: under the user's cache, or as the environment says."""
    chosen = os.environ.get(CACHE_VARIABLE)
    if chosen:
        root = Path(chosen)
    else:
        from vsmnp.files import user_cache

        root = user_cache() / "cuda_on_cpu"
    root.mkdir(parents=True, exist_ok=True)
    return root


def _check_machine() -> None:
    if not sys.platform.startswith("linux") or platform.machine() != "x86_64":
        raise Unavailable("CuPy runs on a CUDA in host memory on Linux with x86-64 only.")
    if shutil.which("g++") is None:
        raise Unavailable("There is no C++ compiler: install g++ (Debian and Ubuntu: apt-get install g++).")
    missing = [name for name in (WHEEL, "unearth", "cython", "nvidia-cuda-runtime") if _version(name) is None]
    if missing:
        raise Unavailable(f"{', '.join(missing)} is not installed: pip install -e '.[cuda-tests]'.")


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _key() -> str:
    """A name for what is built: everything that it is made of, hashed."""
    digest = hashlib.sha256()
    for source in (*sorted(DRIVER.iterdir()), Path(__file__)):
        digest.update(source.read_bytes())
    for word in (*map(str, map(_version, (WHEEL, "cython", "nvidia-cuda-runtime"))), sys.version):
        digest.update(word.encode())
    return digest.hexdigest()[:20]


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Keep other processes out; the lock ends with the process that holds it."""
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _build(place: Path) -> None:
    with tempfile.TemporaryDirectory(dir=place.parent) as scratch:
        fresh = Path(scratch) / "fresh"
        fresh.mkdir()
        runtime = _runtime_source(Path(scratch))
        headers = _headers()
        module = fresh / f"runtime{sysconfig.get_config_var('EXT_SUFFIX')}"
        _run(["g++", "-std=c++17", "-O0", "-fPIC", "-shared", "-w", *headers, "-o", str(module), str(runtime)])
        driver = fresh / "libcuda.so.1"
        _link(driver, [DRIVER / f"{part}.cpp" for part in PARTS], _undefined(module, "cuda"), headers)
        _link(fresh / "libcublas.so.13", [DRIVER / "cublas.cpp"], _cublas_names(), [*headers, str(driver)])
        (fresh / "complete").touch()
        shutil.rmtree(place, ignore_errors=True)
        fresh.rename(place)


# --- CuPy's own sources ------------------------------------------------------------------------------


def _runtime_source(scratch: Path) -> Path:
    """The module's source as C++, made by Cython."""
    archive = _source_distribution(scratch)
    with tarfile.open(archive) as file:
        parts = [member for member in file.getmembers() if "/cupy_backends/" in member.name]
        file.extractall(scratch, parts, filter="data")
    root = next(scratch.glob("cupy-*/cupy_backends")).parent
    # Outside the sources it could not find their headers, which it names by their places.
    source = root / "cupy_backends" / "cuda" / "api" / "runtime.cpp"
    constants = {"CUPY_CUDA_VERSION": CUDA_VERSION, "CUPY_HIP_VERSION": 0, "CUPY_USE_CUDA_PYTHON": False}
    defined = [word for name, value in constants.items() for word in ("-E", f"{name}={value}")]
    cython = [sys.executable, "-m", "cython", "-3", "--cplus", *defined, "-o", str(source)]
    _run([*cython, "cupy_backends/cuda/api/runtime.pyx"], root)
    return source


def _source_distribution(scratch: Path) -> Path:
    """CuPy's source distribution, from wherever pip is configured to look."""
    wanted = f"cupy=={_version(WHEEL)}"
    fetch = [sys.executable, "-m", "unearth", "--no-binary", "--download", str(scratch), wanted]
    said = []
    for place in _places():
        done = subprocess.run([*fetch, *place], capture_output=True, text=True, check=False)
        found = sorted(scratch.glob("cupy-*.tar.gz"))
        if found:
            return found[0]
        said.append((done.stderr or done.stdout).strip().rpartition("\n")[2])
    raise Unavailable(f"The source distribution of {wanted} was not found: {' '.join(said)}")


def _places() -> list[list[str]]:
    """Options that name pip's places one by one: its index, its folders, its further indexes."""
    listed = _run([sys.executable, "-m", "pip", "config", "list"])
    settings = [line.partition("=") for line in listed.splitlines()]
    values = {name.rpartition(".")[2]: value.strip("'\"").split() for name, _, value in settings}

    def options(setting: str, option: str) -> list[str]:
        return [word for value in values.get(setting, []) for word in (option, value)]

    trusted = options("trusted-host", "--trusted-host")
    index = options("index-url", "--index-url")  # none: unearth has pip's default
    others = [options("find-links", "--find-link"), options("extra-index-url", "--index-url")]
    return [[*place, *trusted] for place in (index, *filter(None, others))]


def _headers() -> list[str]:
    """Options for the headers of the toolkit's wheels and of Python."""
    spec = importlib.util.find_spec("nvidia")
    roots = [Path(root) for root in (spec.submodule_search_locations or ())] if spec else []
    found = [root / "cu13" / "include" for root in roots if (root / "cu13/include/cuda_runtime.h").exists()]
    if not found:
        raise Unavailable("The toolkit's headers were not found: pip install -e '.[cuda-tests]'.")
    return [f"-I{found[0]}", f"-I{sysconfig.get_path('include')}"]


# --- libraries ---------------------------------------------------------------------------------------


def _link(library: Path, sources: Sequence[Path], wanted: set[str], options: Sequence[str]) -> None:
    """Build a library under its own name; entry points that it lacks are there to be refused."""
    name = library.name
    missing = library.with_suffix(".refused")
    versions = library.with_suffix(".versions")
    versions.write_text(f"{name} {{ global: cu*; }};\n")  # CuPy asks for cuBLAS's symbols under this version
    words = [*map(str, sources), *options, f"-Wl,-soname,{name}"]
    words += [f"-Wl,--version-script,{versions}"] if "cublas" in name else []
    own = library.with_suffix(".own")
    _run(["g++", *FLAGS, "-o", str(own), *words])
    missing.write_text("".join(f"REFUSE({entry})\n" for entry in sorted(wanted - _defined(own))))
    refused = [str(DRIVER / "refused.cpp"), f'-DREFUSED="{missing}"']
    _run(["g++", *FLAGS, "-o", str(library), *words, *refused])
    for left in (missing, versions, own):
        left.unlink()


def _symbols(library: Path, option: str) -> set[str]:
    lines = _run(["nm", "-D", option, str(library)]).splitlines()
    return {line.split()[-1].partition("@")[0] for line in lines}


def _defined(library: Path) -> set[str]:
    return _symbols(library, "--defined-only")


def _undefined(library: Path, start: str) -> set[str]:
    return {name for name in _symbols(library, "--undefined-only") if name.startswith(start)}


def _cublas_names() -> set[str]:
    spec = importlib.util.find_spec("cupy_backends")
    assert spec is not None
    roots = spec.submodule_search_locations or []
    library = next(Path(roots[0]).glob("cuda/libs/cublas.*.so"))
    return _undefined(library, "cublas")


def _run(command: Sequence[str], where: Path | None = None) -> str:
    done = subprocess.run(command, cwd=where, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unavailable(f"{' '.join(command[:3])} ... failed:\n{done.stderr[-3000:]}")
    return done.stdout


if __name__ == "__main__":
    began = time.monotonic()
    print(folder())
    print(f"{time.monotonic() - began:.1f} s", file=sys.stderr)

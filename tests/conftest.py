"""Set the common state of every test: one thread a process, no window system, no settings from outside."""

import os

# Before NumPy: the suite runs in two processes, and BLAS reads these when it is loaded.
for pool in ("OMP", "OPENBLAS", "MKL", "NUMBA"):
    os.environ.setdefault(f"{pool}_NUM_THREADS", "1")
os.environ["MPLBACKEND"] = "Agg"
# The command line reads every option from VSMNP_*; each test sets the ones that it needs.
for name in [name for name in os.environ if name.startswith("VSMNP_")]:
    del os.environ[name]

import pytest  # noqa: E402
from hypothesis import settings  # noqa: E402

from vsmnp.kernels import ON_HOST, load  # noqa: E402
from vsmnp.types import Kernels  # noqa: E402

# The same draws on every machine, and no result that depends on the load of the machine.
settings.register_profile("laws", deadline=None, derandomize=True)
settings.load_profile("laws")


@pytest.fixture(scope="module", params=ON_HOST)
def k(request: pytest.FixtureRequest) -> Kernels:
    """Return each kernel set that runs on the host in turn."""
    return load(request.param)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Set no limit of time for slow tests; all others fail after the one of pyproject.toml."""
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.timeout(0))

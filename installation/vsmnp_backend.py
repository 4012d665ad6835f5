"""Build with setuptools, and first heal an installation that an earlier version left broken.

Earlier versions kept machine code in ``site-packages/vsmnp/kernels/__pycache__``. No installer knew of it, so
it outlived the package, and the folder that was left was then found in place of a checkout that is installed
with ``pip install -e``. An installer builds with the interpreter of the environment that it installs into,
before it removes what is installed there: that is when these files are removed.
"""

from __future__ import annotations

import os
import re
import site
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from setuptools import build_meta
from setuptools.build_meta import *  # noqa: F403

_Settings = Mapping[str, Any] | None

#: What Numba calls its files: indices, machine code, and either as it was being written.
_FILE = re.compile(r".+\.(nbi|nbc)(\.tmp\.[0-9a-f]+)?")
#: The variable that names a further configuration file of a build.
_EXTRA = "DIST_EXTRA_CONFIG"


def build_wheel(
    wheel_directory: str, config_settings: _Settings = None, metadata_directory: str | None = None
) -> str:
    """Build a wheel, once the environment is rid of what earlier versions left."""
    heal()
    with _own_build_folder():
        name: str = build_meta.build_wheel(wheel_directory, config_settings, metadata_directory)
    return name


def build_editable(
    wheel_directory: str, config_settings: _Settings = None, metadata_directory: str | None = None
) -> str:
    """Build an editable wheel, once the environment is rid of what earlier versions left."""
    heal()
    name: str = build_meta.build_editable(wheel_directory, config_settings, metadata_directory)
    return name


@contextmanager
def _own_build_folder() -> Iterator[None]:
    """Build in a temporary folder, as ``build/`` of the checkout may hold modules of an older tree."""
    with tempfile.TemporaryDirectory() as folder:
        extra = Path(folder) / "distutils.cfg"
        extra.write_text(f"[build]\nbuild_base = {folder}\n", encoding="utf-8")
        before = os.environ.get(_EXTRA)
        os.environ[_EXTRA] = str(extra)
        try:
            yield
        finally:
            if before is None:
                del os.environ[_EXTRA]
            else:
                os.environ[_EXTRA] = before


def heal() -> None:
    """Remove machine code of earlier versions from wherever this interpreter finds packages."""
    places = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    if sys.prefix == sys.base_prefix:  # a virtual environment has no packages of the user's
        places.add(site.getusersitepackages())
    for place in places:
        remove_machine_code(Path(place) / "vsmnp")


def remove_machine_code(package: Path) -> None:
    """Remove Numba's files from ``package/kernels/__pycache__``, and the folders that they leave empty.

    Nothing else is removed, and nothing at all through a link: what it points to is not an installation.
    A file that cannot be removed is left where it is.
    """
    below = package / "kernels" / "__pycache__"
    if any(path.is_symlink() for path in (package, below.parent, below)) or not below.is_dir():
        return
    for file in below.iterdir():
        if _FILE.fullmatch(file.name):
            with suppress(OSError):
                file.unlink()
    for emptied in (below, below.parent, package):
        with suppress(OSError):  # it holds something else
            os.rmdir(emptied)

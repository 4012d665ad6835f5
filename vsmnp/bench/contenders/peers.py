"""Load peers from a folder: a package of the user, one module for each peer.

vsmnp contains no framework. A source checkout has peers in ``benchmarks/peers/steps``; an
installation takes a folder from ``--peers``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec
from pathlib import Path
from typing import cast

from ...errors import ConfigError, VsmnpError
from .contender import Peer

#: Package name of the folder, independent of its own name.
PACKAGE = "vsmnp_bench_peers"


def folder_of_checkout() -> Path | None:
    """Return ``benchmarks/peers/steps`` of the source checkout of this file, or None if there is none."""
    folder = Path(__file__).resolve().parents[3] / "benchmarks" / "peers" / "steps"
    return folder if folder.is_dir() else None


class PeerError(ConfigError):
    """A peer that is missing or fails."""


@contextmanager
def naming_the_peer(name: str) -> Iterator[None]:
    """Turn any exception of a peer's code into one sentence that names the peer.

    Raises
    ------
    PeerError
        In place of any exception except those of vsmnp.
    """
    try:
        yield
    except VsmnpError:
        raise
    except Exception as error:
        raise PeerError(
            f"The peer '{name}' failed ({type(error).__name__}: {error}): mend it or leave it out."
        ) from error


@dataclass(frozen=True)
class PeerFolder:
    """Peers by name: module ``torch_eager.py`` is the peer ``torch-eager``; a leading underscore hides one.

    Parameters
    ----------
    folder : Path or None
        Folder of the peers; None for no peers.

    Raises
    ------
    ConfigError
        If there is no such folder.
    """

    folder: Path | None

    def __post_init__(self) -> None:
        if self.folder is not None and not self.folder.is_dir():
            raise ConfigError(
                f"--peers {self.folder} is not a folder: name one that holds peers as .py files."
            )

    @classmethod
    def of(cls, path: str | None) -> PeerFolder:
        """Return the folder of a path, or the one without peers if there is no path."""
        return cls(Path(path) if path else None)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all peers in the folder, installed or not."""
        if self.folder is None:
            return ()
        stems = sorted(path.stem for path in self.folder.glob("[!_]*.py"))
        return tuple(stem.replace("_", "-") for stem in stems)

    def load(self, name: str) -> Peer:
        """Load the peer of that name together with its framework.

        Raises
        ------
        PeerError
            If there is no such peer, its framework is not installed, or it is not a peer.
        """
        if name not in self.names:
            where = f"in {self.folder}" if self.folder else "without a folder of peers (see --peers)"
            known = f": choose one of {', '.join(self.names)}" if self.names else ""
            raise PeerError(f"There is no peer '{name}' {where}{known}.")
        self._register_package()
        with naming_the_peer(name):
            try:
                module = import_module(f"{PACKAGE}.{name.replace('-', '_')}")
            except ImportError as error:
                raise PeerError(
                    f"The peer '{name}' needs {error.name or error}, which is not installed: install it or "
                    "leave the peer out."
                ) from error
        for function in ("obstacle", "make"):
            if not callable(getattr(module, function, None)):
                raise PeerError(f"The peer '{name}' has no function {function}(problem): write one.")
        return cast(Peer, module)

    def _register_package(self) -> None:
        known = sys.modules.get(PACKAGE)
        if known is not None and list(known.__path__) == [str(self.folder)]:
            return
        for name in [n for n in sys.modules if n == PACKAGE or n.startswith(f"{PACKAGE}.")]:
            del sys.modules[name]
        spec = ModuleSpec(PACKAGE, None, is_package=True)
        spec.submodule_search_locations = [str(self.folder)]
        sys.modules[PACKAGE] = module_from_spec(spec)

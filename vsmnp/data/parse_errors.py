"""Turn any parser's exception on a corrupt file into one DataError."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import DataError, Interrupted

#: Deflate cannot compress more than 1,032 bytes to one: a file that claims more is corrupt, and allocating
#: the claimed size could exhaust the memory.
MOST_BYTES_PER_BYTE = 1_100


@contextmanager
def reading(path: Path, kind: str, remedy: str) -> Iterator[None]:
    """Turn any failure of a parser into a :class:`DataError`.

    The formats' libraries raise almost any exception on corrupt bytes (``OSError``, ``KeyError``,
    ``struct.error``, ``RecursionError``, ``MemoryError``, ...), hence the broad ``except``.

    Parameters
    ----------
    path : Path
        The file.
    kind : str
        Expected content, such as "a NumPy array".
    remedy : str
        Remedy for the user, such as "save it again with numpy.save".
    """
    with contextlib.suppress(OSError):  # the parser that opens it raises the error
        if not (path.is_file() or path.is_dir()) and path.exists():
            raise DataError(f"{path} is a pipe or a device: write its content to a file.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (DataError, Interrupted):
        raise
    except PermissionError as error:
        raise DataError(f"{path} may not be read: change its permissions.") from error
    except MemoryError as error:
        raise DataError(f"{path} holds more than fits in memory, or is corrupt: {remedy}.") from error
    except Exception as error:
        raise DataError(f"{path} cannot be read as {kind}, it is corrupt or truncated: {remedy}.") from error

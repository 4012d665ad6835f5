"""Download files from mirrors, verify their SHA-256, and leave no partial file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from ...errors import DataError, StorageError

_TIMEOUT = 30.0
_CHUNK = 1 << 16


def fetch(file: str, sha256: str, mirrors: Sequence[str], folder: Path) -> Path:
    """Download ``file`` to ``folder`` from the first mirror that has it, unless it is already there.

    pooch downloads to a temporary name and renames only a file with the right hash. Progress is shown on a
    terminal.

    Parameters
    ----------
    file : str
        Name of the file on every mirror and in the folder.
    sha256 : str
        The hash of the file, in hexadecimal.
    mirrors : sequence of str
        URLs that end in a slash.
    folder : Path
        Target folder; created if necessary.

    Raises
    ------
    DataError
        If no mirror delivers the right file; the message gives the failure of each one.
    StorageError
        If the folder cannot be written.
    """
    import logging

    import pooch
    from requests.exceptions import HTTPError, RequestException
    from tqdm import tqdm

    pooch.get_logger().setLevel(logging.WARNING)
    failures = []
    for mirror in mirrors:
        # pooch evaluates bool(bar) before it knows the size, hence the total of 1
        bar = tqdm(desc=file, total=1, unit="B", unit_scale=True, leave=False, disable=None)
        downloader = pooch.HTTPDownloader(
            progressbar=bar,
            chunk_size=_CHUNK,
            timeout=_TIMEOUT,
            headers={"Accept-Encoding": "identity"},  # a server must not decompress the .gz in transit
        )
        try:
            pooch.retrieve(mirror + file, f"sha256:{sha256}", file, folder, downloader=downloader)
            return folder / file
        except HTTPError as error:
            status = "an error" if error.response is None else error.response.status_code
            failures.append(f"{_host(mirror)} answered {status}")
        except RequestException:
            failures.append(f"{_host(mirror)} was not reached")
        except ValueError:
            failures.append(f"{_host(mirror)} sent a file with the wrong SHA-256")
        except OSError as error:
            raise StorageError(
                f"{file} cannot be written to {folder} ({error.strerror or error}): "
                "make room there or change its permissions."
            ) from error
        finally:
            bar.close()
    raise DataError(
        f"{file} could not be downloaded ({'; '.join(failures)}): "
        f"get it by hand from {' or '.join(mirrors)} and put it in {folder}, or name "
        "the folder that holds it with --data-dir."
    )


def _host(mirror: str) -> str:
    return urlsplit(mirror).netloc

"""Find the folder for files that can be recreated."""

from __future__ import annotations

from pathlib import Path

from ..errors import StorageError


def known_cache() -> Path | None:
    """Return the folder for files that can be recreated, or None for a user without a home folder."""
    from platformdirs import user_cache_path

    try:
        folder = user_cache_path("vsmnp")
    except RuntimeError:  # a `~` that cannot be expanded; older versions of platformdirs leave it as it is
        return None
    return folder if folder.is_absolute() else None


def user_cache() -> Path:
    """Return the folder for files that can be recreated, under ``$XDG_CACHE_HOME`` or the like.

    Raises
    ------
    StorageError
        If the user has no home folder.
    """
    folder = known_cache()
    if folder is None:
        raise StorageError(
            "There is no folder for the cache, because this user has no home folder: set the variable "
            "XDG_CACHE_HOME to the absolute path of a folder."
        )
    return folder

"""Access to the disk: every file of vsmnp is read and written here."""

from .cache import known_cache, user_cache
from .folders import make_folder, make_new_folder, sync_folder
from .reading import MOST_TEXT, open_regular, read_json, read_text
from .refused import failed_call, unless_refused
from .writing import (
    ABANDONED,
    COPY,
    ELSEWHERE,
    check_place,
    check_space,
    remove_leftovers,
    replacing,
    write_text,
    write_whole,
)

__all__ = [
    "ABANDONED", "COPY", "ELSEWHERE", "MOST_TEXT", "check_place", "check_space", "failed_call", "known_cache",
    "make_folder", "make_new_folder", "open_regular", "read_json", "read_text", "remove_leftovers",
    "replacing", "sync_folder", "unless_refused", "user_cache", "write_text", "write_whole",
]  # fmt: skip

"""Access to the disk: every file of vsmnp is read and written here."""

from .cache import known_cache, user_cache
from .failed_call import failed_call
from .folders import make_folder, make_new_folder, sync_folder
from .looking import may_be_file, may_be_folder, may_exist
from .reading import MOST_TEXT, open_regular, read_json, read_text
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
    "make_folder", "make_new_folder", "may_be_file", "may_be_folder", "may_exist", "open_regular",
    "read_json", "read_text", "remove_leftovers", "replacing", "sync_folder", "user_cache", "write_text",
    "write_whole",
]  # fmt: skip

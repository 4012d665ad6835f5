"""The row of a single setting: type, choices, range, the choice that it belongs to; and its check."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import Field, dataclass, field, fields
from typing import Any

from ..errors import ConfigError, suggestion
from ..types.shown import html_table


@dataclass(frozen=True)
class BelongsTo:
    """The choice that a setting belongs to: only some members of that closed set read it."""

    of: str  #: the setting that chooses the member, a name in :data:`~vsmnp.settings.choices.CHOSEN_BY`
    #: Error for another value than the default if no such member is chosen; empty: the value is ignored.
    refusal: str = "{option} is a part of {members}, not of {chosen}: leave it out."
    neutral: tuple[str, ...] = ()  #: further values that are accepted then


#: The groups of the settings in the order of a help page; the last is also that of options which are none.
GROUPS = ("Data", "Objective", "Networks", "Optimisation", "Machine", "Run")


def setting(
    group: str, default: Any, text: str, *choices: str, least: float | None = None, positive: bool = False,
    part: BelongsTo | None = None, free: bool = False,
) -> Any:  # fmt: skip
    """Create the field of a setting, whose metadata are its row of the table.

    ``group`` is one of :data:`GROUPS`; ``text`` is the help of its option and ``choices`` are its values
    unless empty; it is at least ``least``, or ``positive``. It is ``part`` of a choice, if any; a resumed
    run may change it if it is ``free``.
    """
    row = {
        "group": group, "help": text, "choices": choices, "least": least, "positive": positive,
        "part": part, "free": free,
    }  # fmt: skip
    return field(default=default, metadata=row)


#: One more than the largest integer of TOML and of NumPy.
_LARGEST = 2**63
_WANTED = {"str": "a text", "int": "an integer", "float": "a number", "bool": "true or false"}


def option_name(name: str) -> str:
    """Return the command-line option of a setting."""
    return "--" + name.replace("_", "-")


def is_positive(value: float) -> bool:
    """Return whether the value is positive and finite."""
    return 0 < value < float("inf")


class ShownByChanges:
    """A dataclass that is shown by the fields that differ from their defaults, as Python makes it."""

    def _changes(self) -> dict[str, str]:
        specs = fields(self)  # type: ignore[arg-type]
        values = {spec.name: (getattr(self, spec.name), spec.default) for spec in specs}
        return {name: repr(value) for name, (value, default) in values.items() if value != default}

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({', '.join(f'{name}={text}' for name, text in self._changes().items())})"
        )

    def _repr_html_(self) -> str:
        return html_table(type(self).__name__, self._changes() or {"all": "defaults"})


def checked(spec: Field[Any], value: Any) -> Any:
    """Check the value of a setting and convert it to the type of its default.

    Files contain lists for tuples, and integers for numbers; in Python, NumPy's numbers and types, ranges,
    arrays of integers, paths, and one integer for a tuple are accepted too.

    Raises
    ------
    ConfigError
        If the value has another type, is none of the choices, or is out of range.
    """
    option, row = option_name(spec.name), spec.metadata
    value = _typed(option, value, type(spec.default), bare_number=spec.name == "gamma")
    if row["choices"]:
        return chosen(option, value, row["choices"])
    least = row["least"]
    if least is not None and not least <= value < float("inf"):
        raise ConfigError(f"{option} must be at least {least:g}, not {value}.")
    if row["positive"] and not is_positive(value):
        raise ConfigError(f"{option} must be a positive number, not {value}.")
    return value


def chosen(option: str, value: str, choices: Sequence[str]) -> str:
    """Return the choice that the value names in letters of any case.

    Raises
    ------
    ConfigError
        If there is none.
    """
    for choice in choices:
        if choice.casefold() == value.casefold():
            return choice
    raise ConfigError(
        f"{option} must be one of {', '.join(choices)}, not '{value}'{suggestion(value, choices)}."
    )


def _typed(option: str, value: Any, kind: type, bare_number: bool) -> Any:
    """Convert the value to ``kind``; ``bare_number`` permits a number in place of its text."""
    value = _plain(value, kind)
    if bare_number and type(value) in (int, float):
        value = repr(value) if abs(value) < _LARGEST else "inf"
    for number in value if isinstance(value, list | tuple) else (value,):
        if type(number) is int and not -_LARGEST <= number < _LARGEST:
            raise ConfigError(f"{option} must lie between -2^63 and 2^63 - 1.")
    if isinstance(value, str):
        _check_text(option, value)
    if kind is float and type(value) is int:
        value = float(value)
    found: type = type(value)
    if found is not kind or (kind is tuple and not all(type(v) is int for v in value)):
        raise ConfigError(
            f"{option} must be {_WANTED.get(kind.__name__, 'a list of integers')}, not {value!r}."
        )
    return value


def _plain(value: Any, kind: type) -> Any:
    """Return the Python value of a NumPy number, a path, a data type, or a sequence of integers.

    NumPy's are known by their attributes: the settings are read before NumPy may be loaded.
    """
    if kind is str and isinstance(value, os.PathLike):
        return os.fspath(value)
    if kind is str and isinstance(value, type) and hasattr(value, "dtype"):  # np.float32
        return value.__name__
    if kind is str and hasattr(value, "byteorder"):  # np.dtype("float32")
        return value.name
    if hasattr(value, "tolist"):
        value = value.tolist()
    if kind is tuple and type(value) is int:
        return (value,)
    if kind is tuple and isinstance(value, range | list | tuple):
        return tuple(v.tolist() if hasattr(v, "tolist") else v for v in value)
    return value


def _check_text(option: str, value: str) -> None:
    """Check that a TOML file can hold the text."""
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ConfigError(
            f"{option} {value!r} is no UTF-8 text, which config.toml needs: rename the file."
        ) from error

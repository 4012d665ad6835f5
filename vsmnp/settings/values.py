"""Checks of a single setting: its type, its choices and its range."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import ConfigError

_LEAST: Mapping[str, float] = {
    "samples": 1, "encoder_steps": 1, "batch_size": 0, "latent": 1, "threads": 1, "noise": 0,
    "steps": 0, "log_every": 0, "evaluate_every": 0, "image_size": 0, "crop": 0,
    "memory_budget": 0,
}  # fmt: skip
_POSITIVE = frozenset({"lr", "encoder_lr", "sd_init", "gamma_floor", "epochs", "temperature", "width"})
#: One more than the largest integer of TOML and of NumPy.
_LARGEST = 2**63
_WANTED = {"str": "a text", "int": "an integer", "float": "a number", "bool": "true or false"}


def option_name(name: str) -> str:
    """Return the command-line option of a setting."""
    return "--" + name.replace("_", "-")


def positive(value: float) -> bool:
    """Return whether the value is positive and finite."""
    return 0 < value < float("inf")


def checked(name: str, value: Any, default: Any, choices: tuple[str, ...]) -> Any:
    """Check a value and convert it to the type of the setting's default.

    Files contain lists for tuples, and integers for numbers.

    Raises
    ------
    ConfigError
        If the value has another type, is none of the choices, or is out of range.
    """
    option = option_name(name)
    value = _typed(option, value, type(default), bare_number=name == "gamma")
    if choices and value not in choices:
        raise ConfigError(f"{option} must be one of {', '.join(choices)}, not '{value}'.")
    if name in _LEAST and not _LEAST[name] <= value < float("inf"):
        raise ConfigError(f"{option} must be at least {_LEAST[name]:g}, not {value}.")
    if name in _POSITIVE and not positive(value):
        raise ConfigError(f"{option} must be a positive number, not {value}.")
    return value


def _typed(option: str, value: Any, kind: type, bare_number: bool) -> Any:
    """Convert the value to ``kind``; ``bare_number`` permits a number in place of its text."""
    if bare_number and type(value) in (int, float):
        value = repr(value) if abs(value) < _LARGEST else "inf"
    for number in value if isinstance(value, list | tuple) else (value,):
        if type(number) is int and not -_LARGEST <= number < _LARGEST:
            raise ConfigError(f"{option} must lie between -2^63 and 2^63 - 1.")
    if isinstance(value, str):
        _check_text(option, value)
    if kind is float and type(value) is int:
        value = float(value)
    if kind is tuple and isinstance(value, list):
        value = tuple(value)
    found: type = type(value)
    if found is not kind or (kind is tuple and not all(type(v) is int for v in value)):
        raise ConfigError(
            f"{option} must be {_WANTED.get(kind.__name__, 'a list of integers')}, not {value!r}."
        )
    return value


def _check_text(option: str, value: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ConfigError(
            f"{option} {value!r} is no UTF-8 text, which config.toml needs: rename the file."
        ) from error

"""Convert the fields of a text table to numbers: missing values, decimal marks, groups of thousands."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Literal, TypeAlias

#: The decimal mark of a table; empty as long as no field contains a comma.
Decimal: TypeAlias = Literal["", ".", ","]

_NAN, _INF = float("nan"), float("inf")
#: Words that stand for a missing value, in lower case: those of pandas, R, SQL and of a spreadsheet's errors.
MISSING = frozenset((
    "", "na", "n/a", "<na>", "nan", "-nan", "null", "none", "?",
    "#n/a", "#na", "#n/a n/a", "#div/0!", "#value!", "#ref!", "#num!", "#name?", "#null!",
))  # fmt: skip
#: Words that are numbers, in lower case.
_WORDS: Mapping[str, float] = {
    **dict.fromkeys(MISSING, _NAN),
    **{sign + word: float(sign + "inf") for sign in ("", "+", "-") for word in ("inf", "infinity")},
    "true": 1.0, "false": 0.0,
}  # fmt: skip

_SIGN, _EXPONENT = r"[+-]?", r"(?:e[+-]?\d+)?"
#: Digits in groups of three, each group after a point or a comma.
_BY_POINTS, _BY_COMMAS = r"[1-9]\d{0,2}(?:\.\d{3})+", r"[1-9]\d{0,2}(?:,\d{3})+"


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(_SIGN + text + _EXPONENT, re.ASCII | re.IGNORECASE)


_PLAIN = _pattern(r"(?:\d+(?:\.\d*)?|\.\d+)")  # digits match in one way only: a long field takes linear time
_POINT = _pattern(rf"{_BY_COMMAS}(?:\.\d*)?")
_COMMA = _pattern(rf"(?:(?:{_BY_POINTS}|\d+)(?:,\d*)?|,\d+)")
#: A field that can be read with either mark: 1,234 is 1234 or 1.234.
_EITHER = _pattern(r"[1-9]\d{0,2}[.,]\d{3}")


def number(field: str, decimal: Decimal) -> float | None:
    """Convert one field to a number; NaN for a missing value, None for text.

    Digits may be in groups of exactly three, separated by the mark that is not the decimal one. No other
    character separates digits: ``1_000`` and ``1 000`` are text.
    """
    text = field.strip()
    word = _WORDS.get(text.lower())
    if word is not None:
        return word
    if decimal == ",":
        return float(text.replace(".", "").replace(",", ".")) if _COMMA.fullmatch(text) else None
    if _PLAIN.fullmatch(text):
        return float(text)
    return float(text.replace(",", "")) if decimal and _POINT.fullmatch(text) else None


def is_number(field: str) -> bool:
    """Return whether a field is a number with one of the decimal marks; a missing value is none."""
    text = field.strip()
    return text.lower() not in MISSING and (number(text, ".") is not None or number(text, ",") is not None)


def decimal_mark(fields: Iterable[str]) -> tuple[Decimal, str]:
    """Find the first field that is a number with only one of the decimal marks.

    Returns
    -------
    mark : str
        The mark; empty if every field leaves it open.
    witness : str
        The field that tells, or else a field that can be read in both ways.
    """
    either = ""
    for field in fields:
        text = field.strip()
        if _EITHER.fullmatch(text):
            either = either or (text if "," in text else "")
        elif "," in text or "." in text:
            point, comma = (number(text, mark) is not None for mark in (".", ","))
            if point != comma:
                return "." if point else ",", text
    return "", either

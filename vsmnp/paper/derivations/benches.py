"""Record the values at which checks evaluate a claim, and plant the errors that these values could hide.

A bench is the example on which a check evaluates a claim. Where a symbol has one value on every bench, a
claim with that value in place of the symbol passes; where two symbols are equal on every bench, so does a
claim that takes one for the other. The record of a statement is what its checks pass to the claim: numbers
by the names of the parameters, or of the attributes that the claim reads, and whether arrays were passed.
From it :func:`blind` makes the wrong claims, each of which some check must reject.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, is_dataclass
from functools import partial
from itertools import permutations
from types import SimpleNamespace
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from .statement import Check, Claim, Effort, Statement

#: Most values of one symbol that are planted; a check with many benches would repeat the same test.
_FEW = 4


class Symbol(NamedTuple):
    """A quantity that a claim receives: an argument of a part of it, or an attribute of an argument."""

    part: str
    argument: str
    attribute: str = ""

    @property
    def name(self) -> str:
        """The name of the quantity, such as ``d_x``."""
        return self.attribute or self.argument

    def __str__(self) -> str:
        return f"{self.part}: {self.name}" if self.part else self.name


#: What stands in the place of a symbol: a function of its value and of all numbers of the call.
Plant: TypeAlias = Callable[[Any, Mapping[Symbol, float]], Any]
#: Takes note of the values of one call.
_Seen: TypeAlias = Callable[[Mapping[Symbol, Any]], None]


@dataclass
class BenchValues:
    """The values that the checks of a statement pass to its claim.

    Attributes
    ----------
    numbers : dict of Symbol to list of float
        Distinct values of each quantity that is a number.
    arrays : set of Symbol
        Quantities that are arrays of numbers or of symbols.
    equal : set of pairs of Symbol
        Two quantities, both numbers, that had the same value in a call.
    """

    numbers: dict[Symbol, list[float]] = field(default_factory=dict)
    arrays: set[Symbol] = field(default_factory=set)
    equal: set[tuple[Symbol, Symbol]] = field(default_factory=set)

    @property
    def symbols(self) -> list[Symbol]:
        """All quantities that the claim receives, in a fixed order."""
        return sorted({*self.numbers, *self.arrays})

    def add(self, values: Mapping[Symbol, Any]) -> None:
        """Add the values of one call."""
        here = {symbol: number for symbol, v in values.items() if (number := _number(v)) is not None}
        for symbol, number in here.items():
            known = self.numbers.setdefault(symbol, [])
            if number not in known:
                known.append(number)
        self.arrays |= {symbol for symbol, v in values.items() if symbol not in here and _is_array(v)}
        self.equal |= {(a, b) for a, b in permutations(here, 2) if here[a] == here[b]}


def _number(value: Any) -> float | None:
    if isinstance(value, bool | np.bool_):
        return None
    if isinstance(value, int | float | np.number) or (isinstance(value, np.ndarray) and value.ndim == 0):
        return float(value)
    return None


def _is_array(value: Any) -> bool:
    """Return whether zeros and ones can stand in for a value: an array, or an expression of SymPy."""
    if isinstance(value, np.ndarray):
        return value.dtype.kind in "fiuO"
    of_sympy = type(value).__module__.startswith("sympy") and not isinstance(value, type)
    return of_sympy and hasattr(value, "free_symbols")


def _is_record(value: Any) -> bool:
    return isinstance(value, SimpleNamespace) or (is_dataclass(value) and not isinstance(value, type))


class _Reader:
    """An argument with attributes, which notes those that are read and can change them."""

    def __init__(self, of: Any, read: Callable[[str, Any], Any]) -> None:
        self.__dict__.update(_of=of, _read=read)

    def __getattr__(self, name: str) -> Any:
        return self._read(name, getattr(self._of, name))


def _wrap(
    claim: Claim, around: Callable[[str, Callable[..., Any]], Callable[..., Any]], part: str = ""
) -> Claim:
    """Replace every function of a claim, which can be a table or a tuple of functions."""
    if isinstance(claim, Mapping):
        return {key: _wrap(each, around, str(key)) for key, each in claim.items()}
    if isinstance(claim, SimpleNamespace):
        return SimpleNamespace(**{key: _wrap(each, around, key) for key, each in vars(claim).items()})
    if isinstance(claim, tuple):
        return tuple(_wrap(each, around, str(i)) for i, each in enumerate(claim))
    return around(part, claim) if inspect.isroutine(claim) or isinstance(claim, partial) else claim


def _arguments(function: Callable[..., Any], given: tuple[Any, ...]) -> Iterator[str]:
    """Yield the name of each positional argument: its parameter's, numbered for a starred parameter."""
    names = list(inspect.signature(function).parameters.values())
    for i in range(len(given)):
        last = names[min(i, len(names) - 1)]
        starred = last.kind is inspect.Parameter.VAR_POSITIONAL
        yield f"{last.name}[{i - len(names) + 1}]" if starred else last.name


def _call(
    part: str, function: Callable[..., Any], given: tuple[Any, ...], seen: _Seen,
    plants: Mapping[Symbol, Plant],
) -> Any:  # fmt: skip
    """Call a function of a claim, note the quantities that it receives, and put the plants in their place."""
    values: dict[Symbol, Any] = {}
    numbers: dict[Symbol, float] = {}

    def received(symbol: Symbol, value: Any) -> Any:
        values[symbol] = value
        if (number := _number(value)) is not None:
            numbers[symbol] = number
        return plants[symbol](value, numbers) if symbol in plants else value

    def argument(name: str, value: Any) -> Any:
        if _is_record(value):
            return _Reader(value, lambda attribute, v: received(Symbol(part, name, attribute), v))
        return received(Symbol(part, name), value)

    names = list(_arguments(function, given))
    for name, value in zip(names, given, strict=True):  # a plant can refer to a number that is read later
        if (number := _number(value)) is not None:
            numbers[Symbol(part, name)] = number
        elif _is_record(value):
            for attribute in (each for each in dir(value) if not each.startswith("_")):
                if (number := _number(getattr(value, attribute))) is not None:
                    numbers[Symbol(part, name, attribute)] = number
    result = function(*(argument(name, value) for name, value in zip(names, given, strict=True)))
    seen(values)
    return result


def _with(claim: Claim, seen: _Seen, plants: Mapping[Symbol, Plant]) -> Claim:
    def around(part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *given: _call(part, function, given, seen, plants)

    return _wrap(claim, around)


def bench_of(statement: Statement, effort: Effort) -> BenchValues:
    """Run all checks of a statement on its claim, and return the values that the claim received."""
    bench = BenchValues()
    claim = _with(statement.claim, bench.add, {})
    for check in statement.checks:
        check(claim, effort)
    return bench


def _affine(given: Any, factor: float, shift: float) -> Any:
    """Compute ``factor given + shift``, entry by entry for a sequence or a matrix of SymPy."""
    if isinstance(given, list | tuple):
        return type(given)(_affine(entry, factor, shift) for entry in given)
    if hasattr(given, "applyfunc"):
        return given.applyfunc(lambda entry: factor * entry + shift)
    return factor * given + shift


def _like(given: Any, value: float) -> float:
    """Return a number as an integer where it takes the place of one: of a size, a float would be refused."""
    is_size = isinstance(given, int | np.integer) and float(value).is_integer()
    return int(value) if is_size else value


def _constant(value: float) -> Plant:
    return lambda given, numbers: (
        _like(given, value) if _number(given) is not None else _affine(given, 0, value)
    )


def _moved(given: Any, numbers: Mapping[Symbol, float]) -> Any:
    return given + 1 if isinstance(given, int) else _affine(given, 1.37, 0.11)


def _other(symbol: Symbol) -> Plant:
    return lambda given, numbers: _like(given, numbers[symbol]) if symbol in numbers else given


def plants_of(bench: BenchValues, symbol: Symbol) -> dict[str, Plant]:
    """Return what could stand for a symbol unnoticed: its values, zero and one, and symbols equal to it."""
    if symbol in bench.numbers:
        values = [*bench.numbers[symbol][:_FEW], *(v for v in (0.0, 1.0) if v not in bench.numbers[symbol])]
    else:
        values = [0.0, 1.0]
    found = {f"{symbol} is {value:g}": _constant(value) for value in values}
    return found | {f"{symbol} is {b.name}": _other(b) for a, b in sorted(bench.equal) if a == symbol}


#: Errors that a claim raises at a value for which it has none.
_REFUSALS = (ArithmeticError, ValueError, TypeError, AttributeError)


def _rejects(check: Check, claim: Claim, effort: Effort) -> bool:
    """Return whether a check rejects a claim; one that cannot be evaluated is rejected."""
    try:
        with np.errstate(all="ignore"):
            return not check(claim, effort).holds
    except _REFUSALS:
        return True


class _Depends(Exception):
    """Signal that a claim has another value with a plant in it."""


def _depends(statement: Statement, symbol: Symbol, effort: Effort) -> bool:
    """Return whether the claim depends on a symbol; some are there for wrong claims alone."""

    def around(part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def both(*given: Any) -> Any:
            true = _call(part, function, given, _ignore, {})
            try:
                with np.errstate(all="ignore"):
                    other = _call(part, function, given, _ignore, {symbol: _moved})
            except _REFUSALS as refusal:
                raise _Depends from refusal
            if not _same(true, other):
                raise _Depends
            return true

        return both

    claim = _wrap(statement.claim, around)
    try:
        for check in statement.checks:
            check(claim, effort)
    except _Depends:
        return True
    return False


def _same(one: Any, two: Any) -> bool:
    if isinstance(one, list | tuple):
        return len(one) == len(two) and all(map(_same, one, two))
    return bool(np.all(np.asarray(one == two)))


def _ignore(values: Mapping[Symbol, Any]) -> None:
    pass


def blind(statement: Statement, effort: Effort) -> list[str]:
    """Find the planted errors that every check of a statement accepts."""
    bench, accepted = bench_of(statement, effort), list[str]()
    failed = [check.__name__ for check in statement.checks if not check(statement.claim, effort).holds]
    if failed:
        return [f"the claim is rejected by {name}" for name in failed]
    checks = sorted(statement.checks, key=_cost)

    def passes(symbol: Symbol, plant: Plant) -> bool:
        claim = _with(statement.claim, _ignore, {symbol: plant})
        return not any(_rejects(check, claim, effort) for check in checks)

    for symbol in bench.symbols:
        if _depends(statement, symbol, effort):
            plants = {f"{symbol} is moved": _moved, **plants_of(bench, symbol)}
            accepted += [name for name, plant in plants.items() if passes(symbol, plant)]
    return accepted


def _cost(check: Check) -> int:
    """Return the sort key of a check: those by algebra, which simplify wrong claims slowly, come last."""
    return int("symbolic" in getattr(check, "__name__", "") or "symbolic" in check.__qualname__)

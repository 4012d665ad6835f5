"""Keep the pictures that a command draws, so that children which draw the same ones only write them.

Drawing takes most of the time of the commands, and makes no call on files until its bytes are complete.
"""

from __future__ import annotations

import hashlib
import itertools
import marshal
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from functools import cache, partial
from types import (
    BuiltinFunctionType,
    FunctionType,
    MappingProxyType,
    MethodDescriptorType,
    MethodType,
    ModuleType,
)
from typing import Any

import numpy as np

#: Attributes of Matplotlib's objects without effect on a picture: weak references by numbers of objects.
_WITHOUT_EFFECT = ("_parents",)
#: Classes of values that are what they print.
_PLAIN = (type(None), bool, int, float, complex, str, bytes, np.generic, np.dtype)
#: Classes of values that are what their names say.
_NAMED = (type, BuiltinFunctionType, MethodDescriptorType, ModuleType)


class UnknownError(TypeError):
    """A value in a figure of which nobody knows whether a picture depends on it."""


class _Walk:
    """A walk through everything that a figure refers to: a picture depends on nothing else but the style.

    The style is the same for all pictures of the package.
    """

    def __init__(self) -> None:
        self._seen: dict[int, tuple[int, object]] = {}

    def parts(self, value: Any) -> Iterator[bytes]:
        """Yield bytes of a value and of all that it refers to, each object once.

        Raises
        ------
        UnknownError
            If it refers to something that is not known.
        """
        if isinstance(value, _PLAIN):
            yield f"{type(value).__name__} {value!r}".encode()
            return
        if id(value) in self._seen:
            yield f"again {self._seen[id(value)][0]}".encode()
            return
        self._seen[id(value)] = len(self._seen), value
        if isinstance(value, np.ndarray) and value.dtype != object:
            yield f"array {value.dtype} {value.shape}".encode()
            yield np.ascontiguousarray(value).tobytes()
            yield from self._each(getattr(value, "mask", None))
            return
        yield f"{type(value).__module__}.{type(value).__qualname__}".encode()
        yield from self._each(*_contents(value))

    def _each(self, *values: Any) -> Iterator[bytes]:
        yield str(len(values)).encode()
        for value in values:
            yield from self.parts(value)


def _contents(value: Any) -> Iterator[Any]:
    """Yield what an object consists of."""
    from matplotlib.cbook import CallbackRegistry

    match value:
        case CallbackRegistry() | weakref.ref() | weakref.WeakKeyDictionary() | itertools.count():
            pass  # they tell others of changes
        case list() | tuple() | deque() | np.ndarray():
            yield from value
        case set() | frozenset():
            yield from sorted(value, key=repr)
        case dict() | MappingProxyType():
            yield from itertools.chain.from_iterable(value.items())
            yield from _attributes(value)
        case partial():
            yield from (value.func, value.args, value.keywords)
        case MethodType():
            yield from (value.__func__, value.__self__)
        case FunctionType():
            yield from (marshal.dumps(value.__code__), value.__defaults__, value.__kwdefaults__)
            yield from (cell.cell_contents for cell in value.__closure__ or ())
        case _ if isinstance(value, _NAMED):
            yield from (getattr(value, name, None) for name in ("__module__", "__qualname__", "__name__"))
            yield getattr(value, "__self__", None)
        case _ if hasattr(value, "__dict__") or _slots(type(value)):
            yield from _attributes(value)
        case _:
            raise UnknownError(type(value))


def _attributes(value: Any) -> Iterator[Any]:
    """Yield the names and values of an object's attributes, in the order of their names."""
    own = {name: getattr(value, name) for name in _slots(type(value)) if hasattr(value, name)}
    own |= getattr(value, "__dict__", {})
    for name in sorted(own.keys() - {*_WITHOUT_EFFECT}):
        yield from (name, own[name])


@cache
def _slots(kind: type) -> list[str]:
    """List the attributes of a class that are not in a dictionary."""
    named = (getattr(each, "__slots__", ()) for each in kind.__mro__)
    names = [name for each in named for name in ((each,) if isinstance(each, str) else each)]
    return [name for name in names if name not in ("__dict__", "__weakref__")]


def key_of(figure: Any) -> bytes:
    """Return a hash of all that a picture of a figure depends on; raises an UnknownError as the walk does."""
    seen = hashlib.sha256()
    for part in _Walk().parts(figure):
        seen.update(len(part).to_bytes(8, "little") + part)
    return seen.digest()


def kept(encode: Callable[[Any, str], bytes]) -> Callable[[Any, str], bytes]:
    """Return a function that encodes a figure, or returns the bytes of an equal one."""
    known: dict[tuple[bytes, str], bytes] = {}

    def encoded(figure: Any, ending: str) -> bytes:
        try:
            key = key_of(figure), ending
        except UnknownError:
            return encode(figure, ending)
        if key not in known:
            known[key] = encode(figure, ending)
        return known[key]

    return encoded

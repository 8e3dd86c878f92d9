"""How functions and classes of the user's are called, read without running any code of theirs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from inspect import CO_VARARGS, CO_VARKEYWORDS
from types import FunctionType
from typing import Any

from agentloop_nb._internal import type_info
from agentloop_nb.notebook.kernel.plain_text import cut, short

MAX_ARGUMENTS = 120
MAX_DOC = 120
MAX_WRAPPED = 10


def signature(name: str, value: Any, *, values: bool = True) -> str:
    """`clean(df, drop=True): first line of its docstring`; without `values`, defaults and docstring stay untold."""
    is_class = type_info.inherits(type(value), type)
    function = _constructor(value) if is_class else _unwrapped(value)
    arguments = "(…)" if function is None else f"({', '.join(_arguments(function, bound=is_class, values=values))})"
    doc = cut(_first_line(type_info.namespace(value) if is_class else {"__doc__": value.__doc__}), MAX_DOC)
    head = f"{'class ' if is_class else ''}{name}{cut(arguments, MAX_ARGUMENTS)}"
    return f"{head}: {doc}" if values and doc and not doc.startswith(f"{name}(") else head  # a dataclass has such


def _constructor(cls: type) -> FunctionType | None:
    for method in ("__init__", "__new__"):
        found = type_info.defined(cls, method)
        found = found.__func__ if type(found) is staticmethod else found
        if type(found) is FunctionType:
            return _unwrapped(found)
    return None


def _unwrapped(function: FunctionType) -> FunctionType:
    """Return the function that a decorator wraps."""
    for _ in range(MAX_WRAPPED):
        inner = function.__dict__.get("__wrapped__")
        if type(inner) is not FunctionType:
            break
        function = inner
    return function


def _first_line(holder: Any) -> str:
    doc = holder.get("__doc__")
    return " ".join(doc.strip().partition("\n")[0].split()) if type(doc) is str else ""


def _arguments(function: FunctionType, *, bound: bool, values: bool) -> Iterator[str]:
    code, annotations = function.__code__, _annotations(function)
    count, names = code.co_argcount, list(code.co_varnames)
    defaults = dict(zip(names[:count][::-1], (function.__defaults__ or ())[::-1], strict=False))
    defaults |= function.__kwdefaults__ or {}

    def told(name: str) -> str:
        kind = f": {annotations[name]}" if name in annotations else ""
        if name not in defaults:
            return name + kind
        default = _default(defaults[name]) if values else "…"
        return f"{name}{kind} = {default}" if kind else f"{name}={default}"

    for place, name in enumerate(names[bound:count], bound):
        yield told(name)
        if place + 1 == code.co_posonlyargcount:
            yield "/"
    keywords = names[count : count + code.co_kwonlyargcount]
    rest = names[count + code.co_kwonlyargcount :]
    if code.co_flags & CO_VARARGS:
        yield f"*{rest.pop(0)}"
    elif keywords:
        yield "*"
    yield from map(told, keywords)
    if code.co_flags & CO_VARKEYWORDS:
        yield f"**{rest.pop(0)}"


def _default(value: Any) -> str:
    name = type_info.name(type(value))
    return short(value, 2) or ("<factory>" if name == "_HAS_DEFAULT_FACTORY_CLASS" else f"<{name}>")


def _annotations(function: FunctionType) -> dict[str, str]:
    """Annotations that are classes or text; from Python 3.14 on they are made by code when they are asked for."""
    if sys.version_info >= (3, 14):
        return {}
    found = {name: _annotation(kind) for name, kind in function.__annotations__.items()}
    return {name: kind for name, kind in found.items() if kind}


def _annotation(kind: Any) -> str:
    if type(kind) is str:
        return cut(kind, 40)
    return type_info.name(kind) if type_info.inherits(type(kind), type) else ""

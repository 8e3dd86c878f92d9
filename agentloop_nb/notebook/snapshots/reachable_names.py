"""Which names of the namespace a piece of code can touch, told by reading it and the user's functions it calls."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import CodeType, FunctionType, MethodType
from typing import Any

from agentloop_nb._internal import type_info
from agentloop_nb._internal.ipython_syntax import parsed

_WIDE = frozenset({
    *("globals", "locals", "vars", "exec", "eval", "compile", "get_ipython", "user_ns", "__main__", "__import__"),
    *("import_module", "modules", "gc", "ctypes", "__builtins__", "__globals__", "f_globals", "f_locals", "f_back"),
})  # fmt: skip
"""Names through which code can reach every variable."""
_HARMLESS_MAGICS = {
    "time",
    "timeit",
    "capture",
    "prun",
    "pip",
    "conda",
    "matplotlib",
    "config",
    "bash",
    "sh",
    "ls",
    "cd",
}
_MAGIC_CALLS = {"run_line_magic", "run_cell_magic", "system", "getoutput"}
_WORD = re.compile(r"[^\W\d]\w*")
MAX_FUNCTIONS = 500


@dataclass(frozen=True)
class Reach:
    """The `names` of the namespace that code can touch; `wide`: it has means to touch any other as well."""

    names: frozenset[str]
    wide: bool


def reach(tree: ast.Module | None, namespace: Mapping[str, Any]) -> Reach:
    """Read parsed code. Code that does not parse touches nothing."""
    words = set(_words(tree)) if tree else set()
    done: set[int] = set()
    waiting = list(words)
    while waiting and len(done) < MAX_FUNCTIONS:
        name = waiting.pop()
        if name in namespace:
            new = set(_words_behind(namespace[name], namespace, done)) - words
            words |= new
            waiting += new
    return Reach(frozenset(words & namespace.keys()), wide=not words.isdisjoint(_WIDE))


def strings(source: str) -> list[str]:
    """Return the texts that stand in code; they may be file names."""
    tree = parsed(source)
    nodes = ast.walk(tree) if tree and ("'" in source or '"' in source) else ()
    return [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]


def _words(tree: ast.AST) -> Iterator[str]:
    """Every word of the code that may name a variable, or lead to all of them."""
    magics: set[int] = set()
    for node in ast.walk(tree):  # a call comes before its parts
        if isinstance(node, ast.Call) and (magic := _magic(node)):
            name, shell = magic
            magics.add(id(shell))
            yield from _words_of_magic(name, node.args)
        elif id(node) not in magics:
            yield from _words_of(node)


def _words_of(node: ast.AST) -> Iterable[str]:
    match node:
        case ast.Name(id=name):
            return [name]
        case ast.Attribute(attr=name) if name in _WIDE:
            return [name]
        case ast.Global(names=names):
            return names
        case ast.alias(name=name, asname=asname):
            return [asname or name, name.partition(".")[0]]
    return ()


def _magic(node: ast.Call) -> tuple[str, ast.expr] | None:
    """Return the method of `get_ipython().run_line_magic(...)` and its kin, and what stands for `get_ipython`.

    Magics and `!` lines become such calls.
    """
    func = node.func
    if isinstance(func, ast.Attribute) and func.attr in _MAGIC_CALLS and isinstance(func.value, ast.Call):
        return (func.attr, func.value.func) if _called(func.value) == "get_ipython" else None
    return None


def _called(node: ast.Call) -> str:
    return node.func.id if isinstance(node.func, ast.Name) else ""


def _words_of_magic(call: str, arguments: Iterable[ast.expr]) -> Iterator[str]:
    texts = [arg.value for arg in arguments if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
    if call.endswith("_magic"):
        if texts and texts[0] not in _HARMLESS_MAGICS:
            yield "get_ipython"
        texts = texts[1:]
    for text in texts:
        yield from _WORD.findall(text)


def _words_behind(value: Any, namespace: Mapping[str, Any], done: set[int]) -> Iterator[str]:
    """Yield the globals used by the user's own functions and methods that a value leads to."""
    for function in _functions(value):
        if id(function) not in done and function.__globals__ is namespace:
            done.add(id(function))
            yield from _globals_of(function.__code__)
            for cell in function.__closure__ or ():
                inner = _content(cell)
                yield from _words_behind(inner, namespace, done) if callable(inner) else ()


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not filled yet
        return None


def _functions(value: Any) -> Iterator[FunctionType]:
    if type(value) is FunctionType:
        yield value
        return
    if type(value) is MethodType:
        yield from _functions(value.__func__)
    kind = value if type_info.inherits(type(value), type) else type(value)
    if type_info.module(kind) == "__main__":
        for base in type_info.mro(kind):
            for member in type_info.namespace(base).values() if type_info.module(base) == "__main__" else ():
                inner = _behind(member)
                if type(inner) is FunctionType:
                    yield inner


def _behind(member: Any) -> Any:
    """Return what a property, a static or a class method calls."""
    if type(member) is property:
        return member.fget
    return member.__func__ if type(member) in (staticmethod, classmethod) else member


def _globals_of(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _globals_of(constant)

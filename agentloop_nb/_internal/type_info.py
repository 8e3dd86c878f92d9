"""Read what a type is without running code of its own: no metaclass, no property, no `__getattr__` is asked."""

from __future__ import annotations

from collections.abc import Mapping
from types import GetSetDescriptorType, MemberDescriptorType
from typing import Any

_mro = vars(type)["__mro__"].__get__
_name = vars(type)["__name__"].__get__
_module = vars(type)["__module__"].__get__
_dict = vars(type)["__dict__"].__get__
_basic_size = vars(type)["__basicsize__"].__get__


class TypeSet:
    """A set of types that is asked by identity: a metaclass may have a `__hash__` or an `__eq__` that fails.

    `id` is not asked either: where an audit hook listens, as one does here, each call of it is an event.
    """

    def __init__(self, *types: type) -> None:
        self._plain = frozenset(each for each in types if type(each) is type)
        self._others = tuple(each for each in types if type(each) is not type)

    def __contains__(self, cls: object) -> bool:
        if type(cls) is type:
            return cls in self._plain
        return any(cls is each for each in self._others)


def name(cls: type) -> str:
    """Return the name of a class, escaped where it is no word."""
    found = str.__str__(_name(cls))
    return found[:80] if found.isidentifier() else repr(found[:80])[1:-1]


def module(cls: type) -> str:
    """Return the module a class says it is from; empty where it says nothing readable."""
    try:
        found = _module(cls)
    except AttributeError:
        return ""
    return found if type(found) is str else ""


def package(cls: type) -> str:
    """Return the top-level package of a class: `pandas`, `builtins`, `__main__`."""
    return module(cls).partition(".")[0]


def mro(cls: type) -> tuple[type, ...]:
    """Return a class and its bases, in the order in which they are asked."""
    found: tuple[type, ...] = _mro(cls)
    return found


def inherits(cls: type, *bases: type) -> bool:
    """Tell whether a class is one of some bases or derived from one; no `__subclasscheck__` is asked."""
    for each in _mro(cls):
        for base in bases:
            if each is base:
                return True
    return False


def first_of(cls: type, types: TypeSet) -> type | None:
    """Return the first of a class and its bases that is in a set; None where none is."""
    for each in _mro(cls):
        if each in types:
            found: type = each
            return found
    return None


def namespace(cls: type) -> Mapping[str, Any]:
    """Return what a class itself defines."""
    found: Mapping[str, Any] = _dict(cls)
    return found


def basic_size(cls: type) -> int:
    """Return the bytes of an instance, without what it refers to."""
    return int(_basic_size(cls))


def defined(cls: type, attribute: str) -> Any:
    """Return what the first class that defines an attribute has there, unbound; None where none does."""
    return next((namespace(each)[attribute] for each in mro(cls) if attribute in namespace(each)), None)


def instance_dict(value: Any) -> dict[str, Any] | None:
    """Return an object's own dictionary; None where it has none, or its class makes one up."""
    slot = defined(type(value), "__dict__")
    found = slot.__get__(value) if type(slot) in (GetSetDescriptorType, MemberDescriptorType) else None
    return found if type(found) is dict else None


def slots(value: Any) -> dict[str, Any]:
    """Return what is stored in an object's slots."""
    found: dict[str, Any] = {}
    for base in reversed(mro(type(value))):
        for attribute, slot in namespace(base).items():
            if type(slot) is MemberDescriptorType and base is not object:
                try:
                    found[attribute] = slot.__get__(value)
                except AttributeError:  # never set
                    continue
    return found

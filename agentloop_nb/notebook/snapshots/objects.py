"""The adapters of objects and classes: their attributes, also those in slots."""

from __future__ import annotations

from contextlib import suppress
from types import (
    MemberDescriptorType,
)
from typing import Any

from agentloop_nb._internal import type_info
from agentloop_nb.notebook.snapshots.containers import restore_dict, same_dict
from agentloop_nb.notebook.snapshots.kind import Kind, identical


def hides_state(cls: type) -> bool:
    """Whether a class keeps more than attributes: some written in C keep what nothing else can see."""
    slots = sum(len(slots_of(base)) for base in type_info.mro(cls))
    return type_info.basic_size(cls) > object.__basicsize__ + _WORD * (slots + 2)


_WORD = 8


def slots_of(base: type) -> tuple[str, ...]:
    """Return the slots that a class itself declares."""
    slots = type_info.namespace(base).get("__slots__", ())
    if type(slots) is str:
        return (slots,)
    return tuple(slots) if type(slots) in (tuple, list, dict) else ()


def state_of(value: Any) -> dict[str, Any] | None:
    """Return the attributes of an object.

    Those in slots, and its class, are marked by a NUL. None: it has no attributes.
    """
    found = type_info.instance_dict(value)
    state = None if found is None else dict(found)
    for base in type_info.mro(type(value)):
        for name in slots_of(base):
            slot = type_info.namespace(base).get(_mangled(base, name))
            with suppress(AttributeError, TypeError):
                state = {} if state is None else state
                state[f"\0{name}"] = slot.__get__(value) if type(slot) is MemberDescriptorType else slot
    return None if state is None else state | {"\0__class__": type(value)}


def _mangled(cls: type, name: str) -> str:
    return f"_{type_info.name(cls).lstrip('_')}{name}" if name.startswith("__") and not name.endswith("__") else name


def same_state(value: Any, content: dict[str, Any]) -> bool:
    """Compare the attributes of an object with what they were."""
    now = state_of(value) or {}
    return list(now) == list(content) and identical(now.values(), content.values())


def restore_state(value: Any, content: dict[str, Any]) -> None:
    """Put the attributes of an object back, and its class."""
    attributes = {name: item for name, item in content.items() if not name.startswith("\0")}
    with suppress(AttributeError, TypeError):
        restore_dict(object.__getattribute__(value, "__dict__"), attributes)
    for name in (state_of(value) or {}).keys() | content.keys():
        if name.startswith("\0") and name not in ("\0__dict__", "\0__weakref__"):
            with suppress(AttributeError, TypeError):
                if name in content:
                    object.__setattr__(value, name[1:], content[name])
                else:
                    object.__delattr__(value, name[1:])


def _restore_class(value: type, content: dict[str, Any]) -> None:
    now = _class_state(value)
    for name in now.keys() - content.keys():
        type.__delattr__(value, name)
    for name, item in content.items():
        if now.get(name) is not item:
            type.__setattr__(value, name, item)


def _class_state(value: type) -> dict[str, Any]:
    return {
        name: item
        for name, item in type_info.namespace(value).items()
        if name not in ("__dict__", "__weakref__", "__doc__")
    }


OBJECT = Kind(
    save=state_of,
    same=same_state,
    restore=restore_state,
    children=lambda content: content.values(),
    size=lambda _value: 200,
)
CLASS = Kind(
    save=_class_state,
    same=lambda value, content: same_dict(_class_state(value), content),
    restore=_restore_class,
    children=lambda content: content.values(),
    size=lambda _value: 500,
)

"""The adapters of built-in containers: lists, dictionaries, sets, deques, byte arrays, tuples."""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Any

from agentloop_nb._internal import type_info
from agentloop_nb.notebook.snapshots.kind import ATOMS, Kind, identical


def _restore_list(value: list[Any], content: list[Any]) -> None:
    list.__setitem__(value, slice(None), content)


def _dict_type(value: dict[Any, Any]) -> Any:
    return OrderedDict if type_info.inherits(type(value), OrderedDict) else dict


def _has_plain_keys(value: dict[Any, Any]) -> bool:
    return all(type(key) in ATOMS for key in dict.__iter__(value))


def _read_as(value: dict[Any, Any]) -> Any:
    """Choose a type by whose methods a dictionary is read: an OrderedDict hashes keys, so plain ones are asked."""
    base = _dict_type(value)
    return base if base is dict or _has_plain_keys(value) else dict


def restore_dict(value: dict[Any, Any], content: dict[Any, Any]) -> None:
    """Put the items of a dictionary back, in their order."""
    _dict_type(value).clear(value)
    for key, item in content.items():
        _dict_type(value).__setitem__(value, key, item)


def _save_dict(value: dict[Any, Any]) -> dict[Any, Any]:
    """Return a copy.

    Keys of the user's own types are not hashed anew; where that cannot be, the dictionary is not saved.
    """
    if type(value) is dict:
        return dict.copy(value)
    if _has_plain_keys(value):
        return dict(_dict_type(value).items(value))
    if type_info.defined(type(value), "__iter__") is not dict.__dict__["__iter__"]:
        raise TypeError("its keys cannot be read without asking them")
    return dict.copy(value)


def same_dict(value: dict[Any, Any], content: dict[Any, Any]) -> bool:
    """Compare a dictionary with what it held: the same objects in the same order."""
    if dict.__len__(value) != len(content):
        return False
    base = _read_as(value)
    return identical(base.keys(value), content) and identical(base.values(value), content.values())


def _restore_set(value: set[Any], content: set[Any]) -> None:
    set.clear(value)
    set.update(value, content)


def _restore_deque(value: deque[Any], content: list[Any]) -> None:
    deque.clear(value)
    deque.extend(value, content)


def _restore_bytes(value: bytearray, content: bytes) -> None:
    bytearray.__setitem__(value, slice(None), content)


LIST = Kind(
    save=list.copy,
    same=lambda value, content: list.__len__(value) == len(content) and identical(list.__iter__(value), content),
    restore=_restore_list,
    children=lambda content: content,
    size=lambda value: 56 + 8 * list.__len__(value),
)
DICT = Kind(
    save=_save_dict,
    same=same_dict,
    restore=restore_dict,
    children=lambda content: content.values(),
    size=lambda value: 64 + 100 * dict.__len__(value),
)
SET = Kind(
    save=set,  # of a set nothing is hashed anew, and no `__iter__` of a subclass is called
    same=lambda value, content: set.__len__(value) == len(content) and set.issubset(content, value),
    restore=_restore_set,
    size=lambda value: 64 + 60 * set.__len__(value),
)
DEQUE = Kind(
    save=lambda value: list(deque.__iter__(value)),
    same=lambda value, content: deque.__len__(value) == len(content) and identical(deque.__iter__(value), content),
    restore=_restore_deque,
    children=lambda content: content,
    size=lambda value: 64 + 8 * deque.__len__(value),
    alive=lambda _value, content: 64 + 8 * len(content),
)
BYTES = Kind(
    save=lambda value: bytes(memoryview(value)),
    same=lambda value, content: bytearray.__eq__(value, content) is True,
    restore=_restore_bytes,
    size=bytearray.__len__,
    alive=lambda _value, content: len(content),
)
TUPLE = Kind(save=lambda value: value, same=lambda *_: True, restore=lambda *_: None, children=tuple.__iter__)
EXACT = {id(list): LIST, id(dict): DICT, id(set): SET, id(deque): DEQUE, id(bytearray): BYTES, id(tuple): TUPLE}
"""By the identity of the type: a metaclass may have a `__hash__` that fails."""

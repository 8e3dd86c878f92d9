"""The adapter of numpy's arrays, used only where numpy is loaded."""

from __future__ import annotations

import sys
from typing import Any

from agentloop_nb.notebook.snapshots.kind import Kind, identical


def plain_array(array: Any) -> Any:
    """View the data of an array, without what a subclass adds."""
    return sys.modules["numpy"].asarray(array)


def mask_of(array: Any) -> Any:
    """Return the mask of a masked array; None for any other."""
    masked = getattr(sys.modules.get("numpy.ma"), "MaskedArray", None)
    return array.mask if masked is not None and issubclass(type(array), masked) else None


def _save_array(array: Any) -> tuple[Any, Any, bool]:
    """Return the data, the mask of a masked array, and whether it could be written to."""
    mask = mask_of(array)
    return (
        plain_array(array).copy(order="K"),
        None if mask is None else mask.copy(),
        bool(plain_array(array).flags.writeable),
    )


def _same_array(array: Any, content: tuple[Any, Any, bool]) -> bool:
    saved, mask, writeable = content
    if plain_array(array).flags.writeable != writeable or not same_data(plain_array(array), saved):
        return False
    return mask is None or bool((sys.modules["numpy"].asarray(array.mask) == mask).all())


def same_data(one: Any, other: Any) -> bool:
    """Whether two arrays hold the same bits (or, for objects, the same objects)."""
    numpy = sys.modules["numpy"]
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    if one.dtype.hasobject:
        return one.dtype.names is None and identical(one.ravel().tolist(), other.ravel().tolist())
    left, right = (numpy.ascontiguousarray(array).reshape(-1).view(numpy.uint8) for array in (one, other))
    return all(
        (left[start : start + _CHUNK] == right[start : start + _CHUNK]).all() for start in range(0, len(left), _CHUNK)
    )


_CHUNK = 2**22


def _restore_array(array: Any, content: tuple[Any, Any, bool]) -> None:
    saved, mask, writeable = content
    if not array.flags.writeable:
        array.flags.writeable = True
    if array.dtype != saved.dtype:
        array.dtype = saved.dtype
    if array.shape != saved.shape:
        if array.size == saved.size:
            array.shape = saved.shape
        else:
            array.resize(saved.shape, refcheck=False)
    plain_array(array)[...] = saved
    if mask is not None:
        array.mask = mask
    array.flags.writeable = writeable


ARRAY = Kind(
    save=_save_array,
    same=_same_array,
    restore=_restore_array,
    children=lambda content: content[0].ravel().tolist() if content[0].dtype == object else (),
    size=lambda value: int(plain_array(value).nbytes),
    alive=lambda _value, content: int(content[0].nbytes),
)

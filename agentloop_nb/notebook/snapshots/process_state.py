"""What the system and Python keep for the whole process: umask, limits of resources, MIME types, loaded modules."""

from __future__ import annotations

import mimetypes
import os
import sys
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

from agentloop_nb._internal import type_info

resource: Any = None
with suppress(ImportError):
    import resource

_LIMITS = {name: getattr(resource, name) for name in dir(resource) if name.startswith("RLIMIT_")}
_PRIVATE = 0o077
"""The umask while it is read, which the system tells only to who sets one: what is made meanwhile is private."""
_CAP_SYS_RESOURCE = 24
_TABLES = ("types_map", "common_types", "encodings_map", "suffix_map")


def umask() -> dict[str, int]:
    """Return the umask."""
    found = os.umask(_PRIVATE)
    os.umask(found)
    return {"umask": found}


def set_umask(_key: str, value: Any) -> None:
    """Set the umask."""
    os.umask(value)


def limits() -> dict[str, tuple[int, int]]:
    """Return the soft and the hard limit of each resource, by the name that the system gives it."""
    return {name: resource.getrlimit(number) for name, number in _LIMITS.items()}


def set_limit(name: str, value: Any) -> None:
    """Set both limits of a resource; only root may raise a hard one."""
    resource.setrlimit(_LIMITS[name], value)


def is_for_good(before: Any, after: Any) -> bool:
    """Whether a hard limit was lowered by a process that may not raise it again."""
    return _height(after[1]) < _height(before[1]) and not _may_raise()


def _may_raise() -> bool:
    """Whether this process may raise hard limits: as root, where root was left that right."""
    with suppress(OSError, IndexError, ValueError):
        status = Path("/proc/self/status").read_text(encoding="utf-8")
        return bool(int(status.partition("CapEff:")[2].split()[0], 16) >> _CAP_SYS_RESOURCE & 1)
    return os.geteuid() == 0


def _height(limit: int) -> float:
    return float("inf") if limit < 0 else limit


def mime_types() -> dict[str, dict[str, str]]:
    """Return the tables of MIME types; they are read from the system's files first, as at their first use."""
    if not mimetypes.inited:
        mimetypes.init()
    return {name: dict(getattr(mimetypes, name)) for name in _TABLES}


def set_mime_types(name: str, value: Any) -> None:
    """Fill a table of MIME types anew, and what is found by type with it."""
    table = getattr(mimetypes, name)
    table.clear()
    table.update(value)
    known: Any = mimetypes._db  # type: ignore[attr-defined]  # noqa: SLF001
    for strict, types in enumerate(known.types_map):
        known.types_map_inv[strict].clear()
        for suffix, kind in types.items():
            known.types_map_inv[strict].setdefault(kind, []).append(suffix)


def modules() -> dict[str, Any]:
    """Return the modules that are loaded."""
    return dict(sys.modules)


def set_module(name: str, value: Any) -> None:
    """Put a module back; None takes it out, so that it is loaded anew when it is imported next."""
    if value is None:
        sys.modules.pop(name, None)
    else:
        sys.modules[name] = value


def is_a_library(module: Any, folder: Path) -> bool:
    """Whether a module was neither made by hand nor lies in a folder of the user's: it stays loaded, as a cache."""
    if type(module) is not ModuleType:
        return type_info.package(type(module)) != "__main__"
    inside = vars(module)
    file = inside.get("__file__")
    if type(file) is not str:
        return inside.get("__spec__") is not None
    place = Path(file)
    return not place.is_relative_to(folder) or not {"site-packages", "dist-packages"}.isdisjoint(place.parts)

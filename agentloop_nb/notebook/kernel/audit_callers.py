"""Who is behind an audit event: code of the step, an installed package, or a finalizer."""

from __future__ import annotations

import os
import re
import sys
import sysconfig
import weakref
from pathlib import Path
from types import FrameType

_PLACES = {
    *map(sysconfig.get_path, ("stdlib", "platstdlib", "purelib", "platlib")),
    sys.base_prefix,
    sys.prefix,
    *sys.path,
}
_INSTALLED = tuple({os.path.realpath(place) + os.sep for place in _PLACES - {"", os.getcwd()}})
"""Where Python and installed packages lie; what a step adds to `sys.path` later is none of them."""
_TIDYING = frozenset(
    {
        "tempfile",
        "agentloop_nb._internal.held_folder",
        "multiprocessing.util",
        "multiprocessing.managers",
        "joblib.externals.loky.backend.resource_tracker",
        "joblib.disk",
    }
)
"""Modules that delete their own temporary files when nobody refers to them any more."""

_CTYPES = frozenset({"ctypes", "_ctypes", "ctypes.util", "cffi"})
_OWN = tuple(str(Path(__file__).with_name(name)) for name in ("audit_callers.py", "audit_events.py", "effect_hook.py"))


def is_installed(path: str) -> bool:
    """Whether a file belongs to Python or an installed package."""
    return path.startswith(("<frozen", *_INSTALLED)) and (os.path.isabs(path) or path.startswith("<frozen"))


def is_finalizer() -> bool:
    """Whether a library tidies up what nobody refers to any more, whoever made it."""
    tidying = False
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_name == "__call__" and frame.f_code.co_filename == weakref.__file__:
            return tidying
        tidying = frame.f_globals.get("__name__") in _TIDYING and _is_module(frame)
        frame = frame.f_back
    return False


def called_by(prefix: str) -> bool:
    """Whether the event comes from code of a file whose name begins so."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(_OWN):
        frame = frame.f_back
    return frame is not None and frame.f_code.co_filename.startswith(prefix)


def called_by_library() -> bool:
    """Whether an installed package, not code of the step, uses ctypes."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and (
        frame.f_code.co_filename.startswith(_OWN)
        or re.search(r"[/\\]ctypes[/\\]|_ctypeslib|ctypeslib", frame.f_code.co_filename)
    ):
        frame = frame.f_back
    return frame is not None and is_installed(os.path.realpath(frame.f_code.co_filename)) and _names_ctypes(frame)


def _is_module(frame: FrameType) -> bool:
    """Whether code runs in the module whose name it bears."""
    module = sys.modules.get(str(frame.f_globals.get("__name__")))
    return module is not None and vars(module) is frame.f_globals


def _names_ctypes(frame: FrameType) -> bool:
    """Whether code uses ctypes itself; pandas, for one, only calls what it is given."""
    if not _is_module(frame):
        return False  # a file's name that code was given
    return "ctypes" in frame.f_code.co_names or any(
        getattr(value, "__module__", None) in _CTYPES or getattr(value, "__name__", None) in _CTYPES
        for value in list(frame.f_globals.values())
    )

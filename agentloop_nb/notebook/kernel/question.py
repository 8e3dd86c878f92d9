"""Asking a person from inside a running step, on the thread of the cell, where only `input()` can."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from agentloop_nb.notebook.kernel.runner import can_ask

_PATIENCE = 7 * 24 * 3600.0
"""Seconds by which the step's time limit moves while the question stands."""


class Question:
    """Asks whether an effect may happen; None where nobody can answer. The step's time stands still meanwhile."""

    def __init__(self, shell: Any, extend: Callable[[float], None]) -> None:
        self._shell = shell
        self._extend = extend
        self._input = input  # code may not reach it, and a contract replaces it

    def __call__(self, why: str) -> bool | None:
        if threading.current_thread() is not threading.main_thread() or not self._anybody():
            return None
        began = time.monotonic()
        self._extend(_PATIENCE)
        try:
            return self._input(f"{why}.\nAllow it? [y/N] ").strip().lower() in ("y", "yes")
        except (EOFError, RuntimeError, OSError):
            return None
        finally:
            self._extend(time.monotonic() - began - _PATIENCE)

    def _anybody(self) -> bool:
        if getattr(self._shell, "kernel", None) is not None:
            return can_ask(self._shell)
        return sys.stdin is not None and sys.stdin.isatty()

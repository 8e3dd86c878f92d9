"""Imports that a run needs, made in the background while the user reads and types."""

from __future__ import annotations

import importlib
import threading

_PATIENCE = 30.0
_OURS = ("agentloop_nb.notebook.run_manager", "agentloop_nb.notebook.panel.panel_view")
_OTHERS = ("openai", "genai_prices")

_pending = threading.Event()
_pending.set()


def begin() -> None:
    """Begin to import."""
    _pending.clear()
    threading.Thread(target=_import_ahead, name="agentloop-warm", daemon=True).start()


def wait() -> None:
    """Wait for our own modules: two threads that import one package from two sides can meet half of it."""
    _pending.wait(_PATIENCE)


def _import_ahead() -> None:
    try:
        for name in _OURS:
            importlib.import_module(name)
    finally:
        _pending.set()
    for name in _OTHERS:
        importlib.import_module(name)

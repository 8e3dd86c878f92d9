"""Imports that a run needs, made in the background while the user reads and types."""

from __future__ import annotations

import importlib
import threading

_PATIENCE = 30.0
_OURS = ("run_manager", "panel.panel_view")
_MODELS = "agentloop_nb.models.ollama"
"""Every server that speaks OpenAI's protocol is served by what this one is made of."""
_OTHERS = ("openai", "genai_prices.data", "dotenv")

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
            importlib.import_module(f"agentloop_nb.notebook.{name}")
        importlib.import_module(_MODELS)
    finally:
        _pending.set()
    for name in _OTHERS:
        importlib.import_module(name)

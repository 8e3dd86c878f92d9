"""What each first run needs, done in the background while the user reads and types: imports, schemas, prices."""

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
    _work_ahead()


def _work_ahead() -> None:
    """Do once what is kept for the life of the process."""
    import openai

    from agentloop_nb.actions import BUILT_IN
    from agentloop_nb.actions.registry import record_of
    from agentloop_nb.agent.rules import describe_action
    from agentloop_nb.models.prices import Pricing
    from agentloop_nb.models.schema import decision_schema
    from agentloop_nb.protocols import Usage

    for action in BUILT_IN:
        record_of(action)
        describe_action(action)
    decision_schema(actions=BUILT_IN)
    Pricing("", "http://127.0.0.1").quote(Usage())
    openai.DefaultAsyncHttpxClient(trust_env=False, verify=False)  # which imports its transport only now

"""What each first run needs, done in the background while the user reads and types: imports, schemas, prices."""

from __future__ import annotations

import importlib
import threading

_LOOK = 1.0
"""Seconds between two looks at whether the thread still lives; in a forked child it does not."""
_OURS = ("run_manager", "panel.panel_view")
_MODELS = "agentloop_nb.models.ollama"
"""Every server that speaks OpenAI's protocol is served by what this one is made of."""
_OTHERS = ("httpx2", "genai_prices", "genai_prices.data", "dotenv")

_ours_are_in = threading.Event()
"""Set when our own modules are imported."""
_thread = threading.Thread()
"""What imports ahead."""


def begin() -> None:
    """Begin to import."""
    global _thread  # noqa: PLW0603 - one a process
    _ours_are_in.clear()
    _thread = threading.Thread(target=_import_ahead, name="agentloop-warm", daemon=True)
    _thread.start()


def wait() -> None:
    """Wait for our own modules: two threads that import one package from two sides can meet half of it.

    There is no limit: a busy machine may need longer than any. A forked child has no such thread, and does not wait.
    """
    while _thread.is_alive() and not _ours_are_in.wait(_LOOK):
        pass


def wait_for_all() -> None:
    """Wait for what others wrote, too, before more is imported that is made of the same packages."""
    if _thread.is_alive():
        _thread.join()


def _import_ahead() -> None:
    try:
        for name in _OURS:
            importlib.import_module(f"agentloop_nb.notebook.{name}")
        importlib.import_module(_MODELS)
    finally:
        _ours_are_in.set()
    for name in _OTHERS:
        importlib.import_module(name)
    _work_ahead()


def _work_ahead() -> None:
    """Do once what is kept for the life of the process."""
    import httpx2

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
    httpx2.AsyncClient(trust_env=False, verify=False)  # which imports its transport only now

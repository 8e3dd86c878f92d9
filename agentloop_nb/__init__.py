"""agentloop_nb: an agent for people who work in Jupyter notebooks.

`%load_ext agentloop_nb` registers `%%agent` and `%agent`; `run_agent` and `arun_agent` do the same from Python.
Importing this package imports nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agentloop_nb.agent.ledger import Ledger
    from agentloop_nb.api import arun_agent, run_agent
    from agentloop_nb.own_actions.declare import action
    from agentloop_nb.run import Run

__version__ = "0.2.0"
__all__ = ["Ledger", "Run", "__version__", "action", "arun_agent", "run_agent"]

_HOMES = {
    "run_agent": "agentloop_nb.api",
    "arun_agent": "agentloop_nb.api",
    "Run": "agentloop_nb.run",
    "action": "agentloop_nb.own_actions.declare",
    "Ledger": "agentloop_nb.agent.ledger",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)


def load_ipython_extension(shell: Any) -> None:
    """Register the magics (`%load_ext agentloop_nb`)."""
    from agentloop_nb.notebook.extension import load

    load(shell)


def unload_ipython_extension(shell: Any) -> None:
    """Take back what loading registered."""
    from agentloop_nb.notebook.extension import unload

    unload(shell)

"""A private IPython shell for runs outside Jupyter: scripts, the CLI, tests."""

from __future__ import annotations

import atexit
import os
import sys
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from agentloop_nb._internal.held_folder import HeldFolder

_SWAPPING = threading.RLock()
"""Held while `__main__` and IPython's instance change hands; a step may begin while a shell is made elsewhere."""


def private_shell() -> Any:
    """Make a shell with an empty namespace that leaves the calling program alone.

    It keeps no history, writes nothing into the user's home, and is the process's IPython only while it is `in_charge`.
    The program's own `__main__` stays what it is, too.
    """
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    class Private(InteractiveShell):  # type: ignore[misc]  # IPython carries no types
        def enable_gui(self, gui: str | None = None) -> None:
            """Figures are captured, so no window is ever needed."""

    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "nocolor"
    config.InteractiveShell.xmode = "Context"
    module = ModuleType("__main__", "The namespace of an agent run.")
    home = HeldFolder("shell")
    with _program_kept():
        shell = Private(config=config, ipython_dir=home.name, user_module=module)
    shell._agentloop_private = True
    atexit.unregister(shell.atexit_operations)  # it would keep the shell and all its variables until the program ends
    weakref.finalize(shell, home.cleanup)
    return shell


@contextmanager
def _program_kept() -> Iterator[None]:
    """Put back what making a shell changes in the calling program."""
    with _SWAPPING:
        main, path, hook = sys.modules.get("__main__"), list(sys.path), sys.excepthook
        try:
            yield
        finally:
            sys.path[:], sys.excepthook = path, hook
            if main is not None:
                sys.modules["__main__"] = main


def is_private(shell: Any) -> bool:
    """Whether a shell was made by `private_shell`."""
    return getattr(shell, "_agentloop_private", False)


@contextmanager
def in_charge(shell: Any) -> Iterator[None]:
    """Make a private shell the process's IPython and its module `__main__`; any other shell already is."""
    if not is_private(shell):
        yield
        return
    before = _put_in_charge(shell, shell.user_module)
    backend = os.environ.get("MPLBACKEND")
    os.environ["MPLBACKEND"] = backend or "module://matplotlib_inline.backend_inline"  # as ipykernel does
    _draw_in(shell)
    try:
        yield
    finally:
        if backend is None:
            os.environ.pop("MPLBACKEND", None)
        _put_in_charge(*before)


def _put_in_charge(shell: Any, main: ModuleType) -> tuple[Any, ModuleType]:
    """Make a shell the process's IPython and a module its `__main__`, and return those that were."""
    from IPython.core.interactiveshell import InteractiveShell

    with _SWAPPING:
        before = InteractiveShell._instance, sys.modules["__main__"]  # noqa: SLF001
        InteractiveShell._instance, sys.modules["__main__"] = shell, main  # noqa: SLF001
    return before


def _draw_in(shell: Any) -> None:
    """Have figures shown in a shell that was made after matplotlib's backend had found another one."""
    inline = sys.modules.get("matplotlib_inline.backend_inline")
    if inline is None or getattr(shell, "_agentloop_draws", False):
        return
    from IPython.core.pylabtools import select_figure_formats

    shell._agentloop_draws = True
    inline.configure_inline_support(shell, "inline")
    config = inline.InlineBackend.instance()
    select_figure_formats(shell, config.figure_formats, **config.print_figure_kwargs)


def current_shell() -> Any:
    """Return the IPython shell of this process, or None; imports nothing where there can be none."""
    if "IPython" not in sys.modules:
        return None
    from IPython import get_ipython  # waits where another thread is importing it

    return get_ipython()

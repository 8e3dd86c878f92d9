"""What a step may not take from the user's kernel: its life, its folder, its streams, its signals, its builtins.

Nothing is forbidden that code can reasonably want. What would end the kernel raises instead; what a step leaves bent is
put back after it, and a note says so.
"""

from __future__ import annotations

import builtins
import os
import signal
import sys
import threading
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, NoReturn

from agentloop_nb.notebook.kernel import output_scope
from agentloop_nb.notebook.kernel.capture import patch
from agentloop_nb.notebook.kernel.handlers import handler_of
from agentloop_nb.notebook.kernel.turn import TURNS

_SIGNALS = [
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGALRM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGCHLD", "SIGPIPE")
    if hasattr(signal, name)
]

_NEXT_CELL = "set_next_input"


class KernelExit(Exception):
    """Code tried to end the kernel."""

    __module__ = "builtins"  # shown by its bare name


class Guards:
    """Holds a step's surroundings in place. `notes` collects what had to be put back."""

    def __init__(self, shell: Any, folder: Path, step: object, notes: list[str]) -> None:
        self._shell = shell
        self._folder = folder
        self._step = step
        self._notes = notes

    def __enter__(self) -> Guards:
        with ExitStack() as stack:
            self._forbid_exit(stack)
            self._hold_streams(stack)
            self._hold_signals(stack)
            self._hold_builtins(stack)
            self._hold_folder(stack)
            self._hold_next_cell(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    # -- the kernel's life

    def _forbid_exit(self, stack: ExitStack) -> None:
        def ask_exit(*_: Any) -> NoReturn:
            __tracebackhide__ = True
            raise KernelExit("exit() and quit() do nothing here: the kernel belongs to the user. Let the code end.")

        def reset(*_: Any, **__: Any) -> NoReturn:
            __tracebackhide__ = True
            raise KernelExit("%reset would delete the user's variables and history; use del for the names you made.")

        end, pid = os._exit, os.getpid()

        def guarded_end(status: int) -> NoReturn:
            __tracebackhide__ = True
            if os.getpid() != pid or output_scope.current() is not self._step:  # forked children end this way
                end(status)
            raise KernelExit("os._exit() would kill the user's kernel; let the code end, or raise an exception.")

        patch(stack, self._shell, "ask_exit", ask_exit)
        patch(stack, self._shell, "reset", reset)
        magics = self._shell.magics_manager.magics["line"]
        stack.callback(magics.__setitem__, "reset", magics["reset"])
        magics["reset"] = reset
        patch(stack, os, "_exit", guarded_end)

    # -- streams

    def _hold_streams(self, stack: ExitStack) -> None:
        before = {name: getattr(sys, name) for name in ("stdout", "stderr", "stdin", "displayhook", "excepthook")}
        closed: list[str] = []
        for name in ("stdout", "stderr"):
            patch(stack, before[name], "close", lambda name=name: closed.append(name))

        def restore() -> None:
            moved = [name for name, value in before.items() if getattr(sys, name, None) is not value]
            for name in moved:
                setattr(sys, name, before[name])
            if moved:
                self._notes.append(f"{_names(f'sys.{name}' for name in moved)} was put back after the step.")
            if closed:
                self._notes.append(f"{_names(f'sys.{name}' for name in closed)} was not closed: the kernel needs it.")

        stack.callback(restore)

    # -- signals

    def _hold_signals(self, stack: ExitStack) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        before = {number: handler_of(number) for number in _SIGNALS}
        alarm = signal.getitimer(signal.ITIMER_REAL)[0] if hasattr(signal, "getitimer") else 0.0

        def restore() -> None:
            if hasattr(signal, "getitimer") and not alarm and signal.getitimer(signal.ITIMER_REAL)[0]:
                signal.setitimer(signal.ITIMER_REAL, 0)
                self._notes.append("A running signal.alarm() was switched off after the step.")
            moved = [number for number, handler in before.items() if handler_of(number) != handler]
            for number in moved:
                with suppress(TypeError, OSError, ValueError):
                    signal.signal(number, before[number])
            if moved:
                names = _names(signal.Signals(number).name for number in moved)
                self._notes.append(f"The handler of {names} was put back after the step.")

        stack.callback(restore)

    # -- builtins

    def _hold_builtins(self, stack: ExitStack) -> None:
        before = dict(vars(builtins))

        def restore() -> None:
            now = vars(builtins)
            moved = [name for name, value in before.items() if name != "_" and now.get(name) is not value]
            now.update({name: before[name] for name in moved})
            if moved:
                self._notes.append(f"builtins were put back after the step: {_names(moved)}.")

        stack.callback(restore)

    # -- the cell below

    def _hold_next_cell(self, stack: ExitStack) -> None:
        """Leave out what a step would write into the user's next cell: it could be run for their own."""
        waiting, typed = self._shell.payload_manager.read_payload, getattr(self._shell, "rl_next_input", None)
        before = [each for each in waiting() if each.get("source") == _NEXT_CELL]

        def restore() -> None:
            entries = waiting()
            now = [each for each in entries if each.get("source") == _NEXT_CELL]
            if now == before and getattr(self._shell, "rl_next_input", None) == typed:
                return
            entries[:] = [each for each in entries if each not in now] + before
            if hasattr(self._shell, "rl_next_input"):
                self._shell.rl_next_input = typed
            self._notes.append("Nothing was written into the user's next cell: print what you want them to see.")

        stack.callback(restore)

    # -- the working folder

    def _hold_folder(self, stack: ExitStack) -> None:
        before, turn = _folder(), TURNS.holder
        if turn is not None and before is not None:
            turn.outside = Path(before)
        if before != str(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            os.chdir(self._folder)

        def restore() -> None:
            now = _folder()
            if now != str(self._folder):
                why = "was deleted and made again" if now is None else "was changed back"
                self._notes.append(f"The working folder {why} after the step: use paths, not os.chdir().")
                self._folder.mkdir(parents=True, exist_ok=True)
            if now != before:
                with suppress(OSError):
                    os.chdir(before or self._folder)
            if turn is not None:
                turn.outside = None

        stack.callback(restore)


def _folder() -> str | None:
    try:
        return os.getcwd()
    except OSError:
        return None


def _names(names: Any) -> str:
    return ", ".join(sorted(set(names)))

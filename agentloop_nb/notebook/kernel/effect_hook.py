"""The audit hook: hears what Python is about to do while a step runs, and stops what nobody asked for.

The hook is installed once a process, and does nothing but test a flag when no step runs. Threads and tasks that a step
leaves behind stay under its judgement until they end.
"""

from __future__ import annotations

import contextvars
import functools
import os
import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Protocol

from agentloop_nb.notebook.kernel import output_scope, worker_threads
from agentloop_nb.notebook.kernel.argument_types import class_of_its_own
from agentloop_nb.notebook.kernel.audit_events import HEARD, WRITING, effects_of
from agentloop_nb.notebook.kernel.host_addresses import is_address, resolved
from agentloop_nb.notebook.kernel.loop_tasks import (
    callback_of,
    context_of,
    contexts_of,
    handles,
    is_kernels,
    running_loop,
    tasks,
)
from agentloop_nb.notebook.kernel.output_scope import OUTSIDE
from agentloop_nb.notebook.kernel.output_scope import current as scope
from agentloop_nb.notebook.kernel.run_past import Past
from agentloop_nb.notebook.kernel.thread_frames import current_frames
from agentloop_nb.safety.effect_rules import is_local, names_host, objection
from agentloop_nb.safety.observed_effects import Effect, Mandate

Ask = Callable[[str], bool | None]
"""Asks a person from inside the step; None where nobody can answer."""

NOBODY = "nobody is there to allow it (--trust-web lets it through); reach the goal another way, or finish and say so"
DENIED = "the user did not allow it"

MAX_READINGS = 5_000
"""Files that are remembered to have been read between two events."""


class Listener(Protocol):
    """Is told of what code does; what it raises is lost."""

    def hear(self, event: str, args: tuple[Any, ...]) -> None:
        """Take an event. Runs inside whatever caused it, so it must be quick."""

    def hear_readings(self, paths: Iterable[object]) -> None:
        """Take what was opened to be read since the last event; names, and whatever else can be opened."""


_on = False
"""The flag: something listens."""
_listeners: list[Listener] = []
_supervisions: list[Supervision] = []
_readings: dict[object, None] = {}
"""What was opened to be read and is not told of yet, in order."""
_REACHING = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
"""Events after which a name is looked up where nobody hears of it."""
_INTERESTING = HEARD | {"os.chdir", "os.listdir", "os.scandir", "os.truncate"}


@functools.cache
def _install() -> None:
    """Install the hook, once: Python never lets go of one."""
    sys.addaudithook(_hear)


def _hear(event: str, args: tuple[Any, ...]) -> None:
    if not _on:
        return
    if event == "open":
        try:
            if not args[2] & WRITING:  # what is common costs no call
                if args[0] not in _readings and len(_readings) < MAX_READINGS and scope() is not OUTSIDE:
                    _readings[args[0]] = None
                return
        except Exception:  # noqa: S110 - no flags, or no name: told and judged below
            pass
    elif event not in _INTERESTING or (event == "import" and args[1] is None):  # no library is loaded by that
        return
    _tell(event, args)
    if _supervisions and event in HEARD:
        _judge(event, args)


def _tell(event: str, args: tuple[Any, ...]) -> None:
    _tell_readings()
    for listener in _listeners:
        with suppress(Exception):  # what listens must not change what happens
            listener.hear(event, args)


def _tell_readings() -> None:
    global _readings
    if not _readings:
        return
    paths, _readings = _readings, {}
    for listener in _listeners:
        with suppress(Exception):
            listener.hear_readings(paths)


def _judge(event: str, args: tuple[Any, ...]) -> None:
    for supervision in tuple(_supervisions):  # one that is over leaves the list
        if supervision.is_over() and not supervision.is_context():
            _leave(supervision)
        elif supervision.owns():
            supervision.hear(event, args)


def _turn() -> None:
    global _on  # noqa: PLW0603
    _on = bool(_listeners or _supervisions)


def listen(listener: Listener) -> None:
    """Tell a listener of each event from now on."""
    _install()
    _tell_readings()
    _listeners.append(listener)
    _turn()


def unlisten(listener: Listener) -> None:
    """End what `listen` began."""
    _tell_readings()
    _listeners.remove(listener)
    _turn()


def _leave(supervision: Supervision) -> None:
    with suppress(ValueError):
        _supervisions.remove(supervision)
    _turn()


class Supervision:
    """Judges the effects of one step while it is entered, and of what it leaves running.

    `owns` tells whether the calling code belongs to the step.
    """

    def __init__(self, step: object, mandate: Mandate, past: Past, *, owns: Callable[[], bool], ask: Ask) -> None:
        self._step = step
        self._mandate = mandate
        self._past = past
        self._owns = owns
        self._ask = ask
        self._home = threading.get_ident()
        self._pid = os.getpid()
        self._busy: set[int] = set()
        self._refused: dict[Effect, str] = {}
        self._left: frozenset[int] | None = None
        """Threads that outlive the step; None while it runs."""
        self._loop = running_loop()
        self.notes: list[str] = []
        """What was refused, and what a person allowed, for the model and the record."""

    def __enter__(self) -> Supervision:
        self._loop, self._threads_before = running_loop(), frozenset(current_frames())
        _install()
        _supervisions.append(self)
        _turn()
        return self

    def __exit__(self, *_: object) -> None:
        self._left = output_scope.threads_of(self._step, self._threads_before) - worker_threads.idents
        if self.is_over():
            _leave(self)

    def is_over(self) -> bool:
        """Whether nothing of the step runs any more."""
        if self._left is None or not self._left.isdisjoint(current_frames()):
            return False
        return not self._waits()

    def is_context(self) -> bool:
        """Whether the calling code runs in the context of the step: a task, a timer, what they call."""
        return scope() is self._step

    def owns(self) -> bool:
        """Whether the calling code belongs to the step and is not judged already."""
        ident = threading.get_ident()
        if ident in self._busy:
            return False
        if self._left is None:
            return self._owns()
        return ident in self._left or self.is_context()

    def _waits(self) -> bool:
        """Whether the loop is going to run something of the step."""
        called = ((context_of(handle), callback_of(handle)) for handle in handles(self._loop))
        waiting = ((context, task.get_coro()) for task in tasks(self._loop) for context in contexts_of(task))
        return any(self._is_own(context) and not is_kernels(work) for context, work in (*called, *waiting))

    def _is_own(self, context: contextvars.Context) -> bool:
        return context.get(output_scope.VARIABLE) is self._step

    def hear(self, event: str, args: tuple[Any, ...]) -> None:
        """Judge an event of the step. Raises `PermissionError` to stop it."""
        __tracebackhide__ = True
        own = class_of_its_own(args) if event != "import" else ""  # looked for while the step is still judged
        ident = threading.get_ident()
        self._busy.add(ident)
        try:
            why = self._decide(Effect("object", own, event)) if own else ""
            why = why or self._objection(event, args)
        finally:
            self._busy.discard(ident)
        if why:
            raise PermissionError(f"Refused: {why}.")

    def _objection(self, event: str, args: tuple[Any, ...]) -> str:
        """Why an event must not happen; empty where it may."""
        if event == "socket.bind":
            self._past.bound(args[0])
        if event == "socket.connect" and self._past.listens_on(args[1], args[0]):
            return ""
        for effect in _read(event, args):
            if effect in self._past.allowed or self._is_address_of_host(effect):
                continue
            why = self._refused.get(effect) or self._decide(effect, reached=event in _REACHING)
            if why:
                return why
            self._past.note(event, effect)
        return ""

    def _decide(self, effect: Effect, *, reached: bool = False) -> str:
        why = objection(effect, self._mandate, self._past)
        if not why and reached and self._leads_inside(effect):
            why = f"{effect}, an address of this machine or its network"
        if not why:
            return ""
        answer = self._ask(f"While it runs, {why}") if self._can_ask() else None
        if answer:
            self._past.allowed.add(effect)
            self.notes.append(f"The user allowed it: {why}.")
            return ""
        said = f"{why}; {NOBODY if answer is None else DENIED}"
        self._refused[effect] = said
        self.notes.append(f"Refused: {said}.")
        return said

    def _can_ask(self) -> bool:
        here = threading.get_ident() == self._home and os.getpid() == self._pid and self._left is None
        return here and self._mandate.anybody

    # -- hosts

    def _is_address_of_host(self, effect: Effect) -> bool:
        """Whether a connection goes to an address of a host whose look-up was allowed."""
        if effect.kind != "host":
            return False
        known = self._past.addresses
        if not is_address(effect.target):
            known.setdefault(effect.target, set()) if not self._host_objection(effect) else None
            return False
        inside = is_local(effect.target)
        for host in [each for each in known if not inside or self._is_meant(each)]:
            if effect.target not in known[host]:
                known[host] |= resolved(host)
            if effect.target in known[host]:
                return True
        return False

    def _is_meant(self, host: str) -> bool:
        """Whether somebody named a host, or allowed it; words of a goal such as `pages` mean public ones only."""
        return names_host(host, self._mandate) or Effect("host", host) in self._past.allowed

    def _leads_inside(self, effect: Effect) -> bool:
        """Whether a name that nobody named stands for an address of this machine or its network."""
        judged = self._mandate.strangers and not self._mandate.trusting
        if not judged or effect.kind != "host" or is_address(effect.target) or self._is_meant(effect.target):
            return False
        return any(map(is_local, resolved(effect.target)))

    def _host_objection(self, effect: Effect) -> str:
        return "" if effect in self._past.allowed else objection(effect, self._mandate, self._past)


def _read(event: str, args: tuple[Any, ...]) -> list[Effect]:
    try:
        return list(effects_of(event, args))
    except (OSError, ValueError, TypeError, IndexError):  # nonsense that the call itself will complain about
        return []

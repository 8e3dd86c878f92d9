"""Code that runs long: the model is told how it gets on while it runs, and decides to wait for it or to stop it.

The code may hold the thread of the run's event loop, so the look takes place on a thread of its own, with an event
loop and a connection of its own; most steps are over before there is one. It only moves the time limit of the code:
that is what ends it, as always.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from agentloop_nb.actions import ActionResult
from agentloop_nb.actions.output_text import bounded, text_of
from agentloop_nb.actions.wait_or_stop import WHILE_IT_RUNS, Wait
from agentloop_nb.agent.alarm import Alarm
from agentloop_nb.agent.budget import CostLimit
from agentloop_nb.agent.control import Control
from agentloop_nb.agent.event_stream import Stream
from agentloop_nb.agent.model_call import GaveUp, ModelCaller
from agentloop_nb.decision import parse
from agentloop_nb.errors import DecisionError
from agentloop_nb.events import LongStepDecided, LongStepShown
from agentloop_nb.protocols import Model, OnOutput, Output, Privacy

log = logging.getLogger(__name__)

MOST_WAITS = 5
"""Times a model may wait for one step."""
GRACE = 120.0
"""Seconds by which the time limit moves while the model is asked; taken back with its answer."""
BEFORE = 0.25
"""Seconds before a time limit that a look begins."""
SHOWN = 2000
"""Characters of the output that are told."""
_KEPT = 100_000
"""Characters of one stream that are kept, the newest."""
_AT_ONCE = -1e6
_LETTING_GO = 5.0
"""Seconds that the end of a step waits for the end of its look."""


class LongStep:
    """Watches one step of code. Use as a context manager around it."""

    def __init__(
        self,
        stream: Stream,
        control: Control,
        caller: ModelCaller,
        make_model: Callable[[], Model],
        alarm: Alarm,
        *,
        step: int,
    ) -> None:
        """`caller` is that of the run, from whose budget looks are paid, too; `alarm` says when to look first."""
        self._stream, self._control, self._caller, self._make_model = stream, control, caller, make_model
        self._alarm, self._step = alarm, step
        self._outputs: list[Output] = []
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[Any] | None = None
        self._lock = threading.Lock()
        self._waits = 0
        self.stopped_after = 0.0
        """Seconds after which the model stopped the code; 0 where it did not."""

    def watch(self, seconds: float, timeout: float, privacy: Privacy) -> LongStep:
        """Say when to look first, what the time limit is, and what the model may see."""
        self._first, self._timeout, self._privacy = seconds, timeout, privacy
        return self

    def heard(self, on_output: OnOutput) -> OnOutput:
        """Note outputs on their way."""

        def note(output: Output) -> None:
            last = self._outputs[-1] if self._outputs else {}
            if output.get("output_type") == "stream" and last.get("name") == output.get("name"):
                self._outputs[-1] = {**last, "text": f"{last['text']}{output['text']}"[-_KEPT:]}
            else:
                self._outputs.append(output)
            on_output(output)

        return note

    def __enter__(self) -> LongStep:
        self._alarm.set(max(self._first - BEFORE, 0), self._start)
        return self

    def _start(self) -> None:
        with self._lock:
            if not self._over.is_set():
                self._thread = threading.Thread(target=self._run, name="agent-long-step", daemon=True)
                self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._alarm.switch_off()
        with self._lock:
            self._over.set()
            if self._task is not None and self._loop is not None:
                self._loop.call_soon_threadsafe(self._task.cancel)
        if self._thread is not None:
            self._thread.join(_LETTING_GO)

    def told(self, result: ActionResult) -> ActionResult:
        """Say in a result that it was the model itself that stopped the code."""
        if not self.stopped_after or result.success or result.stopped:
            return result
        why = f"stopped after {self.stopped_after:.0f} s, as you decided"
        output = result.output.replace(f"Stopped after {self._timeout:g} s (its limit)", f"It was {why}")
        return result.model_copy(update={"output": output, "error": why}).with_effects(hint="")

    # -- on the thread of the watch

    def _run(self) -> None:
        try:
            self._watch()
        except Exception:
            log.exception("a long step cannot be looked at any more")

    def _watch(self) -> None:
        while (extend := self._control.extend) is None:  # it waits for its turn, or is being prepared
            if self._over.wait(0.05):
                return
        began = self._control.code_began
        look, deadline = began + self._first, began + self._timeout
        while self._waits <= MOST_WAITS and not self._over.wait(max(look - BEFORE - time.monotonic(), 0)):
            extend(GRACE)
            wait = self._decided(time.monotonic() - began)
            if not wait:
                self.stopped_after = 0.0 if wait is None else time.monotonic() - began
                extend(-GRACE if wait is None else _AT_ONCE)
                return
            look = time.monotonic() + wait
            extend(max(look - deadline, 0) - GRACE)
            deadline = max(look, deadline)

    def _decided(self, seconds: float) -> float | None:
        """Ask the model: the seconds it waits, 0 to stop; None where it may not wait again or says nothing of use."""
        left = MOST_WAITS - self._waits
        self._waits += 1
        if not left:
            return None
        output = bounded(text_of(tuple(self._outputs)), SHOWN) if self._privacy == "full" else "(not shown)"
        self._stream.emit(LongStepShown(step=self._step, seconds=round(seconds, 1), output=output, left=left))
        try:
            return asyncio.run(self._ask())
        except (asyncio.CancelledError, GaveUp, CostLimit, DecisionError) as error:
            log.info("no word about a long step: %r", error)
            return None

    async def _ask(self) -> float:
        with self._lock:
            if self._over.is_set():
                raise asyncio.CancelledError
            self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        model = self._make_model()
        try:
            caller = self._caller.beside(model)
            reply = await caller.reply(final=False, only=tuple(action.name for action in WHILE_IT_RUNS))
            decision = parse(reply.text, actions=WHILE_IT_RUNS)
        finally:
            with self._lock:
                self._task = None
            await model.close()
        wait = float(decision.action.seconds) if isinstance(decision.action, Wait) else 0.0
        self._stream.emit(LongStepDecided(step=self._step, wait=wait, reason=decision.reasoning))
        return wait

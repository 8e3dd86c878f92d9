"""The live panel of a run in a notebook: shows it while it works, hands clicks to it, leaves static HTML behind."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable
from typing import Any

from agentloop_nb._internal.process_memory import in_words
from agentloop_nb.agent.control import Control
from agentloop_nb.decision import Decision
from agentloop_nb.errors import UserError
from agentloop_nb.events import (
    ActionFinished,
    ActionStarted,
    AnyEvent,
    ApprovalAsked,
    ApprovalGiven,
    DecisionMade,
    DecisionRejected,
    LongStepDecided,
    ModelCalled,
    ModelFailed,
    ModelReplied,
    NoteAdded,
    OutputAppeared,
    PlanMade,
    PlanSettled,
    Progress,
    QuestionAsked,
    ReplyStreamed,
    RunFinished,
    RunResumed,
    RunStarted,
    StepsUndone,
    WaitStarted,
)
from agentloop_nb.notebook.kernel.runner import can_ask
from agentloop_nb.notebook.panel.approval_prompt import Approval
from agentloop_nb.notebook.panel.buttons import BUTTONS
from agentloop_nb.notebook.panel.cards import body, card
from agentloop_nb.notebook.panel.delta import Board
from agentloop_nb.notebook.panel.html import plain_text, static_html
from agentloop_nb.notebook.panel.limits import MAX_GOAL
from agentloop_nb.notebook.panel.plan_card import NUMBER, plan_card, plan_line
from agentloop_nb.notebook.panel.plan_prompt import PlanPrompt
from agentloop_nb.notebook.panel.question_prompt import QuestionPrompt
from agentloop_nb.notebook.panel.run_header import Totals, header, meters
from agentloop_nb.notebook.panel.safe_text import clean, one_line, shortened
from agentloop_nb.notebook.panel.saved_picture import prepare
from agentloop_nb.notebook.panel.streaming import LiveOutput, LiveReply
from agentloop_nb.state import State

log = logging.getLogger(__name__)

MORE_TIME = 60
"""Seconds that one click gives a running step."""
MEASURED_EVERY = 1.0
"""Seconds between two looks at the memory that a running step uses."""
PAUSE_BETWEEN = 1 / 15
"""Seconds between two messages to the page; what happens in between is sent together."""
KEPT_OPEN: deque[Any] = deque(maxlen=3)
"""Widgets of the last runs. A page that was reloaded while a run went on still finds its panel there."""


class PanelView:
    """A `stream.View` that shows one run in the notebook. `live` None means: if a person can be there."""

    in_cell = True
    """The run belongs to a cell, below which others can be added when it is done."""

    def __init__(self, goal: str, control: Control, shell: Any, *, live: bool | None = None) -> None:
        self._control = control
        self._shell = shell
        self._live = self._anybody = can_ask(shell) if live is None else live
        self._display_id = f"agent-{uuid.uuid4().hex[:12]}"
        self._state = State(goal=goal)
        self._board = Board()
        self._totals = Totals()
        self._lock = threading.RLock()
        self._changed = threading.Event()
        self._closing = threading.Event()
        self._widget: Any = None
        self._sender: threading.Thread | None = None
        self._reply = LiveReply()
        self._output = LiveOutput()
        self._last_shown = 0
        """The highest number of a step that has a card."""
        self._streamed = 0
        """The step whose reply or output grew since the last message; 0 for none."""
        self._measured_at = 0.0
        self.served = threading.Event()
        self.restore: Callable[[str], bool] | None = None
        """Gives a variable the value it had before the run."""
        self._to_insert: list[str] = []
        """Code that becomes a cell of the user's when the cell of the run is done."""
        self._to_restore: list[tuple[int, str]] = []
        """Steps and names that are restored when the running step is over: its code may be using them."""
        self._approval = Approval(self, control, anybody=lambda: self._anybody)
        self.asker = QuestionPrompt(self, control, anybody=lambda: self._anybody)
        self.planner = PlanPrompt(self, control, anybody=lambda: self._anybody)

    # Life

    @property
    def live(self) -> bool:
        """Whether a person can watch it."""
        return self._live

    def open(self) -> None:
        """Display the panel in the running cell."""
        goal = one_line(self._state.goal)
        bundle: dict[str, Any] = {"text/plain": f"agent: running — {goal}"}
        if self._live:
            try:
                bundle = {**self._begin_live(), **bundle}
            except Exception as error:
                self._live = False
                log.warning("this run is shown when it is over, because its panel failed: %r", error, exc_info=True)
        self._publish({**bundle, "text/html": "<i>The agent is at work. <code>%agent show</code> shows its run.</i>"})

    def _begin_live(self) -> dict[str, Any]:
        """Make the widget and start to send; returns what displays it."""
        from agentloop_nb.notebook.panel.widget import PanelWidget

        self._board.head({"goal": shortened(self._state.goal, MAX_GOAL), "status": "running", "label": "starting"})
        self._board.take()
        self._widget = PanelWidget(self._snapshot)
        self._widget.on_msg(self._receive)
        view: Any = self._widget._repr_mimebundle_()
        self._sender = threading.Thread(target=self._send_changes, name="agent-panel", daemon=True)
        self._sender.start()
        return dict(view[0] if isinstance(view, tuple) else view)

    def close(self) -> None:
        """Replace the panel by static HTML that needs no kernel, no script and no widget."""
        if self._closing.is_set():
            return
        self._closing.set()
        self._changed.set()
        if self._sender is not None:
            self._sender.join(timeout=2)
            if len(KEPT_OPEN) == KEPT_OPEN.maxlen:
                KEPT_OPEN[0].close()
            self._widget.heard = self.served.is_set()
            KEPT_OPEN.append(self._widget)
        if self._to_insert:
            self._shell.set_next_input("\n\n".join(self._to_insert))
        page = static_html(self._state, natives=self.in_cell, place=self._display_id)
        self._publish({"text/html": page, "text/plain": plain_text(self._state)}, update=True)
        if self._live and self.in_cell:
            BUTTONS.put(self._state, self._display_id)

    def _publish(self, bundle: dict[str, Any], *, update: bool = False) -> None:
        publisher = self._shell.display_pub
        publisher.publish(data=bundle, metadata={}, transient={"display_id": self._display_id}, update=update)

    # View

    def show(self, event: AnyEvent, state: State) -> None:
        """Take an event in."""
        self._state = state
        if not self._live:
            return
        with self._lock:
            self._show(event, state)
            waiting, self._to_restore = ([], self._to_restore) if self._acting else (self._to_restore, [])
        for step, name in waiting:
            self._restore_name(step, name)
        self._changed.set()

    def _show(self, event: AnyEvent, state: State) -> None:
        self._flush_streams()
        match event:
            case RunStarted() | RunResumed() | RunFinished():
                self._totals = Totals.of(state)
                self._board.head({**header(state), "wait": None})
                for step in state.steps[:-1] if isinstance(event, RunResumed) else ():
                    self._board.put(step.number, card(step, state))
            case ModelReplied() | ModelFailed():
                self._totals.add(event)
                self._board.head({**meters(self._totals, state), "model": one_line(state.decided_by)})
            case ActionStarted():
                self._output = LiveOutput()
                self._board.put(event.step, {"began": event.at})
                self._measured_at = time.monotonic()
            case ModelCalled():
                self._reply = LiveReply()
            case StepsUndone():
                self._strike(event.first)
            case _:
                pass
        if isinstance(event, PlanMade | PlanSettled | DecisionMade | RunResumed):
            self._plan(state)
        self._label(event)
        if state.steps:
            self._card(event, state)

    def _strike(self, first: int) -> None:
        """Show that the steps from `first` on were taken back; later ones take their place."""
        for number in range(first, self._last_shown + 1):
            begun = self._board.get(number).get("state") not in ("thinking", "hidden")
            taken: dict[str, Any] = {"state": "cut", "title": "(taken back)", "chips": [], "ask": None}
            self._board.put(number, taken if begun else {"state": "hidden"})

    def _label(self, event: AnyEvent) -> None:
        """Say in the header what the run is at."""
        match event:
            case ModelCalled():
                self._say("thinking" if event.attempt == 1 else f"thinking, try {event.attempt}")
            case ModelFailed() if event.wait is not None:
                self._say("retrying", until=time.time() + event.wait, why=event.error)
            case ModelReplied() | ModelFailed():
                self._say("deciding")
            case ApprovalAsked() | QuestionAsked():
                self._say("waiting for you")
            case ActionStarted() | LongStepDecided():
                self._say("running")
            case ActionFinished():
                self._say("thinking")
            case _:
                pass

    def _card(self, event: AnyEvent, state: State) -> None:
        """Redraw the card an event belongs to; the live parts of a step that is not over stay as they are."""
        step = state.steps[-1]
        self._last_shown = max(self._last_shown, step.number)
        shown = card(step, state)
        if isinstance(event, PlanMade | ModelCalled | ModelFailed | DecisionRejected | NoteAdded) and not step.decision:
            anew = step.rejected or step.failures or step.plans
            shown.update({"title": "", "reasoning": "", "code": ""} if anew else {})
        if isinstance(event, ApprovalAsked | QuestionAsked):
            shown["state"] = "waiting"
        if isinstance(event, ApprovalGiven | RunFinished) or (isinstance(event, ActionFinished) and step.asked):
            self._board.put(step.number, {"ask": None})
        if "out" not in shown and self._board.get(step.number).get("out"):
            shown["out"] = self._output.blocks()
        self._board.put(step.number, shown)

    def _say(self, label: str, *, until: float | None = None, why: str = "") -> None:
        wait = None if until is None else {"until": until, "why": one_line(why)}
        self._board.head({"label": label, "wait": wait})
        if self._state.steps:
            self._board.head({"step": self._state.steps[-1].number})

    def progress(self, progress: Progress) -> None:
        """Take something in that is never recorded: a piece of a reply, an output, a wait."""
        if not self._live:
            return
        with self._lock:
            match progress:
                case ReplyStreamed(delta=delta) if delta.status:
                    self._say(delta.status)
                case ReplyStreamed():
                    self._reply.feed(progress.delta)
                    self._streamed = progress.step
                case OutputAppeared():
                    self._output.feed(progress.output)
                    self._streamed = progress.step
                case WaitStarted(seconds=0):
                    self._say("waiting", why=progress.reason)
                case WaitStarted():
                    self._say("retrying", until=time.time() + progress.seconds, why=progress.reason)
        self._changed.set()

    def _flush_streams(self) -> None:
        """Bring what streamed in onto the board; done once a message, however many pieces came."""
        step, self._streamed = self._streamed, 0
        if not step:
            return
        if self._board.get(step).get("state") == "running":
            self._board.put(step, {"out": self._output.blocks()})
        else:
            self._board.put(step, self._reply.card())
            if self._reply.writing:
                self._board.head({"label": "writing"})

    # Sending

    def _send_changes(self) -> None:
        """Send what changed, at most 15 times a second, until the panel closes. Runs on a thread of its own."""
        while True:
            self._changed.wait(MEASURED_EVERY if self._acting else None)
            self._measure()
            self._changed.clear()
            last = self._closing.is_set()
            try:
                self._send()
            except Exception:
                log.exception("the panel cannot be updated any more")
                return
            if last:
                return
            self._prepare()
            self._closing.wait(PAUSE_BETWEEN if self.served.is_set() else self._patience())

    def _prepare(self) -> None:
        """Make the figures of the last step ready to be saved, while the model decides the next one."""
        if not self._acting and self._state.steps and (result := self._state.steps[-1].result):
            prepare(result.outputs)

    def _measure(self) -> None:
        """Look now and then at the memory that the process of the running code holds."""
        memory, now = self._control.memory, time.monotonic()
        if memory is None or not self._acting or now - self._measured_at < MEASURED_EVERY:
            return
        self._measured_at = now
        if (size := memory()) is not None:
            with self._lock:
                self._board.put(self._state.steps[-1].number, {"memory": in_words(size)})

    def _patience(self) -> float:
        """Until the page has said hello whole boards are sent, so the longer the run the rarer."""
        return min(0.15 + 0.05 * len(self._state.steps), 5.0)

    def _send(self) -> None:
        with self._lock:
            self._flush_streams()
            delta = self._board.take()
            if delta is None:
                return
            if self.served.is_set():
                self._widget.send(delta)
            else:
                self._widget.resend()

    def _snapshot(self) -> dict[str, Any]:
        with self._lock:
            return self._board.snapshot()

    # Receiving; on whatever thread the kernel serves the message

    def _receive(self, _widget: Any, message: Any, _buffers: Any) -> None:
        if not isinstance(message, dict):
            return
        match message.get("op"):
            case "hello":
                self._hello(message.get("seq"))
            case "stop":
                self._acknowledge("stop")
                self._board_head({"label": "stopping"})
                self._control.stop()
            case "pause":
                self._control.unpause() if self._control.paused else self._control.pause()
                self._board_head({"paused": self._control.paused})
            case "note" if str(message.get("text") or "").strip():
                self._control.note(str(message["text"]).strip())
                self._acknowledge("note")
            case "insert":
                self._to_insert += self._code_of(message.get("n"))
            case "extend" if self._control.extend is not None:
                self._control.extend(MORE_TIME)
            case "restore":
                self._restore_name(int(message.get("n") or 0), str(message.get("name") or ""))
            case "approve" | "rest" | "reject" | "answer" | "plan":
                self._answered(message)
            case _:
                pass

    def _answered(self, message: dict[str, Any]) -> None:
        waiting = {"answer": self.asker.answer, "plan": self.planner.answer}.get(message["op"], self._approval.answer)
        if not waiting(message):
            self._acknowledge("late")

    def _code_of(self, number: Any) -> list[str]:
        """The whole code of a step, if there is such a step."""
        return [body(step.decision.action)[0] for step in self._state.steps if step.number == number and step.decision]

    @property
    def _acting(self) -> bool:
        """Whether an action is being carried out."""
        last = self._state.steps[-1] if self._state.steps else None
        return self._state.status == "running" and last is not None and last.started and last.result is None

    def _restore_name(self, step: int, name: str) -> None:
        """Give a variable its former value back, and say on its chip whether that could be done."""
        with self._lock:
            if waits := self._acting:
                self._to_restore.append((step, name))
        restored = not waits and self._restored(name)
        if restored and self._state.status == "running":
            self._control.note(f"I have given {name} back the value that it had before this run.")
        how = "restoring" if waits else "restored" if restored else "not restorable"
        with self._lock:
            chips = [dict(chip) for chip in self._board.get(step).get("chips", ())]
            for chip in chips:
                if chip["name"] == name:
                    chip.update(how=how, restore=False, warn=False)
            self._board.put(step, {"chips": chips})
        self._changed.set()
        if self._closing.is_set():  # a page that was reloaded still shows the panel of a run that is over
            self._send()

    def _restored(self, name: str) -> bool:
        try:
            return self.restore is not None and self.restore(name)
        except UserError:  # the process that has the variable is gone
            return False

    def _hello(self, seq: Any) -> None:
        with self._lock:
            self.served.set()
            self._board.head({"cells": self.in_cell and can_ask(self._shell)})
            self._changed.set()
            if seq == self._board.seq:
                self._widget.send({"op": "hi"})
            else:
                self._widget.send({"op": "all", "board": self._board.snapshot()})

    def _acknowledge(self, what: str) -> None:
        self._widget.send({"op": "ack", "what": what})

    def _board_head(self, fields: dict[str, Any]) -> None:
        with self._lock:
            self._board.head(fields)
        self._changed.set()

    # Asking

    async def approver(self, asked: ApprovalAsked, decision: Decision) -> ApprovalGiven:
        """Ask a person about a decision: a `stream.Approver`."""
        return await self._approval(asked, decision)

    def ask(self, step: int, fields: dict[str, str]) -> None:
        """Show the buttons of an approval."""
        with self._lock:
            self._board.put(step, {"ask": {"fields": fields, "complaint": ""}})
        self._changed.set()

    def put_plan(self, plan: dict[str, Any]) -> None:
        """Show a plan with its buttons."""
        with self._lock:
            self._say("waiting for you")
            self._board.put(NUMBER, {"ask": {"plan": plan}})
        self._changed.set()

    def _plan(self, state: State) -> None:
        """Show the plan, what became of it, and the line that is worked on."""
        if state.plan or any(step.plans for step in state.steps):
            self._board.put(NUMBER, {**plan_card(state), "ask": None})
            self._board.head({"line": plan_line(state)})

    def put_question(self, step: int, question: dict[str, Any]) -> None:
        """Show a question with its choices, and the time that is left to answer it."""
        with self._lock:
            self._board.put(step, {"ask": {"question": question}})
        self._changed.set()

    def complain(self, step: int, message: str) -> None:
        """Say in the card why an edit cannot be used."""
        with self._lock:
            ask = dict(self._board.get(step).get("ask") or {})  # type: ignore[call-overload]
            self._board.put(step, {"ask": {**ask, "complaint": clean(message)}})
        self._changed.set()

"""The live panel of a run in a notebook: shows it while it works, hands clicks to it, leaves static HTML behind."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from agentloop_nb.agent.control import Control
from agentloop_nb.decision import Decision
from agentloop_nb.errors import UserError
from agentloop_nb.events import AnyEvent, ApprovalAsked, ApprovalGiven, Progress
from agentloop_nb.notebook.kernel.runner import can_ask
from agentloop_nb.notebook.panel.approval_prompt import Approval
from agentloop_nb.notebook.panel.buttons import BUTTONS
from agentloop_nb.notebook.panel.cards import body
from agentloop_nb.notebook.panel.cell_display import CellDisplay
from agentloop_nb.notebook.panel.html import plain_text, static_html
from agentloop_nb.notebook.panel.live_board import LiveBoard
from agentloop_nb.notebook.panel.native_outputs import final_outputs
from agentloop_nb.notebook.panel.page_link import PageLink
from agentloop_nb.notebook.panel.plan_prompt import PlanPrompt
from agentloop_nb.notebook.panel.question_prompt import QuestionPrompt
from agentloop_nb.notebook.panel.safe_text import one_line
from agentloop_nb.state import State

log = logging.getLogger(__name__)

MORE_TIME = 60
"""Seconds that one click gives a running step."""
AT_WORK = "<i>The agent was at work when this was saved. <code>%agent show</code> shows its run.</i>"
"""What a page without the panel shows of a run that is not over, and of one whose end its page never saw."""


class PanelView:
    """A `stream.View` that shows one run in the notebook. `live` None means: if a person can be there."""

    in_cell = True
    """The run belongs to a cell, below which others can be added when it is done."""

    def __init__(self, goal: str, control: Control, shell: Any, *, live: bool | None = None) -> None:
        self._control = control
        self._shell = shell
        self._live = self._anybody = can_ask(shell) if live is None else live
        self._display = CellDisplay(shell, "agent")
        self._board = LiveBoard(goal)
        self._link = PageLink(self._board, control)
        self.served: threading.Event = self._link.served
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
                self._board.begin()
                bundle = {**self._link.open(self._receive), **bundle}
            except Exception as error:
                self._live = False
                log.warning("this run is shown when it is over, because its panel failed: %r", error, exc_info=True)
        self._publish({**bundle, "text/html": AT_WORK})

    def close(self) -> None:
        """Replace the panel by static HTML that needs no kernel, no script and no widget."""
        if not self._link.close():
            return
        if self._to_insert:
            self._shell.set_next_input("\n\n".join(self._to_insert))
        self._publish(self._static(), update=True)
        if self._live and self.in_cell:
            BUTTONS.put(self._state, self._display.id)

    def _static(self) -> dict[str, Any]:
        page = static_html(self._state, natives=self.in_cell, place=self._display.id)
        return {"text/html": page, "text/plain": plain_text(self._state)}

    def _left(self) -> list[dict[str, Any]]:
        """Return the outputs of the run's cell."""
        return [self._static(), *(final_outputs(self._state) if self.in_cell else ())]

    def _publish(self, bundle: dict[str, Any], *, update: bool = False) -> None:
        self._display.publish(bundle, update=update)

    # View

    @property
    def _state(self) -> State:
        return self._board.state

    def show(self, event: AnyEvent, state: State) -> None:
        """Take an event in."""
        self._board.state = state
        if not self._live:
            return
        with self._link.changing() as board:
            board.show(event, state)
            waiting, self._to_restore = ([], self._to_restore) if board.acting else (self._to_restore, [])
        for step, name in waiting:
            self._restore_name(step, name)

    def progress(self, progress: Progress) -> None:
        """Take something in that is never recorded: a piece of a reply, an output, a wait."""
        if self._live:
            with self._link.changing() as board:
                board.progress(progress)

    # Clicks; on whatever thread the kernel serves the message

    def _receive(self, message: Any) -> None:
        if not isinstance(message, dict):
            return
        match message.get("op"):
            case "hello" | "left":
                self._tell(message)
            case "stop":
                self._link.acknowledge("stop")
                self._head({"label": "stopping"})
                self._control.stop()
            case "pause":
                self._control.unpause() if self._control.paused else self._control.pause()
                self._head({"paused": self._control.paused})
            case "note" if str(message.get("text") or "").strip():
                self._control.note(str(message["text"]).strip())
                self._link.acknowledge("note")
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

    def _tell(self, message: dict[str, Any]) -> None:
        """Tell a page what it does not know: the board, or what the run left."""
        if message["op"] == "left":
            self._link.leave(self._left)
        else:
            self._link.greet(message.get("seq"), cells=self.in_cell and can_ask(self._shell))

    def _answered(self, message: dict[str, Any]) -> None:
        waiting = {"answer": self.asker.answer, "plan": self.planner.answer}.get(message["op"], self._approval.answer)
        if not waiting(message):
            self._link.acknowledge("late")

    def _head(self, fields: dict[str, Any]) -> None:
        with self._link.changing() as board:
            board.head(fields)

    def _code_of(self, number: Any) -> list[str]:
        """Return the whole code of a step, if there is such a step."""
        return [body(step.decision.action)[0] for step in self._state.steps if step.number == number and step.decision]

    def _restore_name(self, step: int, name: str) -> None:
        """Give a variable its former value back, and say on its chip whether that could be done."""
        with self._link.changing() as board:
            if waits := board.acting:
                self._to_restore.append((step, name))
        restored = not waits and self._restored(name)
        if restored and self._state.status == "running":
            self._control.note(f"I have given {name} back the value that it had before this run.")
        with self._link.changing() as board:
            board.put_restored(step, name, "restoring" if waits else "restored" if restored else "not restorable")
        self._link.send_if_closed()

    def _restored(self, name: str) -> bool:
        try:
            return self.restore is not None and self.restore(name)
        except UserError:  # the process that has the variable is gone
            return False

    # Asking

    async def approver(self, asked: ApprovalAsked, decision: Decision) -> ApprovalGiven:
        """Ask a person about a decision: a `stream.Approver`."""
        return await self._approval(asked, decision)

    def ask(self, step: int, fields: dict[str, str], until: float = 0) -> None:
        """Show the buttons of an approval, and the time that is left for it."""
        with self._link.changing() as board:
            board.ask(step, fields, until)

    def complain(self, step: int, message: str) -> None:
        """Say in the card why an edit cannot be used."""
        with self._link.changing() as board:
            board.complain(step, message)

    def put_plan(self, plan: dict[str, Any]) -> None:
        """Show a plan with its buttons."""
        with self._link.changing() as board:
            board.put_plan(plan)

    def put_question(self, step: int, question: dict[str, Any]) -> None:
        """Show a question with its choices, and the time that is left to answer it."""
        with self._link.changing() as board:
            board.put_question(step, question)

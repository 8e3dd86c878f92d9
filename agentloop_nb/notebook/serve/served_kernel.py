"""One kernel that is served to outside agents: a run whose decisions are their tool calls."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import contextvars
import logging
import socket
import threading
from contextlib import AbstractAsyncContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentloop_nb._internal.amounts import duration
from agentloop_nb.decision import Decision
from agentloop_nb.errors import UserError
from agentloop_nb.events import AnyEvent, ApprovalAsked, ApprovalGiven, StepsUndone
from agentloop_nb.notebook.kernel import interrupts, output_scope, runner
from agentloop_nb.notebook.panel.panel_view import PanelView
from agentloop_nb.notebook.serve import http
from agentloop_nb.notebook.serve.call_answers import Answers
from agentloop_nb.notebook.serve.cancellation import CANCELLED
from agentloop_nb.notebook.serve.client_connection import speak
from agentloop_nb.notebook.serve.held_cell import HeldCell
from agentloop_nb.notebook.serve.kernel_tools import KernelTools
from agentloop_nb.notebook.serve.listener import Listener
from agentloop_nb.notebook.serve.main_thread import MainThread
from agentloop_nb.notebook.serve.mcp_server import Requests
from agentloop_nb.notebook.serve.outside_model import Call, OutsideModel
from agentloop_nb.notebook.serve.served_session import begin_served
from agentloop_nb.notebook.serve.served_workspace import Served
from agentloop_nb.notebook.serve.told_limit import ServeLimits, ToldLimit
from agentloop_nb.notebook.undo import take_back
from agentloop_nb.settings import Settings

if TYPE_CHECKING:
    from agentloop_nb.notebook.run_manager import RunManager

log = logging.getLogger(__name__)

NOBODY = "the notebook is not open in a browser, so nobody can approve it; ask the person to open it"
_PATIENCE = 1.5
"""Seconds in which an open page says that it is there."""
_FAREWELL = 0.3
"""Seconds for the last answers to leave."""
_LOOK, _PARTING = 0.2, 5.0
"""Seconds between two looks at whether somebody is connected, and those after which nobody comes back."""


class ServedKernelRun:
    """Made on the main thread, by the cell that serves; from then on it lives on a thread of its own."""

    def __init__(
        self,
        manager: RunManager,
        goal: str,
        settings: Settings,
        *,
        name: str,
        limits: ServeLimits,
        read_only: bool = False,
        port: socket.socket | None = None,
        held: bool = False,
    ) -> None:
        """Begin the run, and listen. With `held` the cell calls `wait`. Raises `UserError`."""
        shell = manager.shell
        self.place = HeldCell(shell.kernel) if held else MainThread(shell.kernel)
        self.model = OutsideModel()
        self.read_only, self._minutes, self._port = read_only, limits.minutes, port
        self.session = begin_served(manager, goal, settings, self.model, self.place)
        self.workspace = self._workspace()
        self.home = manager.folder if settings.isolated else self.workspace.folder
        """The notebook's folder."""
        self.tools = KernelTools(self)
        self.told = ToldLimit(limits.megabytes, self._limit_is_reached)
        self.listener = Listener(
            url=http.address(port) if port else None,
            name=name,
            kernel=Path(shell.kernel.parent.connection_file).stem,
            notebook=str(shell.user_ns.get("__session__") or ""),
            cwd=str(manager.folder),
            run=self.session.run.id or self.session.record.path.stem,
        )
        atexit.register(self.listener.forget)
        self.over = threading.Event()
        """Set when nothing is served any more."""
        self._ready = threading.Event()
        self._closing = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self.panel = PanelView(goal, self.session.control, shell)
        self.panel.in_cell = False
        self.panel.restore = self.workspace.restore
        self.panel.open()
        run_in_context = contextvars.copy_context().run  # what it shows belongs to this cell
        self._thread = threading.Thread(target=run_in_context, args=(self._work,), name="agentloop-serve", daemon=True)
        self._thread.start()
        self._ready.wait(30)

    def _workspace(self) -> Served:
        workspace = self.session.workspace
        if not isinstance(workspace, Served):
            raise TypeError(workspace)
        return workspace

    @property
    def is_going_on(self) -> bool:
        """Whether outside agents may still take steps."""
        return not self.over.is_set() and self.session.state.status == "running"

    # -- from the main thread

    def wait(self) -> None:
        """Keep the cell until nothing is served any more, and run the steps in it."""
        with interrupts.heard(lambda: self._end("the person ended it")):
            self.place.serve(lambda: not self._thread.is_alive())

    def _end(self, reason: str) -> None:
        self.session.control.reason = reason
        self.session.control.stop()
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._closing.set)

    def close(self, reason: str) -> None:
        """Serve no longer. Call it from a cell."""
        self._end(reason)
        self.over.wait(5)
        self.panel.close()

    def undo_here(self, count: int, tell: Any) -> None:
        """Take back the last steps while the run goes on. Call it from a cell, which keeps steps from running."""
        self._refuse_in_a_step()
        done = [step for step in self.session.state.steps if step.result is not None][-count:]
        if not done:
            raise UserError("there is no step to take back")
        lines = take_back(self.workspace, done, tell)
        if self._loop is not None:
            asyncio.run_coroutine_threadsafe(self._undone(done[0].number), self._loop).result(10)
        tell("\n".join(lines))

    def restore_here(self, name: str) -> str:
        """Give a variable its former value while the run goes on, as `undo_here` does."""
        self._refuse_in_a_step()
        if not self.workspace.restore(name):
            raise UserError(f"no copy of {name!r} from before the run is kept; %agent who lists what the run changed")
        self.session.control.note(f"I have given {name} back the value that it had before this run.")
        return f"{name} is as it was before the run."

    def _refuse_in_a_step(self) -> None:
        steps = self.session.state.steps
        if steps and steps[-1].decision is not None and steps[-1].result is None:
            raise UserError("a step waits for its turn or for your approval; answer it first, or stop the run")

    async def _undone(self, first: int) -> None:
        self.emit(StepsUndone(step=first, first=first))
        self.session.control.note(f"I have taken back your steps from {first} on.")

    # -- on the thread of the server and the loop

    def _work(self) -> None:
        output_scope.enter(output_scope.OUTSIDE)
        runner.use(self.place)
        try:
            asyncio.run(self._serve())
        except Exception:
            log.exception("serving this kernel ended")
        finally:
            self.listener.forget()
            self.over.set()
            self._ready.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        settings = self.session.settings
        answers = Answers(self.model, self.session.control, settings.privacy, images=settings.images)
        server = Requests(self).server()
        async with self.listener.listening(partial(speak, server)), self._listening_by_http(server):
            self._ready.set()
            if self._minutes is not None:
                over = f"the {self._minutes:g} minutes it was served for are over"
                self._loop.call_later(60 * self._minutes, self._limit_is_reached, over)
            await self.session.go([self.panel, answers], self._approve)
            self.model.refuse_waiting(self._over_text)
            closing = asyncio.ensure_future(self.place.do(self.panel.close))
            if self.session.state.status in ("finished", "step_limit"):  # what was done can still be asked about
                await self._asked_no_more()
            await asyncio.sleep(_FAREWELL)
        self.over.set()
        await closing

    async def _asked_no_more(self) -> None:
        """Wait until it is to be served no longer; a cell that waits goes on some time after the last client left."""
        alone = 0.0
        while not self._closing.is_set() and alone < _PARTING:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), _LOOK)
            waits = isinstance(self.place, HeldCell) and self._port is None and not self.listener.is_connected
            alone = alone + _LOOK if waits else 0.0

    def _listening_by_http(self, server: Any) -> AbstractAsyncContextManager[None]:
        return nullcontext() if self._port is None else http.listening(server, self._port, self.listener.token)

    def _limit_is_reached(self, reason: str) -> None:
        self.session.control.reason = reason
        self.session.control.stop()
        self._closing.set()

    @property
    def _over_text(self) -> str:
        return f"this run is over: {self.session.state.reason}. Ask the person to type %agent serve"

    def put(self, call: Call) -> None:
        """Have a call become the next step. Raises `UserError`."""
        if self.session.state.status != "running":
            raise UserError(self._over_text)
        self.model.put(call)

    def emit(self, event: AnyEvent) -> None:
        """Record an event of the run that no step brought."""
        if self.session.stream is not None:
            self.session.stream.emit(event)

    async def _approve(self, asked: ApprovalAsked, decision: Decision) -> ApprovalGiven:
        """Ask by the panel's buttons; where no page is open the answer is no. No cell runs, so nobody could type."""
        if not self.panel.served.is_set() and not await asyncio.to_thread(self.panel.served.wait, _PATIENCE):
            return ApprovalGiven(step=asked.step, approved=False, by="policy", reason=NOBODY)
        call = self.model.current
        asking = asyncio.ensure_future(self.panel.approver(asked, decision))
        gone = asyncio.ensure_future(call.gone.wait() if call else asyncio.Event().wait())
        try:
            await asyncio.wait([asking, gone], return_when=asyncio.FIRST_COMPLETED)
            if asking.done():
                return await asking
            return ApprovalGiven(step=asked.step, approved=False, by="client", reason=CANCELLED)
        except TimeoutError:
            late = f"nobody answered within {duration(asked.seconds)}"
            return ApprovalGiven(step=asked.step, approved=False, by="client", reason=late)
        finally:
            asking.cancel()
            gone.cancel()

"""One step of code, from its source to its outcome."""

from __future__ import annotations

import asyncio
import linecache
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

from agentloop_nb._internal import steering_files
from agentloop_nb._internal.platform import IN_BROWSER
from agentloop_nb._internal.process_memory import resident_bytes
from agentloop_nb.agent.control import Control
from agentloop_nb.notebook.kernel import figure_text, interrupts, tracebacks
from agentloop_nb.notebook.kernel import private_shell as shells
from agentloop_nb.notebook.kernel.capture import Capture, patch
from agentloop_nb.notebook.kernel.effect_hook import Supervision
from agentloop_nb.notebook.kernel.guards import Guards
from agentloop_nb.notebook.kernel.interrupter import Interrupter, StepInterrupt
from agentloop_nb.notebook.kernel.interrupter_async import LoopInterrupter
from agentloop_nb.notebook.kernel.outputlog import OutputLog
from agentloop_nb.notebook.kernel.question import Question
from agentloop_nb.notebook.kernel.side_effects import SideEffects
from agentloop_nb.notebook.snapshots import reachable_names
from agentloop_nb.notebook.snapshots.step_record import TOO_LARGE, Record
from agentloop_nb.notebook.snapshots.tracker import Watch
from agentloop_nb.notebook.snapshots.undo_history import History
from agentloop_nb.protocols import Change, CodeError, CodeOutcome, OnOutput
from agentloop_nb.safety.observed_effects import Mandate

if TYPE_CHECKING:
    from agentloop_nb.notebook.kernel.kernel_workspace import KernelWorkspace

_STUCK = (
    "[stopping: the step is inside native code, which Python cannot cut; it ends when that call returns. "
    "Restarting the kernel ends it at once, and %agent resume then goes on from the record]\n"
)
_NOT_YOURS = "{} was written by this step, so later runs take it for data, not for the user's words."


class RunningStep:
    """Runs `code` once in the workspace's shell."""

    def __init__(
        self,
        workspace: KernelWorkspace,
        code: str,
        number: int,
        timeout: float,
        post: OnOutput,
        tell: OnOutput | None = None,
        *,
        mandate: Mandate | None = None,
        past: History | None = None,
    ) -> None:
        """`post` brings outputs to the loop's thread; `tell` is called instead where blocking code keeps it busy.
        `past` keeps what it did, left out that of the workspace.
        """
        self._workspace = workspace
        self._shell = workspace.shell
        self._code = code
        self._number = number
        self._notes: list[str] = []
        self._changes: tuple[Change, ...] = ()
        self._finishing = self._stuck = False
        self._named: Callable[[str], Any] = self._shell.compile.format_code_name
        self._transform()
        self._tell = tell if tell is not None and not self._awaits else post
        self._overseer = (LoopInterrupter if IN_BROWSER else Interrupter)(self, timeout, self)
        self._footprint = SideEffects(workspace.folder, reachable_names.strings(code), workspace.written, code)
        self._mandate = mandate
        self._past = past or workspace.past
        self._drawn: list[str] = []
        self._log = OutputLog(self._tell, self._overseer.flush_soon)

    def _transform(self) -> None:
        self._failed: Any = None
        try:
            self._cell = self._shell.transform_cell(self._code)
        except Exception:
            self._cell, self._failed = self._code, sys.exc_info()
        self._awaits = self._shell.should_run_async(
            self._code, transformed_cell=self._cell, preprocessing_exc_tuple=self._failed
        )

    # -- what others may do meanwhile

    def stop(self) -> None:
        """End it, from any thread."""
        self._overseer.stop()

    def interrupted(self) -> None:
        """End the run, because the user pressed Interrupt."""
        self._workspace.control.stopping = True

    def at_work(self, frame: FrameType | None) -> bool:
        """Whether a frame lies in code of a step or a cell, or in what shows the step's figures."""
        while frame is not None and not self._finishing:
            if self._named(frame.f_code.co_filename) is not None:
                return True
            frame = frame.f_back
        return self._finishing

    def flush(self) -> None:
        """Tell the output that waits to be told."""
        self._log.flush()

    def stuck(self) -> None:
        """Tell that the code cannot be cut."""
        self._stuck = True
        self._tell({"output_type": "stream", "name": "stderr", "text": _STUCK})

    # -- running

    def run_blocking(self) -> CodeOutcome:
        """Run it to its end on this thread, whether or not an event loop runs here."""
        return _complete(self.run(), awaits=self._awaits)

    async def run(self) -> CodeOutcome:
        """Run it to its end on this thread's event loop."""
        past = self._past
        watch = Watch(self._shell.user_ns, self._cell, room=past.limit, folder=self._workspace.folder)
        marks = steering_files.marks(self._workspace.folder)
        with self._prepared() as capture:
            result = await self._execute()
        self._notes += map(_NOT_YOURS.format, steering_files.note_changes(self._workspace.folder, marks))
        self._changes, record = watch.finish(self._number, self._workspace.before_run)
        self._notes += _unsaved(record, past.add(record), past.limit)
        return self._outcome(capture.error if result is None else _error_of(result) or capture.error)

    @contextmanager
    def _prepared(self) -> Iterator[Capture]:
        control = self._workspace.control
        quiet = _is_quiet(self._shell, self._cell)
        expects = self._writes_past_python
        capture = Capture(self._shell, self._log, self, quiet=quiet, hides=self._hides, expects=expects)
        with ExitStack() as stack:
            stack.enter_context(shells.in_charge(self._shell))
            stack.enter_context(interrupts.heard())
            stack.enter_context(self._overseer)
            control.interrupt, control.extend = self._overseer.stop, self._overseer.extend
            control.memory = resident_bytes
            stack.callback(self._release, control)
            if control.stopping:  # asked for while the variables were being saved
                self._overseer.stop()
            stack.enter_context(Guards(self._shell, self._workspace.folder, self, self._notes))
            self._label(stack)
            stack.enter_context(self._footprint)
            stack.enter_context(figure_text.noticed(self._shell, self._drawn))
            stack.enter_context(capture)
            stack.callback(self._log.flush)
            stack.callback(capture.drain)
            if self._mandate is not None:
                self._supervise(stack, self._mandate, capture.owns)
            yield capture

    def _supervise(self, stack: ExitStack, mandate: Mandate, owns: Callable[[], bool]) -> None:
        question = Question(self._shell, self._overseer.extend)
        supervision = Supervision(self, mandate, self._workspace.effects, owns=owns, ask=question)
        stack.callback(lambda: self._notes.extend(supervision.notes))
        stack.enter_context(supervision)

    @staticmethod
    def _release(control: Control) -> None:
        control.interrupt = control.extend = control.memory = None

    def _writes_past_python(self) -> bool:
        """Whether child processes were started, or the code has other means to write to descriptors."""
        return self._footprint.processes or any(word in self._code for word in ("os", "ctypes", "cffi", "faulthandler"))

    def _hides(self, error: BaseException | None) -> bool:
        """Whether an error is only how the step was cut short."""
        cut = isinstance(error, asyncio.CancelledError) and self._overseer.reason is not None
        return cut or isinstance(error, StepInterrupt)

    def _label(self, stack: ExitStack) -> None:
        """Have tracebacks call the code by its step."""
        compiler, labels = self._shell.compile, self._workspace.labels
        named = compiler.format_code_name
        self._filename = compiler.get_code_name(self._code, self._cell, self._shell.execution_count)
        labels[self._filename] = str(self._number)

        def format_code_name(name: str) -> Any:
            return ("Step", labels[name]) if name in labels else named(name)

        patch(stack, compiler, "format_code_name", format_code_name)
        self._named = format_code_name

    async def _execute(self) -> Any:
        run = self._shell.run_cell_async(
            self._code, store_history=False, transformed_cell=self._cell, preprocessing_exc_tuple=self._failed
        )
        result = None
        try:
            if self._awaits:
                task = asyncio.ensure_future(run)
                self._overseer.watch_task(task)
                result = await task
                if (outer := asyncio.current_task()) and outer.cancelling():
                    self._overseer.reason = "stopped"  # IPython took the cancellation for an error of the code
            else:
                result = await run
            self._finishing = True  # drawing figures may take long
            self._shell.events.trigger("post_execute")
            self._shell.events.trigger("post_run_cell", result)
        except StepInterrupt:
            pass
        finally:
            self._finishing = False
        return result

    # -- what came of it

    def _outcome(self, error: BaseException | None) -> CodeOutcome:
        self._show_typed_lines()
        reason = self._overseer.reason
        told: CodeError | None = None
        if reason is None and error is not None:
            told = tracebacks.code_error(error, self._place, self._filename)
        elif reason is not None and error is not None and (at := tracebacks.innermost(error, self._place)):
            self._notes.append(f"It was at {at}")
        if self._stuck:
            self._notes.append("It was in native code, which cannot be cut, so it went on for a while after that.")
        ending = reason or ("error" if error is not None else "ok")
        written, read = self._footprint.files()
        return CodeOutcome(
            ending=ending,
            outputs=self._log.final(),
            error=told,
            changes=self._changes,
            drawn=tuple(self._drawn),
            files=written,
            read=read,
            beyond=self._footprint.beyond(),
            replaced=self._footprint.replaced(),
            notes=tuple(self._notes),
        )

    def _show_typed_lines(self) -> None:
        """Have the code's lines quoted as they were written, with `!` and `%`, not as IPython compiles them."""
        entry, typed = linecache.cache.get(self._filename), self._code.splitlines(keepends=True)
        if entry is not None and len(entry) == 4 and len(entry[2]) == len(typed):
            linecache.cache[self._filename] = (entry[0], entry[1], typed, entry[3])

    def _place(self, filename: str) -> str | None:
        named = self._named(filename)
        return None if named is None else f"{named[0].lower()} {named[1]}"


def _unsaved(record: Record, given_up: list[int], limit: int) -> Iterator[str]:
    """Say what cannot be taken back any more because copies of variables have met their bound."""
    bound = f"copies for undo may take {limit / 2**20:g} MB (--undo-memory)"
    if large := [name for name in record.names if record.lost.get(name) == TOO_LARGE]:
        yield f"No copy is kept of what {', '.join(large)} held before, so that cannot be taken back: {bound}."
    if given_up:
        steps = ", ".join(map(str, given_up))
        yield f"Variables changed by step {steps} cannot be taken back any more: {bound}."


def _error_of(result: Any) -> BaseException | None:
    before: BaseException | None = result.error_before_exec
    within: BaseException | None = result.error_in_exec
    return within if before is None else before


def _is_quiet(shell: Any, cell: str) -> bool:
    try:
        return ";" in cell and bool(shell.displayhook.semicolon_at_end_of_expression(cell))
    except Exception:
        return False


def _complete(coro: Coroutine[Any, Any, CodeOutcome], *, awaits: bool) -> CodeOutcome:
    """Run a coroutine on this thread. One that really awaits gets an event loop of its own, beside a running one."""
    if not awaits:
        try:
            coro.send(None)
        except StopIteration as stop:
            outcome: CodeOutcome = stop.value
            return outcome
        raise RuntimeError("code without await suspended")
    return run_in_fresh_loop(coro)


def run_in_fresh_loop(coro: Coroutine[Any, Any, CodeOutcome]) -> CodeOutcome:
    """Run a coroutine in a new event loop on this thread, even while another one is running here."""
    running = asyncio._get_running_loop()
    swap = getattr(asyncio.tasks, "_swap_current_task", None)
    current = swap(running, None) if swap and running else None
    asyncio._set_running_loop(None)
    try:
        with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:  # leaves the thread's own loop set
            return runner.run(coro)
    finally:
        asyncio._set_running_loop(running)
        if swap and running:
            swap(running, current)

"""The live kernel as a `Workspace`: code runs where the user's own cells run."""

from __future__ import annotations

import asyncio
import importlib
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from agentloop_nb.actions.delegate import Children
from agentloop_nb.agent.control import Control
from agentloop_nb.notebook.kernel import cell_history, contract_check, output_scope, runner
from agentloop_nb.notebook.kernel.contract_pins import Pins
from agentloop_nb.notebook.kernel.namespace import Surroundings
from agentloop_nb.notebook.kernel.run_past import Past
from agentloop_nb.notebook.kernel.running_step import RunningStep
from agentloop_nb.notebook.kernel.turn import TURNS
from agentloop_nb.notebook.snapshots.undo_history import History
from agentloop_nb.protocols import (
    Check,
    CodeOutcome,
    CodeRan,
    Document,
    OnOutput,
    Output,
    Privacy,
    Tools,
    Undone,
    Web,
    WrittenFile,
)
from agentloop_nb.safety.observed_effects import Mandate
from agentloop_nb.sql.cells import as_cell

MEMORY = 512 * 2**20
"""Bytes that copies of variables may take, for undo."""
BINDING_TIMEOUT = 30
"""Seconds in which the results of delegated parts are bound."""
_BROUGHT = "_agentloop_brought"
ANOTHER_STEP: Output = {
    "output_type": "stream",
    "name": "stderr",
    "text": "[waiting: a step of another run is at work in this process]\n",
}


class KernelWorkspace:
    """Actions take place in an IPython shell: the user's, or a private one. One workspace serves one run.

    `folder` is where files are written and code runs; left out, it is the current folder. `memory` is how many bytes
    copies of variables may take, for undo; `made` are names that earlier runs made.
    """

    def __init__(
        self,
        shell: Any,
        *,
        web: Web,
        folder: Path | None = None,
        control: Control | None = None,
        memory: int = MEMORY,
        privacy: Privacy = "full",
        earlier: Sequence[tuple[str, str]] = (),
        made: frozenset[str] = frozenset(),
    ) -> None:
        self.shell = shell
        self.folder = (folder or Path.cwd()).resolve()
        self.web = web
        self.control = control or Control()
        self.goal = ""
        """What the user asked for; files that it names may be read."""
        self.earlier = list(earlier)
        """Goals and summaries of earlier runs in this kernel, oldest first."""
        self.labels: dict[str, str] = {}
        """Step numbers by the file name IPython gave to their code, so that tracebacks say `step 3`."""
        self.written: dict[str, int] = {}
        """When files that steps wrote were modified, in nanoseconds, by their names in the folder."""
        self.before_run = frozenset(shell.user_ns) - made
        """The user's names: they existed before the run, or its resumption, and no run made them."""
        self.privacy = privacy
        self.tools: Tools | None = None
        self.past = History(memory)
        self._noted_steps: list[tuple[int, cell_history.Entry]] = []
        """Code of this run that later runs may build on, by step."""
        self.mandate: Mandate | None = None
        """What covers the effects of the next step; None judges nothing."""
        self.effects = Past(self.folder)
        self._pins = Pins()
        self.children: Children | None = None
        """Has the parts of the goal done that the run delegates; None where it may not."""

    def go_on(self, *, web: Web, control: Control, memory: int, privacy: Privacy, made: frozenset[str]) -> None:
        """Serve its run from here on as it is set now; what was bound since by no run is the user's."""
        self.web, self.control, self.privacy = web, control, privacy
        self.before_run |= frozenset(self.shell.user_ns) - made
        self.past.limit = memory

    def describe(self, tokens: int) -> str:
        """Tell a model about the namespace, recent cells and earlier runs within a budget of tokens."""
        names = dict(self.shell.user_ns)
        hidden = self.shell.user_ns_hidden
        words = ((name, value) for name, value in names.items() if type(name) is str)
        names = {name: value for name, value in words if not (name in hidden and hidden[name] is value)}
        return Surroundings(names, cell_history.user_cells(self.shell), self.earlier, self.privacy).describe(tokens)

    def describe_name(self, name: str, tokens: int) -> str:
        """Tell of one variable; empty where there is none of that name."""
        found = self.variables([name])
        return Surroundings(found, privacy=self.privacy).describe(tokens) if found else ""

    def history(self) -> tuple[str, ...]:
        """Return what ran so far, oldest first: the user's cells without our magics, and the code of earlier runs."""
        return cell_history.everything(self.shell)

    def code_ran(self) -> tuple[CodeRan, ...]:
        """Return what is known of some of these."""
        return cell_history.known(self.shell)

    def variables(self, names: Sequence[str]) -> dict[str, Any]:
        """Return the present values of those names that exist."""
        return {name: self.shell.user_ns[name] for name in names if name in self.shell.user_ns}

    def write_file(self, filename: str, content: str) -> WrittenFile:
        """Write UTF-8 text inside the folder. Raises `ActionFailed` for a name outside it."""
        from agentloop_nb._internal import safe_files

        written = safe_files.write(self.folder, filename, content)
        if written.path.endswith(".py"):  # Python may have listed the folder within the same tick of its clock
            importlib.invalidate_caches()
        return written

    async def read_document(self, path: str, part: str) -> Document:
        """Read a document of the folder, or one that the goal names. Raises `ActionFailed`."""
        from agentloop_nb.documents.reader import read

        return await read(self.folder, path, part, self.goal)

    def plan(self, first: int) -> Undone:
        """Say what taking back step `first` and all later ones would do to variables."""
        return self.past.plan(first, self.shell.user_ns)

    def undo(self, first: int) -> Undone:
        """Take back what step `first` and all later ones did to variables, latest first."""
        taken = [entry for step, entry in self._noted_steps if step >= first]
        cell_history.forget(self.shell, taken)
        self._noted_steps = [pair for pair in self._noted_steps if pair[0] < first]
        return self.past.undo(first, self.shell.user_ns)

    def restore(self, name: str) -> bool:
        """Give a name back the value it had before the run; False when no copy is kept."""
        return self.past.restore(name, self.shell.user_ns)

    async def run_code(self, code: str, *, step: int, timeout: float, on_output: OnOutput) -> CodeOutcome:
        """Run code once, on the thread of the user's cells, when no other step of this process is at work."""
        return self._noted(code, step, await self._run(code, step, timeout, on_output, self.past))

    async def receive(
        self, values: Mapping[str, Any], cells: Sequence[str], *, step: int, on_output: OnOutput
    ) -> CodeOutcome:
        """Bind values that `cells` would make, as a step that can be taken back; an export brings the cells."""
        names = self.shell.user_ns
        names[_BROUGHT] = dict(values)
        code = "\n".join(f"{name} = {_BROUGHT}[{name!r}]" for name in values)
        try:
            outcome = await self._run(code, step, BINDING_TIMEOUT, on_output, self.past)
        finally:
            names.pop(_BROUGHT, None)
        changed = tuple(change.name for change in outcome.changes)
        for source in cells if outcome.ending == "ok" else ():
            self._noted_steps.append((step, cell_history.note(self.shell, source, CodeRan(step=step, changed=changed))))
        return outcome

    async def check(self, expression: str, *, timeout: float, made: Sequence[str] = ()) -> Check:
        """Evaluate an expression of a contract as a step is run, and put back what that changed."""
        names = self.shell.user_ns
        if name := self._pins.changed(expression, names, made):
            told = f"{name} is not what it was before the first step"
            return Check(expression=expression, outcome="void", value=told)
        probe, past = contract_check.Probe(expression), History(self.past.limit)
        aftermath = contract_check.Aftermath(names, self.folder, past)
        names[contract_check.PROBE] = probe
        try:
            outcome = await self._run(probe.code, 0, timeout, lambda _: None, past)
        finally:
            names.pop(contract_check.PROBE, None)
        return probe.outcome(outcome, timeout, aftermath.put_back(outcome))

    async def _run(self, code: str, step: int, timeout: float, on_output: OnOutput, past: History) -> CodeOutcome:
        mandate, self.mandate = self.mandate, None
        bench, loop = runner.bench(), asyncio.get_running_loop()
        turn = await TURNS.take(
            bench.thread if bench else threading.get_ident(), partial(_tell, on_output, ANOTHER_STEP)
        )
        with ExitStack() as stack:
            stack.callback(turn.release)
            if self.control.stopping:
                return CodeOutcome(ending="stopped")

            def post(output: Output) -> None:
                loop.call_soon_threadsafe(on_output, output)

            if bench is None:
                running = RunningStep(
                    self, code, step, timeout, post, partial(_tell, on_output), mandate=mandate, past=past
                )
                outcome = await running.run()
                await asyncio.sleep(0)  # what was posted is told before the step counts as over
                return outcome
            running = RunningStep(self, code, step, timeout, post, mandate=mandate, past=past)
            job = bench.submit(running.run_blocking)
            job.add_done_callback(lambda _: turn.release())  # the step may outlive whoever waits for it here
            stack.pop_all()
        return await _outcome_of(running, job)

    def _noted(self, code: str, step: int, outcome: CodeOutcome) -> CodeOutcome:
        """Remember code that came to its own end, well or not: a later run may build on what it did."""
        if outcome.ending in ("ok", "error"):
            known = CodeRan(
                step=step,
                failed=outcome.ending == "error",
                changed=tuple(change.name for change in outcome.changes),
                reads=outcome.read,
                writes=outcome.files,
            )
            self._noted_steps.append((step, cell_history.note(self.shell, as_cell(code), known)))
        return outcome


async def _outcome_of(running: RunningStep, job: Future[CodeOutcome]) -> CodeOutcome:
    """Await a step on another thread. A cancellation ends the step, which is waited for all the same."""
    future = asyncio.wrap_future(job)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        running.stop()
        return await future


def _tell(on_output: OnOutput, output: Output) -> None:
    """Tell a view, whose own output is no output of the step."""
    with output_scope.entered(output_scope.OUTSIDE):
        on_output(output)

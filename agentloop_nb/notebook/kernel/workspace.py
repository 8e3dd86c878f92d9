"""The live kernel as a `Workspace`: code runs where the user's own cells run."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from agentloop_nb.control import Control
from agentloop_nb.notebook.changes.past import History
from agentloop_nb.notebook.kernel import drive, history, scope
from agentloop_nb.notebook.kernel.effect_hook import Past
from agentloop_nb.notebook.kernel.namespace import Surroundings
from agentloop_nb.notebook.kernel.step import Step
from agentloop_nb.ports import CodeOutcome, OnOutput, Output, Privacy, Undone, Web, WrittenFile
from agentloop_nb.safety.effects import Mandate

MEMORY = 512 * 2**20
"""Bytes that copies of variables may take, for undo."""


class KernelWorkspace:
    """Actions take place in an IPython shell: the user's, or a private one. One workspace serves one run.

    `folder` is where files are written and code runs; left out, it is the current folder. `memory` is how many bytes
    copies of variables may take, for undo.
    """

    def __init__(
        self,
        shell: Any,
        *,
        web: Web,
        folder: Path | None = None,
        control: Control | None = None,
        memory: int = MEMORY,
    ) -> None:
        self.shell = shell
        self.folder = (folder or Path.cwd()).resolve()
        self.web = web
        self.control = control or Control()
        self.earlier: list[tuple[str, str]] = []
        """Goals and summaries of earlier runs in this kernel, oldest first."""
        self.labels: dict[str, str] = {}
        """Step numbers by the file name IPython gave to their code, so that tracebacks say `step 3`."""
        self.written: dict[str, int] = {}
        """When files that steps wrote were modified, in nanoseconds, by their names in the folder."""
        self.before_run = frozenset(shell.user_ns)
        """The user's names: they existed before the run, or its resumption, and no run made them."""
        self.privacy: Privacy = "full"
        self.past = History(memory)
        self.mandate: Mandate | None = None
        """What covers the effects of the next step; None judges nothing."""
        self.effects = Past(self.folder)

    def describe(self, tokens: int) -> str:
        """Tell a model about the namespace, recent cells and earlier runs within a budget of tokens."""
        names = dict(self.shell.user_ns)
        hidden = self.shell.user_ns_hidden
        names = {name: value for name, value in names.items() if not (name in hidden and hidden[name] is value)}
        return Surroundings(names, history.user_cells(self.shell), self.earlier, self.privacy).describe(tokens)

    def history(self) -> tuple[str, ...]:
        """Return what ran so far, oldest first: the user's cells without our magics, and the code of earlier runs."""
        return history.everything(self.shell)

    def variables(self, names: Sequence[str]) -> dict[str, Any]:
        """Return the present values of those names that exist."""
        return {name: self.shell.user_ns[name] for name in names if name in self.shell.user_ns}

    def write_file(self, filename: str, content: str) -> WrittenFile:
        """Write UTF-8 text inside the folder. Raises `ActionFailed` for a name outside it."""
        from agentloop_nb import files

        return files.write(self.folder, filename, content)

    def plan(self, first: int) -> Undone:
        """Say what taking back step `first` and all later ones would do to variables."""
        return self.past.plan(first, self.shell.user_ns)

    def undo(self, first: int) -> Undone:
        """Take back what step `first` and all later ones did to variables, latest first."""
        return self.past.undo(first, self.shell.user_ns)

    def restore(self, name: str) -> bool:
        """Give a name back the value it had before the run; False when no copy is kept."""
        return self.past.restore(name, self.shell.user_ns)

    async def run_code(self, code: str, *, step: int, timeout: float, on_output: OnOutput) -> CodeOutcome:
        """Run code once, on the thread of the user's cells."""
        if self.control.stopping:
            return CodeOutcome(ending="stopped")
        mandate, self.mandate = self.mandate, None
        loop, bench = asyncio.get_running_loop(), drive.bench()

        def post(output: Output) -> None:
            loop.call_soon_threadsafe(on_output, output)

        if bench is None:
            tell = partial(_tell, on_output)
            running = Step(self, code, step, timeout, post, tell, mandate=mandate)
            outcome = await running.run()
            await asyncio.sleep(0)  # what was posted is told before the step counts as over
            return self._noted(code, outcome)
        running = Step(self, code, step, timeout, post, mandate=mandate)
        future = asyncio.wrap_future(bench.submit(running.run_blocking))
        try:
            return self._noted(code, await asyncio.shield(future))
        except asyncio.CancelledError:
            running.stop()
            return await future

    def _noted(self, code: str, outcome: CodeOutcome) -> CodeOutcome:
        """Remember code that worked: a later run may build on it."""
        if outcome.ending == "ok":
            history.note(self.shell, code)
        return outcome


def _tell(on_output: OnOutput, output: Output) -> None:
    """Tell a view, whose own output is no output of the step."""
    with scope.entered(scope.OUTSIDE):
        on_output(output)

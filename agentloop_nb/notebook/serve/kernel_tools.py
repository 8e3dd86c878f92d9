"""The tools of a served kernel that are no steps: they look, undo, restore and export."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentloop_nb.actions.output_text import bounded
from agentloop_nb.errors import ActionFailed, UserError
from agentloop_nb.events import StepsUndone
from agentloop_nb.notebook.undo import take_back
from agentloop_nb.reports import lineage
from agentloop_nb.safety.provenance import NAMESPACE, mark

if TYPE_CHECKING:
    from agentloop_nb.notebook.serve.served_kernel import ServedKernelRun

TOKENS = 2000
"""Of what is told about the namespace."""
LONGEST = 20_000
"""Characters of one answer."""


class KernelTools:
    """Answers them for one served run. Runs on the server's loop; what touches variables goes to the main thread."""

    def __init__(self, served: ServedKernelRun) -> None:
        self._served = served
        self.verdict = ""
        """What the newest export brought."""
        self._tools: dict[str, Callable[..., Awaitable[str]]] = {
            "describe_namespace": self._describe_namespace,
            "get_variable": self._get_variable,
            "why": self._why,
            "status": self._status,
            "undo": self.undo,
            "restore": self.restore,
            "export": self._export,
        }

    async def answer(self, name: str, arguments: dict[str, Any]) -> tuple[str, bool]:
        """Return a bounded text without secrets, and whether it tells of a failure."""
        failed = False
        try:
            text = await self._tools[name](**arguments)
        except (UserError, ActionFailed) as error:
            text, failed = str(error), True
        except Exception as error:  # noqa: BLE001 - told in a line; the server goes on
            text, failed = f"{type(error).__name__}: {error}", True
        masker = self._served.session.masker
        masker.look()
        return masker.mask(bounded(text, LONGEST)), failed

    async def _describe_namespace(self) -> str:
        text = await self._served.workspace.at_rest(lambda: self._served.workspace.describe(TOKENS))
        return mark(text, NAMESPACE)

    async def _get_variable(self, name: str) -> str:
        workspace = self._served.workspace
        if not (text := await workspace.at_rest(lambda: workspace.describe_name(name, TOKENS))):
            raise UserError(f"there is no variable {name!r}; describe_namespace lists them")
        return mark(text, NAMESPACE)

    async def _why(self, name: str) -> str:
        return lineage.why(self._served.session.state, name)

    async def _status(self) -> str:
        state = self._served.session.state
        told = {
            "kernel": "busy: a cell or a step runs, and steps wait for it"
            if self._served.workspace.is_busy
            else "idle",
            "run": state.run,
            "status": state.status,
            "steps": state.current_step,
            "of": state.max_steps,
            "approve": self._served.session.settings.approve,
            "read_only": self._served.read_only,
        }
        return json.dumps(told)

    async def undo(self, steps: int = 1) -> str:
        """Take back the last steps of this run, also while it goes on."""
        served, told = self._served, list[str]()
        state = served.session.state
        self._refuse_in_a_step()
        done = [step for step in state.steps if step.result is not None][-steps:]
        if not done:
            raise UserError("there is no step of this run to take back")
        told += await served.workspace.at_rest(lambda: take_back(served.workspace, done, told.append))
        served.emit(StepsUndone(step=done[0].number, first=done[0].number))
        return "\n".join(told)

    async def restore(self, name: str) -> str:
        """Give a variable back the value it had before this run."""
        self._refuse_in_a_step()
        workspace = self._served.workspace
        if await workspace.at_rest(lambda: workspace.restore(name)):
            return f"{name} is as it was before this run."
        raise UserError(f"no copy of {name!r} from before this run is kept")

    def _refuse_in_a_step(self) -> None:
        steps = self._served.session.state.steps
        if steps and steps[-1].decision is not None and steps[-1].result is None:
            raise UserError("a step is under way; wait for its answer, or cancel it")

    async def _export(self, path: str) -> str:
        folder = self._served.home.resolve()
        place = (folder / path).resolve()
        if not place.is_relative_to(folder) or any(part.startswith(".") for part in place.relative_to(folder).parts):
            raise UserError("name a file in the notebook's folder, like analysis.ipynb")
        if self._served.session.masker.mask(path) != path:
            raise UserError("name a file that holds no secret in its name, like analysis.ipynb")
        published = await asyncio.to_thread(self._served.session.run.publish, Path(place))
        self.verdict = f"{place.relative_to(folder)}: {published.told}"
        return self.verdict

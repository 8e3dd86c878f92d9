"""The runs of delegated parts: isolated, on the budget of the run that delegates, with records of their own."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentloop_nb._internal import safe_files
from agentloop_nb.actions import Delegate
from agentloop_nb.actions.delegate import Done, SubGoal
from agentloop_nb.actions.effects import Child
from agentloop_nb.errors import ActionFailed, UserError
from agentloop_nb.events import AnyEvent, Progress, RunFinished
from agentloop_nb.isolated.isolated_workspace import IsolatedWorkspace
from agentloop_nb.models.replay import ReplayModel
from agentloop_nb.notebook.isolation import placement
from agentloop_nb.protocols import OnOutput, Output, Usage, WrittenFile
from agentloop_nb.rebuild.delegated import child_of
from agentloop_nb.record import locating
from agentloop_nb.record.part_replay import part_decisions
from agentloop_nb.session import Part, Session
from agentloop_nb.settings import Settings
from agentloop_nb.state import State
from agentloop_nb.web.threads import in_thread

if TYPE_CHECKING:
    from agentloop_nb.notebook.run_manager import RunManager

AT_ONCE = 4
"""Parts whose runs go on at the same time."""
_STOPPED = "the run that delegated it was stopped"


def children_of(manager: RunManager, made: Session) -> Children | None:
    """Return what has the parts of a run done; None for a run that may not delegate."""
    may = Delegate in made.state.actions or Delegate.name in _named(made)
    return Children(manager, made) if may or isinstance(made.model, ReplayModel) else None


def _named(made: Session) -> set[str]:
    return {record.name for event in made.opening for record in getattr(event, "actions", ())}


@dataclass
class Children:
    """Has delegated parts done for one run."""

    manager: RunManager
    parent: Session
    _going: dict[asyncio.Future[Done] | None, Session] = field(default_factory=dict)

    async def work(self, tasks: Sequence[SubGoal], step: int, on_output: OnOutput) -> list[Done]:
        """Have all parts done, some at once, and return what each brought, in order."""
        turns = asyncio.Semaphore(AT_ONCE)
        budgets, before = self._shares(tasks), self._before(tasks)

        async def one(number: int, task: SubGoal) -> Done:
            async with turns:
                part = Part(self.parent.run.id, f"part {number} of {len(tasks)}, step {step}")
                if (then := before[number - 1]) is not None and not (then.status == "finished" and then.cells):
                    return Done(_for_nothing(then), {})
                return await self._done(task, part, budgets[number - 1], on_output, _model(then))

        work = [asyncio.ensure_future(one(number, task)) for number, task in enumerate(tasks, 1)]
        try:
            await asyncio.wait(work)
        except asyncio.CancelledError:
            await self._stop(work)
            raise
        return [each.result() for each in work]

    async def _stop(self, work: Sequence[asyncio.Future[Done]]) -> None:
        """End all parts, because the run that delegated them was stopped."""
        for each in work:
            if (made := self._going.get(each)) is None:
                each.cancel()
            else:
                made.control.reason = _STOPPED
                made.control.stop()
        await asyncio.gather(*work, return_exceptions=True)

    def _shares(self, tasks: Sequence[SubGoal]) -> list[Decimal | None]:
        """Return what each part may spend: its percentage of what is left, else an equal share of the rest."""
        left = self.parent.account.left if self.parent.account else None
        if left is None:
            return [None] * len(tasks)
        unnamed = sum(not task.share for task in tasks)
        rest = 100 - sum(task.share for task in tasks)
        shares = [Decimal(task.share) if task.share else Decimal(rest) / unnamed for task in tasks]
        return [left * share / 100 for share in shares]

    def _before(self, tasks: Sequence[SubGoal]) -> Sequence[Child | None]:
        """Return what came of the parts in the record that is replayed; nothing is known for a run with a model."""
        if not isinstance(self.parent.model, ReplayModel):
            return [None] * len(tasks)
        _, result = self.parent.model.latest or (None, None)
        children = result.effects.children if result else ()
        unknown = Child(status="failed", reason="the record does not hold what came of it")
        return [children[at] if at < len(children) else unknown for at in range(len(tasks))]

    async def _done(
        self, task: SubGoal, part: Part, budget: Decimal | None, on_output: OnOutput, model: ReplayModel | None
    ) -> Done:
        """Have one part done, by `model` in the place of the parent's; whatever goes wrong with it is a reason."""
        try:
            work = partial(contextvars.copy_context().run, self._begin, task, part, budget, model)
            made = await in_thread(work, "agentloop-part")
        except UserError as error:
            return Done(Child(status="failed", reason=str(error)), {})
        task_of_part = asyncio.current_task()
        self._going[task_of_part] = made
        try:
            await made.go([_Lines(part.which, on_output)])
            return await asyncio.to_thread(self._brought, made, task)
        finally:
            del self._going[task_of_part]
            if isinstance(made.workspace, IsolatedWorkspace):
                await in_thread(made.workspace.release, "agentloop-part-end")

    def _begin(self, task: SubGoal, part: Part, budget: Decimal | None, model: ReplayModel | None) -> Session:
        """Start the process of a part, with copies of what it needs. Raises `UserError`."""
        if budget is not None and budget <= 0:
            raise UserError("nothing is left of the budget")
        manager, settings = self.manager, self._settings(task, budget)
        if model is not None:  # as many decisions as its record has, each of them code
            settings = replace(settings, max_steps=len(model.decisions) + 1, actions=())
        home = self.parent.workspace.folder
        luggage = placement.pack(manager.shell.user_ns, home, task.goal, ",".join(task.needs) or None)
        account = None if model else self.parent.account
        made = manager.prepare(task.told, settings, ledger=account, part=part, luggage=luggage, model=model)
        if self.parent.control.stopping:
            if isinstance(made.workspace, IsolatedWorkspace):
                made.workspace.release()
            made.record.close()
            with suppress(OSError):
                made.record.path.unlink()
            raise UserError(_STOPPED)
        return made

    def _settings(self, task: SubGoal, budget: Decimal | None) -> Settings:
        asked = self.parent.settings
        own: dict[str, Any] = {"max_steps": task.steps, "budget": budget, "isolated": True, "questions": "never"}
        own |= dict.fromkeys(("output", "export", "output_dir", "bring", "best_of")) | {"until": ()}
        own["actions"] = tuple(name for name in asked.actions if name != Delegate.name)
        return replace(asked, **own)

    def _brought(self, made: Session, task: SubGoal) -> Done:
        """Return what a part came to: its values as data, its files, and its steps as cells."""
        state, place, values, left = made.state, made.workspace, dict[str, Any](), dict[str, str]()
        files: list[WrittenFile] = []
        if state.is_complete and isinstance(place, IsolatedWorkspace):
            values, left = place.hand_over([name for name in task.names if name in state.changed])
            left |= {name: "it was not made" for name in task.names if name not in state.changed}
            files, missing = self._put(place.folder, task.files)
            left |= missing
        mine = self.manager.shell.user_ns
        return Done(child_of(state, task, mine, brought=tuple(values), files=files, left=left), values)

    def _put(self, source: Path, names: Sequence[str]) -> tuple[list[WrittenFile], dict[str, str]]:
        """Put files of a part into the folder of its parent; those that were left, with the reason."""
        files, left = list[WrittenFile](), dict[str, str]()
        for name in names:
            try:
                files.append(self._put_file(source, name))
            except FileNotFoundError:
                left[name] = "it was not made"
            except (ActionFailed, OSError) as error:
                left[name] = str(error)
        return files, left

    def _put_file(self, source: Path, name: str) -> WrittenFile:
        """Put one file there; what no run wrote is not replaced. Raises `ActionFailed` and `OSError`."""
        target = self.parent.workspace.folder
        made = (source / name).resolve()
        if not made.is_relative_to(source):
            raise ActionFailed("it is a link that leads out of the part's folder")
        if not made.is_file():  # reading a pipe would wait for ever
            raise FileNotFoundError(name)
        data, own = made.read_bytes(), self.parent.state.written
        if safe_files.foreign(target, name, own | {sha256(data).hexdigest()}) and safe_files.foreign(
            target, name, locating.written(self.manager.folder)
        ):
            raise ActionFailed("another file of that name is here, which no run wrote as it is now")
        return safe_files.place(target, name, data)


def _for_nothing(child: Child) -> Child:
    """Return what a part came to in a record, and costs nothing now."""
    return child.model_copy(update={"cost": Decimal(0), "cost_known": True, "usage": Usage(), "run": ""})


def _model(child: Child | None) -> ReplayModel | None:
    """Return what decides in a part as it was decided then."""
    if child is None:
        return None
    decisions, shown = part_decisions(child)
    return ReplayModel(decisions, child.run, outcomes=shown, knows_changes=False)


class _Lines:
    """A view that tells, in the output of the step that delegated, when a part has done something."""

    def __init__(self, name: str, on_output: OnOutput) -> None:
        self._name = name.partition(",")[0]
        self._on_output = on_output
        self._step = 0

    def show(self, event: AnyEvent, state: State) -> None:
        last = state.steps[-1] if state.steps else None
        if isinstance(event, RunFinished):
            self._tell(f"{state.status}, {state.current_step} steps, ${state.total_cost:.4f}")
        elif last is not None and last.result is not None and last.number > self._step:
            self._step = last.number
            self._tell(last.purpose.removeprefix("- "))

    def progress(self, progress: Progress) -> None:
        """Ignore what happens in between: it is not told."""

    def _tell(self, text: str) -> None:
        output: Output = {"output_type": "stream", "name": "stdout", "text": f"{self._name}: {text}\n"}
        self._on_output(output)

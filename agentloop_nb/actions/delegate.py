"""The action `delegate`: independent parts of a goal, done at once by runs of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict, Field, field_validator

from agentloop_nb._internal import safe_files
from agentloop_nb._internal.markup import harmless
from agentloop_nb.actions.action import Action, ActionResult, Cell, clamp, result_name
from agentloop_nb.actions.effects import Child, Effects
from agentloop_nb.errors import ActionFailed
from agentloop_nb.protocols import CodeOutcome, OnOutput, Workspace

MOST = 8
"""Sub-goals of one step."""
MOST_SECONDS = 300
"""Seconds that one cell may take when the results are made once more."""
STEPS, MOST_STEPS = 10, 50
"""Decisions that the run of a sub-goal may take: usually, and at most."""


class SubGoal(BaseModel):
    """One part of a goal."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    goal: str = Field(min_length=1)
    needs: tuple[str, ...] = ()
    brings: tuple[str, ...] = ()
    steps: int = STEPS
    share: int = 0

    @field_validator("needs", "brings", mode="before")
    @classmethod
    def _as_list(cls, value: Any) -> Any:
        return () if value is None else [part.strip() for part in value.split(",")] if isinstance(value, str) else value

    @field_validator("brings")
    @classmethod
    def _are_names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_file_name(name) if _is_file(name) else result_name(name) for name in value)

    @field_validator("steps", mode="before")
    @classmethod
    def _few_steps(cls, value: Any) -> Any:
        return STEPS if value is None else clamp(1, MOST_STEPS, value)

    @field_validator("share", mode="before")
    @classmethod
    def _of_a_hundred(cls, value: Any) -> Any:
        return 0 if value is None else clamp(0, 100, value)

    @property
    def files(self) -> tuple[str, ...]:
        """The files that it is to bring."""
        return tuple(name for name in self.brings if _is_file(name))

    @property
    def names(self) -> tuple[str, ...]:
        """The variables that it is to bring."""
        return tuple(name for name in self.brings if not _is_file(name))

    @property
    def told(self) -> str:
        """The goal as its run is given it."""
        results = f"Leave the result in: {', '.join(self.names)}." if self.names else ""
        files = f"Write the result to: {', '.join(self.files)}." if self.files else ""
        asked = " ".join(filter(None, [results, files]))
        return f"{self.goal}\n\n{asked}" if asked else self.goal


def _is_file(name: str) -> bool:
    return "." in name or "/" in name


def _file_name(name: str) -> str:
    try:
        return safe_files.safe_name(name)
    except ActionFailed as error:
        raise ValueError(str(error)) from None


class Done(NamedTuple):
    """What the run of a sub-goal brought: how it went, and values by the names they are to have."""

    child: Child
    values: Mapping[str, Any]


class Children(Protocol):
    """Whoever has the runs of sub-goals."""

    async def work(self, tasks: Sequence[SubGoal], step: int, on_output: OnOutput) -> Sequence[Done]:
        """Have all of them done, and return what each brought, in order."""


@runtime_checkable
class Delegating(Protocol):
    """A workspace whose run may delegate."""

    children: Children | None

    async def receive(
        self, values: Mapping[str, Any], cells: Sequence[str], *, step: int, on_output: OnOutput
    ) -> CodeOutcome:
        """Bind values that `cells` would make, as a step that can be taken back."""


class Delegate(Action):
    """Have up to 8 independent parts done at once by runs of their own; each costs as much as this run."""

    icon = "🧑‍🤝‍🧑"
    title_field = "tasks"

    tasks: tuple[SubGoal, ...] = Field(min_length=1, max_length=MOST)
    """Each {"goal", "needs": [variables, files], "brings": [variables, files], "steps", "share": % of budget}."""

    @field_validator("tasks")
    @classmethod
    def _distinct_names(cls, tasks: tuple[SubGoal, ...]) -> tuple[SubGoal, ...]:
        names = [name for task in tasks for name in task.brings]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"two parts bring {min(twice)!r}; each result needs a name of its own")
        if sum(task.share for task in tasks) > 100:
            raise ValueError("the shares are more than 100 percent together")
        return tasks

    @property
    def title(self) -> str:
        """The goals of the parts, on one line."""
        return "; ".join(" ".join(task.goal.split()) for task in self.tasks)

    async def perform(self, workspace: Workspace, *, step: int, on_output: OnOutput) -> ActionResult:
        if not isinstance(workspace, Delegating) or workspace.children is None:
            raise ActionFailed("Nothing can be delegated here. Do the parts yourself, one after the other.")
        done = await workspace.children.work(self.tasks, step, on_output)
        values = {name: value for each in done for name, value in each.values.items()}
        return await self._bound(workspace, [each.child for each in done], values, step, on_output)

    async def _bound(
        self, workspace: Delegating, children: Sequence[Child], values: dict[str, Any], step: int, on_output: OnOutput
    ) -> ActionResult:
        result = told_of(children)
        if not values:
            return result
        outcome = await workspace.receive(values, code_of(result, step), step=step, on_output=on_output)
        if outcome.ending != "ok":
            why = f"{outcome.error.type}: {outcome.error.message}" if outcome.error else outcome.ending
            return result.model_copy(update={"success": False, "error": f"the results could not be bound: {why}"})
        return result.model_copy(update={"changes": outcome.changes})

    async def again(
        self, workspace: Workspace, before: ActionResult, *, step: int, on_output: OnOutput
    ) -> ActionResult:
        """Make the results once more, by the code of the parts, without a model."""
        for source in code_of(before, step):
            outcome = await workspace.run_code(source, step=step, timeout=MOST_SECONDS, on_output=on_output)
            if outcome.ending != "ok" and (outcome.error is None or source not in _failing(before)):
                why = f"{outcome.error.type}: {outcome.error.message}" if outcome.error else outcome.ending
                return ActionResult(success=False, output=why, error=why)
        return before

    def cells(self, result: ActionResult, step: int) -> list[Cell]:
        cells: list[Cell] = []
        for number, (task, child) in enumerate(zip(self.tasks, result.effects.children, strict=False), 1):
            cells += _cells(number, task, child)
        return cells or [Cell(cell_type="markdown", source=f"*{harmless(str(result.error or 'Nothing was done.'))}*")]


def told_of(children: Sequence[Child]) -> ActionResult:
    """Return what came of all parts together; one that was done is enough to go on."""
    told = "\n\n".join(_told(number, each) for number, each in enumerate(children, 1))
    good = any(child.status == "finished" for child in children)
    error = None if good else f"none of {len(children)} parts was done: {children[0].reason}"
    return ActionResult(success=good, output=told, error=error, effects=Effects(children=tuple(children)))


def code_of(result: ActionResult, step: int) -> list[str]:
    """Return the sources of the code cells that make the results of a step again."""
    tasks = [SubGoal(goal="a part") for _ in result.effects.children]
    cells = Delegate.model_construct(tasks=tuple(tasks)).cells(result, step)
    return [cell.source for cell in cells if cell.cell_type == "code"]


def _failing(result: ActionResult) -> set[str]:
    """Return sources that failed then, so that they may fail again."""
    cells = [cell for child in result.effects.children for cell in child.cells]
    return {cell.source for cell in cells if any(output["output_type"] == "error" for output in cell.outputs)}


def _cells(number: int, task: SubGoal, child: Child) -> list[Cell]:
    """Return the heading of a part, and its steps.

    Names of the user's that it changed for itself are put back after it.
    """
    head = f"#### Part {number}: {harmless(' '.join(task.goal.split())[:200])}"
    if child.status != "finished":
        return [Cell(cell_type="markdown", source=f"{head}\n\n*It was not done: {harmless(child.reason)}*")]
    steps = [Cell(**dict(cell)) for cell in child.cells]
    summary = Cell(cell_type="markdown", source="\n".join(f"> {harmless(line)}" for line in child.summary.splitlines()))
    return [Cell(cell_type="markdown", source=head), *_around(number, child, steps), summary]


def _around(number: int, child: Child, steps: list[Cell]) -> list[Cell]:
    """Keep what the steps change of the notebook's own names, which the part had in a namespace of its own."""
    if not child.kept:
        return steps
    pairs = ", ".join(f'"{name}": {name}' for name in child.kept)
    before = [f"_kept_{number} = {{{pairs}}}", *(f"{name} = copy.deepcopy({name})" for name in child.copied)]
    before = ["import copy", "", *before] if child.copied else before
    after = [f'{name} = _kept_{number}["{name}"]' for name in child.kept]
    around = [Cell(cell_type="code", source="\n".join(lines)) for lines in (before, after)]
    return [around[0], *steps, around[1]]


def _told(number: int, child: Child) -> str:
    """Return what the parent is told of one part."""
    if child.status != "finished":
        return f"[{number}] not done: {child.reason}"
    brought = f"\nBound here: {', '.join(child.brought)}." if child.brought else ""
    brought += f"\nFiles here: {', '.join(file.path for file in child.files)}." if child.files else ""
    missing = "".join(f"\nNot brought: {name} ({why})." for name, why in child.refused.items())
    return f"[{number}] done: {child.summary}{brought}{missing}"

"""A run as its user sees it: how it went, what it made, and how to take it along."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from agentloop_nb._internal import amounts
from agentloop_nb.events import Status
from agentloop_nb.protocols import Workspace
from agentloop_nb.state import State
from agentloop_nb.step import Step

if TYPE_CHECKING:
    from agentloop_nb.verify.certified_export import Published
    from agentloop_nb.verify.verdict import Verdict


class ActionTaken(NamedTuple):
    """One decision, under the original's names."""

    action: str
    reasoning: str
    input: dict[str, Any]


class ActionOutcome(NamedTuple):
    """What came of one decision, under the original's names. `output` is the text the model was told."""

    action: str
    success: bool
    output: str
    error: str | None
    metadata: dict[str, Any]


class Checked(NamedTuple):
    """An expression that had to be True, whether it was, and what it yielded as text."""

    expression: str
    held: bool
    value: str


class Run:
    """The handle of a run: live while it works, complete once it has ended. Everything in it comes from its record."""

    def __init__(self, state: State, journal: Path, workspace: Workspace | None = None) -> None:
        self._state = state
        self._workspace = workspace
        self._verdict: Verdict | None = None
        self.journal = journal
        """The record, one event per line."""

    @property
    def workspace(self) -> Workspace | None:
        """Where it took place; None for a run of another kernel."""
        return self._workspace

    @property
    def state(self) -> State:
        """The fold of the run's events."""
        return self._state

    @property
    def id(self) -> str:
        """What `%agent show` and `agentloop export` call it."""
        return self._state.run

    @property
    def goal(self) -> str:
        """The goal, verbatim."""
        return self._state.goal

    @property
    def current_step(self) -> int:
        """Steps done."""
        return self._state.current_step

    @property
    def max_steps(self) -> int:
        """Steps allowed."""
        return self._state.max_steps

    @property
    def status(self) -> Status:
        """running, finished, not_met, step_limit, cost_limit, stopped, failed or interrupted."""
        return self._state.status

    @property
    def reason(self) -> str:
        """Why it ended, and what to type to go on."""
        return self._state.ending()

    @property
    def is_complete(self) -> bool:
        """The goal was met, says the model."""
        return self._state.is_complete

    @property
    def total_cost(self) -> float:
        """US dollars known to have been spent; `cost_known` says whether that is all."""
        return float(self._state.total_cost)

    @property
    def cost_known(self) -> bool:
        """Whether every call could be priced."""
        return self._state.cost_known

    @property
    def total_tokens(self) -> int:
        """Tokens in and out, of all calls."""
        return self._state.usage.total

    @property
    def summary(self) -> str:
        """What was achieved, in Markdown."""
        return self._state.summary

    @property
    def artifacts(self) -> list[str]:
        """Files the run names as its results, in the working folder."""
        return list(self._state.artifacts)

    @property
    def until(self) -> list[str]:
        """The expressions that had to be True at the end."""
        return list(self._state.until)

    @property
    def checks(self) -> list[Checked]:
        """What each of `until` yielded when it was evaluated last."""
        return [Checked(check.expression, check.held, check.value) for check in self._state.checks]

    @property
    def verdict(self) -> Verdict | None:
        """What re-running the last export of this handle brought; None where nothing was exported or verified."""
        return self._verdict

    @property
    def steps(self) -> list[Step]:
        """Everything about each step."""
        return list(self._state.steps)

    @property
    def actions_taken(self) -> list[ActionTaken]:
        """The decisions that were carried out or refused, in order."""
        return [
            ActionTaken(
                step.decision.action.name, step.decision.reasoning, step.decision.action.model_dump(mode="json")
            )
            for step in self._state.steps
            if step.decision and step.result
        ]

    @property
    def action_results(self) -> list[ActionOutcome]:
        """What came of each of `actions_taken`."""
        return [
            ActionOutcome(
                step.decision.action.name,
                step.result.success,
                step.result.output,
                step.result.error,
                step.result.metadata,
            )
            for step in self._state.steps
            if step.decision and step.result
        ]

    @property
    def variables(self) -> dict[str, Any]:
        """What the run made or changed: name -> its value now. Empty for a run of another kernel.

        Of an isolated run these are copies, of the values that can be handed over as data.
        """
        return self._workspace.variables(list(self._state.changed)) if self._workspace else {}

    def export(
        self,
        path: str | Path,
        *,
        verify: bool = True,
        minimal: bool = False,
        shared: bool = False,
        repository: str | None = None,
    ) -> Path:
        """Write the run as a notebook that re-runs without a model or a key, and prove it in a fresh kernel.

        The verdict is written into the notebook. The suffix decides: `.ipynb`, `.py` (a script) or `.html` (a report).
        `minimal` keeps only the steps the result depends on; with `shared`, `path` is a new folder that can be given
        away, and `repository` (`owner/name` on GitHub) is where its Binder link leads. Raises `UserError` if it cannot
        be written.
        """
        return self.publish(Path(path), check=verify, minimal=minimal, shared=shared, repository=repository).path

    def publish(self, path: Path, **options: Any) -> Published:
        """Do what `export` does, and return the verdict too. What earlier cells do not make again travels as data."""
        from agentloop_nb.verify.certified_export import publish

        here = self._workspace
        published = publish(
            self.journal, path, values=here.variables if here else None, folder=here.folder if here else None, **options
        )
        self._verdict = published.verdict
        return published

    def report(self, path: str | Path, *, cost: bool = False, check: bool = True) -> Published:
        """Write a report to hand in (`.html` or `.md`): the finding, its evidence, the method, how to check it.

        `check` re-runs the code first, so that the report can say what came of it. Raises `UserError`.
        """
        from agentloop_nb.verify.certified_export import publish_report

        here = self._workspace
        values, folder = (here.variables, here.folder) if here else (None, None)
        return publish_report(self.journal, Path(path), check=check, values=values, folder=folder, cost=cost)

    def __repr__(self) -> str:
        cost = amounts.cost(self.total_cost) + ("" if self.cost_known else " and more of unknown price")
        cost = cost if self.cost_known or self.total_cost else "of unknown price"
        goal = self.goal if len(self.goal) <= 60 else self.goal[:59] + "…"
        return f"<Run {self.id}: {self.status}, step {self.current_step}/{self.max_steps}, {cost}, goal {goal!r}>"

    def _repr_html_(self) -> str:
        from agentloop_nb.notebook.panel.html import static_html

        return static_html(self._state)
